//! What is remembered of the sender's connection, for the chart.

use stack_core::{EndpointId, Instant};
use std::sync::{Mutex, MutexGuard, PoisonError};
use trans_tcp::{Cause, Probe, TcpEvent};

/// Everything in the order of time: seconds, and kilobytes or milliseconds.
#[derive(Default)]
pub(super) struct Recording {
    pub(super) cwnd: Vec<(f64, f64)>,
    pub(super) ssthresh: Vec<(f64, f64)>,
    pub(super) in_flight: Vec<(f64, f64)>,
    pub(super) rtt: Vec<(f64, f64)>,
    pub(super) srtt: Vec<(f64, f64)>,
    pub(super) retransmits: Vec<(f64, Cause)>,
}

/// Sees one connection from inside its stack.
#[derive(Default)]
pub(super) struct Recorder(Mutex<Recording>);

impl Recorder {
    /// Bytes sent and not acknowledged.
    pub(super) fn in_flight(&self, now: Instant, bytes: u32) {
        let mut recording = self.lock();
        let value = f64::from(bytes) / 1e3;
        if recording.in_flight.last().is_none_or(|last| last.1 != value) {
            recording.in_flight.push((seconds(now), value));
        }
    }

    /// Everything so far.
    pub(super) fn take(&self) -> Recording {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Recording> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Probe for Recorder {
    fn event(&self, now: Instant, _: EndpointId, event: &TcpEvent) {
        let at = seconds(now);
        let mut recording = self.lock();
        match event {
            TcpEvent::Window { cwnd, ssthresh, .. } => {
                recording.cwnd.push((at, f64::from(*cwnd) / 1e3));
                if *ssthresh < u32::MAX {
                    recording.ssthresh.push((at, f64::from(*ssthresh) / 1e3));
                }
            }
            TcpEvent::RttSample { rtt, srtt, .. } => {
                recording.rtt.push((at, rtt.as_secs_f64() * 1e3));
                recording.srtt.push((at, srtt.as_secs_f64() * 1e3));
            }
            TcpEvent::Retransmit { cause, .. } => recording.retransmits.push((at, *cause)),
            _ => {}
        }
    }
}

fn seconds(now: Instant) -> f64 {
    now.saturating_since(Instant::ZERO).as_secs_f64()
}
