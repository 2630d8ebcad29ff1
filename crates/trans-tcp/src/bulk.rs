//! What a connection keeps about moving much. Only those have it that do, or that had to send something again: it is
//! allocated with the 64th KiB in either direction, so that idle connections stay small. Beside it lies what only
//! connections with accurate ECN have.

use crate::accurate_ecn::Accurate;
use crate::autotune::RightSizing;
use crate::connection::Connection;
use crate::min_rtt::MinRtt;
use crate::mtu_search::Search;
use crate::too_big::Claim;
use alloc::boxed::Box;
use core::time::Duration;
use stack_core::Instant;

/// What few connections have.
#[derive(Debug, Default)]
pub(crate) struct More {
    pub(crate) bulk: Option<Bulk>,
    pub(crate) accurate_ecn: Option<Accurate>,
}

/// The state of a connection that moves much.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bulk {
    pub(crate) sizing: RightSizing,
    pub(crate) limits: Limits,
    pub(crate) losses: Losses,
    /// The smallest round-trip time of the last minutes.
    pub(crate) min_rtt: MinRtt,
    /// The largest packet of the path, as far as it is searched for.
    pub(crate) search: Search,
    /// What a router said of it and nobody believes yet.
    pub(crate) claim: Option<Claim>,
}

/// What was lost, marked and sent again, of the whole life of a connection.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Losses {
    /// Octets sent again.
    pub(crate) bytes_retrans: u64,
    /// Segments sent again.
    pub(crate) retrans: u32,
    /// Segments that the peer got twice, as it says.
    pub(crate) dsack_dups: u32,
    /// Octets that counted as lost, modulo 2^32.
    pub(crate) total_lost: u32,
    /// Segments that the peer reports as marked.
    pub(crate) delivered_ce: u32,
}

impl Bulk {
    /// Octets in one direction that make a connection one of these.
    pub(crate) const FROM: u64 = 64 * 1024;
}

/// What keeps a sender from sending more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Limit {
    /// There is nothing to send, and all is acknowledged.
    #[default]
    Idle,
    /// The network, or nothing: text is on its way.
    Busy,
    /// The peer's window.
    ReceiveWindow,
    /// The size of the send buffer.
    SendBuffer,
}

/// For how long what was the limit: `tcpi_busy_time`, `tcpi_rwnd_limited`, `tcpi_sndbuf_limited`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    now: Limit,
    since: Instant,
    busy: Duration,
    receive_window: Duration,
    send_buffer: Duration,
}

impl Limits {
    fn new(now: Instant) -> Self {
        let none = Duration::ZERO;
        Self { now: Limit::Idle, since: now, busy: none, receive_window: none, send_buffer: none }
    }

    /// This is the limit from now on.
    pub(crate) fn observe(&mut self, now: Instant, limit: Limit) {
        if self.now != limit {
            (self.busy, self.receive_window, self.send_buffer) = self.at(now);
            (self.now, self.since) = (limit, now);
        }
    }

    /// Times until now: with something to do, and of these, limited by the peer's window and by the send buffer.
    pub(crate) fn at(&self, now: Instant) -> (Duration, Duration, Duration) {
        let time = now.saturating_since(self.since);
        let of = |is: bool| if is { time } else { Duration::ZERO };
        (
            self.busy + of(self.now != Limit::Idle),
            self.receive_window + of(self.now == Limit::ReceiveWindow),
            self.send_buffer + of(self.now == Limit::SendBuffer),
        )
    }
}

impl Connection {
    /// What was lost and sent again so far.
    pub(crate) fn losses(&self) -> Losses {
        self.bulk().map_or_else(Losses::default, |bulk| bulk.losses)
    }

    /// The state of a connection that moves much.
    pub(crate) fn bulk(&self) -> Option<&Bulk> {
        self.more.as_ref()?.bulk.as_ref()
    }

    /// The same, to be changed; nothing for one that does not move much.
    pub(crate) fn known_bulk(&mut self) -> Option<&mut Bulk> {
        bulk_of(&mut self.more)
    }

    /// The same, to be changed.
    pub(crate) fn losses_mut(&mut self) -> &mut Losses {
        let now = self.last_sent;
        &mut self.bulk_mut(now).losses
    }

    /// The state of a connection that moves much; from now on, it does.
    pub(crate) fn bulk_mut(&mut self, now: Instant) -> &mut Bulk {
        let taken = self.rcv.received - self.rcv.readable() as u64;
        let space = crate::congestion::initial_window(10, self.receive_mss(), false);
        let rtt = self.rtt.min_rtt();
        self.more.get_or_insert_default().bulk.get_or_insert_with(|| {
            let sizing = RightSizing::new(now, taken, space);
            let (limits, losses) = (Limits::new(now), Losses::default());
            let mut min_rtt = MinRtt::default();
            rtt.into_iter().for_each(|rtt| min_rtt.observe(now, rtt));
            Bulk { sizing, limits, losses, min_rtt, search: Search::OFF, claim: None }
        })
    }

    /// What keeps it from sending more.
    pub(crate) fn limit(&self) -> Limit {
        let unsent = self.snd.unsent();
        if unsent == 0 && self.snd.outstanding() == 0 {
            Limit::Idle
        } else if unsent > 0 && self.snd.window_room() < unsent.min(self.mss()) as i32 {
            Limit::ReceiveWindow
        } else if unsent == 0 && self.wants_room {
            Limit::SendBuffer
        } else {
            Limit::Busy
        }
    }
}

/// What `more` has of it.
pub(crate) fn bulk_of(more: &mut Option<Box<More>>) -> Option<&mut Bulk> {
    more.as_mut()?.bulk.as_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_add_up_by_what_was_the_limit() {
        let at = Instant::from_millis;
        let ms = Duration::from_millis;
        let mut limits = Limits::new(at(0));
        for (time, limit) in [
            (10, Limit::Busy),
            (30, Limit::ReceiveWindow),
            (35, Limit::ReceiveWindow),
            (60, Limit::SendBuffer),
            (65, Limit::Idle),
            (100, Limit::Busy),
        ] {
            limits.observe(at(time), limit);
        }
        assert_eq!(limits.at(at(101)), (ms(56), ms(30), ms(5)));
    }
}
