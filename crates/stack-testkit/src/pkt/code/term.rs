//! Expressions in the order in which Python binds them: `if … else`, `or`, `and`, `not`, comparisons (chained, and `in`),
//! `|`, `^`, `&`, shifts, sums, products, signs, powers, calls.

use crate::pkt::cursor::{Cursor, Parsed};

/// An expression.
#[derive(Clone, PartialEq, Debug)]
pub enum Term {
    /// A number.
    Number(f64),
    /// A string.
    Text(String),
    /// A field of `tcp_info`, a constant or a variable.
    Name(String),
    /// `(a, b)` or `[a, b]`
    Tuple(Vec<Term>),
    /// `not a`
    Not(Box<Term>),
    /// `a if b else c`
    Choice {
        /// `a`
        then: Box<Term>,
        /// `b`
        condition: Box<Term>,
        /// `c`
        otherwise: Box<Term>,
    },
    /// `a < b <= c`
    Compare(Box<Term>, Vec<(Comparison, Term)>),
    /// Two terms and what stands between them.
    Binary(Operator, Box<Term>, Box<Term>),
    /// `abs(a)`
    Apply(String, Vec<Term>),
}

/// A comparison.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each is what it is called")]
pub enum Comparison {
    Equal,
    NotEqual,
    LessOrEqual,
    GreaterOrEqual,
    Less,
    Greater,
    In,
    NotIn,
}

/// What stands between two terms.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "each is what it is called")]
pub enum Operator {
    Or,
    And,
    BitOr,
    BitXor,
    BitAnd,
    ShiftLeft,
    ShiftRight,
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Modulo,
    Power,
}

/// Binary operators below comparisons, loosest first; of two with the same beginning the longer one first.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("|", Operator::BitOr)],
    &[("^", Operator::BitXor)],
    &[("&", Operator::BitAnd)],
    &[("<<", Operator::ShiftLeft), (">>", Operator::ShiftRight)],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[
        ("//", Operator::FloorDivide),
        ("/", Operator::Divide),
        ("%", Operator::Modulo),
        ("*", Operator::Multiply),
    ],
];

const COMPARISONS: [(&str, Comparison); 6] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

/// An expression.
pub(super) fn term(cursor: &mut Cursor<'_>) -> Parsed<Term> {
    cursor.nested(|cursor| {
        let then = logic(cursor, "or", Operator::Or, |cursor| logic(cursor, "and", Operator::And, not))?;
        if !cursor.eat_word("if")? {
            return Ok(then);
        }
        let condition = Box::new(term(cursor)?);
        if !cursor.eat_word("else")? {
            return Err(cursor.expected("`else`"));
        }
        Ok(Term::Choice { then: Box::new(then), condition, otherwise: Box::new(term(cursor)?) })
    })
}

/// Expressions with commas between them.
pub(super) fn terms(cursor: &mut Cursor<'_>) -> Parsed<Vec<Term>> {
    let mut terms = vec![term(cursor)?];
    while cursor.eat(",")? {
        terms.push(term(cursor)?);
    }
    Ok(terms)
}

/// Nothing may follow.
pub(super) fn end(cursor: &Cursor<'_>) -> Parsed<()> {
    if cursor.is_done() { Ok(()) } else { Err(cursor.expected("the end of the statement")) }
}

fn binary(operator: Operator, left: Term, right: Term) -> Term {
    Term::Binary(operator, Box::new(left), Box::new(right))
}

fn logic(
    cursor: &mut Cursor<'_>,
    word: &str,
    operator: Operator,
    next: impl Fn(&mut Cursor<'_>) -> Parsed<Term>,
) -> Parsed<Term> {
    let mut left = next(cursor)?;
    while cursor.eat_word(word)? {
        left = binary(operator, left, next(cursor)?);
    }
    Ok(left)
}

fn not(cursor: &mut Cursor<'_>) -> Parsed<Term> {
    if cursor.eat_word("not")? {
        return cursor.nested(not).map(|inner| Term::Not(Box::new(inner)));
    }
    let first = arithmetic(cursor, 0)?;
    let mut rest = Vec::new();
    while let Some(comparison) = comparison(cursor)? {
        rest.push((comparison, arithmetic(cursor, 0)?));
    }
    Ok(if rest.is_empty() { first } else { Term::Compare(Box::new(first), rest) })
}

fn comparison(cursor: &mut Cursor<'_>) -> Parsed<Option<Comparison>> {
    for (token, comparison) in COMPARISONS {
        if cursor.eat(token)? {
            return Ok(Some(comparison));
        }
    }
    if cursor.eat_word("in")? {
        return Ok(Some(Comparison::In));
    }
    if cursor.eat_word("not")? {
        let is_in = cursor.eat_word("in")?;
        return if is_in { Ok(Some(Comparison::NotIn)) } else { Err(cursor.expected("`in`")) };
    }
    Ok(None)
}

fn arithmetic(cursor: &mut Cursor<'_>, depth: usize) -> Parsed<Term> {
    let Some(operators) = LEVELS.get(depth) else { return sign(cursor) };
    let mut left = arithmetic(cursor, depth + 1)?;
    'more: loop {
        for (token, operator) in *operators {
            if cursor.eat(token)? {
                left = binary(*operator, left, arithmetic(cursor, depth + 1)?);
                continue 'more;
            }
        }
        return Ok(left);
    }
}

fn sign(cursor: &mut Cursor<'_>) -> Parsed<Term> {
    if cursor.eat("-")? {
        return cursor.nested(sign).map(|inner| binary(Operator::Subtract, Term::Number(0.0), inner));
    }
    if cursor.eat("+")? {
        return cursor.nested(sign);
    }
    let base = atom(cursor)?;
    if cursor.eat("**")? {
        return Ok(binary(Operator::Power, base, cursor.nested(sign)?));
    }
    Ok(base)
}

fn atom(cursor: &mut Cursor<'_>) -> Parsed<Term> {
    match cursor.peek() {
        Some('(') => bracketed(cursor, "(", ")"),
        Some('[') => bracketed(cursor, "[", "]"),
        Some('"') => cursor.string().map(Term::Text),
        Some('\'') => quoted(cursor).map(Term::Text),
        Some(c) if c.is_ascii_digit() || c == '.' => number(cursor).map(Term::Number),
        _ => named(cursor),
    }
}

/// A term in parentheses, or a tuple or list.
fn bracketed(cursor: &mut Cursor<'_>, open: &str, close: &str) -> Parsed<Term> {
    cursor.expect(open)?;
    let mut items = Vec::new();
    let mut is_tuple = open == "[";
    while !cursor.eat(close)? {
        items.push(term(cursor)?);
        if !cursor.eat(",")? {
            cursor.expect(close)?;
            break;
        }
        is_tuple = true;
    }
    match (items.pop(), is_tuple) {
        (Some(only), false) => Ok(only),
        (last, _) => {
            items.extend(last);
            Ok(Term::Tuple(items))
        }
    }
}

fn quoted(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.advance(1);
    let text = cursor.take_while(|c| c != '\'').to_owned();
    cursor.expect("'")?;
    Ok(text)
}

fn number(cursor: &mut Cursor<'_>) -> Parsed<f64> {
    if cursor.rest().starts_with("0x") {
        return cursor.number::<u64>("a number").map(|number| number as f64);
    }
    cursor.parse(|c| c.is_ascii_digit() || c == '.', "a number")
}

fn named(cursor: &mut Cursor<'_>) -> Parsed<Term> {
    let name = cursor.word("a name or a number")?.to_owned();
    match name.as_str() {
        "True" => return Ok(Term::Number(1.0)),
        "False" => return Ok(Term::Number(0.0)),
        "or" | "and" | "not" | "in" | "if" | "else" | "is" | "lambda" => {
            return Err(cursor.expected("a name or a number"));
        }
        _ => {}
    }
    if !cursor.eat("(")? {
        return Ok(Term::Name(name));
    }
    let arguments = if cursor.peek() == Some(')') { Vec::new() } else { terms(cursor)? };
    cursor.expect(")")?;
    Ok(Term::Apply(name, arguments))
}

impl Term {
    /// The names in it.
    pub fn names(&self) -> Vec<&str> {
        match self {
            Self::Number(_) | Self::Text(_) => Vec::new(),
            Self::Name(name) => vec![name],
            Self::Not(inner) => inner.names(),
            Self::Tuple(items) | Self::Apply(_, items) => items.iter().flat_map(Self::names).collect(),
            Self::Binary(_, left, right) => [left.names(), right.names()].concat(),
            Self::Compare(first, rest) => {
                let rest = rest.iter().flat_map(|(_, term)| term.names());
                first.names().into_iter().chain(rest).collect()
            }
            Self::Choice { then, condition, otherwise } => {
                [then.names(), condition.names(), otherwise.names()].concat()
            }
        }
    }
}
