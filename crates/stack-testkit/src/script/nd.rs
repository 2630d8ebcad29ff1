//! Neighbour discovery in scripts: lines as packets, packets as lines, and what assertions may ask of the tables.
//!
//! The bytes are read and written here by hand, as a second opinion beside the stack's own views.

use super::Stop;
use super::conversation::Conversation;
use crate::decode::Ip;
use crate::pkt::{Nd, NdMessage, NdOption, Packet};
use core::net::{IpAddr, Ipv6Addr};
use stack_core::{AddressState, DropReason, NetworkEvent};
use stack_host::Host;
use stack_packet::{Cast, LinkAddress};
use stack_wire::checksum::pseudo_header;
use stack_wire::ip::protocol;
use stack_wire::ndp::solicited_node;

/// The peer's link-local address, where a line names no other source.
const PEER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
const HOP_LIMIT: u8 = 255;
const NONCE: u8 = 14;

/// A line with what is usual for its message, where it does not say: source, destination, hop limit.
pub(super) fn addressed(packet: &Packet, nd: &Nd, local: IpAddr) -> Packet {
    let mut packet = packet.clone();
    let group: IpAddr = match nd.message {
        NdMessage::RouterSolicit => ALL_ROUTERS.into(),
        NdMessage::RouterAdvert { .. } => ALL_NODES.into(),
        NdMessage::NeighborSolicit(target) => solicited_node(target).into(),
        NdMessage::NeighborAdvert { .. } | NdMessage::Redirect { .. } => local,
    };
    let dst = *packet.ip.dst.get_or_insert(group);
    packet.ip.src.get_or_insert(PEER.into());
    packet.ip.ttl.get_or_insert(HOP_LIMIT);
    if dst.is_multicast() {
        packet.ip.cast.get_or_insert(Cast::Multicast);
    }
    packet
}

impl Conversation {
    /// The ICMPv6 message of a line, with its checksum.
    pub(super) fn nd_message(&self, nd: &Nd, src: IpAddr, dst: IpAddr) -> Result<Vec<u8>, Stop> {
        let (kind, fixed) = fixed(&nd.message);
        let mut bytes = [&[kind, nd.code, 0, 0][..], &fixed].concat();
        for option in &nd.options {
            let bytes_of = self.option_bytes(option)?;
            bytes.extend(bytes_of);
        }
        let sum = pseudo_header(src, dst, protocol::ICMPV6, bytes.len() as u32).add_bytes(&bytes).finish();
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        Ok(bytes)
    }

    fn option_bytes(&self, option: &NdOption) -> Result<Vec<u8>, Stop> {
        Ok(match option {
            NdOption::SourceLink(link) => padded(1, &link.0),
            NdOption::TargetLink(link) => padded(2, &link.0),
            NdOption::Prefix { net: (prefix, length), flags, valid, preferred } => {
                let (valid, preferred) = (valid.to_be_bytes(), preferred.to_be_bytes());
                padded(3, &[&[*length, *flags][..], &valid, &preferred, &[0; 4], &prefix.octets()].concat())
            }
            NdOption::Quote => padded(4, &[&[0; 6][..], self.last_sent().unwrap_or_default()].concat()),
            NdOption::Mtu(mtu) => padded(5, &[&[0; 2][..], &mtu.to_be_bytes()].concat()),
            NdOption::Nonce(Some(nonce)) => padded(NONCE, nonce),
            NdOption::Nonce(None) => padded(NONCE, &self.last_nonce()?),
            NdOption::Route { net: (prefix, length), flags, lifetime } => {
                let octets = match length {
                    0 => 0,
                    1..=64 => 8,
                    _ => 16,
                };
                let prefix = &prefix.octets()[..octets];
                padded(24, &[&[*length, *flags][..], &lifetime.to_be_bytes(), prefix].concat())
            }
            NdOption::Servers(lifetime, servers) => {
                let servers: Vec<u8> = servers.iter().flat_map(|server| server.octets()).collect();
                padded(25, &[&[0; 2][..], &lifetime.to_be_bytes(), &servers].concat())
            }
            NdOption::Domains(lifetime, domains) => {
                let names: Vec<u8> = domains.iter().flat_map(|domain| name(domain)).collect();
                padded(31, &[&[0; 2][..], &lifetime.to_be_bytes(), &names].concat())
            }
            NdOption::Raw(kind, bytes) => [&[*kind][..], bytes].concat(),
        })
    }

    /// The nonce of the last solicitation of the stack that had one.
    fn last_nonce(&self) -> Result<Vec<u8>, Stop> {
        let nonce = self.outbound_log.iter().rev().find_map(|sent| {
            let nd = sent.decoded.ip().and_then(|ip| line(ip, sent.link_dst))?;
            nd.options.into_iter().find_map(|option| match option {
                NdOption::Nonce(nonce) => nonce,
                _ => None,
            })
        });
        nonce.ok_or_else(|| Stop::Fail("the line repeats a nonce, and the stack has sent none".to_owned()))
    }
}

fn fixed(message: &NdMessage) -> (u8, Vec<u8>) {
    match message {
        NdMessage::RouterSolicit => (133, vec![0; 4]),
        NdMessage::RouterAdvert { hop_limit, flags, lifetime, reachable, retrans } => {
            let times = [reachable.to_be_bytes(), retrans.to_be_bytes()].concat();
            (134, [&[*hop_limit, *flags][..], &lifetime.to_be_bytes(), &times].concat())
        }
        NdMessage::NeighborSolicit(target) => (135, [&[0; 4][..], &target.octets()].concat()),
        NdMessage::NeighborAdvert { target, flags } => {
            (136, [&[*flags, 0, 0, 0][..], &target.octets()].concat())
        }
        NdMessage::Redirect { target, destination } => {
            (137, [&[0; 4][..], &target.octets(), &destination.octets()].concat())
        }
    }
}

fn padded(kind: u8, data: &[u8]) -> Vec<u8> {
    let len = (data.len() + 2).next_multiple_of(8);
    let mut option = [&[kind, (len / 8) as u8][..], data].concat();
    option.resize(len, 0);
    option
}

fn name(domain: &str) -> Vec<u8> {
    let labels = domain.split('.').flat_map(|label| [&[label.len() as u8][..], label.as_bytes()].concat());
    labels.chain([0]).collect()
}

/// The line of a packet, if it is a message of neighbour discovery.
pub(super) fn line(ip: &Ip, link_dst: LinkAddress) -> Option<Nd> {
    let [kind @ 133..=137, code, _, _, body @ ..] = &ip.payload[..] else { return None };
    if ip.protocol != protocol::ICMPV6 {
        return None;
    }
    let (message, len) = match (kind, body) {
        (133, _) => (NdMessage::RouterSolicit, 4),
        (134, [hop_limit, flags, a, b, times @ ..]) => {
            let lifetime = u16::from_be_bytes([*a, *b]);
            let (reachable, retrans) = (number(times)?, number(times.get(4..)?)?);
            (
                NdMessage::RouterAdvert {
                    hop_limit: *hop_limit,
                    flags: *flags,
                    lifetime,
                    reachable,
                    retrans,
                },
                12,
            )
        }
        (135, _) => (NdMessage::NeighborSolicit(address(body.get(4..)?)?), 20),
        (136, [flags, ..]) => {
            (NdMessage::NeighborAdvert { target: address(body.get(4..)?)?, flags: *flags }, 20)
        }
        (137, _) => {
            let (target, destination) = (address(body.get(4..)?)?, address(body.get(20..)?)?);
            (NdMessage::Redirect { target, destination }, 36)
        }
        _ => return None,
    };
    let options = options(body.get(len..)?)?;
    Some(Nd { message, code: *code, options, to: Some(link_dst) })
}

fn options(mut area: &[u8]) -> Option<Vec<NdOption>> {
    let mut options = Vec::new();
    while let [kind, units, ..] = area {
        let (option, rest) = area.split_at_checked(usize::from(*units).max(1) * 8)?;
        options.push(option_of(*kind, &option[2..]).unwrap_or(NdOption::Raw(*kind, option[1..].to_vec())));
        area = rest;
    }
    area.is_empty().then_some(options)
}

fn option_of(kind: u8, data: &[u8]) -> Option<NdOption> {
    let link = || data.try_into().ok().map(LinkAddress);
    Some(match kind {
        1 => NdOption::SourceLink(link()?),
        2 => NdOption::TargetLink(link()?),
        3 => NdOption::Prefix {
            net: (address(data.get(14..)?)?, data[0]),
            flags: data[1],
            valid: number(&data[2..])?,
            preferred: number(&data[6..])?,
        },
        4 => NdOption::Quote,
        5 => NdOption::Mtu(number(&data[2..])?),
        NONCE => NdOption::Nonce(Some(data.to_vec())),
        24 => {
            let mut octets = data.get(6..)?.to_vec();
            octets.resize(16, 0);
            NdOption::Route {
                net: (address(&octets)?, data[0]),
                flags: data[1],
                lifetime: number(&data[2..])?,
            }
        }
        25 => NdOption::Servers(
            number(&data[2..])?,
            data.get(6..)?.chunks_exact(16).filter_map(address).collect(),
        ),
        31 => NdOption::Domains(number(&data[2..])?, names(data.get(6..)?)),
        _ => return None,
    })
}

fn names(area: &[u8]) -> Vec<String> {
    let (mut names, mut labels, mut rest) = (Vec::new(), Vec::new(), area);
    while let Some((len, behind)) = rest.split_first() {
        let (label, next) = behind.split_at(usize::from(*len).min(behind.len()));
        if *len > 0 {
            labels.push(String::from_utf8_lossy(label).into_owned());
        } else if !labels.is_empty() {
            names.push(core::mem::take(&mut labels).join("."));
        }
        rest = next;
    }
    names
}

fn address(bytes: &[u8]) -> Option<Ipv6Addr> {
    bytes.first_chunk::<16>().map(|octets| Ipv6Addr::from(*octets))
}

fn number(bytes: &[u8]) -> Option<u32> {
    bytes.first_chunk::<4>().map(|octets| u32::from_be_bytes(*octets))
}

/// What an assertion may ask of the tables; numbers of things, over all interfaces.
pub(super) fn field(host: &Host, name: &str) -> Option<f64> {
    let addresses = |state| {
        let v6 = host.nics().skip(1).flat_map(|nic| nic.addresses);
        v6.filter(|own| own.address().is_ipv6() && own.state == state).count()
    };
    let routes = |default: bool| {
        let found = host.route_table().iter().filter(|row| row.discovered && row.gateway.is_some());
        found.filter(|row| (row.destination.prefix_len() == 0) == default).count()
    };
    let events = |wanted: fn(&NetworkEvent) -> usize| host.events().map(wanted).sum::<usize>();
    let neighbors = |router: bool| {
        let known = host.nics().flat_map(|nic| host.neighbors(nic.id).collect::<Vec<_>>());
        known.filter(|known| !router || known.router).count()
    };
    let dropped = |reason| host.counters().drops.of(reason) as usize;
    let count = match name {
        "tentative" => addresses(AddressState::Tentative),
        "preferred" => addresses(AddressState::Preferred),
        "deprecated" => addresses(AddressState::Deprecated),
        "duplicate" => addresses(AddressState::Duplicate),
        "routers" => routes(true),
        "routes" => routes(false),
        "on_link_prefixes" => {
            host.route_table().iter().filter(|row| row.discovered && row.gateway.is_none()).count()
        }
        "neighbors" => neighbors(false),
        "neighbor_routers" => neighbors(true),
        "dns_servers" => events(|event| match event {
            NetworkEvent::DnsServers { servers, .. } => servers.len(),
            _ => 0,
        }),
        "search_domains" => events(|event| match event {
            NetworkEvent::SearchDomains { domains, .. } => domains.len(),
            _ => 0,
        }),
        "dhcp_news" => events(|event| usize::from(matches!(event, NetworkEvent::Dhcp { .. }))),
        "nd_invalid" => dropped(DropReason::NdpInvalid),
        "nd_ignored" => dropped(DropReason::NdpIgnored),
        "nd_full" => dropped(DropReason::NdpTableFull),
        "nd_conflicts" => dropped(DropReason::AddressConflict),
        _ => return None,
    };
    Some(count as f64)
}
