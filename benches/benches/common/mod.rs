//! How long the benches measure, and a clock for those that measure a part of what they do.
#![allow(dead_code, reason = "not every bench needs the clock")]

use criterion::Criterion;
use std::time::{Duration, Instant};

/// Half a second to warm up and one to measure, so that all benches together end within minutes.
pub(crate) fn short() -> Criterion {
    let criterion = Criterion::default().warm_up_time(Duration::from_millis(500));
    criterion.measurement_time(Duration::from_secs(1)).sample_size(30)
}

/// The time that `work` takes: for a part of an iteration.
#[expect(clippy::disallowed_methods, reason = "a bench measures real time")]
pub(crate) fn time(work: impl FnOnce()) -> Duration {
    let began = Instant::now();
    work();
    began.elapsed()
}
