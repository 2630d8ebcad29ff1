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
    /// Goodput by seed.
    by_seed: BTreeMap<u64, f64>,
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
            by_seed: runs.iter().map(|done| (done.job.seed, done.goodput_mbit)).collect(),
            late_us: runs.iter().map(|done| done.late_us()).max().unwrap_or_default(),
        }
    }

    /// Goodput as a multiple of another's with the same seed: the mean, and its standard error. The same seed loses the
    /// same packets, so this tells small differences that the means of few runs don't.
    fn paired(&self, other: &Self) -> Option<(f64, f64)> {
        let ratio = |(seed, goodput): (&u64, &f64)| Some(goodput / other.by_seed.get(seed)?.max(1e-9));
        let ratios = Sample::new(self.by_seed.iter().filter_map(ratio));
        let (mean, count) = (ratios.mean(), ratios.len() as f64);
        let squares: f64 = ratios.0.iter().map(|ratio| (ratio - mean).powi(2)).sum();
        (count > 1.0).then(|| (mean, (squares / (count - 1.0) / count).sqrt()))
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

/// Columns of the table, and how wide they are; the first three stand left.
const COLUMNS: [(&str, usize); 14] = [
    ("cc", 6),
    ("line", 32),
    ("pair", 12),
    ("runs", 4),
    ("Mbit/s", 8),
    ("p10", 8),
    ("/Linux", 7),
    ("p10/L.", 7),
    ("by seed", 14),
    ("again (kB)", 10),
    ("/Linux", 7),
    ("fill (s)", 8),
    ("share", 6),
    ("late p99", 10),
];

/// The table: means, tenth percentiles, both as multiples of Linux's mean, and the same seed by seed.
pub(super) fn table(results: &[Done]) -> String {
    let mut lines = vec![aligned(COLUMNS.map(|(name, _)| name.to_owned()))];
    for ((cc, line), pairs) in cells(results) {
        let linux = pairs.get(&Pair::LinuxLinux);
        let row = |(pair, cell): (&Pair, &Cell)| {
            aligned(cell.columns([cc.clone(), line.clone(), pair.name()], linux))
        };
        lines.extend(pairs.iter().map(row));
    }
    lines.join("\n") + "\n"
}

fn aligned(values: [String; 14]) -> String {
    let mut text = String::new();
    for ((value, (_, width)), column) in values.iter().zip(COLUMNS).zip(0..) {
        let done = match column {
            0..3 => write!(text, "{value:<width$} "),
            _ => write!(text, "{value:>width$} "),
        };
        done.ok();
    }
    text.trim_end().to_owned()
}

impl Cell {
    /// The columns of a row, with its names, beside Linux's figures.
    fn columns(&self, [cc, line, pair]: [String; 3], linux: Option<&Self>) -> [String; 14] {
        let ratio = |value: f64, of: Option<f64>| {
            of.filter(|of| *of > 0.0).map_or("–".to_owned(), |of| format!("{:.3}", value / of))
        };
        let some = |sample: &Sample| {
            if sample.len() > 0 { format!("{:.2}", sample.mean()) } else { "–".to_owned() }
        };
        let (mean, p10) = (self.goodput.mean(), self.goodput.quantile(0.1));
        let again = self.retransmitted.mean();
        let paired = linux.and_then(|linux| self.paired(linux));
        let goodput_of_linux = linux.map(|linux| linux.goodput.mean());
        [
            cc,
            line,
            pair,
            self.goodput.len().to_string(),
            format!("{mean:.2}"),
            format!("{p10:.2}"),
            ratio(mean, goodput_of_linux),
            ratio(p10, goodput_of_linux),
            paired.map_or("–".to_owned(), |(mean, error)| format!("{mean:.3} ± {error:.3}")),
            format!("{:.0}", again / 1e3),
            ratio(again, linux.map(|linux| linux.retransmitted.mean())),
            some(&self.fill),
            some(&self.share),
            format!("{} µs", self.late_us),
        ]
    }
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

    #[test]
    fn pairs_of_the_same_seed_tell_small_differences() {
        let cell = |values: &[(u64, f64)]| {
            let mut cell = Cell::new(&[]);
            cell.by_seed = values.iter().copied().collect();
            cell
        };
        let linux = cell(&[(1, 2.0), (2, 4.0), (3, 8.0)]);
        assert_eq!(cell(&[(1, 1.0), (2, 2.0), (3, 4.0)]).paired(&linux), Some((0.5, 0.0)));
        assert_eq!(cell(&[(1, 1.0), (9, 1.0)]).paired(&linux), None, "one seed in common");
        let (mean, error) = cell(&[(1, 1.0), (2, 4.0)]).paired(&linux).unwrap();
        assert_eq!((mean, error), (0.75, 0.25));
    }
}
