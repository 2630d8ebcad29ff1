//! Group management in scripts: lines as packets, packets as lines, memberships of sockets, multicast routes, and what
//! assertions may ask of them.
//!
//! The bytes are read and written here by hand, as a second opinion beside the stack's own views.

use super::Stop;
use super::arguments::number;
use super::conversation::Conversation;
use crate::decode::Ip;
use crate::pkt::{Expr, Extension, Group, GroupMessage, GroupQuery, GroupRecord, Packet};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use stack_core::{DropReason, NetworkEvent, NicId, SocketOption};
use stack_host::{Host, MulticastOutput, MulticastRoute};
use stack_packet::{Cast, LinkAddress};
use stack_wire::checksum::{Sum, pseudo_header};
use stack_wire::ip::protocol;

/// The querier, where a line names no other source.
const QUERIER_V4: Ipv4Addr = Ipv4Addr::new(192, 168, 0, 2);
const QUERIER_V6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
const ALERT_V4: [u8; 4] = [148, 4, 0, 0];
const ALERT_V6: [u8; 6] = [5, 2, 0, 0, 1, 0];

/// A line with what is usual for its message, where it does not say: addresses, hop count, router alert.
pub(super) fn addressed(packet: &Packet, group: &Group) -> Packet {
    let mut packet = packet.clone();
    let (querier, all): (IpAddr, IpAddr) = if group.mld {
        (QUERIER_V6.into(), Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1).into())
    } else {
        (QUERIER_V4.into(), Ipv4Addr::new(224, 0, 0, 1).into())
    };
    let about = match &group.message {
        GroupMessage::Query(query) => query.group,
        GroupMessage::Short(_, about) => Some(*about),
        GroupMessage::Report(_) => None,
    };
    packet.ip.src.get_or_insert(querier);
    packet.ip.dst.get_or_insert(about.unwrap_or(all));
    packet.ip.ttl.get_or_insert(1);
    if packet.ip.dst.is_some_and(|dst| dst.is_multicast()) {
        packet.ip.cast.get_or_insert(Cast::Multicast);
    }
    if group.alert && group.mld {
        let alert = Extension { kind: protocol::HOP_BY_HOP, data: ALERT_V6.to_vec() };
        packet.ip.extensions.get_or_insert(vec![alert]);
    } else if group.alert {
        packet.ip.options.get_or_insert(ALERT_V4.to_vec());
    }
    packet
}

impl Conversation {
    /// The message of a line, with its checksum.
    pub(super) fn group_message(&self, group: &Group, src: IpAddr, dst: IpAddr) -> (u8, Vec<u8>) {
        let mut bytes = match &group.message {
            GroupMessage::Query(query) => query_bytes(query, group.mld),
            GroupMessage::Short(kind, about) if group.mld => {
                [&[*kind, 0, 0, 0, 0, 0, 0, 0][..], &octets(*about)].concat()
            }
            GroupMessage::Short(kind, about) => [&[*kind, 0, 0, 0][..], &octets(*about)].concat(),
            GroupMessage::Report(records) => report_bytes(records, group.mld),
        };
        let sum = if group.mld {
            pseudo_header(src, dst, protocol::ICMPV6, bytes.len() as u32).add_bytes(&bytes).finish()
        } else {
            Sum::new().add_bytes(&bytes).finish()
        };
        bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        (if group.mld { protocol::ICMPV6 } else { protocol::IGMP }, bytes)
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets().to_vec(),
    }
}

fn query_bytes(query: &GroupQuery, mld: bool) -> Vec<u8> {
    let newest = query.version == if mld { 2 } else { 3 };
    let unspecified: IpAddr = if mld { Ipv6Addr::UNSPECIFIED.into() } else { Ipv4Addr::UNSPECIFIED.into() };
    let group = octets(query.group.unwrap_or(unspecified));
    let mut bytes = if mld {
        let code = if newest { code(query.max_response, 12) } else { query.max_response as u16 };
        [&[130, 0, 0, 0][..], &code.to_be_bytes(), &[0, 0], &group].concat()
    } else {
        let tenths = query.max_response / 100;
        let code = if newest { code(tenths, 4) as u8 } else { tenths as u8 };
        [&[0x11, code, 0, 0][..], &group].concat()
    };
    if newest {
        let count = (query.sources.len() as u16).to_be_bytes();
        bytes.extend([query.robustness, code(query.interval, 4) as u8, count[0], count[1]]);
        bytes.extend(query.sources.iter().flat_map(|source| octets(*source)));
    }
    bytes
}

/// The first code, counted from zero, whose value is not below `wanted`; of four or twelve bits of mantissa.
fn code(wanted: u32, mantissa: u32) -> u16 {
    let marker = 1_u32 << (mantissa + 3);
    let value = |code: u32| {
        if code < marker {
            return code;
        }
        let (exponent, rest) = (code >> mantissa & 7, code & ((1 << mantissa) - 1));
        (rest | 1 << mantissa) << (exponent + 3)
    };
    (0..2 * marker).find(|code| value(*code) >= wanted).unwrap_or(2 * marker - 1) as u16
}

fn report_bytes(records: &[GroupRecord], mld: bool) -> Vec<u8> {
    let count = (records.len() as u16).to_be_bytes();
    let mut bytes = vec![if mld { 143 } else { 0x22 }, 0, 0, 0, 0, 0, count[0], count[1]];
    for record in records {
        bytes.extend([&[record.kind, 0][..], &(record.sources.len() as u16).to_be_bytes()].concat());
        bytes.extend(octets(record.group));
        bytes.extend(record.sources.iter().flat_map(|source| octets(*source)));
    }
    bytes
}

/// The line of a packet, if it is a message of group management without a fault.
pub(super) fn line(ip: &Ip, link_dst: LinkAddress) -> Option<Group> {
    let bytes = &ip.payload[..];
    let [kind, _, _, _, ..] = bytes else { return None };
    let (mld, alert) = match ip.protocol {
        protocol::IGMP if Sum::new().add_bytes(bytes).is_valid() => (false, ip.options == ALERT_V4),
        protocol::ICMPV6 if matches!(kind, 130..=132 | 143) => {
            let is_alert = |found: &Extension| found.kind == protocol::HOP_BY_HOP && found.data == ALERT_V6;
            (true, ip.extensions.iter().any(is_alert))
        }
        _ => return None,
    };
    let message = match kind {
        0x22 | 143 => GroupMessage::Report(records(bytes, mld)?),
        // The stack sends no queries.
        0x12 | 0x16 | 0x17 if !mld => GroupMessage::Short(*kind, address(bytes.get(4..8)?)?),
        131 | 132 if mld => GroupMessage::Short(*kind, address(bytes.get(8..24)?)?),
        _ => return None,
    };
    Some(Group { mld, message, alert, to: Some(link_dst) })
}

fn records(bytes: &[u8], mld: bool) -> Option<Vec<GroupRecord>> {
    let len = if mld { 16 } else { 4 };
    let count = u16::from_be_bytes([*bytes.get(6)?, *bytes.get(7)?]);
    let (mut rest, mut records) = (bytes.get(8..)?, Vec::new());
    for _ in 0..count {
        let [kind, 0, a, b, behind @ ..] = rest else { return None };
        let end = len * (1 + usize::from(u16::from_be_bytes([*a, *b])));
        let mut addresses = behind.get(..end)?.chunks(len).filter_map(address);
        let group = addresses.next()?;
        records.push(GroupRecord { kind: *kind, group, sources: addresses.collect() });
        rest = behind.get(end..)?;
    }
    rest.is_empty().then_some(records)
}

fn address(octets: &[u8]) -> Option<IpAddr> {
    match octets.len() {
        4 => Some(IpAddr::from(*octets.first_chunk::<4>()?)),
        16 => Some(IpAddr::from(*octets.first_chunk::<16>()?)),
        _ => None,
    }
}

/// A membership: `{group="239.1.1.1", source="10.0.0.1", interface=1}`, or with the names of C.
pub(super) fn membership(name: &str, value: &Expr) -> Option<Result<SocketOption, Stop>> {
    type Set = fn(&Expr) -> Result<SocketOption, Stop>;
    let set: Set = match name {
        "IP_ADD_MEMBERSHIP" | "IPV6_ADD_MEMBERSHIP" | "MCAST_JOIN_GROUP" => {
            |value| Ok(SocketOption::JoinGroup(group(value)?, interface(value)?))
        }
        "IP_DROP_MEMBERSHIP" | "IPV6_DROP_MEMBERSHIP" | "MCAST_LEAVE_GROUP" => {
            |value| Ok(SocketOption::LeaveGroup(group(value)?, interface(value)?))
        }
        "IP_ADD_SOURCE_MEMBERSHIP" | "MCAST_JOIN_SOURCE_GROUP" => {
            |value| Ok(SocketOption::JoinSource(group(value)?, source(value)?, interface(value)?))
        }
        "IP_DROP_SOURCE_MEMBERSHIP" | "MCAST_LEAVE_SOURCE_GROUP" => {
            |value| Ok(SocketOption::LeaveSource(group(value)?, source(value)?, interface(value)?))
        }
        "IP_BLOCK_SOURCE" | "MCAST_BLOCK_SOURCE" => {
            |value| Ok(SocketOption::BlockSource(group(value)?, source(value)?, interface(value)?))
        }
        "IP_UNBLOCK_SOURCE" | "MCAST_UNBLOCK_SOURCE" => {
            |value| Ok(SocketOption::UnblockSource(group(value)?, source(value)?, interface(value)?))
        }
        _ => return None,
    };
    Some(set(value))
}

fn group(value: &Expr) -> Result<IpAddr, Stop> {
    host_of(member(value, &["group", "imr_multiaddr", "ipv6mr_multiaddr", "gr_group", "gsr_group"]), "group")
}

fn source(value: &Expr) -> Result<IpAddr, Stop> {
    host_of(member(value, &["source", "imr_sourceaddr", "gsr_source"]), "source")
}

fn interface(value: &Expr) -> Result<Option<NicId>, Stop> {
    let names = ["interface", "imr_ifindex", "ipv6mr_interface", "gr_interface", "gsr_interface"];
    let index = member(value, &names).map_or(Ok(0), number)?;
    Ok(u32::try_from(index).ok().filter(|index| *index > 0).map(NicId))
}

fn member<'a>(value: &'a Expr, names: &[&str]) -> Option<&'a Expr> {
    names.iter().find_map(|name| super::arguments::member(value, name))
}

fn host_of(value: Option<&Expr>, what: &str) -> Result<IpAddr, Stop> {
    let text = match value {
        Some(Expr::Apply(_, arguments)) => arguments.first(),
        value => value,
    };
    let Some(Expr::Text(text)) = text else {
        return Err(Stop::Fail(format!("the membership names no {what}")));
    };
    text.parse().map_err(|_| Stop::Fail(format!("`{text}` is no address")))
}

/// `--mroute=192.0.2.1,239.1.1.1,1,2,3@16`: source or `*`, group, input, outputs with their thresholds.
pub(super) fn route(value: &str) -> Option<MulticastRoute> {
    let mut words = value.split(',');
    let source = match words.next()? {
        "*" => None,
        source => Some(source.parse().ok()?),
    };
    let (group, input) = (words.next()?.parse().ok()?, NicId(words.next()?.parse().ok()?));
    let output = |word: &str| {
        let (nic, threshold) = word.split_once('@').unwrap_or((word, "0"));
        Some(MulticastOutput { nic: NicId(nic.parse().ok()?), threshold: threshold.parse().ok()? })
    };
    Some(MulticastRoute { source, group, input, outputs: words.map(output).collect::<Option<_>>()? })
}

/// What an assertion may ask.
pub(super) fn field(host: &Host, name: &str) -> Option<f64> {
    let dropped = |reason| host.counters().drops.of(reason);
    let sum = |of: fn(&stack_host::MulticastRouteInfo) -> u64| host.multicast_routes().map(of).sum();
    let events =
        |wanted: fn(&NetworkEvent) -> bool| host.events().filter(|event| wanted(event)).count() as u64;
    let count: u64 = match name {
        "group_invalid" => dropped(DropReason::GroupInvalid),
        "group_ignored" => dropped(DropReason::GroupIgnored),
        "source_filtered" => dropped(DropReason::SourceFiltered),
        "wrong_input" => dropped(DropReason::WrongInput),
        "mroute_packets" => sum(|row| row.packets),
        "mroute_wrong_input" => sum(|row| row.wrong_input),
        "mroutes_used" => sum(|row| row.last_used.is_some().into()),
        "no_mroute_events" => events(|event| matches!(event, NetworkEvent::NoMulticastRoute { .. })),
        "wrong_input_events" => events(|event| matches!(event, NetworkEvent::WrongMulticastInput { .. })),
        _ => return None,
    };
    Some(count as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_stack() {
        for value in [0, 5, 100, 127, 128, 136, 248, 1000, 31_744, 40_000] {
            let ours = stack_wire::exponent::decode8(code(value, 4) as u8);
            assert!(ours >= value.min(31_744), "{value}: {ours}");
        }
        assert_eq!(stack_wire::exponent::decode16(code(40_000, 12)), 40_000);
    }

    #[test]
    fn routes_are_read() {
        let output = |nic, threshold| MulticastOutput { nic: NicId(nic), threshold };
        let read = route("*,239.1.1.1,1,2,3@16").unwrap();
        assert_eq!(
            (read.source, read.input, &read.outputs[..]),
            (None, NicId(1), &[output(2, 0), output(3, 16)][..])
        );
        assert!(route("*,239.1.1.1").is_none() && route("x,239.1.1.1,1,2").is_none());
    }
}
