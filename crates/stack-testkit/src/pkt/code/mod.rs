//! `%{ … }%`: the Python of scripts, as far as scripts use it: `assert`, assignments and `print`, one statement a line or
//! behind `;`, over the fields of `tcp_info`. Anything else is kept as unknown, so that the script is skipped.
//!
//! | file | answers |
//! | --- | --- |
//! | `term.rs` | what does an expression say? |
//! | `value.rs` | what does it come to? |

mod term;
mod value;

pub use term::{Comparison, Operator, Term};
pub use value::Value;

use super::cursor::{Cursor, Parsed};

/// A statement between `%{` and `}%`.
#[derive(Clone, PartialEq, Debug)]
pub enum Statement {
    /// `assert condition[, message]`
    Assert {
        /// Line in the file, from 1.
        line: u32,
        /// What must hold.
        condition: Term,
        /// The condition as written.
        text: String,
    },
    /// `name = value`: later blocks see it too.
    Assign {
        /// The name.
        name: String,
        /// Its value from now on.
        value: Term,
    },
    /// `print …` and `pass`: no effect.
    Nothing,
    /// Anything else: the script can't be judged.
    Unknown(String),
}

/// Longest statement that is looked at: a bound for the depth of what it says.
const MAX_STATEMENT: usize = 4000;

/// The statements of a block that starts on `line`.
pub(super) fn statements(text: &str, line: u32) -> Vec<Statement> {
    logical_lines(text, line)
        .iter()
        .flat_map(|(text, line)| split_statements(text).into_iter().map(move |part| (part.trim(), *line)))
        .filter(|(part, _)| !part.is_empty())
        .map(|(part, line)| statement(part, line))
        .collect()
}

/// Lines without comments; one that ends within brackets or with a backslash goes on in the next.
fn logical_lines(text: &str, first: u32) -> Vec<(String, u32)> {
    let mut lines: Vec<(String, u32)> = Vec::new();
    let mut goes_on = false;
    for (physical, number) in text.lines().zip(first..) {
        let physical = without_comment(physical);
        let (physical, backslash) =
            physical.strip_suffix('\\').map_or((physical, false), |physical| (physical, true));
        match lines.last_mut().filter(|_| goes_on) {
            Some((line, _)) => {
                line.push(' ');
                line.push_str(physical);
            }
            None => lines.push((physical.to_owned(), number)),
        }
        goes_on = backslash || lines.last().is_some_and(|(line, _)| open_brackets(line) > 0);
    }
    lines
}

/// The characters of a line outside strings, with their places.
fn outside_strings(line: &str) -> impl Iterator<Item = (usize, char)> + '_ {
    let mut quote = None;
    line.char_indices().filter(move |(_, c)| match quote {
        None if matches!(c, '"' | '\'') => {
            quote = Some(*c);
            false
        }
        None => true,
        Some(end) => {
            if end == *c {
                quote = None;
            }
            false
        }
    })
}

fn without_comment(line: &str) -> &str {
    let start = outside_strings(line).find(|(_, c)| *c == '#').map_or(line.len(), |(at, _)| at);
    line[..start].trim_end()
}

fn open_brackets(line: &str) -> i64 {
    outside_strings(line)
        .map(|(_, c)| match c {
            '(' | '[' => 1,
            ')' | ']' => -1,
            _ => 0,
        })
        .sum()
}

fn split_statements(line: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut from = 0;
    for (at, _) in outside_strings(line).filter(|(_, c)| *c == ';') {
        parts.push(&line[from..at]);
        from = at + 1;
    }
    parts.push(&line[from..]);
    parts
}

fn statement(text: &str, line: u32) -> Statement {
    let unknown = || Statement::Unknown(text.to_owned());
    let word = Cursor::python(text).peek_word();
    let parsed = match word {
        _ if text.len() > MAX_STATEMENT => return unknown(),
        "print" | "pass" => return Statement::Nothing,
        "assert" => assertion(&text[word.len()..], line),
        _ => assignment(text),
    };
    parsed.unwrap_or_else(|_| unknown())
}

fn assertion(text: &str, line: u32) -> Parsed<Statement> {
    let cursor = &mut Cursor::python(text);
    cursor.skip_blank()?;
    let condition = term::term(cursor)?;
    let said = text[..cursor.end()].trim().to_owned();
    if cursor.eat(",")? {
        term::terms(cursor)?; // the message
    }
    term::end(cursor)?;
    Ok(Statement::Assert { line, condition, text: said })
}

fn assignment(text: &str) -> Parsed<Statement> {
    let cursor = &mut Cursor::python(text);
    let name = cursor.word("a statement")?.to_owned();
    cursor.expect("=")?;
    let value = term::term(cursor)?;
    term::end(cursor)?;
    Ok(Statement::Assign { name, value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(block: &str) -> Vec<Statement> {
        statements(block, 5)
    }

    #[test]
    fn blocks_are_split_into_statements() {
        let parsed = kinds(
            "\nassert tcpi_unacked == 3, tcpi_unacked\nprint(tcpi_rto)\nfor x in y: pass; import os\n# note",
        );
        assert!(matches!(&parsed[0], Statement::Assert { line: 6, text, .. } if text == "tcpi_unacked == 3"));
        assert_eq!(parsed[1], Statement::Nothing);
        assert_eq!(parsed[2], Statement::Unknown("for x in y: pass".to_owned()));
        assert_eq!(parsed[3], Statement::Unknown("import os".to_owned()));
        assert_eq!(parsed.len(), 4);
    }

    #[test]
    fn lines_go_on_within_brackets_and_behind_a_backslash() {
        let parsed = kinds("assert (tcpi_unacked ==\n 3), \"a # b; c\"\nx = 1 + \\\n 2 # three");
        assert!(matches!(&parsed[0], Statement::Assert { line: 5, .. }));
        assert!(matches!(&parsed[1], Statement::Assign { name, .. } if name == "x"));
        assert_eq!(parsed.len(), 2);
    }

    #[test]
    fn what_is_not_python_is_unknown() {
        for text in ["assert", "assert 1 2", "x == 1", "assert f(", "1 = 2", "assert x,", "if x: y = 1"] {
            assert!(matches!(kinds(text)[..], [Statement::Unknown(_)]), "{text}: {:?}", kinds(text));
        }
        let long = format!("assert 1{}", "+1".repeat(MAX_STATEMENT));
        assert!(matches!(kinds(&long)[..], [Statement::Unknown(_)]));
    }
}
