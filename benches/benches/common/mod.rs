//! How long the benches measure.

use criterion::Criterion;
use std::time::Duration;

/// Half a second to warm up and one to measure, so that all benches together end within minutes.
pub(crate) fn short() -> Criterion {
    let criterion = Criterion::default().warm_up_time(Duration::from_millis(500));
    criterion.measurement_time(Duration::from_secs(1)).sample_size(30)
}
