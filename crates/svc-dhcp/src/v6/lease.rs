//! What a server has granted or told, read out of a reply and checked.

use dhcproto::v6::{DhcpOption, DhcpOptions, IAAddr, IANA, OptionCode, Status};
use stack_core::Instant;
use std::net::Ipv6Addr;
use std::time::Duration;

/// Servers and domains that are kept of a message, each.
const MOST: usize = 16;
/// Lifetime without end (RFC 8415 §7.7).
const INFINITE: u32 = u32::MAX;
/// How long information holds if the server does not say, at least, and how long it holds at least
/// (RFC 8415 §7.6: IRT_DEFAULT, IRT_MINIMUM).
const REFRESH: u32 = 86_400;
const REFRESH_LEAST: u32 = 600;

/// An address and what goes with it, or what goes with the addresses that routers grant.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lease {
    /// The address; none of a stateless client.
    pub address: Option<Ipv6Addr>,
    /// Who granted it: the server's identifier (RFC 8415 §11).
    pub server: Vec<u8>,
    /// Name servers, the best first.
    pub dns_servers: Vec<Ipv6Addr>,
    /// Domains in which names are looked for.
    pub search: Vec<String>,
    /// When the server is asked again (T1, or the information refresh time).
    pub renew: Instant,
    /// When any server is asked (T2).
    pub rebind: Instant,
    /// When the address must not be used any more; [`Instant::FAR_FUTURE`] for never.
    pub expires: Instant,
}

/// What a reply says of the address that was asked for.
pub(super) enum Granted {
    /// It may be used.
    Lease(Lease),
    /// It is not known of (NoBinding): it has to be asked for anew.
    Unknown,
    /// It can't be had.
    Nothing,
}

impl Lease {
    /// The information of a reply to a stateless client.
    pub(super) fn of_information(options: &DhcpOptions, server: Vec<u8>, now: Instant) -> Self {
        let told = seconds(options, OptionCode::InformationRefreshTime).unwrap_or(REFRESH);
        let refresh = after(now, told.max(REFRESH_LEAST));
        let never = Instant::FAR_FUTURE;
        Self { renew: refresh, rebind: never, expires: never, ..Self::told(options, server) }
    }

    fn told(options: &DhcpOptions, server: Vec<u8>) -> Self {
        let dns_servers = match options.get(OptionCode::DomainNameServers) {
            Some(DhcpOption::DomainNameServers(servers)) => {
                let usable = |address: &&Ipv6Addr| !address.is_unspecified() && !address.is_multicast();
                servers.iter().filter(usable).take(MOST).copied().collect()
            }
            _ => Vec::new(),
        };
        let search = match options.get(OptionCode::DomainSearchList) {
            Some(DhcpOption::DomainSearchList(names)) => {
                let plain = |name: &dhcproto::Name| name.to_string().trim_end_matches('.').to_owned();
                names.iter().take(MOST).map(plain).collect()
            }
            _ => Vec::new(),
        };
        let never = Instant::FAR_FUTURE;
        Self { address: None, server, dns_servers, search, renew: never, rebind: never, expires: never }
    }
}

/// The lease of a reply or an advertisement, for the association that was asked about.
pub(super) fn granted(options: &DhcpOptions, iaid: u32, server: Vec<u8>, now: Instant) -> Granted {
    if status(options) == Status::NoBinding {
        return Granted::Unknown;
    }
    let Some(association) = association(options, iaid) else { return Granted::Nothing };
    match status(&association.opts) {
        Status::Success => {}
        Status::NoBinding => return Granted::Unknown,
        _ => return Granted::Nothing,
    }
    let Some(address) = usable_address(&association.opts) else { return Granted::Nothing };
    let (renew, rebind) = times(association, address, now);
    Granted::Lease(Lease {
        address: Some(address.addr),
        renew,
        rebind,
        expires: after(now, address.valid_life),
        ..Lease::told(options, server)
    })
}

/// An option that is a number of seconds; the codec leaves most of these as they come.
pub(super) fn seconds(options: &DhcpOptions, code: OptionCode) -> Option<u32> {
    match options.get(code)? {
        DhcpOption::InformationRefreshTime(seconds) => Some(*seconds),
        DhcpOption::Unknown(option) => option.data().try_into().ok().map(u32::from_be_bytes),
        _ => None,
    }
}

/// The status of a message or an option; without one all is well (RFC 8415 §21.13).
pub(super) fn status(options: &DhcpOptions) -> Status {
    match options.get(OptionCode::StatusCode) {
        Some(DhcpOption::StatusCode(code)) => code.status,
        _ => Status::Success,
    }
}

/// T1 beyond T2 makes an association invalid (§21.4).
fn association(options: &DhcpOptions, iaid: u32) -> Option<&IANA> {
    options.iter().find_map(|option| match option {
        DhcpOption::IANA(association) if association.id == iaid => {
            let sane = association.t1 == 0 || association.t2 == 0 || association.t1 <= association.t2;
            sane.then_some(association)
        }
        _ => None,
    })
}

/// The first address that is not withdrawn, not for longer preferred than valid (§21.6), and that a host can have.
fn usable_address(options: &DhcpOptions) -> Option<&IAAddr> {
    options.iter().find_map(|option| match option {
        DhcpOption::IAAddr(address) => {
            let host =
                !(address.addr.is_unspecified() || address.addr.is_loopback() || address.addr.is_multicast());
            let lives = address.valid_life > 0 && address.preferred_life <= address.valid_life;
            (host && lives && status(&address.opts) == Status::Success).then_some(address)
        }
        _ => None,
    })
}

/// T1 and T2; where the server leaves them to us, half and four fifths of the preferred lifetime (§18.2.4, §21.4).
fn times(association: &IANA, address: &IAAddr, now: Instant) -> (Instant, Instant) {
    let share = |tenths: u64| match address.preferred_life {
        INFINITE => INFINITE,
        life => u32::try_from(u64::from(life) * tenths / 10).unwrap_or(INFINITE),
    };
    let or = |told: u32, own: u32| after(now, if told == 0 { own } else { told.min(address.valid_life) });
    (or(association.t1, share(5)), or(association.t2, share(8)))
}

fn after(now: Instant, seconds: u32) -> Instant {
    if seconds == INFINITE { Instant::FAR_FUTURE } else { now + Duration::from_secs(seconds.into()) }
}
