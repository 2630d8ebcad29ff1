//! Reviewed curves: what windows, losses and goodput look like on 100 Mbit/s × 50 ms with a queue of one
//! bandwidth-delay product, 432 segments. A change of a table is a change of behaviour, to be looked at.

use super::boxed::Any;
use super::link::{MSS, Path, Simulation, jain, mbit};
use crate::congestion::{Bbr, CongestionControl, Cubic, Reno};
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use core::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn path() -> Path {
    Path::new(mbit(100), Duration::from_millis(50))
}

/// A line for every two seconds: the window and what was lost so far in segments, and the goodput.
fn curve(algorithm: impl CongestionControl) -> String {
    let mut sim = Simulation::new(path(), [(0, algorithm)]);
    let mut table = String::from("\n  s cwnd lost Mbit/s\n");
    for seconds in (2..=30).step_by(2) {
        let goodput = sim.goodput(2 * SECOND)[0];
        let flow = &sim.flows[0];
        let (cwnd, lost) = (flow.window.cwnd / MSS, flow.lost / u64::from(MSS));
        let _ = writeln!(table, "{seconds:3} {cwnd:4} {lost:4} {goodput:6.1}");
    }
    table
}

/// Slow start overshoots by two windows; then the saw, a segment each round trip.
#[test]
fn reno_alone() {
    let expected = "
  s cwnd lost Mbit/s
  2  454  867   85.1
  4  491  867  100.0
  6  525  867  100.0
  8  556  867  100.0
 10  587  867  100.0
 12  615  867  100.0
 14  643  867  100.0
 16  669  867  100.0
 18  694  867  100.0
 20  719  867  100.0
 22  743  867  100.0
 24  765  867  100.0
 26  788  867  100.0
 28  809  867  100.0
 30  830  867  100.0
";
    let found = curve(Reno::default());
    assert!(found == expected, "found:{found}");
}

/// HyStart++ leaves slow start before most of the overshoot; then concave, flat, convex.
#[test]
fn cubic_alone() {
    let expected = "
  s cwnd lost Mbit/s
  2  848    0   86.1
  4  626    2  100.0
  6  759    2  100.0
  8  830    2  100.0
 10  858    2  100.0
 12  628    3  100.0
 14  699    3  100.0
 16  728    3  100.0
 18  733    3  100.0
 20  735    3  100.0
 22  752    3  100.0
 24  804    3  100.0
 26  650    9  100.0
 28  774    9  100.0
 30  840    9  100.0
";
    let found = curve(Cubic::default());
    assert!(found == expected, "found:{found}");
}

/// No queue but when it probes.
#[test]
fn bbr_alone() {
    let expected = "
  s cwnd lost Mbit/s
  2  866   93   84.3
  4  866   93   99.3
  6  866   93   92.9
  8  866   93   99.1
 10  866   93   99.2
 12  866   93   93.0
 14  866   93   99.3
 16  866   93   92.9
 18  866   93   99.0
 20  866   93   99.3
 22  866   93   92.9
 24  976   93   99.0
 26  216   93   99.3
 28  866   93   92.9
 30  866   93   99.3
";
    let found = curve(Bbr::new(7));
    assert!(found == expected, "found:{found}");
}

fn any(name: &str, seed: u64) -> Any {
    match name {
        "reno" => Box::new(Reno::default()),
        "cubic" => Box::new(Cubic::default()),
        _ => Box::new(Bbr::new(seed)),
    }
}

fn shares(flows: impl IntoIterator<Item = (u64, Any)>) -> Vec<f64> {
    let mut sim = Simulation::new(path(), flows);
    sim.run(30 * SECOND, |_| {});
    sim.goodput(30 * SECOND)
}

/// On average of starts that are so many milliseconds apart: who begins how long before whom decides much, with a queue
/// that drops what does not fit and nothing else that is random.
#[test]
fn four_flows_share_a_path() {
    for name in ["reno", "cubic", "bbr"] {
        let gaps = [0, 3, 7, 13, 29, 50];
        let indices = gaps.map(|gap| {
            let shares = shares((0..4).map(|i| (gap * i, any(name, i))));
            assert!(shares.iter().sum::<f64>() > 95.0, "{name}: {shares:?}");
            jain(&shares)
        });
        let mean = indices.iter().sum::<f64>() / indices.len() as f64;
        assert!(mean > 0.95 && indices.iter().all(|&index| index > 0.85), "{name}: {indices:?}");
    }
}

#[test]
fn none_starves_another() {
    for (first, second) in [("cubic", "reno"), ("reno", "cubic"), ("cubic", "bbr"), ("bbr", "cubic")] {
        let shares = shares([(0, any(first, 1)), (700, any(second, 2))]);
        assert!(shares.iter().all(|&share| share > 10.0), "{first}, {second}: {shares:?}");
    }
}
