//! The outer grammar: options, then events with their times.

use super::cursor::{Cursor, Parsed};
use super::define::Defines;
use super::{Action, Event, OptionLine, ParseError, Script, When, call, code, packet};
use std::time::Duration;

impl Script {
    /// Parses a script; `name` is for messages.
    ///
    /// # Errors
    /// Where it stops being a script, or where it asks for something that is not supported.
    pub fn parse(name: &str, text: &str) -> Result<Self, ParseError> {
        Self::parse_with(name, text, &[])
    }

    /// Parses a script as if it ended its option lines with these names and values, which win over its own.
    ///
    /// # Errors
    /// As [`Script::parse`].
    pub fn parse_with(name: &str, text: &str, given: &[(&str, &str)]) -> Result<Self, ParseError> {
        let mut script = Self { name: name.to_owned(), text: text.to_owned(), ..Self::default() };
        script.fill(text, given).map_err(|fail| fail.locate(name, text))?;
        Ok(script)
    }

    /// The value of the last option line of that name.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().rev().find(|option| option.name == name).map(|option| option.value.as_str())
    }

    fn fill(&mut self, text: &str, given: &[(&str, &str)]) -> Parsed<()> {
        let cursor = &mut Cursor::new(text);
        let mut lines = Lines { text, at: 0, line: 1 };
        cursor.skip_blank()?;
        while cursor.rest().starts_with("--") {
            let line = lines.number(cursor.at());
            self.options.push(option(cursor, line)?);
        }
        self.options.extend(given.iter().map(|(name, value)| OptionLine {
            line: 0,
            name: (*name).to_owned(),
            value: (*value).to_owned(),
        }));
        cursor.v6 = self.option("ip_version") == Some("ipv6");
        let defines = Defines::new(&self.options);
        while !cursor.is_done() {
            let event = event(cursor, &mut lines, &defines)?;
            self.events.push(event);
        }
        Ok(())
    }
}

/// Counts lines along the way: each byte of a script is looked at once.
struct Lines<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

impl Lines<'_> {
    /// The number of the line of a place that is not before the last one asked for.
    fn number(&mut self, at: usize) -> u32 {
        let passed = self.text.get(self.at..at).unwrap_or_default();
        self.line += passed.matches('\n').count() as u32;
        self.at = at;
        self.line
    }
}

fn option(cursor: &mut Cursor<'_>, line: u32) -> Parsed<OptionLine> {
    cursor.advance(2);
    let name = cursor.take_while(|c| !c.is_whitespace() && c != '=').to_owned();
    if name.is_empty() {
        return Err(cursor.expected("the name of an option"));
    }
    let mut value = "";
    if cursor.rest().starts_with('=') {
        cursor.advance(1);
        value = option_value(cursor);
    }
    cursor.skip_blank()?;
    Ok(OptionLine { line, name, value: unquoted(value).to_owned() })
}

/// A value without quotes around the whole of it.
fn unquoted(value: &str) -> &str {
    value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value)
}

/// Up to a blank that is in no quotes.
fn option_value<'a>(cursor: &mut Cursor<'a>) -> &'a str {
    let mut quote = None;
    let mut clone = cursor.clone();
    let value = clone.take_while(|c| {
        match quote {
            Some(end) if end == c => quote = None,
            None if matches!(c, '"' | '`') => quote = Some(c),
            _ => {}
        }
        c != '\n' && (quote.is_some() || !c.is_whitespace())
    });
    cursor.advance(value.len())
}

fn event(cursor: &mut Cursor<'_>, lines: &mut Lines<'_>, defines: &Defines<'_>) -> Parsed<Event> {
    let start = cursor.at();
    let line = lines.number(start);
    // Commands at both ends of a script may stand without a time.
    let when = if cursor.peek() == Some('`') { When::After(Duration::ZERO) } else { when(cursor)? };
    let until = if cursor.eat("...")? { Some(time(cursor)?) } else { None };
    let mut action = action(cursor, lines, defines)?;
    defines.apply(&mut action);
    if until.is_some() && !matches!(action, Action::Call(_)) {
        return Err(Cursor::wrong(start, "only a system call can have a second time"));
    }
    let is_span = matches!(when, When::Any | When::AtBetween(..) | When::AfterBetween(..));
    if is_span && !matches!(action, Action::Outbound(_)) {
        return Err(Cursor::wrong(start, "only a packet of the stack can come at any time or within a span"));
    }
    Ok(Event { line, when, until, action, span: start..cursor.end() })
}

fn when(cursor: &mut Cursor<'_>) -> Parsed<When> {
    if cursor.eat("*")? {
        return Ok(When::Any);
    }
    let relative = cursor.eat("+")?;
    let from = time(cursor)?;
    if !cursor.eat("~")? {
        return Ok(if relative { When::After(from) } else { When::At(from) });
    }
    if relative {
        cursor.expect("+")?;
    }
    let to_at = cursor.at();
    let to = time(cursor)?;
    if to < from {
        return Err(Cursor::wrong(to_at, "the range of times ends before it starts"));
    }
    Ok(if relative { When::AfterBetween(from, to) } else { When::AtBetween(from, to) })
}

/// Seconds with up to nine decimals: `1`, `0.1`, `.1`.
fn time(cursor: &mut Cursor<'_>) -> Parsed<Duration> {
    const WHAT: &str = "a time, such as 0.100, +0.1, +0~+0.2 or *";
    let (at, mut probe) = (cursor.at(), cursor.clone());
    let whole = probe.take_while(|c| c.is_ascii_digit());
    let mut decimals = "";
    let has_decimals = probe.rest().starts_with('.') && !probe.rest().starts_with("..");
    if has_decimals {
        probe.advance(1);
        decimals = probe.take_while(|c| c.is_ascii_digit());
    }
    if whole.is_empty() && decimals.is_empty() {
        return Err(cursor.expected(WHAT));
    }
    if decimals.len() > 9 {
        return Err(Cursor::wrong(at, "a time has at most nine decimals"));
    }
    let seconds: u64 = format!("0{whole}").parse().map_err(|_| cursor.expected(WHAT))?;
    let nanos: u32 = format!("{decimals:0<9}").parse().map_err(|_| cursor.expected(WHAT))?;
    *cursor = probe;
    cursor.skip_blank()?;
    Ok(Duration::new(seconds, nanos))
}

fn action(cursor: &mut Cursor<'_>, lines: &mut Lines<'_>, defines: &Defines<'_>) -> Parsed<Action> {
    let word = cursor.peek_word();
    let command = defines.get(word).and_then(|value| value.strip_prefix('`')?.strip_suffix('`'));
    if let Some(command) = command {
        cursor.eat(word)?;
        return Ok(Action::Command(command.to_owned()));
    }
    match cursor.peek() {
        Some('<') => {
            cursor.eat("<")?;
            Ok(Action::Inbound(packet::packet(cursor, true)?))
        }
        Some('>') => {
            cursor.eat(">")?;
            Ok(Action::Outbound(packet::packet(cursor, false)?))
        }
        Some('`') => Ok(Action::Command(delimited(cursor, "`", "`")?.trim().to_owned())),
        Some('%') => {
            let line = lines.number(cursor.at());
            Ok(Action::Code(code::statements(delimited(cursor, "%{", "}%")?, line)))
        }
        Some(c) if c.is_ascii_alphabetic() || c == '_' => Ok(Action::Call(call::call(cursor)?)),
        _ => Err(cursor.expected("a packet (`<` or `>`), a system call, `%{` or a command in backticks")),
    }
}

/// What stands between two marks.
fn delimited<'a>(cursor: &mut Cursor<'a>, open: &str, close: &str) -> Parsed<&'a str> {
    let start = cursor.at();
    if !cursor.rest().starts_with(open) {
        return Err(cursor.expected(&format!("`{open}`")));
    }
    cursor.advance(open.len());
    let Some(len) = cursor.rest().find(close) else {
        return Err(Cursor::wrong(start, format!("expected `{close}` before the end of the script")));
    };
    let inner = cursor.advance(len);
    cursor.advance(close.len());
    cursor.skip_blank()?;
    Ok(inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whens(text: &str) -> Vec<When> {
        let script = Script::parse("t", text).unwrap();
        script.events.into_iter().map(|event| event.when).collect()
    }

    #[test]
    fn every_form_of_time() {
        let text = "0 `a`\n1.5 `b`\n+.1 `c`\n+0~+0.2 > udp (1)\n0.1~2 > udp (1)\n* > udp (1)\n`g`";
        let ms = Duration::from_millis;
        let expected = [
            When::At(ms(0)),
            When::At(ms(1500)),
            When::After(ms(100)),
            When::AfterBetween(ms(0), ms(200)),
            When::AtBetween(ms(100), ms(2000)),
            When::Any,
            When::After(ms(0)),
        ];
        assert_eq!(whens(text), expected);
    }

    #[test]
    fn options_comments_and_places() {
        let text = "// first\n--mtu=1400\n--quiet\n--define=A=\"b c\"\n/* more\n lines */\n# note\n0 `a` // b\n\n+1 close(3) = 0 // c\n";
        let script = Script::parse("t", text).unwrap();
        assert_eq!(script.option("mtu"), Some("1400"));
        assert_eq!(script.option("quiet"), Some(""));
        assert_eq!(script.option("other"), None);
        assert_eq!(script.option("define"), Some("A=\"b c\""));
        let lines: Vec<u32> = script.events.iter().map(|event| event.line).collect();
        assert_eq!(lines, [8, 10]);
        let spans: Vec<&str> = script.events.iter().map(|event| &text[event.span.clone()]).collect();
        assert_eq!(spans, ["0 `a`", "+1 close(3) = 0"]);
    }

    #[test]
    fn a_span_ends_before_the_comments_of_the_next_event() {
        let text = "+0 < . 1:1(0) ack 1 win 9 // why\n// next\n\n   # and\n+0 `b`\n";
        let script = Script::parse("t", text).unwrap();
        assert_eq!(&text[script.events[0].span.clone()], "+0 < . 1:1(0) ack 1 win 9");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_a_script_or_an_error(text in "([0-9+*~. <>:(),=|{}\\[\\]%`\"/#-]|[A-Za-z]{1,6}|\n|\\PC){0,80}") {
            let _ = Script::parse("t", &text);
        }
    }

    #[test]
    fn errors_name_file_line_column_and_what_was_expected() {
        let message = |text: &str| Script::parse("a.pkt", text).unwrap_err().to_string();
        assert_eq!(
            message("0 `a`\n+x `b`"),
            "a.pkt:2:2: expected a time, such as 0.100, +0.1, +0~+0.2 or *, found `x `b``"
        );
        assert_eq!(
            message("0 !"),
            "a.pkt:1:3: expected a packet (`<` or `>`), a system call, `%{` or a command in backticks, found `!`"
        );
        assert_eq!(message("0 `a"), "a.pkt:1:3: expected ``` before the end of the script");
        assert_eq!(message("0.2~0.1 `a`"), "a.pkt:1:5: the range of times ends before it starts");
        assert_eq!(message("0...1 `a`"), "a.pkt:1:1: only a system call can have a second time");
        assert!(message("* `a`").starts_with("a.pkt:1:1: only a packet of the stack can come at any time"));
        assert!(message("+0~+1 close(3) = 0").contains("within a span"));
        assert!(message("/* x").contains("expected `*/`"));
    }
}
