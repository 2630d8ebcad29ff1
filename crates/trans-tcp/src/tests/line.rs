//! A segment in a line, as `script.rs` describes it: read, compared and shown.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;
use stack_wire::tcp::Flags;

/// One segment; what is not said is not compared.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Line {
    pub(super) flags: String,
    pub(super) seq: u32,
    pub(super) end: u32,
    pub(super) ack: Option<u32>,
    pub(super) win: Option<u32>,
    pub(super) urg: Option<u32>,
    pub(super) options: Option<String>,
}

impl Line {
    pub(super) fn parse(line: &str) -> Self {
        let (line, options) = match line.split_once('<') {
            Some((line, options)) => (line, Some(options.trim_end_matches('>').to_string())),
            None => (line, None),
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        let (seq, end) = words[1].split_once(':').expect("seq:end");
        let number = |text: &str| text.parse::<i64>().expect("a number") as u32;
        let value =
            |name| words.iter().position(|word| *word == name).map(|position| number(words[position + 1]));
        Self {
            flags: words[0].to_string(),
            seq: number(seq),
            end: number(end),
            ack: value("ack"),
            win: value("win"),
            urg: value("urg"),
            options,
        }
    }

    /// Whether what is said here holds for `seen`.
    pub(super) fn holds(&self, seen: &Self) -> bool {
        let same = |a: &Option<u32>, b: &Option<u32>| a.is_none() || a == b;
        let options = match (&self.options, &seen.options) {
            (None, _) => true,
            (Some(a), Some(b)) if a.contains("ts *") => {
                let a = a.replace("ts *", "");
                b.starts_with(a.trim_end_matches(',')) && b.contains("ts ")
            }
            (a, b) => a == b,
        };
        self.flags == seen.flags
            && (self.seq, self.end) == (seen.seq, seen.end)
            && same(&self.ack, &seen.ack)
            && same(&self.win, &seen.win)
            && same(&self.urg, &seen.urg)
            && options
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}:{}", self.flags, self.seq, self.end)?;
        for (name, value) in [("ack", self.ack), ("win", self.win), ("urg", self.urg)] {
            if let Some(value) = value {
                write!(f, " {name} {value}")?;
            }
        }
        write!(f, " <{}>", self.options.as_deref().unwrap_or_default())
    }
}

/// The flags as tcpdump writes them, in its order.
pub(super) const LETTERS: [(Flags, char); 9] = [
    (Flags::SYN, 'S'),
    (Flags::FIN, 'F'),
    (Flags::RST, 'R'),
    (Flags::PSH, 'P'),
    (Flags::ACK, '.'),
    (Flags::URG, 'U'),
    (Flags::ECE, 'E'),
    (Flags::CWR, 'W'),
    (Flags::AE, 'e'),
];
