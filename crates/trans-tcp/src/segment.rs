//! One inbound segment, parsed once: header fields, the options that mean something here, and how much text.

use crate::ecn::Codepoint;
use stack_core::{Checksum, DropReason, Instant, RxPacket};
use stack_wire::checksum::pseudo_header;
use stack_wire::ip::protocol;
use stack_wire::seq::SeqNum;
use stack_wire::tcp::{Flags, Tcp};
use stack_wire::tcp_options::{AccEcnOption, FastOpenCookie, SackBlocks, TcpOptions};

/// A segment on its way through the checks. Trimming moves `seq`, `skip` and `len`; the packet stays as it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub(crate) src_port: u16,
    pub(crate) dst_port: u16,
    pub(crate) seq: SeqNum,
    pub(crate) ack: SeqNum,
    pub(crate) flags: Flags,
    /// As it stands in the header, not scaled.
    pub(crate) window: u16,
    pub(crate) urgent: u16,
    /// TSval and TSecr.
    pub(crate) timestamps: Option<(u32, u32)>,
    pub(crate) mss: Option<u16>,
    pub(crate) window_scale: Option<u8>,
    pub(crate) sack_permitted: bool,
    /// What the peer holds beyond its acknowledgment; numbers of ours.
    pub(crate) sack: SackBlocks,
    /// A Fast Open cookie, or the request for one.
    pub(crate) fast_open: Option<FastOpenCookie>,
    /// Bytes of ours that the peer received, by how they arrived; never of a SYN (R9768-3.2.3.2.1-a).
    pub(crate) accurate_ecn: Option<AccEcnOption>,
    /// The ECN field of the packet.
    pub(crate) codepoint: Codepoint,
    /// It came with SYN, even if that has been trimmed off.
    pub(crate) had_syn: bool,
    /// With accurate feedback AE, CWR and ECE are a count, and not part of a handshake (R9768-3.2.2-b).
    pub(crate) has_ace: bool,
    /// Octets of text.
    pub(crate) len: u32,
    /// Octets of text at the front of the packet that have been trimmed off.
    pub(crate) skip: u32,
    pub(crate) header_len: usize,
    /// Text of each segment that this one stands for; 0 if it stands for itself.
    pub(crate) gso_size: u16,
    pub(crate) received_at: Instant,
}

impl Segment {
    /// Whether it asks for a connection: SYN, and nothing beside it that contradicts.
    pub(crate) fn is_opening(&self) -> bool {
        self.flags.syn() && !self.flags.ack() && !self.flags.fin() && !self.flags.rst()
    }

    /// Reads and checks the segment of a packet.
    ///
    /// # Errors
    /// [`DropReason::TransportMalformed`], [`DropReason::BadTransportChecksum`].
    pub(crate) fn parse(packet: &RxPacket) -> Result<Self, DropReason> {
        let tcp = Tcp::parse(packet.transport()).map_err(|_| DropReason::TransportMalformed)?;
        verify_checksum(packet)?;
        let options = TcpOptions::parse(tcp.options_bytes());
        let header_len = tcp.header_len();
        Ok(Self {
            src_port: tcp.src_port(),
            dst_port: tcp.dst_port(),
            seq: tcp.seq(),
            ack: tcp.ack(),
            flags: tcp.flags(),
            window: tcp.window(),
            urgent: tcp.urgent(),
            timestamps: options.timestamps,
            mss: options.mss,
            window_scale: options.window_scale,
            sack_permitted: options.sack_permitted,
            sack: options.sack,
            fast_open: options.fast_open,
            accurate_ecn: options.accurate_ecn.filter(|_| !tcp.flags().syn()),
            codepoint: Codepoint::of_traffic_class(packet.ip.traffic_class),
            had_syn: tcp.flags().syn(),
            has_ace: !tcp.flags().syn(),
            len: packet.transport_len().saturating_sub(header_len) as u32,
            skip: 0,
            header_len,
            gso_size: packet.meta.gso_size,
            received_at: packet.meta.received_at,
        })
    }

    /// SEG.LEN: text, SYN and FIN.
    pub(crate) fn sequence_len(&self) -> u32 {
        self.len.saturating_add(self.flags.sequence_len())
    }

    /// The sequence number behind the text.
    pub(crate) fn text_end(&self) -> SeqNum {
        self.seq + self.len
    }

    /// Segments that it stands for, for counting.
    pub(crate) fn count(&self) -> u64 {
        if self.gso_size == 0 { 1 } else { u64::from(self.len.div_ceil(u32::from(self.gso_size)).max(1)) }
    }

    /// Text of the largest segment in it: what the peer's segment size looks like from here.
    pub(crate) fn segment_size(&self) -> u32 {
        if self.gso_size == 0 { self.len } else { u32::from(self.gso_size) }
    }

    /// Takes a SYN, and then `octets` of text, off the front.
    pub(crate) fn trim_front(&mut self, mut octets: u32) {
        if octets > 0 && self.flags.syn() {
            self.flags = self.flags & !Flags::SYN;
            self.seq += 1;
            octets -= 1;
        }
        let octets = octets.min(self.len);
        self.seq += octets;
        self.skip += octets;
        self.len -= octets;
    }

    /// Cuts the text to `len` octets; a FIN behind what is cut off goes too.
    pub(crate) fn truncate(&mut self, len: u32) {
        if len < self.len {
            self.len = len;
            self.flags = self.flags & !(Flags::FIN | Flags::PSH);
        }
    }
}

/// R9293-MUST-3: never skipped where no device vouches for it, never computed where one does.
fn verify_checksum(packet: &RxPacket) -> Result<(), DropReason> {
    if packet.meta.checksum != Checksum::Unverified {
        return Ok(());
    }
    let mut sum = pseudo_header(packet.ip.src, packet.ip.dst, protocol::TCP, packet.transport_len() as u32);
    for piece in packet.transport_pieces() {
        sum.add_bytes(piece);
    }
    if sum.is_valid() { Ok(()) } else { Err(DropReason::BadTransportChecksum) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(flags: Flags, len: u32) -> Segment {
        let none = Instant::ZERO;
        Segment {
            src_port: 1,
            dst_port: 2,
            seq: SeqNum(u32::MAX),
            ack: SeqNum(0),
            flags,
            window: 0,
            urgent: 0,
            timestamps: None,
            mss: None,
            window_scale: None,
            sack_permitted: false,
            sack: SackBlocks::new(),
            fast_open: None,
            accurate_ecn: None,
            codepoint: Codepoint::NotEct,
            had_syn: flags.syn(),
            has_ace: !flags.syn(),
            len,
            skip: 0,
            header_len: 20,
            gso_size: 0,
            received_at: none,
        }
    }

    #[test]
    fn trimming_takes_the_syn_before_the_text_and_the_fin_with_the_tail() {
        let mut s = segment(Flags::SYN | Flags::FIN, 10);
        s.trim_front(4);
        assert_eq!((s.seq, s.skip, s.len, s.flags.syn(), s.flags.fin()), (SeqNum(3), 3, 7, false, true));
        s.truncate(7);
        assert!(s.flags.fin());
        s.truncate(6);
        assert_eq!((s.len, s.flags.fin(), s.text_end()), (6, false, SeqNum(9)));
        s.trim_front(100);
        assert_eq!((s.len, s.seq), (0, SeqNum(9)));
    }

    #[test]
    fn a_super_packet_counts_as_its_segments() {
        let mut s = segment(Flags::ACK, 3000);
        assert_eq!((s.count(), s.segment_size()), (1, 3000));
        s.gso_size = 1448;
        assert_eq!((s.count(), s.segment_size()), (3, 1448));
    }
}
