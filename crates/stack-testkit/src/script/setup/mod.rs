//! What a script wants of the stack that it runs against: `--name=value` lines and mapped commands.
//!
//! The addresses are packetdrill's: the stack is 192.168.0.1/16, the peer 192.0.2.1 behind the gateway 192.168.0.2; with
//! `--ip_version=ipv6`, fd3d:a0b:17d6::1/48 and 2001:db8::1.
//! Without `--medium=ethernet` the link carries IP and nothing has to be resolved.
//!
//! `nd.rs` has the settings of neighbour discovery, `command.rs` the commands in backticks and the kernel settings.

mod command;
mod groups;
mod nd;

use super::fault::Faults;
use super::{Options, Profile, Stop};
use crate::pkt::Script;
use crate::source::SeededRng;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;
use net_arp::{Arp, ArpConfig, ConflictPolicy};
use net_ipv4::{Ipv4, Ipv4Config};
use net_ipv6::{Ipv6, Ipv6Config};
use stack_core::{
    AddressState, Families, Instant, InterfaceAddress, IpNet, Ipv4Net, Ipv6Net, LinkAddress,
    LinkCapabilities, Medium, MtuProbing, NicId,
};
use stack_group::{GroupConfig, Version};
use stack_host::{Host, MulticastRoute, NicConfig, Policies, RouteEntry};
use trans_icmp::Icmp;
use trans_tcp::{SynCookies, Tcp, TcpConfig};
use trans_udp::{Udp, UdpConfig};

/// The interface of the stack.
pub(super) const NIC: NicId = NicId(1);
/// When scripts start: not at zero, which has a meaning of its own in some places.
pub(super) const START: Instant = Instant::from_secs(1000);

/// Both ports of packetdrill, ours and the peer's.
const PORT: u16 = 8080;

/// What a script wants.
pub(super) struct Setup {
    pub(super) local: IpNet,
    pub(super) remote: IpAddr,
    /// What sockets without a family of their own are made for.
    pub(super) families: Families,
    pub(super) bind_port: u16,
    pub(super) connect_port: u16,
    pub(super) local_link: LinkAddress,
    pub(super) peer_link: LinkAddress,
    pub(super) remote_isn: u32,
    pub(super) exact_stamps: bool,
    pub(super) tolerance: Duration,
    /// Percent of the time from the event before; packetdrill allows 12.5.
    pub(super) tolerance_percent: f64,
    /// A line is one segment: segments that follow each other are not joined to fit it.
    pub(super) strict_segments: bool,
    /// Inbound segments with more text than this are such that the link has joined.
    pub(super) mss: Option<u16>,
    /// TCP options are compared with their order.
    pub(super) exact_options: bool,
    gateway: IpAddr,
    medium: Medium,
    mtu: u32,
    seed: u64,
    forwarding: bool,
    resolved: bool,
    state: AddressState,
    pub(super) faults: Faults,
    ipv4: Ipv4Config,
    ipv6: Ipv6Config,
    /// Whether the interface has `local` at all.
    configured: bool,
    /// Addresses besides.
    extra: Vec<InterfaceAddress>,
    default_route: bool,
    /// All addresses belong together (RFC 6724 §2.1 without its table).
    flat_policies: bool,
    /// The number of the last interface.
    pub(super) nics: u32,
    /// Of all but the first.
    nic_mtu: u32,
    routes: Vec<MulticastRoute>,
    multicast_forwarding: bool,
    arp: ArpConfig,
    udp: UdpConfig,
    tcp: TcpConfig,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            local: Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 1), 16).into(),
            remote: Ipv4Addr::new(192, 0, 2, 1).into(),
            families: Families::V4,
            bind_port: PORT,
            connect_port: PORT,
            local_link: LinkAddress([2, 0, 0, 0, 0, 1]),
            peer_link: LinkAddress([2, 0, 0, 0, 0, 2]),
            remote_isn: 0x6000_0000,
            exact_stamps: false,
            tolerance: Duration::ZERO,
            tolerance_percent: 0.0,
            strict_segments: false,
            mss: None,
            exact_options: false,
            gateway: Ipv4Addr::new(192, 168, 0, 2).into(),
            medium: Medium::Ip,
            mtu: 1500,
            seed: 1,
            forwarding: false,
            resolved: true,
            state: AddressState::Preferred,
            faults: Faults::default(),
            ipv4: Ipv4Config::default(),
            ipv6: Ipv6Config {
                mld: GroupConfig { reports: false, ..GroupConfig::default() },
                ..Ipv6Config::default()
            },
            configured: true,
            extra: Vec::new(),
            default_route: true,
            flat_policies: false,
            nics: NIC.0,
            nic_mtu: 1500,
            routes: Vec::new(),
            multicast_forwarding: false,
            // Scripts of other protocols don't want announcements in between.
            arp: ArpConfig { announce: false, ..ArpConfig::default() },
            udp: UdpConfig::default(),
            // Nor do they want to wait for the pace.
            tcp: TcpConfig { pacing: false, ..TcpConfig::default() },
        }
    }
}

/// A setting that this runner does not know.
struct Unknown;

type Set<T> = Result<T, Unknown>;

impl Setup {
    /// The profile, what the script says, then what the caller says.
    pub(super) fn new(script: &Script, options: &Options<'_>) -> Result<Self, Stop> {
        let mut setup = Self { tolerance: options.tolerance, ..Self::default() };
        if options.profile == Profile::Linux {
            setup.tcp = TcpConfig::linux();
            setup.exact_options = true;
        }
        if script.option("ip_version") == Some("ipv6") {
            setup.use_ipv6();
        }
        for option in &script.options {
            setup.set(&option.name, &option.value).map_err(|Unknown| {
                Stop::Skip(format!("line {}: the option --{}={}", option.line, option.name, option.value))
            })?;
        }
        setup.commands(script)?;
        for (name, value) in options.settings {
            setup
                .set(name, value)
                .map_err(|Unknown| Stop::Fail(format!("no setting is called {name}={value}")))?;
        }
        if setup.local.addr().is_ipv6() != setup.remote.is_ipv6() {
            return Err(Stop::Skip(format!(
                "{} and {} are of different versions",
                setup.local, setup.remote
            )));
        }
        Ok(setup)
    }

    fn use_ipv6(&mut self) {
        let ours = |last| Ipv6Addr::new(0xfd3d, 0xa0b, 0x17d6, last, 0, 0, 0, 1);
        self.local = Ipv6Net::new_assert(ours(0), 48).into();
        self.remote = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into();
        self.gateway = ours(0x8888).into();
        self.families = Families::V6;
    }

    fn set(&mut self, name: &str, value: &str) -> Set<()> {
        match name {
            "ip_version" => match value {
                "ipv4" | "ipv6" => {} // the addresses are there already
                "ipv4-mapped-ipv6" => self.families = Families::Dual,
                _ => return Err(Unknown),
            },
            "local_ip" => {
                self.local = IpNet::new(parse(value)?, self.local.prefix_len()).map_err(|_| Unknown)?
            }
            "local_net" => self.local = parse(value)?,
            "netmask_ip" => self.set_netmask(parse(value)?)?,
            // packetdrill takes a prefix behind it.
            "remote_ip" => self.remote = parse(value.split('/').next().unwrap_or_default())?,
            "gateway_ip" => self.gateway = parse(value)?,
            "bind_port" => self.bind_port = parse(value)?,
            "connect_port" => self.connect_port = parse(value)?,
            "mtu" => self.mtu = parse(value)?,
            "mss" => self.mss = Some(parse(value)?),
            "tolerance_usecs" => self.tolerance = Duration::from_micros(parse(value)?),
            "tolerance_percent" => self.tolerance_percent = percent(value)?,
            "strict_segments" => self.strict_segments = value.is_empty() || switch(value)?,
            "init_scripts" => return self.init_scripts(value),
            "tcp_ts_tick_usecs" if value == "0" => self.exact_stamps = false,
            "tcp_ts_tick_usecs" if value == "1000" => self.exact_stamps = true,
            // They were applied when the script was parsed.
            "define" | "D" => {}
            // How packetdrill runs its Python, how fast its device is, what it prints and how it ends.
            "code_command" | "code_format" | "code_sockopt" | "speed" | "debug" | "verbose"
            | "send_omit_free" | "tcp_ts_ecr_scaled" => {}
            "medium" if value == "ip" => self.medium = Medium::Ip,
            "medium" if value == "ethernet" => self.medium = Medium::Ethernet,
            // The gateway and the peer are in the neighbour cache for good.
            "resolved" => self.resolved = switch(value)?,
            "remote_isn" => self.remote_isn = parse(value)?,
            "seed" => self.seed = parse(value)?,
            "forwarding" => self.forwarding = switch(value)?,
            "address" if value == "none" => self.configured = false,
            "extra_address" => self.add_extra_address(value)?,
            "default_route" => self.default_route = switch(value)?,
            "nics" | "nic_mtu" | "mroute" | "multicast_forwarding" => self.set_multicast(name, value)?,
            "address" if value == "tentative" => self.state = AddressState::Tentative,
            _ => match name.split_once('.') {
                Some(("tcp", name)) => return self.set_tcp(name, value),
                Some(("nd", name)) => return self.set_nd(name, value),
                Some(("ip", name)) => return self.set_ip(name, value),
                Some(("ip6", name)) => return self.set_ip6(name, value),
                Some(("igmp", name)) => {
                    let versions = [Version::V1, Version::V2, Version::V3];
                    groups::set_groups(&mut self.ipv4.igmp, &versions, name, value)?;
                }
                Some(("mld", name)) => {
                    groups::set_groups(&mut self.ipv6.mld, &[Version::V2, Version::V3], name, value)?;
                }
                Some(("fault", name)) => self.faults.set(name, value).ok_or(Unknown)?,
                Some(("arp", "announce")) => self.arp.announce = switch(value)?,
                Some(("arp", "conflict")) => self.arp.conflict = conflict(value)?,
                _ => return Err(Unknown),
            },
        }
        Ok(())
    }

    fn set_netmask(&mut self, mask: Ipv4Addr) -> Set<()> {
        let length = mask.to_bits().leading_ones() as u8;
        self.local = IpNet::new(self.local.addr(), length).map_err(|_| Unknown)?;
        Ok(())
    }

    fn set_ip(&mut self, name: &str, value: &str) -> Set<()> {
        match name {
            "default_ttl" => self.ipv4.default_ttl = parse(value)?,
            "send_redirects" => self.ipv4.send_redirects = switch(value)?,
            "echo_broadcast" => self.ipv4.echo_broadcast = switch(value)?,
            "reassembly_timeout" => self.ipv4.reassembly_timeout = duration(value)?,
            "reassembly_high" => self.ipv4.reassembly_high = parse(value)?,
            "reassembly_low" => self.ipv4.reassembly_low = parse(value)?,
            _ => return Err(Unknown),
        }
        Ok(())
    }

    fn set_ip6(&mut self, name: &str, value: &str) -> Set<()> {
        match name {
            "default_hop_limit" => self.ipv6.default_hop_limit = parse(value)?,
            "echo_multicast" => self.ipv6.echo_multicast = switch(value)?,
            "auto_flow_labels" => self.ipv6.auto_flow_labels = switch(value)?,
            "max_options" => self.ipv6.max_options = parse(value)?,
            "max_padding" => self.ipv6.max_padding = parse(value)?,
            "reassembly_timeout" => self.ipv6.reassembly_timeout = duration(value)?,
            "reassembly_high" => self.ipv6.reassembly_high = parse(value)?,
            "reassembly_low" => self.ipv6.reassembly_low = parse(value)?,
            _ => return Err(Unknown),
        }
        Ok(())
    }

    fn set_tcp(&mut self, name: &str, value: &str) -> Set<()> {
        let tcp = &mut self.tcp;
        match name {
            "receive_buffer" => tcp.receive_buffer = parse(value)?,
            "receive_buffer_max" => tcp.receive_buffer_max = parse(value)?,
            "send_buffer" => tcp.send_buffer = parse(value)?,
            "send_buffer_max" => tcp.send_buffer_max = parse(value)?,
            "max_half_open" => tcp.max_half_open = parse(value)?,
            "max_time_wait" => tcp.max_time_wait = parse(value)?,
            "syn_cookies" => {
                tcp.syn_cookies = match value {
                    "0" | "off" => SynCookies::Off,
                    "1" | "when-full" => SynCookies::WhenFull,
                    "2" | "always" => SynCookies::Always,
                    _ => return Err(Unknown),
                }
            }
            "autotune" => tcp.autotune = switch(value)?,
            "memory_low" => tcp.memory.low = parse(value)?,
            "memory_pressure" => tcp.memory.pressure = parse(value)?,
            "memory_high" => tcp.memory.high = parse(value)?,
            "fast_open_key" => tcp.fast_open_key = Some(parse(value)?),
            "fast_open_key_period" => tcp.fast_open_key_period = duration(value)?,
            "initial_rto" => tcp.initial_rto = duration(value)?,
            "min_rto" => tcp.min_rto = duration(value)?,
            "max_rto" => tcp.max_rto = duration(value)?,
            "syn_retries" => tcp.syn_retries = parse(value)?,
            "syn_linear_timeouts" => tcp.syn_linear_timeouts = parse(value)?,
            "syn_window_in_segments" => tcp.syn_window_in_segments = switch(value)?,
            "syn_ack_retries" => tcp.syn_ack_retries = parse(value)?,
            "data_retries" => tcp.data_retries = parse(value)?,
            "initial_window" => tcp.initial_window = parse(value)?,
            "delayed_ack" => tcp.delayed_ack = duration(value)?,
            "time_wait" => tcp.time_wait = duration(value)?,
            "fin_wait_2" => tcp.fin_wait_2 = duration(value)?,
            "keep_alive_idle" => tcp.keep_alive_idle = duration(value)?,
            "keep_alive_interval" => tcp.keep_alive_interval = duration(value)?,
            "keep_alive_count" => tcp.keep_alive_count = parse(value)?,
            "challenge_interval" => tcp.challenge_interval = duration(value)?,
            "challenges_per_second" => tcp.challenges_per_second = parse(value)?,
            "timestamps" => tcp.timestamps = switch(value)?,
            "window_scaling" => tcp.window_scaling = switch(value)?,
            "sack" => tcp.sack = switch(value)?,
            "reordering_adapts" => tcp.reordering_adapts = switch(value)?,
            "loss_probe" => tcp.loss_probe = switch(value)?,
            "frto" => tcp.frto = switch(value)?,
            "undo" => tcp.undo = switch(value)?,
            "pacing" => tcp.pacing = switch(value)?,
            "clock_resolution" => tcp.clock_resolution = duration(value)?,
            "congestion" => tcp.congestion = parse(value)?,
            "mtu_probing" => {
                tcp.mtu_probing = match value {
                    "0" | "off" => MtuProbing::Off,
                    "1" | "on-black-hole" => MtuProbing::OnBlackHole,
                    "2" | "always" => MtuProbing::Always,
                    _ => return Err(Unknown),
                }
            }
            "empty_window_probes" => tcp.empty_window_probes = switch(value)?,
            "base_mss" => tcp.base_mss = parse(value)?,
            "mtu_probe_floor" => tcp.mtu_probe_floor = parse(value)?,
            "mtu_probe_threshold" => tcp.mtu_probe_threshold = parse(value)?,
            "mtu_probe_interval" => tcp.mtu_probe_interval = duration(value)?,
            "ecn" => tcp.ecn = parse(value)?,
            "no_delay" => tcp.no_delay = switch(value)?,
            "reset_ends_time_wait" => tcp.reset_ends_time_wait = switch(value)?,
            _ => return Err(Unknown),
        }
        Ok(())
    }

    /// The host that the script runs against.
    pub(super) fn host(&self) -> Host {
        let arp = if self.faults.no_arp { None } else { Some(Arp::new(self.arp.clone())) };
        let builder =
            Host::builder().network(Ipv4::new(self.ipv4.clone())).network(Ipv6::new(self.ipv6.clone()));
        let builder = match arp {
            Some(arp) => builder.network(arp),
            None => builder,
        };
        let builder = builder
            .transport(Tcp::new(self.tcp.clone()))
            .transport(Udp::new(self.udp.clone()))
            .transport(Icmp::v4())
            .transport(Icmp::v6())
            .rng(Box::new(SeededRng::new(self.seed)));
        let mut host = builder.build().expect("different protocols make a host");
        let capabilities = LinkCapabilities::plain(self.medium, self.mtu);
        let ethernet = self.medium == Medium::Ethernet;
        let mut config = NicConfig::new("script0", capabilities);
        config.link_address = ethernet.then_some(self.local_link);
        config.enabled = false;
        host.add_nic(START, NIC, config).expect("a new host has no interface of this number");
        let own = self.configured.then(|| InterfaceAddress::new(self.local, self.state));
        for address in own.iter().chain(&self.extra) {
            host.give_address(START, NIC, *address).expect("the interface has no such address yet");
        }
        let everything =
            if self.local.addr().is_ipv6() { Ipv6Net::default().into() } else { Ipv4Net::default().into() };
        let default = RouteEntry::new(everything, NIC);
        if self.flat_policies {
            host.set_policies(Policies::new(Vec::new()));
        }
        if self.default_route {
            host.add_route(if ethernet { default.via(self.gateway) } else { default });
        }
        host.set_forwarding(NIC, self.forwarding).expect("the interface is there");
        self.add_multicast(&mut host);
        host.enable_nic(START, NIC).expect("the interface is there");
        if let Some(hook) = self.faults.hook() {
            host.add_hook(hook);
        }
        if ethernet && self.resolved {
            for neighbor in [self.gateway, self.remote] {
                host.set_static_neighbor(START, NIC, neighbor, self.peer_link);
            }
        }
        host
    }
}

fn parse<T: core::str::FromStr>(value: &str) -> Set<T> {
    value.parse().map_err(|_| Unknown)
}

fn switch(value: &str) -> Set<bool> {
    match value {
        "1" | "on" | "yes" => Ok(true),
        "0" | "off" | "no" => Ok(false),
        _ => Err(Unknown),
    }
}

fn percent(value: &str) -> Set<f64> {
    parse(value).ok().filter(|percent| (0.0..=100.0).contains(percent)).ok_or(Unknown)
}

fn conflict(value: &str) -> Set<ConflictPolicy> {
    match value {
        "give-up" => Ok(ConflictPolicy::GiveUp),
        "defend" => Ok(ConflictPolicy::Defend),
        "defend-always" => Ok(ConflictPolicy::DefendAlways),
        _ => Err(Unknown),
    }
}

/// `40ms`, `1s`, `500us`, or seconds with decimals.
fn duration(value: &str) -> Set<Duration> {
    let (number, nanos) = [("ms", 1e6), ("us", 1e3), ("s", 1e9), ("", 1e9)]
        .into_iter()
        .find_map(|(unit, nanos)| value.strip_suffix(unit).map(|number| (number, nanos)))
        .ok_or(Unknown)?;
    let number: f64 = parse(number)?;
    if number >= 0.0 { Ok(Duration::from_nanos((number * nanos) as u64)) } else { Err(Unknown) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        let parsed = |text| duration(text).ok();
        assert_eq!(parsed("40ms"), Some(Duration::from_millis(40)));
        assert_eq!(parsed("1s"), Some(Duration::from_secs(1)));
        assert_eq!(parsed("0.5"), Some(Duration::from_millis(500)));
        assert_eq!((parsed("-1s"), parsed("x")), (None, None));
    }

    #[test]
    fn what_is_not_known_skips_the_script_and_says_why() {
        let reason = |text: &str| match Setup::new(&Script::parse("t", text).unwrap(), &Options::default()) {
            Err(Stop::Skip(reason)) => reason,
            other => panic!("{:?}", other.err()),
        };
        assert_eq!(reason("--ip_version=ipx\n"), "line 1: the option --ip_version=ipx");
        assert_eq!(reason("--non_fatal=packet\n"), "line 1: the option --non_fatal=packet");
        assert_eq!(reason("--tolerance_percent=200\n"), "line 1: the option --tolerance_percent=200");
        assert_eq!(
            reason("--local_ip=2001:db8::7\n"),
            "2001:db8::7/16 and 192.0.2.1 are of different versions"
        );
    }

    #[test]
    fn addresses_follow_the_version() {
        let setup = |text: &str| Setup::new(&Script::parse("t", text).unwrap(), &Options::default()).unwrap();
        let v6 = setup("--ip_version=ipv6\n--local_ip=fd00::9\n");
        assert_eq!((v6.local.to_string().as_str(), v6.families), ("fd00::9/48", Families::V6));
        let mapped = setup("--ip_version=ipv4-mapped-ipv6\n--netmask_ip=255.255.255.0\n");
        assert_eq!((mapped.local.prefix_len(), mapped.families), (24, Families::Dual));
        assert_eq!(setup("--remote_ip=192.0.2.9/24\n").remote, IpAddr::from([192, 0, 2, 9]));
    }
}
