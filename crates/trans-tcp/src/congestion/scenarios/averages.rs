//! The windows that RFC 9438 §5.2 computes for given loss rates.

use crate::congestion::{AckSample, CongestionControl, Cubic, Reno, Window};
use core::time::Duration;
use stack_core::Instant;

const MSS: u32 = 1000;
const RTT: Duration = Duration::from_millis(100);

#[test]
fn average_windows_of_rfc_9438() {
    // Reno's window is between a half and a whole of its peak, CUBIC's 0.925 of it on average.
    for (segments, window) in [(1_000, 38), (10_000, 120), (100_000, 379)] {
        let found = average::<Reno>(window * 4 / 3, segments, |_, _| {});
        assert!(found.abs_diff(window) * 20 <= found, "Reno: {found}, not {window}");
    }
    // The formulas leave fast convergence out.
    let without_fast_convergence = |cubic: &mut Cubic, cwnd| cubic.curve.w_max = cwnd;
    for (segments, window) in [(10_000, 187), (100_000, 1_054)] {
        let found = average(window * 1000 / 925, segments, without_fast_convergence);
        assert!(found.abs_diff(window) * 20 <= found, "CUBIC: {found}, not {window}");
    }
}

/// Average window in segments where one of `segments` is lost, from a loss at `peak` segments on. `reduced` comes after
/// each reduction, with the window before it.
fn average<A: CongestionControl + Default>(peak: u32, segments: u64, reduced: impl Fn(&mut A, u32)) -> u32 {
    let mut algorithm = A::default();
    let mut window = Window { cwnd: peak * MSS, ssthresh: MSS };
    let (mut now, mut rounds, mut sum) = (Instant::ZERO, 0u64, 0u64);
    for _ in 0..8 {
        window.ssthresh = algorithm.ssthresh(&window, window.cwnd, MSS);
        reduced(&mut algorithm, window.cwnd);
        window.cwnd = window.ssthresh;
        let mut acked = 0;
        while acked < segments * u64::from(MSS) {
            let bytes = window.cwnd / 8;
            for _ in 0..8 {
                now += RTT / 8;
                acked += u64::from(bytes);
                algorithm.on_ack(&mut window, &AckSample { srtt: Some(RTT), ..AckSample::of(now, bytes) });
            }
            (rounds, sum) = (rounds + 1, sum + u64::from(window.cwnd));
        }
    }
    (sum / rounds / u64::from(MSS)) as u32
}
