//! When a segment smaller than the MSS may go: Nagle's rule and the sender's side of the silly window.
//! RFC 9293 §3.7.4 and §3.8.6.2.1, with Minshall's modification, which the peers of this stack use as well: a small
//! segment waits only as long as another *small* one is unacknowledged, so the tail of a large write goes at once.
//! Nothing waits for ever (R9293-MUST-60): ACKs, a close, or the persist timer let it go.

/// What is known when a small segment could be sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Small {
    /// Octets that could go now.
    pub(crate) len: u32,
    /// It is all that there is to send.
    pub(crate) all: bool,
    /// Something unacknowledged is smaller than the MSS.
    pub(crate) small_in_flight: bool,
    /// The application asked to send at once, or has closed, or the data is urgent.
    pub(crate) no_delay: bool,
    /// The application collects: more will come (`TCP_CORK`).
    pub(crate) corked: bool,
    /// The largest window that the peer ever offered.
    pub(crate) max_wnd: u32,
}

impl Small {
    /// Whether it may go (R9293-MUST-38, R9293-SHLD-7).
    pub(crate) fn may_go(&self) -> bool {
        if self.all {
            return !self.corked && (self.no_delay || !self.small_in_flight); // R9293-MUST-17
        }
        // Cut short by the window: only if that is half of the best that the peer ever had to offer.
        self.len > 0 && self.len >= self.max_wnd / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_segments() {
        let s = Small {
            len: 100,
            all: true,
            small_in_flight: false,
            no_delay: false,
            corked: false,
            max_wnd: 60_000,
        };
        for (what, small, goes) in [
            ("the first", s, true),
            ("behind another", Small { small_in_flight: true, ..s }, false),
            ("behind another, no delay", Small { small_in_flight: true, no_delay: true, ..s }, true),
            ("corked", Small { corked: true, no_delay: true, ..s }, false),
            ("cut by a silly window", Small { all: false, no_delay: true, ..s }, false),
            ("cut by half a window", Small { all: false, len: 30_000, ..s }, true),
            ("of a peer with small windows", Small { all: false, max_wnd: 150, ..s }, true),
            ("nothing", Small { all: false, len: 0, max_wnd: 0, ..s }, false),
        ] {
            assert_eq!(small.may_go(), goes, "{what}");
        }
    }
}
