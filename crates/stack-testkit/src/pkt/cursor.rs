//! A place in the text, and the few ways to move it forward. Every failure knows where and what was expected.

use super::ParseError;
use super::error::ErrorKind;

/// The result of parsing a part.
pub(super) type Parsed<T> = Result<T, Fail>;

/// A failure before its line is known.
#[derive(Clone, Debug)]
pub(super) struct Fail {
    pub(super) at: usize,
    pub(super) kind: ErrorKind,
    pub(super) message: String,
}

/// How deep brackets, quotes of packets and signs may nest: input must not overflow the stack.
const MAX_DEPTH: u8 = 50;

/// A place in a text.
#[derive(Clone)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    /// Where the last thing taken ended, and where the blanks behind it did.
    end: usize,
    blank_end: usize,
    /// Comments are blanks; not so in Python, where `//` divides.
    comments: bool,
    depth: u8,
    /// The script says `--ip_version=ipv6`: names of ICMP messages are those of ICMPv6.
    pub(super) v6: bool,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, end: 0, blank_end: 0, comments: true, depth: 0, v6: false }
    }

    /// A place in Python.
    pub(super) fn python(text: &'a str) -> Self {
        Self { comments: false, ..Self::new(text) }
    }

    /// Parses something that may contain itself.
    pub(super) fn nested<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            return Err(Self::wrong(self.at, format!("this is nested more than {MAX_DEPTH} deep")));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// Where the last thing taken ended, blanks and comments behind it not counted.
    pub(super) fn end(&self) -> usize {
        if self.at == self.blank_end { self.end } else { self.at }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    pub(super) fn is_done(&self) -> bool {
        self.rest().is_empty()
    }

    /// The next character, not taken.
    pub(super) fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// Whether a digit is next.
    pub(super) fn at_digit(&self) -> bool {
        self.peek().is_some_and(|c| c.is_ascii_digit())
    }

    /// Goes back, for a message about what was taken.
    pub(super) fn rewind(&mut self, at: usize) {
        self.at = at;
    }

    /// Takes `len` bytes.
    pub(super) fn advance(&mut self, len: usize) -> &'a str {
        let taken = &self.text[self.at..self.at + len];
        self.at += len;
        taken
    }

    /// Skips blanks, line ends and comments.
    pub(super) fn skip_blank(&mut self) -> Parsed<()> {
        self.end = self.end();
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            if !self.comments {
                self.blank_end = self.at;
                return Ok(());
            }
            if trimmed.starts_with("//") || (trimmed.starts_with('#') && self.at_line_start()) {
                self.at += trimmed.find('\n').unwrap_or(trimmed.len());
            } else if trimmed.starts_with("/*") {
                let end =
                    trimmed.find("*/").ok_or_else(|| self.expected("`*/` at the end of the comment"))?;
                self.at += end + 2;
            } else {
                self.blank_end = self.at;
                return Ok(());
            }
        }
    }

    fn at_line_start(&self) -> bool {
        let line = self.text[..self.at].rfind('\n').map_or(0, |newline| newline + 1);
        self.text[line..self.at].trim().is_empty()
    }

    /// Takes `token` and the blanks behind it, if it is next.
    pub(super) fn eat(&mut self, token: &str) -> Parsed<bool> {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
            self.skip_blank()?;
        }
        Ok(found)
    }

    /// Takes the word `word`, if it is next and whole.
    pub(super) fn eat_word(&mut self, word: &str) -> Parsed<bool> {
        if self.peek_word() != word {
            return Ok(false);
        }
        self.eat(word)
    }

    /// Takes `token`, which must be next.
    pub(super) fn expect(&mut self, token: &str) -> Parsed<()> {
        if self.eat(token)? { Ok(()) } else { Err(self.expected(&format!("`{token}`"))) }
    }

    /// Takes the longest run of characters that `wanted` allows; may be empty. Blanks behind it stay.
    pub(super) fn take_while(&mut self, mut wanted: impl FnMut(char) -> bool) -> &'a str {
        let rest = self.rest();
        self.advance(rest.find(|c| !wanted(c)).unwrap_or(rest.len()))
    }

    /// The word that is next, or nothing; not taken.
    pub(super) fn peek_word(&self) -> &'a str {
        let mut probe = self.clone();
        match probe.peek() {
            Some(c) if c.is_ascii_alphabetic() || c == '_' => probe.take_while(is_word),
            _ => "",
        }
    }

    /// Takes a word: letters, digits and `_`, a letter first.
    pub(super) fn word(&mut self, what: &str) -> Parsed<&'a str> {
        let word = self.peek_word();
        if word.is_empty() {
            return Err(self.expected(what));
        }
        self.at += word.len();
        self.skip_blank()?;
        Ok(word)
    }

    /// Takes a decimal or `0x` number that fits in `T`.
    pub(super) fn number<T: TryFrom<u64>>(&mut self, what: &str) -> Parsed<T> {
        let start = self.at;
        let hex = self.rest().starts_with("0x") || self.rest().starts_with("0X");
        let value = if hex {
            self.advance(2);
            u64::from_str_radix(self.take_while(|c| c.is_ascii_hexdigit()), 16)
        } else {
            self.take_while(|c| c.is_ascii_digit()).parse()
        };
        let value = value.ok().and_then(|value| T::try_from(value).ok());
        let Some(value) = value else {
            self.at = start;
            return Err(self.expected(what));
        };
        self.skip_blank()?;
        Ok(value)
    }

    /// Takes a run of characters without blanks that `T` can be made of.
    pub(super) fn parse<T: core::str::FromStr>(
        &mut self,
        wanted: impl Fn(char) -> bool,
        what: &str,
    ) -> Parsed<T> {
        let start = self.at;
        let Ok(value) = self.take_while(wanted).parse() else {
            self.at = start;
            return Err(self.expected(what));
        };
        self.skip_blank()?;
        Ok(value)
    }

    /// Takes a string in double quotes; `\n`, `\r`, `\t`, `\0`, `\"`, `\\` and `\xNN` are understood.
    pub(super) fn string(&mut self) -> Parsed<String> {
        let start = self.at;
        if !self.rest().starts_with('"') {
            return Err(self.expected("a string in double quotes"));
        }
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.take_char() {
                Some('"') => break,
                Some('\\') => text.push(self.escape()?),
                Some(c) if c != '\n' => text.push(c),
                _ => {
                    self.at = start;
                    return Err(self.expected("a string that ends on its line"));
                }
            }
        }
        self.skip_blank()?;
        Ok(text)
    }

    fn escape(&mut self) -> Parsed<char> {
        match self.take_char() {
            Some('n') => Ok('\n'),
            Some('r') => Ok('\r'),
            Some('t') => Ok('\t'),
            Some('0') => Ok('\0'),
            Some(c @ ('"' | '\\')) => Ok(c),
            Some('x') => {
                let digits = self.rest().get(..2).unwrap_or_default();
                let byte = u8::from_str_radix(digits, 16);
                let byte = byte.map_err(|_| self.expected("two hexadecimal digits behind `\\x`"))?;
                self.at += 2;
                Ok(char::from(byte))
            }
            _ => Err(self.expected("one of n r t 0 x \" \\ behind `\\`")),
        }
    }

    fn take_char(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    /// A failure here: something else was expected.
    pub(super) fn expected(&self, what: &str) -> Fail {
        let found: String = self.rest().chars().take_while(|c| *c != '\n').take(24).collect();
        let found = if found.is_empty() { "the end of the line".to_owned() } else { format!("`{found}`") };
        Fail { at: self.at, kind: ErrorKind::Syntax, message: format!("expected {what}, found {found}") }
    }

    /// A failure at `at`: this is understood and not supported.
    pub(super) fn unsupported(at: usize, what: impl Into<String>) -> Fail {
        Fail { at, kind: ErrorKind::Unsupported, message: what.into() }
    }

    /// A failure at `at`: the line contradicts itself.
    pub(super) fn wrong(at: usize, what: impl Into<String>) -> Fail {
        Fail { at, kind: ErrorKind::Syntax, message: what.into() }
    }
}

/// Whether a character can be part of a word.
pub(super) fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Line and column of a byte, both from 1.
fn position(text: &str, at: usize) -> (u32, u32) {
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    (line as u32, column as u32)
}

impl Fail {
    /// The failure with its file, line and column.
    pub(super) fn locate(self, name: &str, text: &str) -> ParseError {
        let (line, column) = position(text, self.at);
        ParseError { name: name.to_owned(), line, column, kind: self.kind, message: self.message }
    }
}
