//! What a term comes to. Numbers are floats, of which 53 bits are exact: enough for every field of `tcp_info`.

use super::term::{Comparison, Operator, Term};

/// A value.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// A number; truth is 1.
    Number(f64),
    /// A string.
    Text(String),
    /// A tuple or list.
    Tuple(Vec<Value>),
}

type Result<T> = core::result::Result<T, String>;

/// How a name is looked up; `None` for one that is not known.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<Value>;

impl Value {
    /// Whether it counts as true.
    pub fn is_true(&self) -> bool {
        match self {
            Self::Number(number) => *number != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Tuple(items) => !items.is_empty(),
        }
    }

    fn number(&self) -> Result<f64> {
        match self {
            Self::Number(number) => Ok(*number),
            other => Err(format!("{other:?} as a number")),
        }
    }

    fn truth(is: bool) -> Self {
        Self::Number(f64::from(u8::from(is)))
    }
}

impl core::fmt::Display for Value {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) => write!(f, "'{text}'"),
            Self::Tuple(items) => f.debug_list().entries(items).finish(),
        }
    }
}

impl Term {
    /// What it comes to, with names looked up.
    ///
    /// # Errors
    /// What is not known: a name, a function, or what Python would do with these operands.
    pub fn value(&self, lookup: Lookup<'_>) -> Result<Value> {
        let truth = |term: &Self| term.value(lookup).map(|value| value.is_true());
        Ok(match self {
            Self::Number(number) => Value::Number(*number),
            Self::Text(text) => Value::Text(text.clone()),
            Self::Name(name) => lookup(name).ok_or_else(|| format!("`{name}`"))?,
            Self::Tuple(items) => Value::Tuple(values(items, lookup)?),
            Self::Not(inner) => Value::truth(!truth(inner)?),
            Self::Choice { then, condition, otherwise } => {
                if truth(condition)? {
                    then.value(lookup)?
                } else {
                    otherwise.value(lookup)?
                }
            }
            Self::Compare(first, rest) => Value::truth(chain(first, rest, lookup)?),
            Self::Binary(Operator::Or, left, right) => {
                let left = left.value(lookup)?;
                if left.is_true() { left } else { right.value(lookup)? }
            }
            Self::Binary(Operator::And, left, right) => {
                let left = left.value(lookup)?;
                if left.is_true() { right.value(lookup)? } else { left }
            }
            Self::Binary(operator, left, right) => {
                let (left, right) = (left.value(lookup)?, right.value(lookup)?);
                Value::Number(operator.apply(left.number()?, right.number()?)?)
            }
            Self::Apply(name, arguments) => apply(name, &values(arguments, lookup)?)?,
        })
    }
}

fn values(terms: &[Term], lookup: Lookup<'_>) -> Result<Vec<Value>> {
    terms.iter().map(|term| term.value(lookup)).collect()
}

/// `a < b < c`: every neighbour must hold.
fn chain(first: &Term, rest: &[(Comparison, Term)], lookup: Lookup<'_>) -> Result<bool> {
    let mut left = first.value(lookup)?;
    for (comparison, term) in rest {
        let right = term.value(lookup)?;
        if !comparison.holds(&left, &right)? {
            return Ok(false);
        }
        left = right;
    }
    Ok(true)
}

impl Comparison {
    fn holds(self, left: &Value, right: &Value) -> Result<bool> {
        let numbers = || Ok::<_, String>((left.number()?, right.number()?));
        Ok(match self {
            Self::Equal => left == right,
            Self::NotEqual => left != right,
            Self::Less => numbers().map(|(a, b)| a < b)?,
            Self::LessOrEqual => numbers().map(|(a, b)| a <= b)?,
            Self::Greater => numbers().map(|(a, b)| a > b)?,
            Self::GreaterOrEqual => numbers().map(|(a, b)| a >= b)?,
            Self::In | Self::NotIn => {
                let Value::Tuple(items) = right else { return Err(format!("`in` of {right:?}")) };
                items.contains(left) == (self == Self::In)
            }
        })
    }
}

impl Operator {
    fn apply(self, left: f64, right: f64) -> Result<f64> {
        let bits = |combine: fn(i64, i64) -> i64| combine(left as i64, right as i64) as f64;
        let is_division = matches!(self, Self::Divide | Self::FloorDivide | Self::Modulo);
        if is_division && right == 0.0 {
            return Err("a division by zero".to_owned());
        }
        Ok(match self {
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::FloorDivide => (left / right).floor(),
            Self::Modulo => left - right * (left / right).floor(),
            Self::Power => left.powf(right),
            Self::BitOr => bits(|a, b| a | b),
            Self::BitXor => bits(|a, b| a ^ b),
            Self::BitAnd => bits(|a, b| a & b),
            Self::ShiftLeft => bits(|a, b| a.checked_shl(b as u32).unwrap_or(0)),
            Self::ShiftRight => bits(|a, b| a.checked_shr(b as u32).unwrap_or(0)),
            Self::Or | Self::And => return Err("logic of numbers".to_owned()),
        })
    }
}

/// The functions of Python that assertions use.
fn apply(name: &str, arguments: &[Value]) -> Result<Value> {
    let numbers = || {
        let items = if let [Value::Tuple(items)] = arguments { items } else { arguments };
        items.iter().map(Value::number).collect::<Result<Vec<f64>>>()
    };
    let one = || match arguments {
        [only] => only.number(),
        _ => Err(format!("`{name}` of {} values", arguments.len())),
    };
    let fold = |pick: fn(f64, f64) -> f64| {
        numbers()?.into_iter().reduce(pick).ok_or_else(|| format!("`{name}` of nothing"))
    };
    Ok(Value::Number(match name {
        "abs" => one()?.abs(),
        "int" => one()?.trunc(),
        "float" => one()?,
        "round" => one()?.round_ties_even(),
        "bool" => f64::from(u8::from(arguments.first().is_some_and(Value::is_true))),
        "min" => fold(f64::min)?,
        "max" => fold(f64::max)?,
        "sum" => numbers()?.iter().sum(),
        _ => return Err(format!("the function `{name}`")),
    }))
}

#[cfg(test)]
mod tests {
    use super::super::{Statement, statements};
    use super::*;

    fn holds(text: &str) -> Result<bool> {
        let text = format!("assert {text}");
        let statements = statements(&text, 1);
        let [Statement::Assert { condition, .. }] = &statements[..] else { panic!("{statements:?}") };
        let lookup = |name: &str| match name {
            "tcpi_snd_cwnd" => Some(Value::Number(10.0)),
            "tcpi_unacked" => Some(Value::Number(3.0)),
            "name" => Some(Value::Text("cubic".to_owned())),
            _ => None,
        };
        condition.value(&lookup).map(|value| value.is_true())
    }

    #[test]
    fn conditions_hold() {
        for text in [
            "tcpi_snd_cwnd == 10, tcpi_snd_cwnd",
            "5 <= tcpi_snd_cwnd and tcpi_unacked < 4",
            "tcpi_snd_cwnd > 2 * tcpi_unacked + 3, 'wide'",
            "not (tcpi_unacked != 3 or tcpi_snd_cwnd == 1)",
            "tcpi_snd_cwnd == -10 / -1",
            "8 < tcpi_snd_cwnd <= 10 != 11",
            "tcpi_unacked in (1, 3) and tcpi_unacked not in [1, 2]",
            "abs(tcpi_unacked - 5) == 2 and max(1, 2, 3) == 3 and min([4, 5]) == 4",
            "7 // 2 == 3 and 7 % 4 == 3 and -7 % 4 == 1 and 2 ** 3 ** 2 == 512 and -2 ** 2 == -4",
            "tcpi_snd_cwnd & 2 and not tcpi_snd_cwnd & 1 and 1 << 3 | 1 == 9 ^ 0",
            "(1 if tcpi_unacked else tcpi_nothing) == True",
            "name == 'cubic' and name != \"reno\"",
            "0x10 == 16 and .5 + 1.5 == 2 and int(2.9) == 2 and round(2.5) == 2",
            "tcpi_unacked == 3 or tcpi_nothing == 1",
        ] {
            assert_eq!(holds(text), Ok(true), "{text}");
        }
        for text in ["tcpi_snd_cwnd == 11", "10 < tcpi_snd_cwnd < 20", "()", "''", "name == 3"] {
            assert_eq!(holds(text), Ok(false), "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_named() {
        for (text, reason) in [
            ("tcpi_pacing == 1", "`tcpi_pacing`"),
            ("open(3)", "the function `open`"),
            ("1 / 0 == 1", "a division by zero"),
            ("1 in 2", "`in` of Number(2.0)"),
            ("name < 3", "Text(\"cubic\") as a number"),
            ("abs(1, 2) == 1", "`abs` of 2 values"),
            ("min() == 1", "`min` of nothing"),
        ] {
            assert_eq!(holds(text), Err(reason.to_owned()), "{text}");
        }
    }
}
