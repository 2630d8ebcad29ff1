//! The signals that ask a program to end.

use crate::failure::{Failure, Outcome};
use std::future::poll_fn;
use std::task::Poll;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGINT, SIGTERM and SIGHUP, caught from the moment that this value is made.
pub(crate) struct Signals([Signal; 3]);

impl Signals {
    pub(crate) fn new() -> Outcome<Self> {
        let catch =
            |kind| signal(kind).map_err(|error| Failure::new("catch signals", error, "see ulimit -n"));
        Ok(Self([
            catch(SignalKind::interrupt())?,
            catch(SignalKind::terminate())?,
            catch(SignalKind::hangup())?,
        ]))
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
