//! A router in user space between two interfaces, both families. Hosts inside form IPv6 addresses of the prefix that it
//! advertises, and take it as their router. With `hide`, one that hides who is behind it: TCP, UDP,
//! ping and the ICMP errors of a traceroute are translated.
//!
//! ```text
//! cargo run --release --example router --features filter,tun,packet,ethernet -- tun hide
//! ip addr add 10.77.0.2/24 dev inside0; ip link set inside0 up; ip route add 192.0.2.0/24 via 10.77.0.1
//! ip addr add 192.0.2.2/24 dev outside0; ip link set outside0 up        # in another namespace, without a route back
//! ```
//!
//! `tap` makes devices with Ethernet framing, and `packet` takes interfaces that are there, `inside1` and `outside1`: the other
//! ends of veth pairs, for one. Every five seconds it says what it has carried.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

use std::time::Duration;
use ustack::filter::{Action, Filter, FilterConfig, Place, Rule};
use ustack::link::ethernet::Ethernet;
use ustack::link::packet::{Packet, PacketConfig};
use ustack::link::tun::{Tun, TunConfig};
use ustack::{
    Arp, Icmp, Ipv4, Ipv6, Ipv6Config, LinkAddress, NicConfig, NicId, RouterConfig, SlaacConfig, Stack, Tcp,
    TcpConfig, Udp,
};

const USAGE: &str = "usage: router tun|tap|packet [hide]";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (kind, hides) = match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [kind] => (kind, false),
        [kind, "hide"] => (kind, true),
        _ => return Err(USAGE.into()),
    };
    let inside =
        interface(kind, "inside", 1)?.address("10.77.0.1/24".parse()?).address("fd77::1/64".parse()?);
    let outside =
        interface(kind, "outside", 2)?.address("192.0.2.1/24".parse()?).address("2001:db8::1/64".parse()?);
    let router = Stack::builder()
        .network(Ipv4::default())
        .network(Ipv6::new(advertising("fd77::/64")?))
        .network(Arp::default())
        .transport(Icmp::v4())
        .transport(Icmp::v6())
        .transport(Tcp::new(TcpConfig::default()))
        .transport(Udp::default())
        .nic(inside)
        .nic(outside.gateway("192.0.2.2".parse()?).gateway("2001:db8::2".parse()?))
        .build()?;
    if hides {
        let mut filter = Filter::new(FilterConfig::default());
        filter.append(Place::Postrouting, Rule::new(Action::Masquerade).output(NicId(2)))?;
        router.add_hook(filter);
    }
    println!("ready: between inside and outside");
    loop {
        std::thread::sleep(Duration::from_secs(5));
        println!("{} packets forwarded", router.counters().forwarded);
        if let Some(open) = router.with_hook(|filter: &mut Filter, _| filter.connection_count()) {
            println!("{open} connections translated");
        }
    }
}

/// IPv6 of a router that says inside what the prefix of the link is.
fn advertising(prefix: &str) -> Result<Ipv6Config, Box<dyn std::error::Error>> {
    let inside = RouterConfig::new(NicId(1)).prefix(prefix.parse()?);
    // Routers are known by their link-local addresses.
    let slaac = SlaacConfig { link_local: true, ..SlaacConfig::default() };
    Ok(Ipv6Config { routers: vec![inside], slaac, ..Ipv6Config::default() })
}

/// An interface that forwards and is read by a thread of its own.
fn interface(kind: &str, name: &str, last: u8) -> Result<NicConfig, Box<dyn std::error::Error>> {
    let station = LinkAddress([2, 0x77, 0, 0, 0, last]);
    let nic = match kind {
        "tun" => NicConfig::new(Tun::create(TunConfig::tun().with_name(format!("{name}0")))?),
        "tap" => NicConfig::new(Ethernet::new(
            Tun::create(TunConfig::tap().with_name(format!("{name}0")))?,
            station,
        )?),
        "packet" => {
            let config = PacketConfig::interface(format!("{name}1")).with_station(station);
            NicConfig::new(Ethernet::new(Packet::open(&config)?, station)?)
        }
        _ => return Err(USAGE.into()),
    };
    Ok(nic.forwarding(true).own_thread(true))
}
