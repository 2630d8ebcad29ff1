//! Names over two stacks that a channel joins: on one the resolver, on the other a small name server of the test's own.

mod connect;
mod link;
mod resolve;
mod server;
mod sources;

use std::time::Duration;
use svc_dns::{Resolver, ResolverConfig};
use ustack::link::channel::{ChannelConfig, pair};
use ustack::{NicConfig, NicId, Stack};

/// Addresses of the stack that asks and of the one that answers; the second has two more for other servers.
const CLIENT: [&str; 2] = ["10.0.0.2/24", "2001:db8::2/64"];
const SERVER: [&str; 4] = ["10.0.0.1/24", "10.0.0.3/24", "2001:db8::1/64", "2001:db8::3/64"];

/// Who asks, and who answers.
fn stacks() -> (Stack, Stack) {
    let (a, b) = pair(ChannelConfig::default());
    let build = |nic: NicConfig, addresses: &[&str]| {
        let nic = addresses.iter().fold(nic, |nic, address| nic.address(address.parse().unwrap()));
        Stack::builder().default_protocols().nic(nic.id(NicId(1))).build().unwrap()
    };
    (build(NicConfig::new(a), &CLIENT), build(NicConfig::new(b), &SERVER))
}

/// Little patience, no search domains, and these servers.
fn config(servers: &[&str]) -> ResolverConfig {
    let mut config = ResolverConfig::with_servers(servers.iter().map(|server| server.parse().unwrap()));
    config.timeout = Duration::from_millis(400);
    config
}

/// A resolver that asks these servers.
fn resolver(stack: &Stack, servers: &[&str]) -> Resolver {
    Resolver::new(stack, config(servers)).unwrap()
}
