//! Why a command could not do what it was asked: one line with what, why and what to do next.
//!
//! Exit status: 0 it did; 1 it could not; 2 the command line is wrong. `ping` has its own meaning of 1.

use clap::error::ErrorKind;
use std::fmt::Display;
use std::io;
use std::process::ExitCode;

/// What ends a command.
#[derive(Debug)]
pub(crate) enum Failure {
    /// To be told.
    Told(String),
    /// Nobody reads our output any more: that is no failure.
    NobodyListens,
}

/// What commands return.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// `cannot WHAT: WHY; NEXT`.
    pub(crate) fn new(what: impl Display, why: impl Display, next: impl Display) -> Self {
        Self::Told(format!("cannot {what}: {why}; {next}"))
    }

    /// Prints it and says how to exit.
    pub(crate) fn report(&self) -> ExitCode {
        match self {
            Self::Told(message) => {
                let message = without_numbers(message);
                // Without standard error there is nobody to tell.
                let _ = io::Write::write_fmt(&mut io::stderr(), format_args!("ustack: {message}\n"));
                ExitCode::FAILURE
            }
            Self::NobodyListens => ExitCode::SUCCESS,
        }
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Self::Told(message)
    }
}

/// Says what clap found wrong with the command line, in one line as well; help and version go where they were asked for.
pub(crate) fn misused(error: &clap::Error) -> ExitCode {
    let is_mistake =
        error.use_stderr() && error.kind() != ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    // Without standard error there is nobody to tell.
    let _ = if is_mistake {
        let line = in_one_line(&error.render().to_string());
        io::Write::write_fmt(&mut io::stderr(), format_args!("ustack: {line}\n"))
    } else {
        error.print()
    };
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(u8::MAX))
}

/// The paragraphs of clap's message one behind the other.
fn in_one_line(message: &str) -> String {
    let mut line = String::new();
    for part in message.lines().map(str::trim).filter(|part| !part.is_empty()) {
        line += match line.chars().last() {
            None => "",
            Some(':') => " ",
            Some(_) => "; ",
        };
        line += part;
    }
    line.trim_start_matches("error: ")
        .replace("; Usage: ", "; usage: ")
        .replace("; For more information, try ", "; for more information, try ")
        .trim_end_matches('.')
        .to_owned()
}

/// Without the numbers that std puts behind what the system says: `(os error 13)`.
fn without_numbers(message: &str) -> String {
    let mut parts = message.split(" (os error ");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        plain += part.split_once(')').map_or(part, |(_, rest)| rest);
    }
    plain
}

/// Prints a line on standard output.
pub(crate) fn say(line: impl Display) -> Outcome {
    let mut stdout = io::stdout().lock();
    let written = io::Write::write_fmt(&mut stdout, format_args!("{line}\n"));
    written.and_then(|()| io::Write::flush(&mut stdout)).map_err(output_failed)
}

/// What a failed write to standard output means.
pub(crate) fn output_failed(error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::BrokenPipe => Failure::NobodyListens,
        _ => Failure::new("write to standard output", error, "see where it leads"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_for_people() {
        let error = io::Error::from_raw_os_error(2);
        let Failure::Told(message) = Failure::new("open x", error, "give a file") else { panic!("not told") };
        assert_eq!(without_numbers(&message), "cannot open x: No such file or directory; give a file");
        assert_eq!(without_numbers("as it is"), "as it is");
    }

    #[test]
    fn what_clap_says_fits_into_a_line() {
        let said = "error: the following required arguments were not provided:\n  <HOST>\n\n\
            Usage: ustack ping <HOST>\n\nFor more information, try '--help'.\n";
        assert_eq!(
            in_one_line(said),
            "the following required arguments were not provided: <HOST>; usage: ustack ping <HOST>; \
            for more information, try '--help'"
        );
    }
}
