//! The device between the kernel and our stack: made or adopted, addressed, recorded, and gone when it is dropped.
//!
//! | file | answers |
//! | --- | --- |
//! | `args.rs` | what can be asked for, and what makes no sense |
//! | `netlink.rs` | how the kernel's side gets its address |
//!
//! A device of our making lives as long as its file descriptor: however this program ends, the kernel takes the device
//! away and its addresses and routes with it. One that existed before keeps everything.

mod args;
mod netlink;

use crate::failure::{Failure, Outcome};
use crate::ours::Ours;
use ipnet::IpNet;
use link_ethernet::Ethernet;
use link_impair::{Impair, ImpairConfig};
use link_packet::{Packet, PacketConfig};
use link_pcap::{Capture, CaptureConfig, Pcap};
use link_tun::{Tun, TunConfig};
use netlink::Netlink;
use stack_core::{EcnPolicy, Families, LinkAddress, LinkEndpoint, Medium, NicId};
use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::sleep;
use ustack::{
    Arp, Icmp, Ipv4, Ipv6, Ipv6Config, NicConfig, Rng, Stack, StackBuilder, SystemRng, Tcp, TcpConfig, Udp,
};

pub(crate) use args::DeviceArgs;

/// The interface on the device.
pub(crate) const NIC: NicId = NicId(1);
/// The name of devices that we make: the kernel numbers them.
const NAME: &str = "ustack%d";
/// What waits for a slow device before packets are marked, and before they are dropped.
const MARK_ABOVE: Duration = Duration::from_millis(10);
const QUEUE: Duration = Duration::from_millis(100);
/// Bytes that wait in any case: some full packets.
const LEAST_QUEUE: usize = 30_000;
/// Between two looks whether the device is still there.
const WATCH: Duration = Duration::from_millis(200);
/// How long connections that are closed may take to deliver what they have.
const LINGER: Duration = Duration::from_secs(2);

/// A stack on a device.
pub(crate) struct Device {
    pub(crate) stack: Ours,
    pub(crate) name: String,
    /// Made by us, and gone with us.
    pub(crate) made: bool,
    /// What the kernel granted of the offloads, for people.
    pub(crate) offload: String,
    pub(crate) mtu: u32,
    /// Our addresses.
    pub(crate) addresses: Vec<IpAddr>,
    capture: Option<Capture>,
}

impl Device {
    /// Opens or makes the device, gives both sides their addresses, and puts a stack on ours.
    ///
    /// # Errors
    /// The step that failed, why, and what to do.
    pub(crate) fn open(args: &DeviceArgs) -> Outcome<Self> {
        args.check()?;
        let (mut ours, mut hosts) = (args.addresses(), args.host_addresses()?);
        let netlink = Netlink::new().map_err(|error| {
            Failure::new("talk to the kernel about devices", error, "see whether netlink is forbidden")
        })?;
        let station = own_station(args, &ours)?;
        let Attached { link, name, made, offload } = match &args.packet {
            Some(interface) => attach_interface(args, station, interface, &netlink)?,
            None => attach(args, &mut ours, &mut hosts, &netlink)?,
        };
        let mtu = link.capabilities().mtu;
        let capture = args.pcap.as_deref().map(capture).transpose()?;
        let link = decorate(link, args, station, &name, capture.as_ref())?;
        let gateways = if args.gateway.is_empty() {
            hosts.iter().map(IpNet::addr).collect()
        } else {
            args.gateway.clone()
        };
        let mut nic = NicConfig::new(link).id(NIC).name(&name);
        nic = ours.iter().fold(nic, |nic, net| nic.address(*net));
        nic = gateways.into_iter().fold(nic, NicConfig::gateway);
        let ipv6 = if args.autoconf { Ipv6Config::autoconfigured() } else { Ipv6Config::default() };
        let stack = protocols(Stack::builder(), args.ecn, ipv6).nic(nic).build();
        let stack = Ours::new(stack.map_err(|error| error.to_string())?);
        let addresses = ours.iter().map(IpNet::addr).collect();
        Ok(Self { stack, name, made, offload, mtu, addresses, capture })
    }

    /// Waits until the device is gone, and says so.
    pub(crate) async fn gone(&self) -> Failure {
        while self.stack.is_up() {
            sleep(WATCH).await;
        }
        let name = &self.name;
        format!("the device {name} is gone: somebody has removed it; start again to make a new one").into()
    }

    /// Lets connections deliver what they have, and ends the capture; says what is wrong with it.
    pub(crate) fn finish(self) -> Outcome {
        if !self.stack.stack().shutdown(LINGER) {
            self.stack.stack().reset_connections();
        }
        let Some(capture) = self.capture.clone() else { return Ok(()) };
        drop(self);
        capture.flush();
        match capture.statistics() {
            all if all.failed.is_none() => Ok(()),
            all => Err(Failure::new(
                "write all packets into the capture",
                format!("{} are missing", all.missing),
                "see whether the disk is full",
            )),
        }
    }
}

/// Every protocol, with its default settings but for ECN and for the addresses that are formed.
fn protocols(builder: StackBuilder, ecn: EcnPolicy, ipv6: Ipv6Config) -> StackBuilder {
    builder
        .network(Ipv4::default())
        .network(Ipv6::new(ipv6))
        .network(Arp::default())
        .transport(Tcp::new(TcpConfig { ecn, ..TcpConfig::default() }))
        .transport(Udp::default())
        .transport(Icmp::v4())
        .transport(Icmp::v6())
}

/// A device before it is decorated.
struct Attached {
    link: Box<dyn LinkEndpoint>,
    name: String,
    /// Of our making.
    made: bool,
    offload: String,
}

/// A TUN or TAP device, with the kernel's addresses if we have made it.
fn attach(
    args: &DeviceArgs,
    ours: &mut Vec<IpNet>,
    hosts: &mut Vec<IpNet>,
    netlink: &Netlink,
) -> Outcome<Attached> {
    let config = if args.tap { TunConfig::tap() } else { TunConfig::tun() };
    let name = args.tun.as_deref().unwrap_or(NAME);
    let made = netlink.index(name).is_none();
    let config = config.with_name(name).with_mtu(args.mtu).with_offload(!args.no_offload);
    let mut tun = Tun::create(config).map_err(|error| error.to_string())?;
    let name = tun.name().to_owned();
    if made {
        if address_kernel(netlink, &name, hosts, args.asks_for_addresses())? == Families::V4 {
            ours.retain(|net| net.addr().is_ipv4());
            hosts.retain(|net| net.addr().is_ipv4());
        }
        tun.set_up().map_err(|error| error.to_string())?;
    } else {
        warn_if_down(netlink, &name);
        check_adopted(netlink, &name, hosts);
    }
    Ok(Attached { offload: tun.offload().to_string(), link: Box::new(tun), name, made })
}

/// An interface of the kernel's, as it is.
fn attach_interface(
    args: &DeviceArgs,
    station: LinkAddress,
    name: &str,
    netlink: &Netlink,
) -> Outcome<Attached> {
    let config = PacketConfig::interface(name).with_station(station).with_offload(!args.no_offload);
    let packet = Packet::open(&config).map_err(|error| error.to_string())?;
    warn_if_down(netlink, name);
    let claims = packet.capabilities();
    let offload = match (claims.tso4, claims.uso) {
        (true, true) => "checksum offload, TSO and USO",
        (true, false) => "checksum offload and TSO",
        _ => "no offload",
    };
    Ok(Attached { link: Box::new(packet), name: name.to_owned(), made: false, offload: offload.to_owned() })
}

/// Gives the kernel's side its addresses, unless another device has one of them already. A kernel without IPv6 is enough
/// where nobody has asked for it; returns which families the device has.
fn address_kernel(netlink: &Netlink, name: &str, hosts: &[IpNet], all: bool) -> Outcome<Families> {
    let failed = |error: std::io::Error| {
        Failure::new(format_args!("give {name} its address"), error, "run it with sudo, or as root")
    };
    let taken = netlink.addresses().map_err(failed)?;
    for host in hosts {
        if let Some((other, _)) = taken.iter().find(|(_, address)| *address == host.addr()) {
            let message = format!(
                "the kernel has {} on another device ({}) already; choose a free subnet with --address, such as \
                 10.78.0.2/24, or end the program that has it",
                host.addr(),
                netlink.name(*other).unwrap_or_default()
            );
            return Err(message.into());
        }
    }
    let index = netlink.index(name).unwrap_or_default();
    let mut families = Families::Dual;
    for host in hosts {
        match netlink.add_address(index, *host) {
            Err(error) if host.addr().is_ipv6() && !all => {
                tracing::warn!("the kernel takes no IPv6 address on {name} ({error}); going on with IPv4");
                families = Families::V4;
            }
            given => given.map_err(failed)?,
        }
    }
    Ok(families)
}

/// What is not of our making stays as it is; one that can't work deserves a word.
fn warn_if_down(netlink: &Netlink, name: &str) {
    if netlink.index(name).is_some_and(|index| matches!(netlink.is_up(index), Ok(false))) {
        tracing::warn!("the device {name} is down; bring it up with `ip link set dev {name} up`");
    }
}

/// Whether the kernel can find us behind an adopted device.
fn check_adopted(netlink: &Netlink, name: &str, hosts: &[IpNet]) {
    let Some(index) = netlink.index(name) else { return };
    let addresses = netlink.addresses().unwrap_or_default();
    let is_in =
        |net: &IpNet| addresses.iter().any(|(owner, address)| *owner == index && net.contains(address));
    for host in hosts.iter().filter(|host| !is_in(host)) {
        let subnet = host.trunc();
        tracing::warn!(
            "the device {name} has no address in {subnet}, so the kernel will not find us; give it one with \
             `ip address add {host} dev {name}`, or give --address one of its own subnet"
        );
    }
}

fn capture(path: &std::path::Path) -> Outcome<Capture> {
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Capture::create(path, CaptureConfig::new(epoch)).map_err(|error| {
        Failure::new(
            format_args!("create the capture {}", path.display()),
            error,
            "give --pcap a file in a folder that exists and can be written",
        )
    })
}

/// The link as the stack is to have it: recorded next to the wire, slowed down if that is asked for, framed if it carries
/// frames.
fn decorate(
    link: Box<dyn LinkEndpoint>,
    args: &DeviceArgs,
    station: LinkAddress,
    name: &str,
    capture: Option<&Capture>,
) -> Outcome<Box<dyn LinkEndpoint>> {
    let link: Box<dyn LinkEndpoint> = match capture {
        Some(capture) => Box::new(Pcap::new(link, capture, name).map_err(|error| error.to_string())?),
        None => link,
    };
    let link: Box<dyn LinkEndpoint> = match args.rate {
        Some(rate) => {
            let line = bottleneck(rate);
            Box::new(Impair::new(link, line, 0).receiving(line))
        }
        None => link,
    };
    if link.capabilities().medium != Medium::Ethernet {
        return Ok(link);
    }
    Ok(Box::new(Ethernet::new(link, station).map_err(|error| error.to_string())?))
}

/// One direction of a line of this rate.
fn bottleneck(rate: u64) -> ImpairConfig {
    let bytes_in = |time: Duration| (u128::from(rate) * time.as_millis() / 8000) as usize;
    ImpairConfig {
        rate: Some(rate),
        queue_bytes: bytes_in(QUEUE).max(LEAST_QUEUE),
        mark_above: bytes_in(MARK_ABOVE),
        ..ImpairConfig::default()
    }
}

/// Our address on an Ethernet. Where a server is to tell us by it from others, it is one that no other has.
fn own_station(args: &DeviceArgs, ours: &[IpNet]) -> Outcome<LinkAddress> {
    if !args.is_from_link() {
        return Ok(station(ours.first().map_or(IpAddr::from([0; 4]), IpNet::addr)));
    }
    let mut random = SystemRng::new().map_err(|error| error.to_string())?;
    Ok(station(IpAddr::V4((random.next_u64() as u32).into())))
}

/// A locally administered address that follows from ours, so that it is the same after a restart.
fn station(address: IpAddr) -> LinkAddress {
    let tail = match address {
        IpAddr::V4(v4) => v4.octets(),
        IpAddr::V6(v6) => {
            let [.., a, b, c, d] = v6.octets();
            [a, b, c, d]
        }
    };
    let [a, b, c, d] = tail;
    LinkAddress([0x02, 0x75, a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stations_are_unicast_and_local() {
        for address in ["10.77.0.2", "fd00::ffff:ffff"] {
            let station = station(address.parse().unwrap());
            assert!(station.is_unicast() && station.0[0] & 2 == 2, "{station}");
        }
    }
}
