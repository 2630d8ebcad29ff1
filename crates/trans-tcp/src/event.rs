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
    /// A closed window opened again without the probe's octet having been taken.
    WindowOpened,
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
