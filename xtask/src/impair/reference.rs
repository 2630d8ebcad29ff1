//! Linux's own figures, kept in a file with what made them, so that later runs
//! can be held against a known kernel.

use std::env;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::figures::cells;
use super::job::{Done, Pair};
use crate::wire::{Outcome, ensure};

/// Writes the figures of Linux with Linux.
pub(super) fn write(path: &Path, results: &[Done]) -> Outcome {
    let cells = cells(results);
    let entries: Vec<Value> = cells
        .iter()
        .filter_map(|((cc, line), pairs)| Some((cc, line, pairs.get(&Pair::LinuxLinux)?)))
        .map(|(cc, line, cell)| {
            json!({
                "cc": cc,
                "line": line,
                "runs": cell.goodput.len(),
                "goodput_mbit_mean": round(cell.goodput.mean()),
                "goodput_mbit_p10": round(cell.goodput.quantile(0.1)),
                "retransmitted_bytes_mean": cell.retransmitted.mean().round(),
                "fill_s_mean": (cell.fill.len() > 0).then(|| round(cell.fill.mean())),
            })
        })
        .collect();
    ensure!(!entries.is_empty(), "no run of linux-linux: add it to --pairs, for a reference is Linux's");
    let text = serde_json::to_string_pretty(&json!({
        "kernel": kernel(),
        "command": format!("cargo xtask {}", env::args().skip(1).collect::<Vec<_>>().join(" ")),
        "figures": entries,
    }));
    let text = text.map_err(|error| error.to_string())? + "\n";
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
    }
    fs::write(path, text).map_err(|error| format!("cannot write {}: {error}", path.display()))
}

fn kernel() -> String {
    let read = |name: &str| fs::read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    format!("{} {}", read("ostype").trim(), read("osrelease").trim())
}

fn round(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
