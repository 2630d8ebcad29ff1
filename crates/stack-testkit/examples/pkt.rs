//! Runs packet scripts: `cargo run -p stack-testkit --example pkt -- [--set name=value]... file.pkt...`
//!
//! Settings win over those of the scripts: what a script proves is seen when its mechanism is switched off.
#![expect(clippy::print_stdout, reason = "a program for people")]

use stack_testkit::pkt::Script;
use stack_testkit::script::{Outcome, run_with};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let (mut settings, mut files) = (Vec::new(), Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        if argument == "--set" {
            settings.push(arguments.next().ok_or("--set needs name=value")?);
        } else {
            files.push(argument);
        }
    }
    let overrides: Option<Vec<(&str, &str)>> =
        settings.iter().map(|setting| setting.split_once('=')).collect();
    let overrides = overrides.ok_or("--set needs name=value")?;
    let mut failed = 0;
    for file in &files {
        let script = Script::parse(file, &std::fs::read_to_string(file)?)?;
        match run_with(&script, &overrides) {
            Outcome::Passed => println!("{file}: passed"),
            Outcome::Skipped(reason) => println!("skipped: {reason}"),
            Outcome::Failed(report) => {
                println!("{report}");
                failed += 1;
            }
        }
    }
    if failed == 0 { Ok(()) } else { Err(format!("{failed} of {} failed", files.len()).into()) }
}
