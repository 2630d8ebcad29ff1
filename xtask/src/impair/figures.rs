//! What many runs come to: for each line and congestion control, the pairs
//! beside Linux's own.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::job::{Done, Pair};

/// Runs of one pair over one line with one congestion control.
pub(super) struct Cell {
    pub(super) goodput: Sample,
    pub(super) retransmitted: Sample,
    pub(super) fill: Sample,
    pub(super) share: Sample,
    late_us: u64,
}

/// Values of several runs, ordered.
pub(super) struct Sample(Vec<f64>);

impl Sample {
    fn new(values: impl Iterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len().max(1) as f64
    }

    /// The value below which a share of them lies, between two by interpolation.
    pub(super) fn quantile(&self, share: f64) -> f64 {
        let at = share * self.0.len().saturating_sub(1) as f64;
        let value = |index: f64| self.0.get(index as usize).copied().unwrap_or_default();
        value(at.floor()) + (value(at.ceil()) - value(at.floor())) * at.fract()
    }
}

impl Cell {
    pub(super) fn new(runs: &[&Done]) -> Self {
        Self {
            goodput: Sample::new(runs.iter().map(|done| done.goodput_mbit)),
            retransmitted: Sample::new(runs.iter().map(|done| done.retransmitted_bytes as f64)),
            fill: Sample::new(runs.iter().filter_map(|done| done.fill_s)),
            share: Sample::new(
                runs.iter().filter_map(|done| Some(done.goodput_mbit / done.beside_mbit?.max(1e-9))),
            ),
            late_us: runs.iter().map(|done| done.late_us()).max().unwrap_or_default(),
        }
    }
}

/// Cells by congestion control and line, then by pair.
pub(super) fn cells(results: &[Done]) -> BTreeMap<(String, String), BTreeMap<Pair, Cell>> {
    let mut groups: BTreeMap<_, BTreeMap<Pair, Vec<&Done>>> = BTreeMap::new();
    for done in results {
        let key = (done.job.cc.clone(), line_of(done));
        groups.entry(key).or_default().entry(done.job.pair).or_default().push(done);
    }
    let cell = |(pair, runs): (Pair, Vec<&Done>)| (pair, Cell::new(&runs));
    groups.into_iter().map(|(key, pairs)| (key, pairs.into_iter().map(cell).collect())).collect()
}

fn line_of(done: &Done) -> String {
    let line = &done.job.line;
    format!("{} Mbit/s {} ms {} % loss", line.rate as f64 / 1e6, line.rtt_ms, line.loss * 100.0)
}

/// The table: means, tenth percentiles, and both as multiples of Linux's mean.
pub(super) fn table(results: &[Done]) -> String {
    let mut text = format!(
        "{:<6} {:<32} {:<12} {:>4} {:>9} {:>9} {:>7} {:>7} {:>11} {:>7} {:>8} {:>7} {:>8}\n",
        "cc",
        "line",
        "pair",
        "runs",
        "Mbit/s",
        "p10",
        "/Linux",
        "p10/L.",
        "again (kB)",
        "/Linux",
        "fill (s)",
        "share",
        "late p99"
    );
    for ((cc, line), pairs) in cells(results) {
        let linux = pairs.get(&Pair::LinuxLinux);
        for (pair, cell) in &pairs {
            let of_linux = |value: f64, of: fn(&Cell) -> f64| {
                linux
                    .map(of)
                    .filter(|of| *of > 0.0)
                    .map_or("–".to_owned(), |of| format!("{:.3}", value / of))
            };
            let goodput = |cell: &Cell| cell.goodput.mean();
            let again = cell.retransmitted.mean();
            let some = |sample: &Sample| {
                if sample.len() > 0 { format!("{:.2}", sample.mean()) } else { "–".to_owned() }
            };
            writeln!(
                text,
                "{cc:<6} {line:<32} {:<12} {:>4} {:>9.2} {:>9.2} {:>7} {:>7} {:>11.0} {:>7} {:>8} {:>7} {:>5} µs",
                pair.name(),
                cell.goodput.len(),
                cell.goodput.mean(),
                cell.goodput.quantile(0.1),
                of_linux(cell.goodput.mean(), goodput),
                of_linux(cell.goodput.quantile(0.1), goodput),
                again / 1e3,
                of_linux(again, |cell| cell.retransmitted.mean()),
                some(&cell.fill),
                some(&cell.share),
                cell.late_us,
            )
            .ok();
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_between_the_values() {
        let sample = Sample::new([3.0, 1.0, 2.0].into_iter());
        assert_eq!((sample.mean(), sample.quantile(0.0), sample.quantile(1.0)), (2.0, 1.0, 3.0));
        assert!((sample.quantile(0.1) - 1.2).abs() < 1e-9);
        assert_eq!(Sample::new([].into_iter()).quantile(0.5), 0.0);
    }
}
