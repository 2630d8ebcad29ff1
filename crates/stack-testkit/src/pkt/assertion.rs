//! `%{ … }%`: assertions about `tcp_info`. The blocks are Python; conditions of names, numbers, comparisons, sums
//! and `and`, `or`, `not` are understood, anything else is kept as unknown, so that the script is skipped.

use super::ast::*;
use super::cursor::{Cursor, Parsed};

/// The statements of a block that starts on `line`.
pub(super) fn statements(text: &str, line: u32) -> Vec<Statement> {
    let numbered = text.lines().zip(line..);
    let parts = numbered.flat_map(|(text, line)| text.split(';').map(move |part| (part.trim(), line)));
    parts
        .filter(|(part, _)| !part.is_empty() && !part.starts_with('#'))
        .map(|(part, line)| statement(part, line))
        .collect()
}

fn statement(text: &str, line: u32) -> Statement {
    if text.starts_with("print") {
        return Statement::Print;
    }
    let Some(condition) = text.strip_prefix("assert") else { return Statement::Unknown(text.to_owned()) };
    let cursor = &mut Cursor::new(condition);
    match condition_whole(cursor) {
        Ok(parsed) => {
            let text = condition[..cursor.end()].trim().to_owned();
            Statement::Assert { line, condition: parsed, text }
        }
        Err(_) => Statement::Unknown(text.to_owned()),
    }
}

/// A condition, up to the end or to the message behind a comma.
fn condition_whole(cursor: &mut Cursor<'_>) -> Parsed<Condition> {
    cursor.skip_blank()?;
    let condition = level(cursor, 0)?;
    if cursor.is_done() || cursor.rest().starts_with(',') {
        Ok(condition)
    } else {
        Err(cursor.expected("`,`"))
    }
}

/// What stands between terms, loosest first.
const LEVELS: [&[(&str, Operator)]; 5] = [
    &[("or", Operator::Or)],
    &[("and", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide)],
];
/// The level of comparisons: `not` binds just looser.
const COMPARISON: usize = 2;

fn level(cursor: &mut Cursor<'_>, depth: usize) -> Parsed<Condition> {
    let Some(operators) = LEVELS.get(depth) else { return atom(cursor) };
    if depth == COMPARISON && cursor.eat_word("not")? {
        return Ok(Condition::Not(Box::new(level(cursor, depth)?)));
    }
    let mut left = level(cursor, depth + 1)?;
    'more: loop {
        for (token, operator) in *operators {
            let is_word = token.starts_with(|c: char| c.is_alphabetic());
            if if is_word { cursor.eat_word(token)? } else { cursor.eat(token)? } {
                let right = level(cursor, depth + 1)?;
                left = Condition::Binary(*operator, Box::new(left), Box::new(right));
                continue 'more;
            }
        }
        return Ok(left);
    }
}

fn atom(cursor: &mut Cursor<'_>) -> Parsed<Condition> {
    if cursor.eat("(")? {
        let inner = level(cursor, 0)?;
        cursor.expect(")")?;
        return Ok(inner);
    }
    if cursor.eat("-")? {
        let zero = Box::new(Condition::Number(0.0));
        return Ok(Condition::Binary(Operator::Subtract, zero, Box::new(atom(cursor)?)));
    }
    if cursor.at_digit() {
        let number = cursor.parse(|c| c.is_ascii_digit() || c == '.', "a number")?;
        return Ok(Condition::Number(number));
    }
    cursor.word("a name or a number").map(|name| Condition::Name(name.to_owned()))
}

impl Condition {
    /// Its value, with names looked up; truth is 1.
    ///
    /// # Errors
    /// The first name that `lookup` does not know.
    pub fn value(&self, lookup: &dyn Fn(&str) -> Option<f64>) -> Result<f64, String> {
        match self {
            Self::Number(number) => Ok(*number),
            Self::Name(name) => lookup(name).ok_or_else(|| name.clone()),
            Self::Not(inner) => inner.value(lookup).map(|value| truth(value == 0.0)),
            Self::Binary(operator, left, right) => {
                Ok(operator.apply(left.value(lookup)?, right.value(lookup)?))
            }
        }
    }

    /// The names in it.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Number(_) => Vec::new(),
            Self::Name(name) => vec![name],
            Self::Not(inner) => inner.names(),
            Self::Binary(_, left, right) => [left.names(), right.names()].concat(),
        }
    }
}

fn truth(is: bool) -> f64 {
    f64::from(u8::from(is))
}

impl Operator {
    fn apply(self, left: f64, right: f64) -> f64 {
        match self {
            Self::Or => truth(left != 0.0 || right != 0.0),
            Self::And => truth(left != 0.0 && right != 0.0),
            Self::Equal => truth(left == right),
            Self::NotEqual => truth(left != right),
            Self::Less => truth(left < right),
            Self::LessOrEqual => truth(left <= right),
            Self::Greater => truth(left > right),
            Self::GreaterOrEqual => truth(left >= right),
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holds(text: &str) -> Result<bool, String> {
        let statements = statements(text, 1);
        let [Statement::Assert { condition, .. }] = &statements[..] else { panic!("{statements:?}") };
        let lookup = |name: &str| match name {
            "tcpi_snd_cwnd" => Some(10.0),
            "tcpi_unacked" => Some(3.0),
            _ => None,
        };
        condition.value(&lookup).map(|value| value != 0.0)
    }

    #[test]
    fn comparisons_hold_or_do_not() {
        assert_eq!(holds("assert tcpi_snd_cwnd == 10, tcpi_snd_cwnd"), Ok(true));
        assert_eq!(holds("assert tcpi_snd_cwnd == 11"), Ok(false));
        assert_eq!(holds("assert 5 <= tcpi_snd_cwnd and tcpi_unacked < 4"), Ok(true));
        assert_eq!(holds("assert tcpi_snd_cwnd > 2 * tcpi_unacked + 3, 'wide'"), Ok(true));
        assert_eq!(holds("assert not (tcpi_unacked != 3 or tcpi_snd_cwnd == 1)"), Ok(true));
        assert_eq!(holds("assert tcpi_snd_cwnd == -10 / -1"), Ok(true));
        assert_eq!(holds("assert tcpi_pacing == 1"), Err("tcpi_pacing".to_owned()));
    }

    #[test]
    fn blocks_are_split_into_statements() {
        let block =
            "\nassert tcpi_unacked == 3, tcpi_unacked\nprint(tcpi_rto)\nassert f(x) == 1; import os\n";
        let parsed = statements(block, 5);
        assert!(matches!(&parsed[0], Statement::Assert { line: 6, text, .. } if text == "tcpi_unacked == 3"));
        assert_eq!(parsed[1], Statement::Print);
        assert_eq!(parsed[2], Statement::Unknown("assert f(x) == 1".to_owned()));
        assert_eq!(parsed[3], Statement::Unknown("import os".to_owned()));
    }
}
