//! What is wrong with a script, and where.

use core::fmt;

/// Why a script could not be parsed: `file:line:column: expected …, found …`.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{name}:{line}:{column}: {kind}{message}")]
pub struct ParseError {
    /// The script.
    pub name: String,
    /// Line, from 1.
    pub line: u32,
    /// Column, in characters, from 1.
    pub column: u32,
    /// Whose fault it is.
    pub kind: ErrorKind,
    /// What was expected, or what is not supported.
    pub message: String,
}

/// Whose fault it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ErrorKind {
    /// The script's.
    Syntax,
    /// Ours: packetdrill knows this and we don't. The script is skipped, not failed.
    Unsupported,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::Unsupported { "not supported: " } else { "" })
    }
}
