//! Tests of the one-line display: each case is a packet as bytes and the line it has to give.

use super::describe;
use crate::checksum::Sum;
use crate::ethernet::{EtherType, MacAddr};
use crate::ip::protocol;
use crate::ipv6_ext::Fragment;
use crate::seq::SeqNum;
use crate::tcp::Flags;
use crate::{arp, icmpv4, icmpv6, ipv4, ipv6, ndp, tcp, udp};
use core::net::{Ipv4Addr, Ipv6Addr};
use proptest::prelude::*;
use std::string::{String, ToString};
use std::vec::Vec;
use zerocopy::IntoBytes;

const A: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
const B: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
const A6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
const B6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2);

fn v4_with(emit: ipv4::Emit<'_>, payload: &[u8]) -> Vec<u8> {
    let mut packet = std::vec![0; emit.header_len()];
    assert_eq!(emit.write(&mut packet), emit.header_len());
    packet.extend_from_slice(payload);
    packet
}

fn v4(protocol: u8, payload: &[u8]) -> Vec<u8> {
    v4_with(ipv4::Emit::new(A, B, protocol, payload.len()), payload)
}

fn v6(protocol: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = std::vec![0; ipv6::HEADER_LEN];
    ipv6::Emit::new(A6, B6, protocol, payload.len()).write(&mut packet);
    packet.extend_from_slice(payload);
    packet
}

fn segment(flags: Flags, options: &[u8], text: usize) -> Vec<u8> {
    let emit = tcp::Emit {
        src_port: 43210,
        dst_port: 80,
        seq: SeqNum(1),
        ack: SeqNum(7),
        flags,
        window: 64240,
        urgent: 3,
        options,
    };
    let mut segment = std::vec![0; emit.header_len()];
    emit.write(&mut segment, Sum::new());
    segment.resize(emit.header_len() + text, 0);
    segment
}

fn datagram(payload: usize) -> Vec<u8> {
    let mut datagram = std::vec![0; 8 + payload];
    udp::Emit { src_port: 5000, dst_port: 53, payload_len: payload }.write(&mut datagram, Sum::new());
    datagram
}

fn icmp(emit: icmpv4::Emit, payload: &[u8]) -> Vec<u8> {
    let mut message = std::vec![0; 8];
    emit.write(&mut message, Sum::new());
    message.extend_from_slice(payload);
    v4(protocol::ICMP, &message)
}

fn icmp6(emit: icmpv6::Emit, payload: &[u8]) -> Vec<u8> {
    let mut message = std::vec![0; 8];
    emit.write(&mut message, Sum::new());
    message.extend_from_slice(payload);
    v6(protocol::ICMPV6, &message)
}

fn line_v4(packet: &[u8]) -> String {
    describe(EtherType::IPV4, packet).to_string()
}

fn line_v6(packet: &[u8]) -> String {
    describe(EtherType::IPV6, packet).to_string()
}

#[test]
fn segments() {
    let syn = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
    let sack = [1, 1, 5, 10, 0, 0, 0, 9, 0, 0, 0, 12];
    for (segment, want) in [
        (
            segment(Flags::SYN, &syn, 0),
            "Flags [S], seq 1, win 64240, options [mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7], length 0",
        ),
        (segment(Flags::ACK, &[], 0), "Flags [.], ack 7, win 64240, length 0"),
        (segment(Flags::PSH | Flags::ACK, &[], 10), "Flags [P.], seq 1:11, ack 7, win 64240, length 10"),
        (segment(Flags::RST, &[], 0), "Flags [R], seq 1, win 64240, length 0"),
        (segment(Flags::URG, &[], 1), "Flags [U], seq 1:2, win 64240, urg 3, length 1"),
        (
            segment(Flags::ACK, &sack, 0),
            "Flags [.], ack 7, win 64240, options [nop,nop,sack 1 {9:12}], length 0",
        ),
        (
            segment(Flags::SYN, &[34, 6, 1, 2, 3, 0xff, 99, 2, 34, 2], 0),
            "Flags [S], seq 1, win 64240, options [tfo cookie 010203ff,unknown-99,tfo cookiereq,eol], length 0",
        ),
        (
            segment(Flags::SYN, &[1, 8, 10, 0], 0),
            "Flags [S], seq 1, win 64240, options [nop,[bad opt]], length 0",
        ),
    ] {
        let four = std::format!("10.77.0.1.43210 > 10.77.0.2.80: {want}");
        assert_eq!(line_v4(&v4(protocol::TCP, &segment)), four);
        let six = std::format!("fd00::1.43210 > fd00::2.80: {want}");
        assert_eq!(line_v6(&v6(protocol::TCP, &segment)), six);
    }
}

#[test]
fn other_transports() {
    let udp = v4(protocol::UDP, &datagram(12));
    assert_eq!(line_v4(&udp), "10.77.0.1.5000 > 10.77.0.2.53: UDP, length 12");
    let mut short = datagram(0);
    short[5] = 7;
    assert_eq!(line_v6(&v6(protocol::UDP, &short)), "fd00::1.5000 > fd00::2.53: UDP, bad length 7");
    assert_eq!(line_v4(&v4(47, &[0; 4])), "10.77.0.1 > 10.77.0.2: ip-proto-47, length 4");
    assert_eq!(describe(0x88cc, &[0; 9]).to_string(), "ethertype 0x88cc, length 9");
}

#[test]
fn arp_lines() {
    let mac = MacAddr([2, 0, 0, 0, 0, 1]);
    let line = |packet: arp::Packet| describe(EtherType::ARP, &packet.to_bytes()).to_string();
    let request = arp::Packet::request(mac, A, B);
    assert_eq!(line(request), "ARP, Request who-has 10.77.0.2 tell 10.77.0.1, length 28");
    let reply = arp::Packet::reply(mac, A, mac, B);
    assert_eq!(line(reply), "ARP, Reply 10.77.0.1 is-at 02:00:00:00:00:01, length 28");
    assert_eq!(describe(EtherType::ARP, &[0; 27]).to_string(), "[|arp]");
    let other = "[bad arp: unsupported hardware or protocol type]";
    assert_eq!(describe(EtherType::ARP, &[0; 28]).to_string(), other);
}

#[test]
fn icmp_lines() {
    use icmpv4::{Emit, time_exceeded, unreachable};
    let quote = v4(protocol::UDP, &datagram(0));
    for (packet, want) in [
        (icmp(Emit::echo_request(7, 1), &[0; 56]), "echo request, id 7, seq 1, length 64"),
        (icmp(Emit::echo_reply(7, 1), &[]), "echo reply, id 7, seq 1, length 8"),
        (icmp(Emit::unreachable(unreachable::HOST), &quote), "host 10.77.0.2 unreachable, length 36"),
        (icmp(Emit::unreachable(unreachable::PORT), &quote), "10.77.0.2 udp port 53 unreachable, length 36"),
        (
            icmp(Emit::unreachable(unreachable::PORT), &quote[..22]),
            "10.77.0.2 udp port [|] unreachable, length 30",
        ),
        (icmp(Emit::unreachable(unreachable::PORT), &quote[..9]), "unreachable, code 3 [|ip], length 17"),
        (
            icmp(Emit::fragmentation_needed(1400), &quote),
            "10.77.0.2 unreachable - need to frag (mtu 1400), length 36",
        ),
        (icmp(Emit::time_exceeded(time_exceeded::TTL), &quote), "time exceeded in-transit, length 36"),
        (icmp(Emit::parameter_problem(20), &quote), "parameter problem - octet 20, length 36"),
        (icmp(Emit { kind: 99, code: 5, rest: [0; 4] }, &[]), "type-#99, code 5, length 8"),
        (v4(protocol::ICMP, &[0; 7]), "[|icmp]"),
    ] {
        assert_eq!(line_v4(&packet), std::format!("10.77.0.1 > 10.77.0.2: ICMP {want}"));
    }
}

#[test]
fn icmp6_lines() {
    use icmpv6::{Emit, parameter_problem, time_exceeded, unreachable};
    let quote = v6(protocol::UDP, &datagram(0));
    let mut neighbor = [0; 32];
    let mac = Some(MacAddr::BROADCAST);
    ndp::Emit::solicit(B6, mac).write(&mut neighbor, Sum::new());
    let solicit = v6(protocol::ICMPV6, &neighbor);
    ndp::Emit::advert(B6, ndp::AdvertFlags::default(), mac).write(&mut neighbor, Sum::new());
    let advert = v6(protocol::ICMPV6, &neighbor);
    for (packet, want) in [
        (icmp6(Emit::echo_request(7, 1), &[]), "echo request, id 7, seq 1, length 8"),
        (solicit, "neighbor solicitation, who has fd00::2, length 32"),
        (advert, "neighbor advertisement, tgt is fd00::2, length 32"),
        (
            v6(protocol::ICMPV6, &neighbor[..20]),
            "neighbor advertisement, tgt is [bad: the bytes end inside the header], length 20",
        ),
        (
            icmp6(Emit::unreachable(unreachable::PORT), &quote),
            "destination unreachable, unreachable port, fd00::2 udp port 53, length 56",
        ),
        (
            icmp6(Emit::unreachable(unreachable::ADDRESS), &quote[..20]),
            "destination unreachable, code 3 [|ip6], length 28",
        ),
        (icmp6(Emit::packet_too_big(1280), &quote), "packet too big, mtu 1280, length 56"),
        (icmp6(Emit::time_exceeded(time_exceeded::REASSEMBLY), &[]), "ip reassembly time exceeded, length 8"),
        (
            icmp6(Emit::parameter_problem(parameter_problem::OPTION, 42), &[]),
            "parameter problem, code 2 - octet 42, length 8",
        ),
        (v6(protocol::ICMPV6, &[0; 7]), "[|icmp6]"),
    ] {
        assert_eq!(line_v6(&packet), std::format!("fd00::1 > fd00::2: ICMP6, {want}"));
    }
}

#[test]
fn fragments() {
    let part = |offset, more| ipv4::Emit {
        ident: 9,
        fragment_offset: offset,
        more_fragments: more,
        ..ipv4::Emit::new(A, B, protocol::UDP, 16)
    };
    let first = v4_with(part(0, true), &datagram(100)[..16]);
    assert_eq!(line_v4(&first), "10.77.0.1.5000 > 10.77.0.2.53: UDP, length 100 (frag 9:16@0+)");
    let last = v4_with(part(96, false), &[0; 16]);
    assert_eq!(line_v4(&last), "10.77.0.1 > 10.77.0.2: ip-proto-17 (frag 9:16@96)");

    let six = |offset, payload: &[u8]| {
        let mut bytes = Fragment::new(protocol::UDP, offset, true, 9).as_bytes().to_vec();
        bytes.extend_from_slice(payload);
        line_v6(&v6(protocol::IPV6_FRAGMENT, &bytes))
    };
    assert_eq!(six(0, &datagram(8)), "fd00::1.5000 > fd00::2.53: UDP, length 8 (frag 9:16@0+)");
    assert_eq!(six(96, &[0; 16]), "fd00::1 > fd00::2: ip-proto-17 (frag 9:16@96+)");
}

#[test]
fn truncated_packets() {
    let packet = v4(protocol::TCP, &segment(Flags::ACK, &[], 100));
    for (len, want) in [
        (0, "[|ip]"),
        (19, "[|ip]"),
        (20, "10.77.0.1 > 10.77.0.2: [|tcp]"),
        (24, "10.77.0.1.43210 > 10.77.0.2.80: [|tcp]"),
        (40, "10.77.0.1.43210 > 10.77.0.2.80: Flags [.], seq 1:101, ack 7, win 64240, length 100"),
    ] {
        assert_eq!(line_v4(&packet[..len]), want, "{len}");
    }
    assert_eq!(line_v4(&v4(protocol::UDP, &[0; 6])), "10.77.0.1.0 > 10.77.0.2.0: [|udp]");
    assert_eq!(line_v4(&[0x65; 40]), "[bad ip: wrong version field]");
    assert_eq!(line_v6(&[0x60; 39]), "[|ip6]");
    let extension = v6(protocol::HOP_BY_HOP, &[6, 1, 0, 0]);
    assert_eq!(line_v6(&extension), "fd00::1 > fd00::2: [|ip6-ext], length 4");
}

proptest! {
    #[test]
    fn any_bytes_give_one_line(
        ether_type in prop::sample::select(std::vec![0u16, EtherType::IPV4, EtherType::IPV6, EtherType::ARP]),
        bytes: Vec<u8>,
    ) {
        let line = describe(ether_type, &bytes).to_string();
        prop_assert!(!line.is_empty() && !line.contains('\n'));
    }

    #[test]
    fn any_payload_gives_one_line(
        protocol in prop::sample::select(std::vec![0u8, 1, 6, 17, 43, 44, 58, 60, 99]),
        kind in prop::sample::select(std::vec![0u8, 1, 2, 3, 4, 5, 8, 11, 12, 13, 14, 128, 133, 135, 136, 137]),
        mut payload: Vec<u8>, cut in 0usize..100,
    ) {
        if let Some(first) = payload.first_mut() {
            *first = kind;
        }
        if let Some(offset) = payload.get_mut(12) {
            *offset = 0x50 | (*offset & 0xf0);
        }
        for (ether_type, packet) in [(EtherType::IPV4, v4(protocol, &payload)), (EtherType::IPV6, v6(protocol, &payload))] {
            let line = describe(ether_type, &packet[..packet.len().saturating_sub(cut)]).to_string();
            prop_assert!(!line.is_empty() && !line.contains('\n'));
        }
    }
}
