//! What a probe sees: the one stream of events that the simulator, the plots and the traces share.

use crate::State;
use core::time::Duration;
use stack_core::{EndpointId, Instant};
use stack_wire::seq::SeqNum;

/// Something that happened to a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum TcpEvent {
    /// It went from one state to another.
    StateChange {
        /// Before.
        from: State,
        /// After.
        to: State,
    },
    /// The congestion window or its threshold changed, in bytes.
    Window {
        /// The congestion window.
        cwnd: u32,
        /// The slow-start threshold.
        ssthresh: u32,
        /// Bytes in the network as the sender reckons them.
        pipe: u32,
    },
    /// A round-trip time was measured.
    RttSample {
        /// The sample.
        rtt: Duration,
        /// The smoothed time with it.
        srtt: Duration,
        /// The retransmission timeout with it.
        rto: Duration,
    },
    /// Data, SYN or FIN was sent again.
    Retransmit {
        /// First sequence number.
        seq: SeqNum,
        /// Sequence numbers that the segment takes.
        len: u32,
        /// What asked for it.
        cause: Cause,
    },
    /// The peer reports packets that routers have marked.
    CongestionExperienced {
        /// How many, at the best of knowledge.
        packets: u32,
        /// Bytes of text in them.
        bytes: u32,
        /// Marks of this window of data were not answered yet.
        is_news: bool,
    },
    /// A loss recovery began.
    RecoveryBegins {
        /// What told of the loss.
        cause: Cause,
        /// SND.NXT at that time: the recovery ends when it is acknowledged.
        recovery_point: SeqNum,
    },
    /// It ended.
    RecoveryEnds,
    /// The largest packet that is sent on the path has changed, or a larger one is tried.
    PathMtu {
        /// What happened.
        event: MtuEvent,
        /// Octets of the IP packet that it is about.
        size: u32,
    },
    /// The last reduction of the window was for nothing and is taken back.
    Undo {
        /// What told so.
        cause: UndoCause,
    },
}

/// Why something was sent again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Cause {
    /// The retransmission timer (RFC 6298).
    Timeout,
    /// Duplicate ACKs (RFC 6582), or something sent later that has arrived (RFC 8985).
    FastRetransmit,
    /// Nothing was heard of the end of a flight (RFC 8985 §7).
    LossProbe,
    /// The path's MTU shrank (RFC 1191 §6.4).
    PathMtu,
    /// A probe for a larger MTU of the path was lost (RFC 4821 §7.6.2).
    MtuProbe,
    /// A closed window opened again without the probe's octet having been taken.
    WindowOpened,
}

/// What happened to the size of packets.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum MtuEvent {
    /// A router, or this host, takes no larger ones (RFC 1191).
    TooBig,
    /// Larger ones vanish without a word, it seems (RFC 2923 §2.1): they are of this size from now on.
    BlackHole,
    /// One of this size is under way, to see whether it arrives (RFC 4821).
    ProbeSent,
    /// It has arrived: all are of this size from now on.
    ProbeArrived,
    /// It has not, and nothing else was lost.
    ProbeLost,
}

/// What showed that a loss was none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum UndoCause {
    /// The peer got twice whatever was sent twice (RFC 3708).
    Dsack,
    /// The ACK answers what was sent first (RFC 3522).
    Timestamps,
    /// After a timeout, ACKs of what was sent only once (RFC 5682).
    Frto,
}

/// Sees events. Called from inside the stack: be quick, and call nothing of it.
pub trait Probe: Send + Sync {
    /// Something happened at `now`.
    fn event(&self, now: Instant, connection: EndpointId, event: &TcpEvent);
}
