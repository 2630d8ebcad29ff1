//! Counting tests from what the runners print.
//!
//! Two summaries are understood: the `test result:` line of the standard
//! harness, one for each test binary, and the `Summary` line of nextest, one
//! for the whole run.

use std::fmt;
use std::ops::AddAssign;

/// How many tests ended in which way.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Count {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: usize,
}

impl Count {
    /// Adds what a line of a runner's output reports, if it is a summary.
    pub(crate) fn read(&mut self, line: &str) {
        let plain = without_colour(line);
        let text = plain.trim();
        // Nextest shows a failed test's own output indented: not counted twice.
        if let Some(result) = plain.strip_prefix("test result: ") {
            let counts = result.split_once(". ").map_or("", |(_, counts)| counts);
            self.add_pairs(counts.split(';'));
        } else if text.starts_with("Summary [") {
            let counts = text.split_once("run: ").map_or("", |(_, counts)| counts);
            self.add_pairs(without_parentheses(counts).split(','));
        }
    }

    fn add_pairs<'a>(&mut self, pairs: impl Iterator<Item = &'a str>) {
        for pair in pairs {
            let Some((number, word)) = pair.trim().split_once(' ') else { continue };
            let Ok(number) = number.parse::<usize>() else { continue };
            match word.trim() {
                "passed" => self.passed += number,
                "failed" | "exec failed" | "timed out" => self.failed += number,
                "ignored" | "skipped" => self.skipped += number,
                _ => {}
            }
        }
    }
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// The line without terminal colour sequences (`ESC [ … m`).
fn without_colour(line: &str) -> String {
    let mut plain = String::new();
    let mut parts = line.split("\u{1b}[");
    plain.extend(parts.next());
    for part in parts {
        plain.push_str(part.split_once('m').map_or(part, |(_, rest)| rest));
    }
    plain
}

fn without_parentheses(text: &str) -> String {
    let mut depth = 0_usize;
    let keep = |letter: &char| {
        match letter {
            '(' => depth += 1,
            ')' => {
                depth = depth.saturating_sub(1);
                return false;
            }
            _ => {}
        }
        depth == 0
    };
    text.chars().filter(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &[&str]) -> Count {
        let mut count = Count::default();
        lines.iter().for_each(|line| count.read(line));
        count
    }

    #[test]
    fn standard_harness_is_counted_over_binaries() {
        let count = read(&[
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: FAILED. 2 passed; 1 failed; 0 ignored; 0 measured; 4 filtered out; finished in 0.0s",
        ]);
        assert_eq!(count, Count { passed: 5, failed: 1, skipped: 1 });
    }

    #[test]
    fn nextest_summary_is_counted() {
        let line = "     Summary [   1.250s] 9/12 tests run: 6 passed (1 slow, 2 leaky), 2 failed, 1 timed out, 3 skipped";
        assert_eq!(read(&[line]), Count { passed: 6, failed: 3, skipped: 3 });
    }

    #[test]
    fn failed_test_that_nextest_shows_is_counted_once() {
        let count = read(&[
            "    test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 26 filtered out; finished in 0.1s",
            "     Summary [   0.1s] 2 tests run: 1 passed, 1 failed, 0 skipped",
        ]);
        assert_eq!(count, Count { passed: 1, failed: 1, skipped: 0 });
    }

    #[test]
    fn colours_do_not_hide_a_summary() {
        let line = "\u{1b}[32;1m     Summary\u{1b}[0m [   0.1s] \u{1b}[1m2\u{1b}[0m tests run: \u{1b}[1m2\u{1b}[0m \u{1b}[32;1mpassed\u{1b}[0m, \u{1b}[1m0\u{1b}[0m skipped";
        assert_eq!(read(&[line]), Count { passed: 2, failed: 0, skipped: 0 });
    }

    #[test]
    fn other_lines_count_nothing() {
        assert_eq!(read(&["test a::b ... ok", "3 passed", ""]), Count::default());
    }

    #[test]
    fn shape_of_the_last_line() {
        assert_eq!(Count { passed: 1, failed: 2, skipped: 3 }.to_string(), "1 passed, 2 failed, 3 skipped");
    }
}
