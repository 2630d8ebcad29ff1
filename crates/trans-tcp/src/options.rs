//! The header of our own segments: fields, options, checksum state, and what the packet says about itself.
//!
//! The checksum field gets the folded pseudo-header sum (`Checksum::Partial`); the host or the link completes it.

use crate::connection::Connection;
use crate::env::Reply;
use crate::pmtu::Path;
use crate::tuple::Tuple;
use stack_core::{Cast, Checksum, Instant, IpMeta, TxPacket};
use stack_wire::checksum::pseudo_header;
use stack_wire::ip::protocol;
use stack_wire::seq::SeqNum;
use stack_wire::tcp::{CHECKSUM_OFFSET, Emit, Flags, MAX_OPTIONS_LEN};
use stack_wire::tcp_options::{FastOpenCookie, TcpOptions, kind};

/// What differs from segment to segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) seq: SeqNum,
    pub(crate) flags: Flags,
    pub(crate) urgent: u16,
    /// Octets that SACK blocks and AccECN may take.
    pub(crate) room: u32,
    /// Of a SYN.
    pub(crate) fast_open: Option<FastOpenCookie>,
}

/// What is the same for all packets of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope<'a> {
    pub(crate) tuple: &'a Tuple,
    pub(crate) path: &'a Path,
    pub(crate) nic: Option<stack_core::NicId>,
    pub(crate) hop_limit: u8,
    pub(crate) traffic_class: u8,
    pub(crate) mark: u32,
    pub(crate) hash: u32,
}

impl Envelope<'_> {
    /// Puts the TCP header in front of the payload and addresses the packet; `false` if the headroom is too small.
    pub(crate) fn seal(&self, packet: &mut TxPacket, emit: &Emit<'_>) -> bool {
        let (src, dst) = (self.tuple.local, self.tuple.remote);
        let len = emit.header_len() + packet.payload_len();
        let pseudo = pseudo_header(src, dst, protocol::TCP, len as u32);
        let Some(header) = packet.prepend(emit.header_len()) else { return false };
        if emit.write_partial(header, pseudo) == 0 {
            return false;
        }
        packet.checksum = Checksum::Partial { start: 0, offset: CHECKSUM_OFFSET as u16 }; // R9293-MUST-2
        packet.ip = IpMeta {
            src,
            dst,
            protocol: protocol::TCP,
            hop_limit: self.hop_limit,
            traffic_class: self.traffic_class,
            dont_fragment: true,
            cast: Cast::Unicast,
        };
        packet.hop = self.path.hop;
        packet.bound_nic = self.nic;
        packet.mark = self.mark;
        packet.hash = self.hash;
        true
    }
}

impl Connection {
    /// Writes the header of a segment whose text is already in the packet.
    pub(crate) fn write_header(&mut self, now: Instant, header: Header, packet: &mut TxPacket) -> bool {
        let syn = header.flags.syn();
        let window =
            if syn { self.syn_window() } else { self.rcv.offer(self.window_limit(), self.receive_mss()) };
        let mut area = [0; MAX_OPTIONS_LEN];
        let options_len = if syn {
            let mut options = TcpOptions { fast_open: header.fast_open, ..self.syn_options(now) };
            options.accurate_ecn = self.option_of_syn_ack(options.len());
            options.write(&mut area)
        } else {
            let room = header.room.min(sack_room(self.ts.on));
            let (accurate_ecn, room) = self.accurate_ecn_option(room);
            let sack = self.sack_blocks(room);
            let timestamps = self.ts.option(now);
            write_plain_options(TcpOptions { timestamps, sack, accurate_ecn, ..TcpOptions::NONE }, &mut area)
        };
        let emit = Emit {
            src_port: self.tuple.local_port,
            dst_port: self.tuple.remote_port,
            seq: header.seq,
            ack: if header.flags.ack() { self.rcv.nxt } else { SeqNum(0) },
            flags: header.flags,
            window,
            urgent: header.urgent,
            options: area.get(..options_len).unwrap_or_default(),
        };
        self.envelope().seal(packet, &emit)
    }

    fn envelope(&self) -> Envelope<'_> {
        Envelope {
            tuple: &self.tuple,
            path: &self.path,
            nic: self.nic,
            hop_limit: self.settings.hop_limit,
            traffic_class: self.settings.traffic_class,
            mark: self.settings.mark,
            hash: self.hash,
        }
    }

    /// R9293-MUST-14, R9293-SHLD-5, R9293-MUST-65; in an answer only what the peer offered (R7323-2.2-a, R7323-3.2-a).
    fn syn_options(&self, now: Instant) -> TcpOptions {
        TcpOptions {
            mss: Some(self.path.receive_mss(&self.tuple, self.settings.max_segment)),
            window_scale: self.scaling.then_some(self.rcv.scale),
            sack_permitted: self.sack,
            timestamps: self.ts.option(now),
            ..TcpOptions::NONE
        }
    }
}

/// Octets for SACK blocks and what stands before them.
pub(crate) fn sack_room(timestamps: bool) -> u32 {
    MAX_OPTIONS_LEN as u32 - if timestamps { crate::pmtu::TIMESTAMP_OPTION } else { 0 }
}

/// Octets of the options of a SYN.
pub(crate) fn syn_options_len(
    scaling: bool,
    sack: bool,
    timestamps: bool,
    cookie: Option<FastOpenCookie>,
) -> u32 {
    let options = TcpOptions {
        mss: Some(0),
        window_scale: scaling.then_some(0),
        sack_permitted: sack,
        timestamps: timestamps.then_some((0, 0)),
        fast_open: cookie,
        ..TcpOptions::NONE
    };
    options.len() as u32
}

/// Options of a segment without SYN: mostly none, or the timestamps alone, in the layout of RFC 7323 appendix A.
fn write_plain_options(options: TcpOptions, area: &mut [u8; MAX_OPTIONS_LEN]) -> usize {
    if !options.sack.is_empty() || options.accurate_ecn.is_some() {
        return options.write(area);
    }
    let Some((tsval, tsecr)) = options.timestamps else { return 0 };
    let [v0, v1, v2, v3] = tsval.to_be_bytes();
    let [e0, e1, e2, e3] = tsecr.to_be_bytes();
    let option = [kind::NOP, kind::NOP, kind::TIMESTAMPS, 10, v0, v1, v2, v3, e0, e1, e2, e3];
    if let Some(to) = area.first_chunk_mut() {
        *to = option;
    }
    option.len()
}

/// Writes a control packet that belongs to no connection.
pub(crate) fn write_reply(reply: &Reply, packet: &mut TxPacket) -> bool {
    let mut area = [0; MAX_OPTIONS_LEN];
    let options = TcpOptions { timestamps: reply.timestamps, ..TcpOptions::NONE };
    let len = write_plain_options(options, &mut area);
    let emit = Emit {
        src_port: reply.tuple.local_port,
        dst_port: reply.tuple.remote_port,
        seq: reply.seq,
        ack: reply.ack,
        flags: reply.flags,
        window: reply.window,
        urgent: 0,
        options: area.get(..len).unwrap_or_default(),
    };
    let envelope = Envelope {
        tuple: &reply.tuple,
        path: &Path::UNKNOWN,
        nic: reply.nic,
        hop_limit: 0,
        traffic_class: 0,
        mark: reply.mark,
        hash: 0,
    };
    envelope.seal(packet, &emit)
}
