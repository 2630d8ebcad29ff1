//! Medians and ratios of a run's records, as Markdown.
//!
//! A ratio is that of one peer to the null responder of the same attachment
//! *in the same round*; the table shows the median of the rounds' ratios.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use super::peers::PEERS;

/// A column: which test's figure, and how it is shown.
struct Metric {
    title: &'static str,
    test: &'static str,
    figure: fn(&Value) -> Option<f64>,
    decimals: usize,
    /// Whether the ratio to the null responder means anything.
    is_rate: bool,
}

const BULK: &[Metric] = &[
    rate("in ×1 Gbit/s", "send1", gbps, 2),
    rate("in ×8", "send8", gbps, 2),
    rate("out ×1", "recv1", gbps, 2),
    rate("out ×8", "recv8", gbps, 2),
];
const REQUESTS: &[Metric] = &[
    rate("request/response per s", "rr", tps, 0),
    rate("one core", "rr1c", tps, 0),
    rate("12 connections", "rr12", tps, 0),
    rate("connects per s", "crr", |record| record["cps"].as_f64(), 0),
    rate("UDP 64 B in per s", "udp", |record| record["recv_pps"].as_f64(), 0),
];
const CPU: &[Metric] = &[
    cost("in: user s/GB", "send1", |record| per_gigabyte(record, "user")),
    cost("in: system", "send1", |record| per_gigabyte(record, "system")),
    cost("in: machine", "send1", |record| per_gigabyte(record, "busy")),
    cost("out: user s/GB", "recv1", |record| per_gigabyte(record, "user")),
    cost("out: system", "recv1", |record| per_gigabyte(record, "system")),
    cost("out: machine", "recv1", |record| per_gigabyte(record, "busy")),
];
const IDLE: &[Metric] = &[
    cost("bytes per idle connection", "idle", |record| record["bytes_per_connection"].as_f64()),
    cost("request/response with ÷ without", "idle", |record| {
        Some(record["tps_with"].as_f64()? / record["tps_without"].as_f64()?)
    }),
];

const fn rate(
    title: &'static str,
    test: &'static str,
    figure: fn(&Value) -> Option<f64>,
    decimals: usize,
) -> Metric {
    Metric { title, test, figure, decimals, is_rate: true }
}

const fn cost(title: &'static str, test: &'static str, figure: fn(&Value) -> Option<f64>) -> Metric {
    Metric { title, test, figure, decimals: 3, is_rate: false }
}

fn gbps(record: &Value) -> Option<f64> {
    record["gbps"].as_f64()
}

fn tps(record: &Value) -> Option<f64> {
    record["tps"].as_f64()
}

fn per_gigabyte(record: &Value, field: &str) -> Option<f64> {
    let bytes = record["bytes"].as_f64().filter(|&bytes| bytes > 1e6)?;
    Some(record[field].as_f64()? / (bytes / 1e9))
}

/// The records of JSON-lines files.
pub(crate) fn read(files: &[PathBuf]) -> Result<Vec<Value>, String> {
    let mut records = Vec::new();
    for path in files {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        for (line, number) in text.lines().zip(1_usize..) {
            let record = serde_json::from_str(line);
            records.push(record.map_err(|error| format!("{}:{number}: {error}", path.display()))?);
        }
    }
    Ok(records)
}

/// All tables that the records have figures for.
pub(crate) fn markdown(records: &[Value]) -> String {
    let mut text = String::new();
    let note = "median (× null of the same round; least–most)";
    one_table(&mut text, records, &format!("Bulk TCP, {note}"), BULK);
    one_table(&mut text, records, &format!("Requests, {note}"), REQUESTS);
    one_table(&mut text, records, "Processor seconds per 10^9 bytes, median (least–most)", CPU);
    one_table(&mut text, records, "Idle connections, median (least–most)", IDLE);
    let mut controls: Vec<&str> = records.iter().filter_map(|record| record["cc"].as_str()).collect();
    controls.sort_unstable();
    controls.dedup();
    let _ = writeln!(text, "The kernel's congestion control: {}.", controls.join(", "));
    text
}

fn one_table(text: &mut String, records: &[Value], title: &str, metrics: &[Metric]) {
    let metrics: Vec<&Metric> =
        metrics.iter().filter(|metric| records.iter().any(|r| r["test"] == metric.test)).collect();
    if metrics.is_empty() {
        return;
    }
    let titles: Vec<&str> = metrics.iter().map(|metric| metric.title).collect();
    let _ = writeln!(text, "{title}\n\n| peer | {} | rounds |", titles.join(" | "));
    let _ = writeln!(text, "|---|{}---|", "---|".repeat(metrics.len()));
    for peer in PEERS.iter().filter(|peer| records.iter().any(|record| record["peer"] == peer.name)) {
        let cells: Vec<String> =
            metrics.iter().map(|metric| cell(records, peer.name, peer.limit, metric)).collect();
        let rounds =
            records.iter().filter(|r| r["peer"] == peer.name && r["test"] == metrics[0].test).count();
        let _ = writeln!(text, "| {} | {} | {rounds} |", peer.name, cells.join(" | "));
    }
    text.push('\n');
}

fn cell(records: &[Value], peer: &str, limit: &str, metric: &Metric) -> String {
    let figures = figures(records, peer, metric);
    let failed = records.iter().filter(|r| is_of(r, peer, metric) && r["error"].is_string()).count();
    let failed = if failed > 0 { format!(" [{failed} failed]") } else { String::new() };
    let decimals = metric.decimals;
    let mut values: Vec<f64> = figures.iter().map(|(_, value)| *value).collect();
    let Some(middle) = median(&mut values) else { return format!("–{failed}") };
    let spread = format!("{:.decimals$}–{:.decimals$}", values[0], values[values.len() - 1]);
    let ratio = if metric.is_rate && peer != limit {
        let limits = self::figures(records, limit, metric);
        median(&mut ratios(&figures, &limits)).map(|ratio| format!("{ratio:.2}×; ")).unwrap_or_default()
    } else {
        String::new()
    };
    format!("{middle:.decimals$} ({ratio}{spread}){failed}")
}

/// The figures by round, in the order of the records.
fn figures(records: &[Value], peer: &str, metric: &Metric) -> Vec<(u64, f64)> {
    records
        .iter()
        .filter(|record| is_of(record, peer, metric))
        .filter_map(|record| Some((record["round"].as_u64()?, (metric.figure)(record)?)))
        .collect()
}

fn is_of(record: &Value, peer: &str, metric: &Metric) -> bool {
    record["peer"] == peer && record["test"] == metric.test
}

fn ratios(figures: &[(u64, f64)], limits: &[(u64, f64)]) -> Vec<f64> {
    let of_round = |round: u64| limits.iter().find(|(each, _)| *each == round).map(|(_, limit)| *limit);
    figures.iter().filter_map(|(round, figure)| Some(figure / of_round(*round)?)).collect()
}

/// The median; sorts the values.
fn median(values: &mut [f64]) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match values.len() {
        0 => None,
        len if len % 2 == 1 => Some(values[half]),
        _ => Some((values[half - 1] + values[half]) / 2.0),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn median_of_odd_even_and_none() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&mut [4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median(&mut []), None);
    }

    #[test]
    fn ratio_is_that_of_the_same_round() {
        let record = |round: u64, peer: &str, gbps: f64| json!({ "round": round, "peer": peer, "test": "send1", "gbps": gbps });
        // The machine is slower in round 1; the ratio is the same.
        let records = [
            record(0, "null-vnet", 40.0),
            record(0, "ustack-loop", 20.0),
            record(1, "null-vnet", 10.0),
            record(1, "ustack-loop", 5.0),
        ];
        let text = markdown(&records);
        assert!(text.contains("| ustack-loop | 12.50 (0.50×; 5.00–20.00) |"), "{text}");
        assert!(text.contains("| null-vnet | 25.00 (10.00–40.00) |"), "{text}");
    }

    #[test]
    fn failure_is_shown() {
        let records = [json!({ "round": 0, "peer": "ustack-loop", "test": "rr", "error": "no answer" })];
        assert!(markdown(&records).contains("| ustack-loop | – [1 failed] |"));
    }
}
