//! What the extension headers of a packet to us want, in the order in which they stand: RFC 8200 §4.
//!
//! Options that we don't know are treated as their type says (§4.2); we know only padding. Routing headers lead
//! nowhere from here (§4.4, RFC 5095). A fragment that is the whole packet is one header more (RFC 6946); at any other the
//! walk ends, since what lies behind it is not all there.
//!
//! Bounded: at most [`MAX_EXTENSIONS`] headers, each looked at once, with as many options and as much padding as
//! [`Rules`] allow (RFC 8504 §5.3).

use stack_core::DropReason;
use stack_wire::icmpv6::parameter_problem as code;
use stack_wire::ip::protocol;
use stack_wire::ipv6::HEADER_LEN;
use stack_wire::ipv6_ext::{Extension, FRAGMENT_LEN, Fragment, MAX_EXTENSIONS, Options, UnknownAction};

/// Where the next-header field of the fixed header lies.
const FIXED_NEXT_HEADER: usize = 6;

/// What a walk has to know beyond the packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules {
    /// The packet was sent to a group, or by the link to all.
    pub(crate) to_group: bool,
    /// Options that a header may have.
    pub(crate) max_options: u16,
    /// Octets of padding that may follow each other.
    pub(crate) max_padding: u16,
}

/// What lies behind the extension headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Upper {
    /// Its protocol; [`protocol::IPV6_FRAGMENT`] where the packet is one of several fragments.
    pub(crate) protocol: u8,
    /// Where it begins, in octets from the fixed header's first.
    pub(crate) offset: usize,
    /// There was a fragment header on the way.
    pub(crate) fragmented: bool,
}

/// Why a packet ends at its extension headers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Refusal {
    /// Counted as this.
    pub(crate) reason: DropReason,
    /// Code and pointer of the parameter problem to report.
    pub(crate) report: Option<(u8, usize)>,
}

impl Refusal {
    pub(crate) fn silent(reason: DropReason) -> Self {
        Self { reason, report: None }
    }

    pub(crate) fn reported(reason: DropReason, code: u8, pointer: usize) -> Self {
        Self { reason, report: Some((code, pointer)) }
    }
}

/// Whether this kind of header is walked here.
pub(crate) fn is_extension(next_header: u8) -> bool {
    matches!(
        next_header,
        protocol::HOP_BY_HOP | protocol::IPV6_ROUTE | protocol::IPV6_FRAGMENT | protocol::IPV6_DESTINATION
    )
}

/// Obeys the extension headers of a packet, which lie contiguous behind its fixed header; `next` is the fixed header's
/// next-header field.
pub(crate) fn walk(packet: &[u8], next: u8, rules: &Rules) -> Result<Upper, Refusal> {
    let mut upper = Upper { protocol: next, offset: HEADER_LEN, fragmented: false };
    let mut named_at = FIXED_NEXT_HEADER;
    for _ in 0..=MAX_EXTENSIONS {
        if !is_extension(upper.protocol) {
            return Ok(upper);
        }
        if upper.protocol == protocol::HOP_BY_HOP && named_at != FIXED_NEXT_HEADER {
            return Err(Refusal::reported(DropReason::BadOption, code::NEXT_HEADER, named_at)); // R8200-4-b
        }
        let rest = packet.get(upper.offset..).unwrap_or_default();
        let Some((next, len)) = step(rest, &mut upper, rules)? else { return Ok(upper) };
        named_at = upper.offset;
        upper.protocol = next;
        upper.offset += len;
    }
    Err(Refusal::silent(DropReason::BadOption))
}

/// One header: the next one's type, and its own length; `None` where the packet is a part.
fn step(rest: &[u8], upper: &mut Upper, rules: &Rules) -> Result<Option<(u8, usize)>, Refusal> {
    let cut = |_| Refusal::silent(DropReason::Truncated);
    if upper.protocol == protocol::IPV6_FRAGMENT {
        let (fragment, _) = Fragment::parse(rest).map_err(cut)?;
        upper.fragmented = true;
        let atomic = fragment.offset() == 0 && !fragment.more_fragments(); // R6946-a
        return Ok(atomic.then_some((fragment.next_header, FRAGMENT_LEN)));
    }
    let extension = Extension::parse(rest).map_err(cut)?;
    match upper.protocol {
        protocol::IPV6_ROUTE => routing(&extension, upper.offset)?,
        _ => options(extension.options(), upper.offset, rules)?,
    }
    Ok(Some((extension.next_header, extension.len)))
}

/// R8200-4.4-a, R8200-4.4-b, R5095-a: of no type do we know more than that its route has to be at its end.
fn routing(extension: &Extension<'_>, offset: usize) -> Result<(), Refusal> {
    let [_, segments_left, ..] = extension.data else { return Err(Refusal::silent(DropReason::Truncated)) };
    if *segments_left == 0 {
        return Ok(());
    }
    let routing_type = offset + 2;
    Err(Refusal::reported(DropReason::SourceRoute, code::HEADER_FIELD, routing_type))
}

fn options(mut options: Options<'_>, offset: usize, rules: &Rules) -> Result<(), Refusal> {
    let reason = DropReason::BadOption;
    let mut count = 0;
    while let Some((kind, data)) = options.next() {
        count += 1;
        if count > rules.max_options {
            return Err(Refusal::silent(reason)); // R8504-5.3-a
        }
        let at = offset + options.offset() - data.len() - 2;
        match UnknownAction::of(kind) {
            UnknownAction::Skip => {}
            UnknownAction::Discard => return Err(Refusal::silent(reason)),
            UnknownAction::DiscardAndReportUnicast if rules.to_group => return Err(Refusal::silent(reason)),
            UnknownAction::DiscardAndReport | UnknownAction::DiscardAndReportUnicast => {
                return Err(Refusal::reported(reason, code::OPTION, at));
            }
        }
    }
    // R8200-4.2-e, R8504-5.3-b
    let refused = options.malformed() || options.longest_padding() > usize::from(rules.max_padding);
    if refused { Err(Refusal::silent(reason)) } else { Ok(()) }
}

/// Where the field lies that names the packet's upper-layer protocol: the pointer of "unrecognized next header"
/// (R8200-4-a). As far as the bytes go.
pub(crate) fn upper_named_at(packet: &[u8]) -> usize {
    let (mut named_at, mut offset) = (FIXED_NEXT_HEADER, HEADER_LEN);
    for _ in 0..MAX_EXTENSIONS {
        let next = packet.get(named_at).copied().unwrap_or(protocol::IPV6_NO_NEXT);
        let rest = packet.get(offset..).unwrap_or_default();
        let len = match next {
            protocol::IPV6_FRAGMENT => Fragment::parse(rest).map(|_| FRAGMENT_LEN),
            next if is_extension(next) => Extension::parse(rest).map(|extension| extension.len),
            _ => break,
        };
        let Ok(len) = len else { break };
        named_at = offset;
        offset += len;
    }
    named_at
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const UDP: u8 = protocol::UDP;

    /// The extension headers `bytes`, of which the first is of type `next`.
    fn walked(next: u8, bytes: &[u8]) -> Result<Upper, Refusal> {
        walk_to(next, bytes, false)
    }

    fn walk_to(next: u8, bytes: &[u8], to_group: bool) -> Result<Upper, Refusal> {
        let mut packet = alloc::vec![0; HEADER_LEN];
        packet[FIXED_NEXT_HEADER] = next;
        packet.extend_from_slice(bytes);
        walk(&packet, next, &Rules { to_group, max_options: 8, max_padding: 7 })
    }

    fn upper(offset: usize) -> Result<Upper, Refusal> {
        Ok(Upper { protocol: UDP, offset, fragmented: false })
    }

    fn part(offset: usize) -> Result<Upper, Refusal> {
        Ok(Upper { protocol: protocol::IPV6_FRAGMENT, offset, fragmented: true })
    }

    fn dropped(reason: DropReason) -> Result<Upper, Refusal> {
        Err(Refusal::silent(reason))
    }

    /// A header of eight octets with this option of two octets of data.
    fn with_option(next: u8, option: u8) -> [u8; 8] {
        [next, 0, 1, 0, option, 2, 0, 0]
    }

    #[test]
    fn chains() {
        use protocol::{HOP_BY_HOP, IPV6_DESTINATION, IPV6_FRAGMENT, IPV6_NO_NEXT, IPV6_ROUTE};
        let pad = |next| [next, 0, 1, 4, 0, 0, 0, 0];
        let routing = |routing_type, left| [UDP, 0, routing_type, left, 0, 0, 0, 0];
        let fragment = |offset_more| [UDP, 0, 0, offset_more, 0, 0, 0, 1];
        let problem = |code, at| Err(Refusal::reported(DropReason::BadOption, code, at));
        let two = |a: [u8; 8], b: [u8; 8]| [a, b].concat();
        for (situation, next, bytes, want) in [
            ("none", UDP, Vec::new(), upper(40)),
            ("hop-by-hop", HOP_BY_HOP, pad(UDP).to_vec(), upper(48)),
            (
                "R8200-4-c: destination options twice",
                IPV6_DESTINATION,
                two(pad(IPV6_DESTINATION), pad(UDP)),
                upper(56),
            ),
            (
                "R8200-4-b: hop-by-hop is not the first",
                IPV6_DESTINATION,
                two(pad(HOP_BY_HOP), pad(UDP)),
                problem(code::NEXT_HEADER, 40),
            ),
            ("R8200-4.4-a: route at its end", IPV6_ROUTE, routing(77, 0).to_vec(), upper(48)),
            ("R5095-a: type 0 at its end", IPV6_ROUTE, routing(0, 0).to_vec(), upper(48)),
            (
                "R8200-4.4-b: route goes on",
                IPV6_ROUTE,
                routing(77, 1).to_vec(),
                Err(Refusal::reported(DropReason::SourceRoute, code::HEADER_FIELD, 42)),
            ),
            (
                "R5095-a: type 0 goes on",
                IPV6_ROUTE,
                routing(0, 2).to_vec(),
                Err(Refusal::reported(DropReason::SourceRoute, code::HEADER_FIELD, 42)),
            ),
            (
                "R6946-a: atomic fragment",
                IPV6_FRAGMENT,
                fragment(0).to_vec(),
                Ok(Upper { protocol: UDP, offset: 48, fragmented: true }),
            ),
            ("first fragment", IPV6_FRAGMENT, fragment(1).to_vec(), part(40)),
            ("later fragment", IPV6_FRAGMENT, fragment(8).to_vec(), part(40)),
            ("fragment behind options", IPV6_DESTINATION, two(pad(IPV6_FRAGMENT), fragment(8)), part(48)),
            (
                "R8200-4.7-a: nothing follows",
                HOP_BY_HOP,
                pad(IPV6_NO_NEXT).to_vec(),
                Ok(Upper { protocol: IPV6_NO_NEXT, offset: 48, fragmented: false }),
            ),
            ("cut inside", HOP_BY_HOP, pad(UDP)[..7].to_vec(), dropped(DropReason::Truncated)),
            ("missing", IPV6_FRAGMENT, Vec::new(), dropped(DropReason::Truncated)),
            ("as many as allowed", IPV6_DESTINATION, chain(MAX_EXTENSIONS), upper(40 + 8 * MAX_EXTENSIONS)),
            ("one too many", IPV6_DESTINATION, chain(MAX_EXTENSIONS + 1), dropped(DropReason::BadOption)),
        ] {
            assert_eq!(walked(next, &bytes), want, "{situation}");
        }
    }

    fn chain(count: usize) -> Vec<u8> {
        let mut bytes = [protocol::IPV6_DESTINATION, 0, 1, 4, 0, 0, 0, 0].repeat(count);
        let last = bytes.len() - 8;
        bytes[last] = UDP;
        bytes
    }

    #[test]
    fn unknown_options_say_what_to_do() {
        let silent = dropped(DropReason::BadOption);
        let reported = Err(Refusal::reported(DropReason::BadOption, code::OPTION, 44));
        for (situation, option, unicast, group) in [
            ("R8200-4.2-a: skip", 0x1e, upper(48), upper(48)),
            ("R8200-4.2-b: discard", 0x5e, silent, silent),
            ("R8200-4.2-c: report", 0x9e, reported, reported),
            ("R8200-4.2-d: report unless to a group", 0xde, reported, silent),
        ] {
            for header in [protocol::HOP_BY_HOP, protocol::IPV6_DESTINATION] {
                let bytes = with_option(UDP, option);
                assert_eq!(walk_to(header, &bytes, false), unicast, "{situation}");
                assert_eq!(walk_to(header, &bytes, true), group, "{situation}, group");
            }
        }
        let overrun = [UDP, 0, 0x1e, 9, 0, 0, 0, 0];
        assert_eq!(walked(protocol::HOP_BY_HOP, &overrun), silent, "R8200-4.2-e: overrun");
    }

    // R8504-5.3-a, R8504-5.3-b
    #[test]
    fn options_and_padding_are_limited() {
        let header = |options: &[u8]| {
            let mut bytes = [&[UDP, 0][..], options].concat();
            bytes.resize(bytes.len().next_multiple_of(8), 0);
            bytes[1] = (bytes.len() / 8 - 1) as u8;
            let got = walked(protocol::IPV6_DESTINATION, &bytes);
            got == upper(40 + bytes.len())
        };
        for (situation, options, taken) in [
            ("eight options", [0x1e, 0].repeat(8), true),
            ("nine options", [0x1e, 0].repeat(9), false),
            ("seven of Pad1", [&[0x1e, 5, 0, 0, 0, 0, 0][..], &[0; 7]].concat(), true),
            ("eight of Pad1", [&[0x1e, 4, 0, 0, 0, 0][..], &[0; 8]].concat(), false),
            ("PadN of eight", [&[0x1e, 4, 0, 0, 0, 0][..], &[1, 6, 0, 0, 0, 0, 0, 0]].concat(), false),
            ("PadN and Pad1", [&[0x1e, 4, 0, 0, 0, 0][..], &[1, 4, 0, 0, 0, 0, 0, 0]].concat(), false),
            (
                "padding that an option parts",
                [&[1, 5, 0, 0, 0, 0, 0][..], &[0x1e, 0], &[0; 5]].concat(),
                true,
            ),
        ] {
            assert_eq!(header(&options), taken, "{situation}");
        }
    }

    // R8200-4-a
    #[test]
    fn where_the_upper_protocol_is_named() {
        let mut packet = alloc::vec![0; HEADER_LEN];
        packet[FIXED_NEXT_HEADER] = 99;
        assert_eq!(upper_named_at(&packet), 6);
        packet[FIXED_NEXT_HEADER] = protocol::IPV6_DESTINATION;
        packet.extend_from_slice(&[protocol::IPV6_FRAGMENT, 0, 1, 4, 0, 0, 0, 0]);
        packet.extend_from_slice(&[99, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(upper_named_at(&packet), 48);
        assert_eq!(upper_named_at(&packet[..50]), 40, "as far as the bytes go");
    }

    /// Headers that ask for nothing, of these types, with so many units of eight octets more than one.
    fn harmless() -> impl Strategy<Value = Vec<(u8, u8)>> {
        let kinds = prop::sample::select(alloc::vec![43u8, 44, 60]);
        proptest::collection::vec((kinds, 0..2u8), 0..6)
    }

    proptest! {
        #[test]
        fn chains_end_where_others_say(headers in harmless(), hop_by_hop: bool, payload in 0..50usize, last: u8) {
            prop_assume!(!is_extension(last) && last != 51);
            let mut kinds: Vec<(u8, u8)> = hop_by_hop.then_some((protocol::HOP_BY_HOP, 0)).into_iter().collect();
            kinds.extend(headers);
            let next = |at: usize| kinds.get(at).map_or(last, |(kind, _)| *kind);
            let mut bytes = Vec::new();
            for (at, (kind, units)) in kinds.iter().enumerate() {
                let units = if *kind == protocol::IPV6_FRAGMENT { 0 } else { *units };
                bytes.extend([next(at + 1), units]);
                let has_options = matches!(*kind, protocol::HOP_BY_HOP | protocol::IPV6_DESTINATION);
                bytes.extend(if has_options { [0x1e, 4, 0, 0, 0, 0] } else { [0; 6] });
                bytes.extend([0x1e, 6, 0, 0, 0, 0, 0, 0].repeat(units.into()));
            }
            bytes.extend(alloc::vec![0; payload]);
            let packet = crate::testing::packet("fd00::9", "fd00::1", next(0), &bytes);
            let rules = Rules { to_group: false, max_options: 8, max_padding: 7 };
            let ours = walk(&packet, next(0), &rules).unwrap();
            let (theirs, _) = etherparse::LaxIpv6Slice::from_slice(&packet).unwrap();
            // They stop at the second header of a type that stands once in RFC 8200 §4.1.
            if theirs.payload().ip_number.0 == last {
                prop_assert_eq!(ours.protocol, last);
                prop_assert_eq!(packet.len() - ours.offset, theirs.payload().payload.len());
            }
            prop_assert_eq!(packet.len() - ours.offset, payload);
        }

        #[test]
        fn no_bytes_panic_or_lead_outside(
            bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0), Just(60)], 0..200),
            next in prop::sample::select(alloc::vec![0u8, 43, 44, 60]),
            to_group: bool,
        ) {
            if let Ok(upper) = walk_to(next, &bytes, to_group) {
                prop_assert!(upper.offset <= HEADER_LEN + bytes.len());
            }
            upper_named_at(&bytes);
        }
    }
}
