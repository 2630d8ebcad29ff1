//! What a server has granted: read out of an acknowledgement, and checked.

use dhcproto::v4::{DhcpOption, DhcpOptions, Message, OptionCode};
use ipnet::Ipv4Net;
use stack_core::Instant;
use std::net::Ipv4Addr;
use std::time::Duration;

/// Routes, servers and domains that are kept of a message, each.
const MOST: usize = 16;
/// The lease that never ends (RFC 2131 §3.3).
const INFINITE: u32 = u32::MAX;

/// An address and what goes with it, until it expires.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    /// The address and its subnet.
    pub address: Ipv4Net,
    /// Who granted it.
    pub server: Ipv4Addr,
    /// Default routers, the best first; none where [`routes`](Self::routes) are given, which replace them (RFC 3442).
    pub routers: Vec<Ipv4Addr>,
    /// Routes with their routers; 0.0.0.0 stands for the link itself.
    pub routes: Vec<(Ipv4Net, Ipv4Addr)>,
    /// Name servers, the best first.
    pub dns_servers: Vec<Ipv4Addr>,
    /// The domain of the host.
    pub domain: Option<String>,
    /// Domains in which names are looked for (RFC 3397).
    pub search: Vec<String>,
    /// Largest packet on the link, in bytes.
    pub mtu: Option<u16>,
    /// When the server is asked again (T1).
    pub renew: Instant,
    /// When any server is asked (T2).
    pub rebind: Instant,
    /// When the address must not be used any more; [`Instant::FAR_FUTURE`] for never.
    pub expires: Instant,
}

impl Lease {
    /// The lease of an acknowledgement that answers what was sent at `asked`, which its times count from
    /// (RFC 2131 §4.4.1). `None` if it is none that could be used.
    pub(super) fn of_ack(message: &Message, asked: Instant) -> Option<Self> {
        let options = message.opts();
        let address = message.yiaddr();
        let server = server(options)?;
        let Some(DhcpOption::AddressLeaseTime(seconds)) = options.get(OptionCode::AddressLeaseTime) else {
            return None;
        };
        let address = Ipv4Net::new(address, prefix_len(options, address)?).ok()?;
        let (renew, rebind, expires) = times(options, *seconds, asked)?;
        let routes = routes(options);
        Some(Self {
            routers: if routes.is_empty() { list(options, OptionCode::Router) } else { Vec::new() },
            routes,
            dns_servers: list(options, OptionCode::DomainNameServer),
            domain: domain(options),
            search: search(options),
            mtu: mtu(options),
            address: is_host(address).then_some(address)?,
            server,
            renew,
            rebind,
            expires,
        })
    }
}

/// Whether it can be the address of a host.
fn is_host(net: Ipv4Net) -> bool {
    let address = net.addr();
    let end = net.prefix_len() < 31 && (address == net.network() || address == net.broadcast());
    !(end
        || address.is_unspecified()
        || address.is_loopback()
        || address.is_multicast()
        || address.is_broadcast())
}

/// Who sent a message.
pub(super) fn server(options: &DhcpOptions) -> Option<Ipv4Addr> {
    match options.get(OptionCode::ServerIdentifier)? {
        DhcpOption::ServerIdentifier(server) => Some(*server),
        _ => None,
    }
}

/// From the mask, which has to be one; without it, that of the address's class, as hosts of old had it.
fn prefix_len(options: &DhcpOptions, address: Ipv4Addr) -> Option<u8> {
    match options.get(OptionCode::SubnetMask) {
        Some(DhcpOption::SubnetMask(mask)) => ipnet::ipv4_mask_to_prefix(*mask).ok(),
        _ => Some(match address.octets().first() {
            Some(0..128) => 8,
            Some(128..192) => 16,
            _ => 24,
        }),
    }
}

/// T1, T2 and the end. What a server leaves out is half and seven eighths of the lease, and so is what contradicts itself
/// (RFC 2131 §4.4.5).
fn times(options: &DhcpOptions, seconds: u32, asked: Instant) -> Option<(Instant, Instant, Instant)> {
    if seconds == INFINITE {
        return Some((Instant::FAR_FUTURE, Instant::FAR_FUTURE, Instant::FAR_FUTURE));
    }
    let lease = Duration::from_secs((seconds > 0).then_some(seconds.into())?);
    let option = |code| match options.get(code) {
        Some(DhcpOption::Renewal(seconds) | DhcpOption::Rebinding(seconds)) => {
            Some(Duration::from_secs((*seconds).into()))
        }
        _ => None,
    };
    let (t1, t2) = (option(OptionCode::Renewal), option(OptionCode::Rebinding));
    let told = t1.zip(t2).filter(|(t1, t2)| t1 < t2 && *t2 < lease);
    let (t1, t2) = told.unwrap_or((lease / 2, lease * 7 / 8));
    Some((asked + t1, asked + t2, asked + lease))
}

fn list(options: &DhcpOptions, code: OptionCode) -> Vec<Ipv4Addr> {
    match options.get(code) {
        Some(DhcpOption::Router(list) | DhcpOption::DomainNameServer(list)) => {
            let usable = |address: &&Ipv4Addr| !address.is_unspecified() && !address.is_multicast();
            list.iter().filter(usable).take(MOST).copied().collect()
        }
        _ => Vec::new(),
    }
}

fn routes(options: &DhcpOptions) -> Vec<(Ipv4Net, Ipv4Addr)> {
    match options.get(OptionCode::ClasslessStaticRoute) {
        Some(DhcpOption::ClasslessStaticRoute(routes)) => routes.iter().take(MOST).copied().collect(),
        _ => Vec::new(),
    }
}

fn domain(options: &DhcpOptions) -> Option<String> {
    match options.get(OptionCode::DomainName)? {
        // Some servers end it as C does.
        DhcpOption::DomainName(name) => Some(name.trim_end_matches(['\0', '.']).to_owned()),
        _ => None,
    }
    .filter(|name| !name.is_empty())
}

fn search(options: &DhcpOptions) -> Vec<String> {
    match options.get(OptionCode::DomainSearch) {
        Some(DhcpOption::DomainSearch(names)) => {
            names.iter().take(MOST).map(|name| name.to_string().trim_end_matches('.').to_owned()).collect()
        }
        _ => Vec::new(),
    }
}

fn mtu(options: &DhcpOptions) -> Option<u16> {
    match options.get(OptionCode::InterfaceMtu)? {
        // RFC 2132 §5.1: less is not allowed.
        DhcpOption::InterfaceMtu(mtu) => Some(*mtu).filter(|mtu| *mtu >= 68),
        _ => None,
    }
}
