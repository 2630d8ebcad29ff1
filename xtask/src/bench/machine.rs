//! What the machine says about itself: processor time, and whether it is quiet
//! enough to measure.

use std::fs;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::run::captured;

/// Ticks per second of every time in `/proc`, on all architectures of today.
const USER_HZ: f64 = 100.0;
/// Above this share of busy processors a measurement waits.
const QUIET: f64 = 0.15;
const SAMPLE: Duration = Duration::from_millis(150);

/// Processor seconds of a process so far.
#[derive(Clone, Copy, Default)]
pub(crate) struct Cpu {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

/// Processor seconds that a process has used, its threads included.
pub(crate) fn cpu_of(pid: u32) -> Cpu {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // The name in parentheses may hold anything; the fields follow the last one.
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or_default();
    Cpu { user: ticks(11) / USER_HZ, system: ticks(12) / USER_HZ }
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes: Option<u64> = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    kilobytes.unwrap_or_default() * 1024
}

/// Processor seconds that the whole machine has been busy.
pub(crate) fn busy() -> f64 {
    let stat = fs::read_to_string("/proc/stat").unwrap_or_default();
    let first = stat.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = first.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // user, nice and system; then, behind idle and waiting, irq and softirq.
    [0, 1, 2, 5, 6].iter().filter_map(|&at| ticks.get(at)).sum::<f64>() / USER_HZ
}

/// Waits until the machine is quiet, or patience ends; returns the busy share seen last.
pub(crate) fn quiet(patience: Duration) -> f64 {
    let processors = thread::available_parallelism().map_or(1.0, |count| count.get() as f64);
    let began = Instant::now();
    loop {
        let before = busy();
        thread::sleep(SAMPLE);
        let share = (busy() - before) / SAMPLE.as_secs_f64() / processors;
        if share < QUIET || began.elapsed() > patience {
            return share;
        }
    }
}

/// Puts all threads of a process on one processor, or back on all.
pub(crate) fn pin(pid: u32, to_one: bool) -> Result<(), String> {
    let last = thread::available_parallelism().map_or(0, |count| count.get() - 1);
    let processors = if to_one { "0".to_owned() } else { format!("0-{last}") };
    captured(Command::new("taskset").args(["-a", "-p", "-c", &processors, &pid.to_string()])).map(drop)
}
