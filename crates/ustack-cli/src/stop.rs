//! The signals that ask a program to end.

use crate::failure::{Failure, Outcome};
use std::future::poll_fn;
use std::task::Poll;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT, SIGTERM and, unless `nohup` forbids it, SIGHUP; caught from the moment that this value is made.
pub(crate) struct Signals(Vec<Signal>);

impl Signals {
    pub(crate) fn new() -> Outcome<Self> {
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
        if !is_ignored(SignalKind::hangup()) {
            kinds.push(SignalKind::hangup());
        }
        let caught = kinds.into_iter().map(signal).collect::<Result<_, _>>();
        caught
            .map(Self)
            .map_err(|error| Failure::new("catch signals", error, "see the limits of this shell (ulimit -a)"))
    }

    /// Waits for one of them.
    pub(crate) async fn wait(&mut self) {
        poll_fn(|cx| {
            let came = self.0.iter_mut().any(|signal| signal.poll_recv(cx).is_ready());
            if came { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// Whether whoever started this program wants it to survive the signal.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()).unwrap_or(0);
    mask & 1 << (kind.as_raw_value() - 1) != 0
}
