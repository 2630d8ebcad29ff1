//! The options of a device that all commands with a device share, and what is wrong with them before any is made.

use crate::failure::Failure;
use crate::units;
use clap::Args;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use stack_core::EcnPolicy;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// Smallest MTU of IPv4 (RFC 791 §3.2) and of IPv6 (RFC 8200 §5), in bytes.
const LEAST_MTU: i64 = 68;
const LEAST_MTU_V6: u32 = 1280;
/// Largest MTU of a TUN device, and of a TAP device, whose frames have a header, in bytes.
const MOST_MTU: i64 = 65_535;
const MOST_MTU_TAP: u32 = 65_521;

/// Our addresses if none is given: of IPv4 from a private block (RFC 1918), of IPv6 from a unique local one (RFC 4193).
const DEFAULT_V4: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(10, 77, 0, 2), 24);
const DEFAULT_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2), 64);

/// The device between the kernel and our stack.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Device")]
pub(crate) struct DeviceArgs {
    /// Name of the device; an existing one is used as it is, addresses included [default: ustack0, or the next free]
    #[arg(long, value_name = "NAME")]
    pub(crate) tun: Option<String>,

    /// Carry Ethernet frames (TAP) instead of IP packets (TUN)
    #[arg(long)]
    pub(crate) tap: bool,

    /// Use an interface that the kernel has, such as eth0 or one end of a veth pair, instead of making a device; whoever is
    /// at its other end takes the place of the kernel's side
    #[arg(long, value_name = "INTERFACE", conflicts_with_all = ["tun", "tap"])]
    pub(crate) packet: Option<String>,

    /// Address of our stack and its subnet; may be given for IPv4 and IPv6 [default: 10.77.0.2/24 and fd77::2/64]
    #[arg(long, value_name = "ADDRESS/PREFIX", value_parser = net)]
    address: Vec<IpNet>,

    /// Address of the kernel's side [default: the first other address of each subnet]
    #[arg(long, value_name = "ADDRESS/PREFIX", value_parser = net)]
    pub(crate) host_address: Vec<IpNet>,

    /// Form IPv6 addresses: a link-local one, and one for each prefix that a router on the link advertises
    #[arg(long)]
    pub(crate) autoconf: bool,

    /// Router for everything outside the subnet [default: the kernel's side]
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    pub(crate) gateway: Vec<IpAddr>,

    /// Largest IP packet of a device that we make, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1500, value_parser = clap::value_parser!(u32).range(LEAST_MTU..=MOST_MTU))]
    pub(crate) mtu: u32,

    /// Neither super-packets nor checksum offload: every packet as on a cable
    #[arg(long)]
    pub(crate) no_offload: bool,

    /// Explicit congestion notification of our connections: off, passive (when the peer asks), on, accurate
    #[arg(long, value_name = "MODE", default_value = "passive", value_parser = units::ecn)]
    pub(crate) ecn: EcnPolicy,

    /// Make the device a bottleneck of this rate in each direction: its queues hold 100 ms, and beyond 10 ms packets of
    /// those who speak ECN are marked
    #[arg(long, value_name = "RATE", value_parser = units::bit_rate)]
    pub(crate) rate: Option<u64>,

    /// Record all packets of the device into a pcapng file
    #[arg(long, value_name = "FILE")]
    pub(crate) pcap: Option<PathBuf>,

    /// No address but those given: the link is to say which.
    #[arg(skip)]
    from_link: bool,
}

impl DeviceArgs {
    /// Our addresses: those given, or one of each family; a device too narrow for IPv6 has none of that.
    pub(crate) fn addresses(&self) -> Vec<IpNet> {
        if self.address.is_empty() && !self.from_link {
            let v6 = (self.mtu >= LEAST_MTU_V6).then_some(IpNet::V6(DEFAULT_V6));
            return [IpNet::V4(DEFAULT_V4)].into_iter().chain(v6).collect();
        }
        self.address.clone()
    }

    /// The same without addresses of its own: of IPv4 a server grants one, of IPv6 routers say which.
    ///
    /// # Errors
    /// One of IPv4 was given.
    pub(crate) fn without_own_addresses(&self) -> Result<Self, Failure> {
        match self.address.iter().find(|net| net.addr().is_ipv4()) {
            Some(net) => {
                Err(format!("--dhcp and --address {net} contradict each other; leave one of them out").into())
            }
            None => Ok(Self { from_link: true, autoconf: true, ..self.clone() }),
        }
    }

    /// Whether the link is to say which addresses are ours.
    pub(crate) fn is_from_link(&self) -> bool {
        self.from_link
    }

    /// Whether somebody has asked for these addresses, so that none may be left out.
    pub(crate) fn asks_for_addresses(&self) -> bool {
        !self.address.is_empty()
    }

    /// The kernel's addresses: those given, and the first other one of each subnet of ours that has none of them.
    ///
    /// # Errors
    /// The two sides could not reach each other.
    pub(crate) fn host_addresses(&self) -> Result<Vec<IpNet>, Failure> {
        let all = self.addresses();
        for host in &self.host_address {
            let same = all.iter().any(|ours| ours.addr() == host.addr());
            if same {
                let message = format!(
                    "{} cannot be both ours and the kernel's; give --host-address another address of the subnet",
                    host.addr()
                );
                return Err(message.into());
            }
            if !all.iter().any(|ours| ours.contains(&host.addr()) && host.contains(&ours.addr())) {
                let ours: Vec<String> = all.iter().map(IpNet::to_string).collect();
                let message = format!(
                    "--host-address {host} and --address {} are not in one subnet, so neither side would find the other; \
                     choose both from one subnet, such as 10.77.0.1/24 and 10.77.0.2/24",
                    ours.join(", ")
                );
                return Err(message.into());
            }
        }
        let alone =
            all.iter().filter(|ours| !self.host_address.iter().any(|host| ours.contains(&host.addr())));
        let others: Result<Vec<IpNet>, Failure> = alone.map(|net| neighbor(*net)).collect();
        Ok(self.host_address.iter().copied().chain(others?).collect())
    }

    /// What is wrong with the options together.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        if self.mtu < LEAST_MTU_V6 && self.address.iter().any(|net| net.addr().is_ipv6()) {
            let message = format!(
                "--mtu {} is too small for IPv6, which needs {LEAST_MTU_V6}; raise it or leave out the IPv6 address",
                self.mtu
            );
            return Err(message.into());
        }
        if self.tap && self.mtu > MOST_MTU_TAP {
            return Err(format!(
                "--mtu {} is too large for a TAP device; give at most {MOST_MTU_TAP}",
                self.mtu
            )
            .into());
        }
        for net in &self.address {
            let address = net.addr();
            let is_subnet = net.prefix_len() < net.max_prefix_len() - 1
                && (address == net.network() || (address.is_ipv4() && address == net.broadcast()));
            if is_subnet || address.is_multicast() || address.is_unspecified() || address.is_loopback() {
                let message =
                    format!("{net} cannot be the address of a host; give --address one such as 10.77.0.2/24");
                return Err(message.into());
            }
        }
        Ok(())
    }
}

fn net(text: &str) -> Result<IpNet, String> {
    text.parse().map_err(|_| {
        "write an address and the length of its subnet's prefix, such as 10.77.0.2/24 or fd00::2/64"
            .to_owned()
    })
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.parse().map_err(|_| "write an address, such as 10.77.0.1 or fd00::1".to_owned())
}

/// The first address of the subnet that is not ours.
fn neighbor(ours: IpNet) -> Result<IpNet, Failure> {
    // RFC 3021, RFC 6164: two addresses are both for hosts. Elsewhere the first one of IPv6 means any router.
    let all = ours.prefix_len() + 1 >= ours.max_prefix_len();
    let free = |address: &IpAddr| *address != ours.addr() && (all || *address != ours.network());
    let other = ours.hosts().take(3).find(free);
    let net = other.and_then(|address| IpNet::new(address, ours.prefix_len()).ok());
    net.ok_or_else(|| {
        format!("the subnet of {ours} has no other address for the kernel's side; use a shorter prefix, such as /24")
            .into()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        device: DeviceArgs,
    }

    fn parse(line: &str) -> DeviceArgs {
        Line::try_parse_from(line.split_whitespace()).unwrap_or_else(|error| panic!("{error}")).device
    }

    fn hosts(line: &str) -> Result<String, String> {
        let device = parse(line);
        let told = |failure: Failure| match failure {
            Failure::Told(message) => message,
            Failure::NobodyListens => String::new(),
        };
        device.check().map_err(told)?;
        let hosts = device.host_addresses().map_err(told)?;
        Ok(hosts.iter().map(IpNet::to_string).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn the_kernel_gets_the_first_other_address() {
        assert_eq!(hosts("x").unwrap(), "10.77.0.1/24 fd77::1/64");
        assert_eq!(hosts("x --mtu 1000").unwrap(), "10.77.0.1/24", "too narrow for IPv6");
        assert_eq!(hosts("x --host-address 10.77.0.9/24").unwrap(), "10.77.0.9/24 fd77::1/64");
        assert_eq!(hosts("x --address 10.1.2.1/24").unwrap(), "10.1.2.2/24");
        assert_eq!(hosts("x --address 10.1.2.1/31").unwrap(), "10.1.2.0/31");
        assert_eq!(hosts("x --address 10.1.2.9/24 --address fd00::2/64").unwrap(), "10.1.2.1/24 fd00::1/64");
        assert!(hosts("x --address 10.1.2.1/32").unwrap_err().contains("shorter prefix"));
    }

    #[test]
    fn sides_that_could_not_talk_are_refused() {
        let same = hosts("x --address 10.1.2.3/24 --host-address 10.1.2.3/24").unwrap_err();
        assert!(same.contains("both ours and the kernel's"), "{same}");
        let apart = hosts("x --address 10.1.2.3/24 --host-address 10.1.3.1/24").unwrap_err();
        assert!(apart.contains("one subnet"), "{apart}");
        for address in
            ["10.1.2.0/24", "10.1.2.255/24", "224.0.0.1/24", "0.0.0.0/0", "127.0.0.1/8", "ff02::1/64"]
        {
            let error = hosts(&format!("x --address {address}")).unwrap_err();
            assert!(error.contains("cannot be the address of a host"), "{error}");
        }
        let small = hosts("x --address fd00::2/64 --mtu 1000").unwrap_err();
        assert!(small.contains("1280"), "{small}");
        let large = hosts("x --tap --mtu 65535").unwrap_err();
        assert!(large.contains("65521"), "{large}");
    }
}
