//! What can be asked about a socket: everything that `ss -ti` shows, as far as it exists here.

use crate::accurate_ecn::{Accurate, ByteCounts};
use crate::congestion::Phase;
use crate::connection::Connection;
use crate::ecn::Feedback;
use crate::error::CloseReason;
use crate::fastopen::FastOpen;
use crate::mtu_search::MtuSearch;
use crate::state::State;
use crate::tcp::{Socket, Tcp};
use core::net::SocketAddr;
use core::time::Duration;
use stack_core::{EndpointId, Error, Instant};

/// The inside of a connection at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TcpInfo {
    /// Our end.
    pub local: SocketAddr,
    /// The peer's end.
    pub remote: SocketAddr,
    /// Where it is in its life.
    pub state: State,
    /// Name of the congestion control.
    pub congestion: &'static str,
    /// Retransmission timeout that counts now, back-off included.
    pub rto: Duration,
    /// Timeouts in a row: from three on, delivery has problems (R9293-SHLD-9).
    pub timeouts: u8,
    /// Smoothed round-trip time; `None` before the first sample.
    pub srtt: Option<Duration>,
    /// Its variation.
    pub rttvar: Duration,
    /// The smallest round-trip time of the last five minutes; from the 64th KiB on, before it of all.
    pub min_rtt: Option<Duration>,
    /// Octets of text in a full-sized segment of ours.
    pub mss: u32,
    /// Text of the largest segment received.
    pub rcv_mss: u32,
    /// Largest IP packet that is sent on the path, probes aside.
    pub path_mtu: u32,
    /// How the search for a larger one stands; `None` while sizes follow what routers say.
    pub mtu_search: Option<MtuSearch>,
    /// Congestion window, in bytes.
    pub cwnd: u32,
    /// The pace in bytes a second, while something is in flight and paced.
    pub pacing_rate: Option<u64>,
    /// Slow-start threshold, in bytes; `u32::MAX` before the first loss.
    pub ssthresh: u32,
    /// The peer's window, in bytes.
    pub snd_wnd: u32,
    /// Our window as it was offered, in bytes.
    pub rcv_wnd: u32,
    /// Shifts of the two: ours, the peer's; `None` without window scaling.
    pub window_scale: Option<(u8, u8)>,
    /// Timestamps are on.
    pub timestamps: bool,
    /// Whether text went with the SYN.
    pub fast_open: FastOpen,
    /// Longest time that an ACK is delayed now: zero while all are sent at once.
    pub ato: Duration,
    /// The MSS that we announced.
    pub adv_mss: u32,
    /// The MSS that the peer announced.
    pub peer_mss: u32,
    /// Most that may be written and not acknowledged now, in bytes.
    pub send_buffer: usize,
    /// Size of the receive buffer now, in bytes.
    pub receive_buffer: usize,
    /// Largest window that would be offered now if nothing waited, in bytes.
    pub rcv_ssthresh: u32,
    /// Bytes that the application took in its busiest round trip; 0 while little has arrived.
    pub rcv_space: u32,
    /// Round-trip time as the receiver sees it; `None` while little has arrived.
    pub rcv_rtt: Option<Duration>,
    /// Time with something to send or unacknowledged, from the 64th KiB on.
    pub busy_time: Duration,
    /// Of this, limited by the peer's window.
    pub rwnd_limited: Duration,
    /// Of this, limited by the size of the send buffer.
    pub sndbuf_limited: Duration,
    /// How marks of routers are fed back.
    pub ecn: Feedback,
    /// The peer sends what is ECN-capable (`TCPI_OPT_ECN_SEEN`).
    pub ecn_seen: bool,
    /// Segments of ours that the peer reports as marked (`tcpi_delivered_ce`).
    pub delivered_ce: u32,
    /// What both ends have counted, with accurate feedback.
    pub accurate_ecn: Option<AccurateEcnInfo>,
    /// SACK is on.
    pub sack: bool,
    /// Where loss recovery is.
    pub phase: Phase,
    /// Sent and not acknowledged, in sequence numbers.
    pub unacked: u32,
    /// Of these, octets that the peer reports to have (`tcpi_sacked`, in bytes).
    pub sacked: u32,
    /// Octets that wait to be sent again (`tcpi_lost`, in bytes).
    pub lost: u32,
    /// Octets in the network that were sent more than once (`tcpi_retrans`, in bytes).
    pub retrans_out: u32,
    /// Octets in the network as the sender reckons them: "pipe".
    pub pipe: u32,
    /// The reordering window, in quarters of the smallest round-trip time; `None` while no reordering was seen.
    pub reordering: Option<u8>,
    /// Segments that the peer got twice, as it says.
    pub dsack_dups: u32,
    /// Bytes that have arrived at the peer, cumulatively or by SACK.
    pub delivered: u64,
    /// Bytes that counted as lost so far, modulo 2^32.
    pub total_lost: u32,
    /// Written and not acknowledged, in bytes (`Send-Q`).
    pub send_queue: usize,
    /// Written and never sent, in bytes.
    pub not_sent: u32,
    /// Received and not read, in bytes (`Recv-Q`).
    pub receive_queue: usize,
    /// Memory behind what was received, in order and out of order, in bytes.
    pub receive_memory: usize,
    /// Bytes that the peer has acknowledged.
    pub bytes_acked: u64,
    /// Bytes sent, those that were sent again included.
    pub bytes_sent: u64,
    /// Bytes sent again.
    pub bytes_retrans: u64,
    /// Bytes received in order.
    pub bytes_received: u64,
    /// Segments received.
    pub segs_in: u32,
    /// Segments sent.
    pub segs_out: u32,
    /// Segments with data received.
    pub data_segs_in: u32,
    /// Segments with data sent.
    pub data_segs_out: u32,
    /// Segments retransmitted.
    pub retrans: u32,
    /// When data was sent last.
    pub last_data_sent: Instant,
    /// When data was received last; `None` if never.
    pub last_data_received: Option<Instant>,
    /// When a segment was received last.
    pub last_received: Instant,
    /// What ICMP said last that did not end the connection.
    pub soft_error: Option<Error>,
    /// Why it ended, once it has.
    pub close_reason: Option<CloseReason>,
}

/// What accurate ECN has counted (RFC 9768 §3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct AccurateEcnInfo {
    /// Packets that came marked.
    pub received_ce: u32,
    /// Bytes of text that came, by their ECN field, modulo 2^32.
    pub received_bytes: ByteCounts,
    /// Bytes of ours that arrived, by their ECN field then, as the peer's options tell.
    pub delivered_bytes: ByteCounts,
    /// The peer's options arrive.
    pub option_seen: bool,
}

impl AccurateEcnInfo {
    fn of(accurate: &Accurate) -> Self {
        Self {
            received_ce: accurate.receiver.marked(),
            received_bytes: accurate.receiver.bytes().since_beginning(),
            delivered_bytes: accurate.sender.bytes().since_beginning(),
            option_seen: accurate.sender.sees_options(),
        }
    }
}

/// A line of a listing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TcpEntry {
    /// Its name; records of half-open peers and TIME-WAIT have one too, but are no sockets.
    pub id: EndpointId,
    /// Where it is in its life.
    pub state: State,
    /// Our end, as far as it is bound; the port is 0 otherwise.
    pub local: Option<SocketAddr>,
    /// The peer's end.
    pub remote: Option<SocketAddr>,
    /// Bytes to be read; of a listener, connections to be accepted.
    pub receive_queue: usize,
    /// Bytes not acknowledged; of a listener, its backlog.
    pub send_queue: usize,
}

impl Connection {
    /// Octets of text that were sent and are not acknowledged.
    fn text_outstanding(&self) -> u32 {
        self.snd.buffered() - self.snd.unsent().min(self.snd.buffered())
    }
}

/// The clock in milliseconds, as far as 32 bits reach.
pub(crate) fn millis_of(now: Instant) -> u32 {
    now.as_millis() as u32
}

/// The last moment before `now` that had these milliseconds.
pub(crate) fn instant_of(millis: u32, now: Instant) -> Instant {
    let age = millis_of(now).wrapping_sub(millis);
    Instant::from_millis(now.as_millis().saturating_sub(u64::from(age)))
}

impl Tcp {
    /// The inside of a connection.
    ///
    /// # Errors
    /// [`Error::UnknownEndpoint`], [`Error::NotConnected`] if it is no connection.
    pub fn info(&self, id: EndpointId) -> Result<TcpInfo, Error> {
        let now = self.shared.latest();
        if self.sockets.get(id).is_none() {
            return Err(Error::UnknownEndpoint);
        }
        let c = self.connection(id).ok_or(Error::NotConnected)?;
        let bulk = c.bulk();
        let (busy_time, rwnd_limited, sndbuf_limited) =
            bulk.map_or_else(Default::default, |bulk| bulk.limits.at(now));
        let losses = c.losses();
        let board = c.recovery.flight.as_ref().map(|flight| &flight.board);
        Ok(TcpInfo {
            local: c.tuple.local_address(),
            remote: c.tuple.remote_address(),
            state: c.state,
            congestion: c.congestion.name(),
            rto: c.rtt.rto(&self.shared.config),
            timeouts: c.recovery.timeouts,
            srtt: c.rtt.srtt(),
            rttvar: c.rtt.rttvar(),
            min_rtt: c.min_rtt(),
            mss: c.mss(),
            rcv_mss: c.rcv.segment_size(),
            path_mtu: c.send_mtu(),
            mtu_search: c.bulk().and_then(|bulk| bulk.search.shown()),
            cwnd: c.window.cwnd,
            pacing_rate: c.recovery.flight.as_ref().and_then(|flight| flight.pacing.rate()),
            ssthresh: c.window.ssthresh,
            snd_wnd: c.snd.wnd,
            rcv_wnd: c.rcv.wnd(),
            window_scale: c.scaling.then_some((c.rcv.scale, c.snd.scale)),
            timestamps: c.ts.on,
            fast_open: c.fast_open,
            ato: if c.acks.is_quick() { Duration::ZERO } else { self.shared.config.delayed_ack },
            adv_mss: u32::from(c.path.receive_mss(&c.tuple, c.settings.max_segment)),
            peer_mss: u32::from(c.peer_mss),
            send_buffer: c.send_limit() as usize,
            receive_buffer: c.rcv.buffer as usize,
            rcv_ssthresh: c.rcv.buffer.min(c.window_limit()),
            rcv_space: bulk.map_or(0, |bulk| bulk.sizing.space()),
            rcv_rtt: bulk.and_then(|bulk| bulk.sizing.rtt()),
            busy_time,
            rwnd_limited,
            sndbuf_limited,
            ecn: c.ecn.feedback(),
            ecn_seen: c.sees_ecn(),
            delivered_ce: losses.delivered_ce,
            accurate_ecn: c.accurate_ecn().map(AccurateEcnInfo::of),
            sack: c.sack,
            phase: c.recovery.phase,
            unacked: c.snd.outstanding(),
            sacked: board.map_or(0, |board| board.sacked()),
            lost: c.recovery.lost_bytes(),
            retrans_out: c.retransmitted(),
            pipe: c.pipe(),
            reordering: c.recovery.reordering.seen.then_some(c.recovery.reordering.quarters),
            dsack_dups: losses.dsack_dups,
            delivered: c.stats.bytes_acked + u64::from(board.map_or(0, |board| board.sacked())),
            total_lost: losses.total_lost,
            send_queue: c.snd.buffered() as usize,
            not_sent: c.snd.unsent(),
            receive_queue: c.rcv.readable(),
            receive_memory: c.rcv.memory() as usize,
            bytes_acked: c.stats.bytes_acked,
            bytes_sent: c.stats.bytes_acked + u64::from(c.text_outstanding()) + losses.bytes_retrans,
            bytes_retrans: losses.bytes_retrans,
            bytes_received: c.rcv.received,
            segs_in: c.stats.segs_in,
            segs_out: c.stats.segs_out,
            data_segs_in: c.stats.data_segs_in,
            data_segs_out: c.stats.data_segs_out,
            retrans: losses.retrans,
            last_data_sent: c.last_sent,
            last_data_received: c.stats.data_segs_in.gt(&0).then(|| instant_of(c.stats.last_data, now)),
            last_received: instant_of(c.stats.last_received, now),
            soft_error: c.soft_error,
            close_reason: c.close_reason,
        })
    }

    /// The state of a socket; [`State::Closed`] for one that was never connected.
    ///
    /// # Errors
    /// [`Error::UnknownEndpoint`].
    pub fn state(&self, id: EndpointId) -> Result<State, Error> {
        Ok(match self.sockets.get(id).ok_or(Error::UnknownEndpoint)? {
            Socket::Fresh(_) => State::Closed,
            Socket::Listener(_) | Socket::Forwarder(_) => State::Listen,
            Socket::Connection(connection) => connection.state,
        })
    }

    /// Everything that there is, for listings: sockets, half-open peers, TIME-WAIT records.
    pub fn connections(&self) -> impl Iterator<Item = TcpEntry> + '_ {
        let sockets = self.sockets.iter().filter_map(|(id, socket)| self.entry(id, socket));
        let half_open = self.half_open.iter().map(|(id, record)| TcpEntry {
            id,
            state: State::SynReceived,
            local: Some(record.tuple.local_address()),
            remote: Some(record.tuple.remote_address()),
            receive_queue: 0,
            send_queue: 0,
        });
        let time_wait = self.time_wait.iter().map(|(id, record)| TcpEntry {
            id,
            state: State::TimeWait,
            local: Some(record.tuple.local_address()),
            remote: Some(record.tuple.remote_address()),
            receive_queue: 0,
            send_queue: 0,
        });
        sockets.chain(half_open).chain(time_wait)
    }

    /// Sockets, half-open peers and TIME-WAIT records that there are.
    pub fn table_sizes(&self) -> (usize, usize, usize) {
        (self.sockets.len(), self.half_open.len(), self.time_wait.len())
    }

    /// A socket's line; a connection in TIME-WAIT is listed by its record.
    fn entry(&self, id: EndpointId, socket: &Socket) -> Option<TcpEntry> {
        let local = || self.local_address(id).ok();
        Some(match socket {
            Socket::Connection(c) if c.state == State::TimeWait => return None,
            Socket::Connection(c) => TcpEntry {
                id,
                state: c.state,
                local: Some(c.tuple.local_address()),
                remote: Some(c.tuple.remote_address()),
                receive_queue: c.rcv.readable(),
                send_queue: c.snd.buffered() as usize,
            },
            Socket::Listener(l) => TcpEntry {
                id,
                state: State::Listen,
                local: local(),
                remote: None,
                receive_queue: l.accepted.len(),
                send_queue: l.backlog,
            },
            Socket::Forwarder(f) => TcpEntry {
                id,
                state: State::Listen,
                local: local(),
                remote: None,
                receive_queue: f.pending(),
                send_queue: f.config.max_pending,
            },
            Socket::Fresh(_) => TcpEntry {
                id,
                state: State::Closed,
                local: local(),
                remote: None,
                receive_queue: 0,
                send_queue: 0,
            },
        })
    }
}
