//! A router in user space between two TUN devices that hides who is behind it: both families, TCP, UDP, ping and the ICMP
//! errors of a traceroute.
//!
//! ```text
//! cargo run --release --example masquerade --features filter,tun
//! ip addr add 10.77.0.2/24 dev inside0; ip link set inside0 up; ip route add 192.0.2.0/24 via 10.77.0.1
//! ip addr add 192.0.2.2/24 dev outside0; ip link set outside0 up        # in another namespace, without a route back
//! ```
//!
//! Every five seconds it says how many connections there are.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;
use ustack::filter::{Action, Filter, FilterConfig, Place, Rule};
use ustack::link::tun::{Tun, TunConfig};
use ustack::{NicConfig, NicId, Stack};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let inside = Tun::create(TunConfig::tun().with_name("inside0"))?;
    let outside = Tun::create(TunConfig::tun().with_name("outside0"))?;
    let inside = NicConfig::new(inside).address("10.77.0.1/24".parse()?).address("fd77::1/64".parse()?);
    let outside = NicConfig::new(outside).address("192.0.2.1/24".parse()?).address("2001:db8::1/64".parse()?);
    let router = Stack::builder()
        .default_protocols()
        .nic(inside.forwarding(true))
        .nic(outside.forwarding(true).gateway("192.0.2.2".parse()?).gateway("2001:db8::2".parse()?))
        .build()?;
    let mut filter = Filter::new(FilterConfig::default());
    filter.append(Place::Postrouting, Rule::new(Action::Masquerade).output(NicId(2)))?;
    router.add_hook(filter);
    println!("ready: inside0 hides behind outside0");
    loop {
        std::thread::sleep(Duration::from_secs(5));
        let figures =
            router.with_hook(|filter: &mut Filter, _| (filter.connection_count(), filter.counters()));
        let (connections, counters) = figures.unwrap_or_default();
        println!(
            "{connections} connections, {} translated ends of quoted packets",
            counters.errors_translated
        );
    }
}
