//! What is remembered of the sender's connection, for the chart.

use stack_core::{EndpointId, Instant};
use std::sync::{Mutex, MutexGuard, PoisonError};
use trans_tcp::{Cause, Probe, TcpEvent};

/// Points that a line has room for.
const COLUMNS: usize = 900;

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

/// Leaves of the points up to `end` no more than can be told apart in the drawing: of each column the first, the
/// smallest, the largest and the last. A line of steps is drawn on to the end.
pub(super) fn thin(points: &[(f64, f64)], end: f64, steps: bool) -> Vec<(f64, f64)> {
    let column = |at: f64| (at / end.max(1e-9) * COLUMNS as f64) as usize;
    let shown: Vec<_> = points.iter().copied().filter(|point| point.0 <= end).collect();
    let mut thin = Vec::new();
    for group in shown.chunk_by(|a, b| column(a.0) == column(b.0)) {
        let least = (0..group.len()).min_by(|&a, &b| group[a].1.total_cmp(&group[b].1));
        let most = (0..group.len()).max_by(|&a, &b| group[a].1.total_cmp(&group[b].1));
        let mut kept: Vec<_> =
            [Some(0), least, most, group.len().checked_sub(1)].into_iter().flatten().collect();
        kept.sort_unstable();
        kept.dedup();
        thin.extend(kept.into_iter().map(|index| group[index]));
    }
    if let Some(&(_, value)) = thin.last().filter(|_| steps) {
        thin.push((end, value));
    }
    thin
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thinning_keeps_extremes_and_ends() {
        let points: Vec<_> = (0..100_000).map(|i| (f64::from(i) / 1e4, f64::from(i % 97))).collect();
        let thin = thin(&points, 10.0, false);
        assert!(thin.len() <= 4 * COLUMNS, "{} points", thin.len());
        assert_eq!((thin[0], thin[thin.len() - 1]), (points[0], points[99_999]));
        assert!(thin.iter().any(|point| point.1 == 96.0) && thin.iter().any(|point| point.1 == 0.0));
        assert!(thin.windows(2).all(|two| two[0].0 <= two[1].0));
    }

    #[test]
    fn steps_reach_the_end() {
        assert_eq!(thin(&[(1.0, 5.0), (9.0, 7.0)], 4.0, true), [(1.0, 5.0), (4.0, 5.0)]);
    }
}
