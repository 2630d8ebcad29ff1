//! Many runs, several at once, each result written as soon as it is there.

use std::collections::VecDeque;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use super::job::{Done, Job};
use crate::wire::{Outcome, ensure};

/// Makes all runs and returns those that succeeded, in the order in which they ended.
pub(super) fn run(program: &Path, jobs: Vec<Job>, parallel: usize, out: &Path) -> Outcome<Vec<Done>> {
    let unwritable = |error: std::io::Error| format!("cannot write {}: {error}", out.display());
    let mut file = OpenOptions::new().create(true).append(true).open(out).map_err(unwritable)?;
    let count = jobs.len();
    let queue = Mutex::new(VecDeque::from(jobs));
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let (sender, results) = mpsc::channel();
    let mut all = Vec::new();
    let mut failed = 0;
    thread::scope(|scope| {
        for _ in 0..parallel.min(count) {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(job) = next() {
                    let outcome = job.run(program).map_err(|error| format!("{}: {error}", job.pair.name()));
                    let _ = sender.send(outcome);
                }
            });
        }
        drop(sender);
        for result in results {
            match result {
                Ok(done) => {
                    println!("{}", line(&done, all.len() + failed + 1, count));
                    writeln!(file, "{}", done.to_json()).map_err(unwritable)?;
                    all.push(done);
                }
                Err(message) => {
                    failed += 1;
                    println!("FAILED  {message}");
                }
            }
        }
        Ok::<_, String>(())
    })?;
    ensure!(failed == 0, "{failed} of {count} runs failed");
    Ok(all)
}

fn line(done: &Done, number: usize, count: usize) -> String {
    let Job { pair, cc, line, seed, .. } = &done.job;
    format!(
        "{number:>4}/{count}  {:<12} {cc:<6} loss {:>4} %  seed {seed:>3}  {:>7.2} Mbit/s  {:>9} B again  late {} µs",
        pair.name(),
        line.loss * 100.0,
        done.goodput_mbit,
        done.retransmitted_bytes,
        done.late_us()
    )
}
