//! The table of scenarios: what each checks, in which modes, with which tools
//! and in what time.

mod beyond;
mod connections;
mod daemons;
mod discovery;
mod echo;
mod ecn;
mod faults;
mod framework;
mod groups;
mod http;
mod icmp;
mod iperf;
mod leases;
mod names;
mod outward;
mod packet;
mod paths;
mod router;

use std::time::Duration;

use super::Outcome;
use super::family::Family;
use super::lab::Lab;
use super::needs::{
    AVAHI, BRIDGE, CURL, DNSMASQ, ETHTOOL, IPERF3, NC, NSTAT, Need, PING, RADVD, SETPRIV, SHA256SUM,
    TRACEROUTE, TSHARK, UDHCPC, UNSHARE,
};

/// One thing that has to work on the wire.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// What it checks, for `--list`.
    pub(crate) about: &'static str,
    pub(crate) needs: &'static [Need],
    modes: &'static [Mode],
    /// Those in which it is run over IPv6 as well.
    over_ipv6: &'static [Mode],
    /// How long it may take in one mode.
    pub(crate) limit: Duration,
    pub(crate) run: fn(&Lab) -> Outcome,
}

/// How our stack is attached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mode {
    /// Not at all: the scenario is about the driver itself.
    Alone,
    /// TUN with all offloads.
    Tun,
    /// TUN without offloads.
    TunPlain,
    /// TAP with all offloads.
    Tap,
    /// TAP without offloads.
    TapPlain,
    /// A packet socket on one end of a veth pair, with all offloads; the kernel has the other end.
    Veth,
    /// The same without offloads.
    VethPlain,
}

/// A scenario in one of its modes.
pub(crate) struct Case {
    pub(crate) scenario: &'static Scenario,
    pub(crate) mode: Mode,
    pub(crate) family: Family,
}

const ALONE: &[Mode] = &[Mode::Alone];
/// IPv6 where everything is offloaded, and where nothing is and frames have to find their way.
const OVER_IPV6: &[Mode] = &[Mode::Tun, Mode::TapPlain, Mode::Veth, Mode::VethPlain];
const ALL: &[Mode] = &[Mode::Tun, Mode::TunPlain, Mode::Tap, Mode::TapPlain, Mode::Veth, Mode::VethPlain];
/// Where the device is of our making.
const MADE: &[Mode] = &[Mode::Tun, Mode::TunPlain, Mode::Tap, Mode::TapPlain];
const ETHERNETS: &[Mode] = &[Mode::Tap, Mode::TapPlain, Mode::Veth, Mode::VethPlain];

impl Mode {
    /// The flags of `ustack serve`.
    pub(crate) fn flags(self) -> &'static [&'static str] {
        match self {
            Self::Alone | Self::Tun => &[],
            Self::TunPlain => &["--no-offload"],
            Self::Tap => &["--tap"],
            Self::TapPlain => &["--tap", "--no-offload"],
            Self::Veth => &[],
            Self::VethPlain => &["--no-offload"],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Alone => "driver",
            Self::Tun => "tun",
            Self::TunPlain => "tun-plain",
            Self::Tap => "tap",
            Self::TapPlain => "tap-plain",
            Self::Veth => "veth",
            Self::VethPlain => "veth-plain",
        }
    }

    /// Whether we sit on one end of a veth pair.
    pub(crate) fn is_veth(self) -> bool {
        matches!(self, Self::Veth | Self::VethPlain)
    }

    /// Whether the device is a TAP device.
    pub(crate) fn is_tap(self) -> bool {
        matches!(self, Self::Tap | Self::TapPlain)
    }
}

impl Scenario {
    /// Whether it needs the program under test.
    pub(crate) fn talks_to_us(&self) -> bool {
        self.modes != ALONE
    }
}

impl Case {
    /// What its scenario needs, and what its mode does.
    pub(crate) fn needs(&self) -> impl Iterator<Item = Need> + use<> {
        let of_mode = (self.mode == Mode::VethPlain).then_some(ETHTOOL);
        self.scenario.needs.iter().copied().chain(of_mode)
    }

    /// `scenario/mode`, and the family unless it is IPv4.
    pub(crate) fn name(&self) -> String {
        format!("{}/{}{}", self.scenario.name, self.mode.name(), self.family.suffix())
    }
}

/// Every scenario in every mode that it names, and over every family.
pub(crate) fn cases() -> Vec<Case> {
    let modes = |scenario: &'static Scenario| {
        let v4 = scenario.modes.iter().map(|&mode| (mode, Family::V4));
        let v6 = scenario.over_ipv6.iter().map(|&mode| (mode, Family::V6));
        v4.chain(v6).map(move |(mode, family)| Case { scenario, mode, family })
    };
    SCENARIOS.iter().flat_map(modes).collect()
}

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "framework",
        about: "namespaces, processes and the clean-up keep their promises",
        needs: &[PING],
        modes: ALONE,
        over_ipv6: &[],
        limit: Duration::from_secs(30),
        run: framework::guards,
    },
    Scenario {
        name: "referee",
        about: "the capture check accepts a right packet and refuses a wrong one",
        needs: &[TSHARK],
        modes: ALONE,
        over_ipv6: &[],
        limit: Duration::from_secs(60),
        run: framework::referee,
    },
    Scenario {
        name: "ping",
        about: "echo of 0 to 65,507 bytes, one packet and fragments",
        needs: &[PING, TSHARK],
        modes: ALL,
        over_ipv6: OVER_IPV6,
        limit: Duration::from_secs(90),
        run: icmp::ping,
    },
    Scenario {
        name: "neighbours",
        about: "IPv6: a link-local address of ours, found by the kernel among all nodes, and neighbour discovery both ways",
        needs: &[PING, TSHARK],
        modes: ETHERNETS,
        over_ipv6: &[],
        limit: Duration::from_secs(60),
        run: discovery::neighbors,
    },
    Scenario {
        name: "autoconf",
        about: "IPv6: an address, a router and a way to what lies behind it, all from radvd",
        needs: &[PING, RADVD, TSHARK],
        modes: ETHERNETS,
        over_ipv6: &[],
        limit: Duration::from_secs(60),
        run: discovery::autoconf,
    },
    Scenario {
        name: "names",
        about: "ustack resolve at dnsmasq: both families, the names of an address, no such name, and TCP for a long answer",
        needs: &[DNSMASQ, TSHARK],
        modes: &[Mode::Tun, Mode::TapPlain],
        over_ipv6: OVER_IPV6,
        limit: Duration::from_secs(90),
        run: names::resolve,
    },
    Scenario {
        name: "dhcp",
        about: "addresses of both families from dnsmasq, asked about on the link, served on, and given back",
        needs: &[CURL, DNSMASQ, TSHARK],
        modes: &[Mode::Tap, Mode::TapPlain],
        over_ipv6: &[],
        limit: Duration::from_secs(90),
        run: leases::dhcp,
    },
    Scenario {
        name: "grant",
        about: "an address for the kernel's side from ustack serve --grant, by udhcpc; none for a second host",
        needs: &[CURL, TSHARK, UDHCPC],
        modes: &[Mode::Tap, Mode::TapPlain],
        over_ipv6: &[],
        limit: Duration::from_secs(60),
        run: leases::grant,
    },
    Scenario {
        name: "advertised-names",
        about: "IPv6: the name server and the domain to search that dnsmasq advertises as router",
        needs: &[DNSMASQ, TSHARK],
        modes: &[Mode::TapPlain],
        over_ipv6: &[],
        limit: Duration::from_secs(60),
        run: names::advertised,
    },
    Scenario {
        name: "multicast-names",
        about: "ustack resolve --mdns with avahi: both families, each alone, the names of addresses, nobody there",
        needs: &[AVAHI, TSHARK, UNSHARE],
        modes: &[Mode::TapPlain],
        over_ipv6: &[],
        limit: Duration::from_secs(90),
        run: names::on_link,
    },
    Scenario {
        name: "groups",
        about: "multicast of both families: the kernel sends to our member and we to its, our reports checked by tshark",
        needs: &[TSHARK],
        modes: ALL,
        over_ipv6: &[],
        limit: Duration::from_secs(60),
        run: groups::echo,
    },
    Scenario {
        name: "snooping",
        about: "a bridge of the kernel learns our groups from our answers to its queries: IGMPv2 and 3, MLDv1 and 2",
        needs: &[BRIDGE, TSHARK],
        modes: &[Mode::Tap, Mode::TapPlain],
        over_ipv6: &[],
        limit: Duration::from_secs(90),
        run: groups::snooping,
    },
    Scenario {
        name: "traceroute",
        about: "one hop, by UDP, ICMP and TCP",
        needs: &[TRACEROUTE, TSHARK],
        modes: ALL,
        over_ipv6: OVER_IPV6,
        limit: Duration::from_secs(60),
        run: icmp::traceroute,
    },
    Scenario {
        name: "curl",
        about: "a page and 1 MB down and up, every packet checked by tshark",
        needs: &[CURL, SHA256SUM, TSHARK],
        modes: ALL,
        over_ipv6: OVER_IPV6,
        limit: Duration::from_secs(90),
        run: http::small,
    },
    Scenario {
        name: "curl-100mb",
        about: "100 MB down and up, compared by SHA-256",
        needs: &[CURL, SHA256SUM],
        modes: ALL,
        over_ipv6: &[],
        limit: Duration::from_secs(120),
        run: http::large,
    },
    Scenario {
        name: "fast-open",
        about: "curl --tcp-fastopen: a cookie, and then requests with the SYN",
        needs: &[CURL, NSTAT, TSHARK],
        modes: &[Mode::Tun, Mode::TapPlain],
        over_ipv6: &[Mode::Tun, Mode::TapPlain],
        limit: Duration::from_secs(60),
        run: http::fast_open,
    },
    Scenario {
        name: "parallel",
        about: "100 connections at once, bytes compared, every packet checked by tshark",
        needs: &[TSHARK],
        modes: ALL,
        over_ipv6: OVER_IPV6,
        limit: Duration::from_secs(60),
        run: connections::parallel,
    },
    Scenario {
        name: "connects",
        about: "1,000 connections in a row",
        needs: &[TSHARK],
        modes: ALL,
        over_ipv6: OVER_IPV6,
        limit: Duration::from_secs(90),
        run: connections::in_a_row,
    },
    Scenario {
        name: "iperf3",
        about: "TCP both directions, 8 streams, both at once, and UDP; bytes checked",
        needs: &[IPERF3, TSHARK],
        modes: ALL,
        over_ipv6: OVER_IPV6,
        limit: Duration::from_secs(120),
        run: iperf::all,
    },
    Scenario {
        name: "udp-echo",
        about: "datagrams of 0 to 65,507 bytes come back unchanged",
        needs: &[TSHARK],
        modes: ALL,
        over_ipv6: OVER_IPV6,
        limit: Duration::from_secs(60),
        run: echo::udp,
    },
    Scenario {
        name: "nc",
        about: "netcat against TCP and UDP echo and discard",
        needs: &[NC, TSHARK],
        modes: ALL,
        over_ipv6: OVER_IPV6,
        limit: Duration::from_secs(60),
        run: echo::nc,
    },
    Scenario {
        name: "peer-killed",
        about: "clients killed in the middle of transfers harm nobody else",
        needs: &[CURL, SHA256SUM],
        modes: ALL,
        over_ipv6: &[],
        limit: Duration::from_secs(60),
        run: faults::peer_killed,
    },
    Scenario {
        name: "device-removed",
        about: "the device goes in the middle of a transfer: the program says so and ends",
        needs: &[CURL],
        modes: ALL,
        over_ipv6: &[],
        limit: Duration::from_secs(60),
        run: faults::device_removed,
    },
    Scenario {
        name: "stopped",
        about: "SIGTERM and SIGINT in the middle of transfers: clients are told, nothing is left",
        needs: &[CURL],
        modes: ALL,
        over_ipv6: &[],
        limit: Duration::from_secs(60),
        run: faults::stopped,
    },
    Scenario {
        name: "outward",
        about: "ping, nc and get from our stack to the kernel; 4 MB each way compared by SHA-256",
        needs: &[NC, SHA256SUM, TSHARK],
        modes: ALL,
        over_ipv6: OVER_IPV6,
        limit: Duration::from_secs(60),
        run: outward::all,
    },
    Scenario {
        name: "unprivileged",
        about: "a packet socket in a user namespace of somebody without rights, both families",
        needs: &[CURL, PING, SETPRIV, UNSHARE],
        modes: &[Mode::Veth],
        over_ipv6: &[],
        limit: Duration::from_secs(60),
        run: packet::unprivileged,
    },
    Scenario {
        name: "ways-out",
        about: "traceroute from our stack across the kernel to a host in another namespace",
        needs: &[],
        modes: &[Mode::Tun, Mode::Tap],
        over_ipv6: &[Mode::Tun, Mode::Tap],
        limit: Duration::from_secs(60),
        run: beyond::traceroute,
    },
    Scenario {
        name: "narrow-way",
        about: "a stream and echoes from our stack to a host behind a link of 1,300 bytes",
        needs: &[NC, SHA256SUM, TSHARK],
        modes: &[Mode::Tun, Mode::TapPlain],
        over_ipv6: &[Mode::Tun, Mode::TapPlain],
        limit: Duration::from_secs(60),
        run: paths::narrow,
    },
    Scenario {
        name: "better-way",
        about: "a router of the kernel redirects us to another one, and we follow",
        needs: &[NSTAT, TSHARK],
        modes: &[Mode::TapPlain],
        over_ipv6: &[Mode::TapPlain],
        limit: Duration::from_secs(60),
        run: paths::redirected,
    },
    Scenario {
        name: "forwarding",
        about: "between two kernels: ping, fragments, iperf3 both ways, traceroute by three methods",
        needs: &[PING, IPERF3, TRACEROUTE],
        modes: &[Mode::Tun, Mode::Tap, Mode::Veth],
        over_ipv6: &[Mode::Tun, Mode::Tap, Mode::Veth],
        limit: Duration::from_secs(90),
        run: router::forward,
    },
    Scenario {
        name: "advertise",
        about: "IPv6: a kernel that nobody configured takes address, router and way out from our advertisements",
        needs: &[PING],
        modes: &[Mode::Tap, Mode::Veth],
        over_ipv6: &[],
        limit: Duration::from_secs(60),
        run: router::advertise,
    },
    Scenario {
        name: "masquerade",
        about: "the same with one of them hidden behind the router",
        needs: &[PING, IPERF3, TRACEROUTE],
        modes: &[Mode::Tun],
        over_ipv6: &[Mode::Tun],
        limit: Duration::from_secs(90),
        run: router::masquerade,
    },
    Scenario {
        name: "tables",
        about: "addr, route and neigh of a stack that serve runs",
        needs: &[PING],
        modes: &[Mode::Tun, Mode::Tap],
        over_ipv6: &[Mode::Tun, Mode::Tap],
        limit: Duration::from_secs(60),
        run: beyond::tables,
    },
    Scenario {
        name: "ecn",
        about: "marks instead of losses, asked for by the kernel and by us",
        needs: &[CURL, NC, NSTAT, SHA256SUM, TSHARK],
        modes: ALL,
        over_ipv6: &[],
        limit: Duration::from_secs(60),
        run: ecn::all,
    },
    Scenario {
        name: "killed",
        about: "SIGKILL in the middle of a transfer leaves nothing behind",
        needs: &[CURL],
        modes: MADE,
        over_ipv6: &[],
        limit: Duration::from_secs(60),
        run: faults::killed,
    },
    Scenario {
        name: "adopted",
        about: "a device that exists is used as it is and stays",
        needs: &[PING],
        modes: MADE,
        over_ipv6: &[],
        limit: Duration::from_secs(60),
        run: faults::adopted,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<String> = cases().iter().map(Case::name).collect();
        names.sort();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
