//! What time can do to a connection: five deadlines, of which the host knows the earliest, or an earlier one.
//!
//! Those that can make it send text, [`Timer::Retransmit`] to [`Timer::Persist`], share one: at any time only the first of
//! them matters (RFC 8985 §8), and what is in flight knows the others.
//!
//! Arming is lazy: a deadline that moves later is not reported. When the reported one comes, the connection looks at
//! its table, finds nothing due, and reports the next. Setting a timer again costs two stores.

use stack_core::Instant;

/// A reason to look at a connection again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Timer {
    /// Data, SYN or FIN was not acknowledged in time (RFC 6298).
    Retransmit,
    /// Something sent is late if it was not overtaken by now (RFC 8985 §6.2).
    Reordering,
    /// Nothing was heard of the end of a flight (RFC 8985 §7.2).
    LossProbe,
    /// The pace lets the next packet go.
    Pace,
    /// The peer's window is closed, or too small to use (RFC 9293 §3.8.6.1).
    Persist,
    /// An ACK has been delayed long enough (RFC 9293 §3.8.6.3).
    DelayedAck,
    /// The peer has been silent (RFC 9293 §3.8.4).
    KeepAlive,
    /// Data has been unacknowledged for longer than the application allows (RFC 9293 §3.9.1, RFC 5482).
    User,
    /// A closed socket has waited long enough: for the peer's FIN in FIN-WAIT-2, or lingering.
    Close,
    /// The application has collected for long enough. It shares its deadline with [`Timer::Close`]: a closed socket
    /// collects nothing.
    Cork,
}

impl Timer {
    /// Whether it makes the connection send something again.
    fn resends(self) -> bool {
        matches!(self, Self::Retransmit | Self::Reordering | Self::LossProbe | Self::Pace | Self::Persist)
    }
}

/// The deadlines of a connection; [`Instant::FAR_FUTURE`] where a timer is off.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timers {
    resend: Instant,
    delayed_ack: Instant,
    keep_alive: Instant,
    user: Instant,
    close: Instant,
    /// What the host has been told.
    armed: Instant,
    /// Which timer `resend` is.
    resends: Timer,
}

impl Default for Timers {
    fn default() -> Self {
        let off = Instant::FAR_FUTURE;
        Self {
            resend: off,
            delayed_ack: off,
            keep_alive: off,
            user: off,
            close: off,
            armed: off,
            resends: Timer::Retransmit,
        }
    }
}

impl Timers {
    /// Sets a timer, whether it was on or off.
    pub(crate) fn set(&mut self, timer: Timer, deadline: Instant) {
        if timer.resends() {
            self.resends = timer;
        }
        *self.slot(timer) = deadline;
    }

    /// Sets a timer that is off.
    pub(crate) fn set_if_off(&mut self, timer: Timer, deadline: Instant) {
        if !self.is_on(timer) {
            self.set(timer, deadline);
        }
    }

    /// Turns a timer off.
    pub(crate) fn clear(&mut self, timer: Timer) {
        if self.is_on(timer) {
            *self.slot(timer) = Instant::FAR_FUTURE;
        }
    }

    /// Turns off whichever would make the connection send something again.
    pub(crate) fn clear_resend(&mut self) {
        self.resend = Instant::FAR_FUTURE;
    }

    fn is_on(&mut self, timer: Timer) -> bool {
        (!timer.resends() || timer == self.resends) && *self.slot(timer) != Instant::FAR_FUTURE
    }

    /// Turns all off.
    pub(crate) fn clear_all(&mut self) {
        *self = Self { armed: self.armed, ..Self::default() };
    }

    /// Takes a timer that is due and turns it off.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<Timer> {
        let all = [Timer::User, self.resends, Timer::DelayedAck, Timer::KeepAlive, Timer::Close];
        let due = all.into_iter().find(|&timer| *self.slot(timer) <= now)?;
        self.clear(due);
        Some(due)
    }

    /// The deadline that the host has to be told, if it has to be told one.
    pub(crate) fn unreported(&mut self) -> Option<Instant> {
        let next = self.next();
        if next >= self.armed {
            return None;
        }
        self.armed = next;
        Some(next)
    }

    /// The host's deadline has come, or was early: it knows of none now.
    pub(crate) fn fired(&mut self) {
        self.armed = Instant::FAR_FUTURE;
    }

    fn next(&self) -> Instant {
        self.resend.min(self.delayed_ack).min(self.keep_alive).min(self.user).min(self.close)
    }

    fn slot(&mut self, timer: Timer) -> &mut Instant {
        match timer {
            Timer::Retransmit | Timer::Reordering | Timer::LossProbe | Timer::Pace | Timer::Persist => {
                &mut self.resend
            }
            Timer::DelayedAck => &mut self.delayed_ack,
            Timer::KeepAlive => &mut self.keep_alive,
            Timer::User => &mut self.user,
            Timer::Close | Timer::Cork => &mut self.close,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_earlier_deadlines_are_reported() {
        let at = Instant::from_secs;
        let mut timers = Timers::default();
        assert_eq!(timers.unreported(), None);
        timers.set(Timer::Retransmit, at(5));
        assert_eq!((timers.unreported(), timers.unreported()), (Some(at(5)), None));
        timers.set(Timer::Retransmit, at(9));
        assert_eq!(timers.unreported(), None, "later: the host may come early");
        timers.set(Timer::DelayedAck, at(3));
        assert_eq!(timers.unreported(), Some(at(3)));
        timers.fired();
        assert_eq!(timers.expired(at(3)), Some(Timer::DelayedAck));
        assert_eq!((timers.expired(at(3)), timers.unreported()), (None, Some(at(9))));
    }

    #[test]
    fn of_the_timers_that_send_again_one_runs() {
        let at = Instant::from_secs;
        let mut timers = Timers::default();
        timers.set(Timer::Retransmit, at(5));
        timers.set(Timer::LossProbe, at(7));
        timers.clear(Timer::Retransmit);
        timers.set_if_off(Timer::LossProbe, at(3));
        assert_eq!((timers.expired(at(6)), timers.expired(at(7))), (None, Some(Timer::LossProbe)));
        timers.set(Timer::Reordering, at(9));
        timers.set_if_off(Timer::Persist, at(10));
        assert_eq!((timers.expired(at(9)), timers.expired(at(10))), (None, Some(Timer::Persist)));
    }

    #[test]
    fn a_running_timer_is_not_moved_by_set_if_off() {
        let mut timers = Timers::default();
        timers.set_if_off(Timer::Persist, Instant::from_secs(1));
        timers.set_if_off(Timer::Persist, Instant::from_secs(2));
        assert_eq!(timers.expired(Instant::from_secs(1)), Some(Timer::Persist));
    }
}
