//! Mechanisms switched off from outside, to see that scripts notice: `fault.no_timers=on`.
//!
//! Where the stack has a setting for a mechanism (`tcp.timestamps=off`), that is the better switch.

use core::net::IpAddr;
use stack_core::{Checksum, Hook, HookCx, HookVerdict, RxPacket};
use stack_wire::ip::protocol;
use stack_wire::ipv6_ext;
use stack_wire::seq::SeqNum;
use stack_wire::tcp::{MIN_HEADER_LEN, Tcp};
use stack_wire::tcp_options::kind;
use std::collections::BTreeMap;

/// The flag of urgent data in the last octet of flags (RFC 9293 §3.1).
const URG: u8 = 0x20;

/// What is switched off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Faults {
    /// The `n`-th packet of the stack is lost before anybody sees it, counted from 1.
    pub(super) drop_sent: Option<usize>,
    /// Segments ahead of the next one never reach TCP.
    pub(super) in_order_only: bool,
    /// Resets never reach TCP.
    pub(super) ignore_resets: bool,
    /// FINs never reach TCP.
    pub(super) ignore_fins: bool,
    /// SYNs never reach TCP.
    pub(super) ignore_syns: bool,
    /// ACKs without text that say nothing new never reach TCP.
    pub(super) ignore_duplicate_acks: bool,
    /// TCP sees the largest window in every segment.
    pub(super) open_window: bool,
    /// TCP sees no option in any segment.
    pub(super) strip_options: bool,
    /// TCP sees no segment as urgent.
    pub(super) ignore_urgent: bool,
    /// Datagrams never reach UDP.
    pub(super) ignore_datagrams: bool,
    /// Transport checksums are not verified.
    pub(super) trust_checksums: bool,
    /// ICMP messages are not heard.
    pub(super) ignore_icmp: bool,
    /// Resets of the stack are lost.
    pub(super) no_resets: bool,
    /// Segments of the stack without text, SYN, FIN and RST are lost.
    pub(super) no_acks: bool,
    /// ICMP messages of the stack are lost.
    pub(super) no_icmp: bool,
    /// ARP is not registered.
    pub(super) no_arp: bool,
    /// No deadline is ever kept.
    pub(super) no_timers: bool,
    /// `setsockopt` does nothing.
    pub(super) ignore_options: bool,
    /// `shutdown` and `close` do nothing.
    pub(super) ignore_close: bool,
}

impl Faults {
    /// Switches a fault on; `None` if there is none of that name.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Option<()> {
        if name == "drop_sent" {
            self.drop_sent = Some(value.parse().ok()?);
            return Some(());
        }
        let fault = match name {
            "in_order_only" => &mut self.in_order_only,
            "ignore_resets" => &mut self.ignore_resets,
            "ignore_fins" => &mut self.ignore_fins,
            "ignore_syns" => &mut self.ignore_syns,
            "ignore_duplicate_acks" => &mut self.ignore_duplicate_acks,
            "open_window" => &mut self.open_window,
            "strip_options" => &mut self.strip_options,
            "ignore_urgent" => &mut self.ignore_urgent,
            "ignore_datagrams" => &mut self.ignore_datagrams,
            "trust_checksums" => &mut self.trust_checksums,
            "ignore_icmp" => &mut self.ignore_icmp,
            "no_resets" => &mut self.no_resets,
            "no_acks" => &mut self.no_acks,
            "no_icmp" => &mut self.no_icmp,
            "no_arp" => &mut self.no_arp,
            "no_timers" => &mut self.no_timers,
            "ignore_options" => &mut self.ignore_options,
            "ignore_close" => &mut self.ignore_close,
            _ => return None,
        };
        *fault = value == "on";
        Some(())
    }

    /// A hook that keeps packets from their protocols or changes them, if anything of that kind is on.
    pub(super) fn hook(self) -> Option<Box<dyn Hook>> {
        let lost = self.in_order_only || self.ignore_resets || self.ignore_fins || self.ignore_syns;
        let lost = lost || self.ignore_duplicate_acks || self.ignore_icmp || self.ignore_datagrams;
        (lost || self.changes() || self.trust_checksums)
            .then(|| Box::new(Deaf { faults: self, peers: BTreeMap::new() }) as Box<dyn Hook>)
    }

    /// Whether segments reach TCP with another header.
    fn changes(&self) -> bool {
        self.open_window || self.strip_options || self.ignore_urgent
    }

    /// Whether a packet of the stack is lost; `number` counts them from 1.
    pub(super) fn loses(&self, number: usize, packet: &crate::decode::Decoded) -> bool {
        let lost_segment = packet.tcp().is_some_and(|tcp| {
            let bare = tcp.payload.is_empty() && !tcp.flags.syn() && !tcp.flags.fin() && !tcp.flags.rst();
            (self.no_resets && tcp.flags.rst()) || (self.no_acks && bare)
        });
        self.drop_sent == Some(number) || lost_segment || (self.no_icmp && packet.icmp().is_some())
    }
}

/// What is known of a port of the peer.
#[derive(Clone, Copy)]
struct Peer {
    /// Its next sequence number.
    next: SeqNum,
    /// Its last acknowledgement.
    ack: Option<SeqNum>,
}

struct Deaf {
    faults: Faults,
    peers: BTreeMap<(IpAddr, u16), Peer>,
}

impl Hook for Deaf {
    fn prerouting(&mut self, _: &mut HookCx<'_>, packet: &mut RxPacket) -> HookVerdict {
        if self.faults.trust_checksums {
            packet.meta.checksum = Checksum::Verified;
        }
        let is_icmp = match packet.data.first().map_or(0, |byte| byte >> 4) {
            6 => ipv6_ext::upper_layer(&packet.data).is_some_and(|(upper, _)| upper == protocol::ICMPV6),
            _ => packet.data.get(9) == Some(&protocol::ICMP),
        };
        if self.faults.ignore_icmp && is_icmp { HookVerdict::Drop } else { HookVerdict::Accept }
    }

    fn input(&mut self, _: &mut HookCx<'_>, packet: &mut RxPacket) -> HookVerdict {
        if packet.ip.protocol != protocol::TCP {
            let deaf = self.faults.ignore_datagrams && packet.ip.protocol == protocol::UDP;
            return if deaf { HookVerdict::Drop } else { HookVerdict::Accept };
        }
        let Ok(tcp) = Tcp::parse(packet.transport()) else { return HookVerdict::Accept };
        if !self.hears((packet.ip.src, tcp.src_port()), &tcp) {
            return HookVerdict::Drop;
        }
        let options = tcp.header_len();
        if self.faults.changes() {
            self.change(packet, options);
        }
        HookVerdict::Accept
    }
}

impl Deaf {
    /// Whether a segment reaches TCP.
    fn hears(&mut self, port: (IpAddr, u16), tcp: &Tcp<'_>) -> bool {
        let (faults, flags) = (self.faults, tcp.flags());
        let peer = self.peers.entry(port).or_insert(Peer { next: tcp.seq(), ack: None });
        if flags.syn() {
            peer.next = tcp.seq();
        }
        let again = flags.ack() && tcp.segment_len() == 0 && peer.ack == Some(tcp.ack());
        let deaf = (faults.ignore_resets && flags.rst())
            || (faults.ignore_fins && flags.fin())
            || (faults.ignore_syns && flags.syn())
            || (faults.ignore_duplicate_acks && again)
            || (faults.in_order_only && tcp.seq().after(peer.next));
        if !deaf {
            peer.next = peer.next.max(tcp.seq() + tcp.segment_len());
            peer.ack = flags.ack().then_some(tcp.ack()).or(peer.ack);
        }
        !deaf
    }

    /// Writes over the window, over the options with padding, or over the flag of urgent data; nobody verifies the checksum after that.
    fn change(&self, packet: &mut RxPacket, header_len: usize) {
        let start = usize::from(packet.transport);
        let mut bytes = packet.data.to_vec();
        if self.faults.open_window {
            bytes[start + 14..start + 16].fill(0xff);
        }
        if self.faults.strip_options {
            bytes[start + MIN_HEADER_LEN..start + header_len].fill(kind::NOP);
        }
        if self.faults.ignore_urgent {
            bytes[start + 13] &= !URG;
        }
        packet.data = bytes.into();
        packet.meta.checksum = Checksum::Verified;
    }
}
