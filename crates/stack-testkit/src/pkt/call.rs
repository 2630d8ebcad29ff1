//! System calls: a name, arguments and what must come back.

use super::ast::*;
use super::cursor::{Cursor, Parsed};

/// `name(arguments) = result [ERRNO] [(note)]`
pub(super) fn call(cursor: &mut Cursor<'_>) -> Parsed<Call> {
    let name = cursor.word("the name of a system call")?.to_owned();
    let arguments = list(cursor, "(", ")")?;
    cursor.expect("=")?;
    let result = expr(cursor)?;
    // An event starts with a digit, `+`, `*` or a backtick: a word here is the error's name.
    let errno = match cursor.peek_word() {
        "" => None,
        word if word.starts_with('E') => Some(cursor.word("the name of an error")?.to_owned()),
        _ => return Err(cursor.expected("the name of an error, a note in parentheses, or the next event")),
    };
    if cursor.eat("(")? {
        cursor.take_while(|c| c != ')' && c != '\n');
        cursor.expect(")")?;
    }
    Ok(Call { name, arguments, result, errno })
}

fn list(cursor: &mut Cursor<'_>, open: &str, close: &str) -> Parsed<Vec<Expr>> {
    cursor.expect(open)?;
    let mut items = Vec::new();
    if cursor.eat(close)? {
        return Ok(items);
    }
    loop {
        items.push(expr(cursor)?);
        if cursor.eat(close)? {
            return Ok(items);
        }
        if !cursor.eat(",")? {
            return Err(cursor.expected(&format!("`,` or `{close}`")));
        }
    }
}

fn expr(cursor: &mut Cursor<'_>) -> Parsed<Expr> {
    let first = cursor.nested(term)?;
    if !cursor.eat("|")? {
        return Ok(first);
    }
    let mut terms = vec![first];
    loop {
        terms.push(cursor.nested(term)?);
        if !cursor.eat("|")? {
            return Ok(Expr::Or(terms));
        }
    }
}

fn term(cursor: &mut Cursor<'_>) -> Parsed<Expr> {
    const WHAT: &str = "a value: a number, a name, a string, `...`, `[` or `{`";
    match cursor.peek() {
        Some('.') => cursor.expect("...").map(|()| Expr::Ellipsis),
        Some('[') => Ok(Expr::Array(list(cursor, "[", "]")?)),
        Some('{') => members(cursor),
        Some('"') => {
            let mut text = cursor.string()?;
            // Strings side by side are one.
            while cursor.peek() == Some('"') {
                text += &cursor.string()?;
            }
            // `"abc"...`: packetdrill's mark of a string that was cut.
            cursor.eat("...")?;
            Ok(Expr::Text(text))
        }
        Some('-') => {
            cursor.expect("-")?;
            cursor.number::<u32>("a number").map(|value| Expr::Int(-i64::from(value)))
        }
        Some(c) if c.is_ascii_digit() => cursor.number::<i64>("a number").map(Expr::Int),
        Some(c) if c.is_ascii_alphabetic() || c == '_' => {
            let name = cursor.word(WHAT)?.to_owned();
            if cursor.peek() == Some('(') {
                return Ok(Expr::Apply(name, list(cursor, "(", ")")?));
            }
            Ok(Expr::Word(name))
        }
        _ => Err(cursor.expected(WHAT)),
    }
}

fn members(cursor: &mut Cursor<'_>) -> Parsed<Expr> {
    cursor.expect("{")?;
    let mut members = Vec::new();
    if cursor.eat("}")? {
        return Ok(Expr::Struct(members));
    }
    loop {
        members.push(member(cursor)?);
        if cursor.eat("}")? {
            return Ok(Expr::Struct(members));
        }
        if !cursor.eat(",")? {
            return Err(cursor.expected("`,` or `}`"));
        }
    }
}

/// `name=value`, `name(…)=value`, or a value.
fn member(cursor: &mut Cursor<'_>) -> Parsed<(Option<String>, Expr)> {
    let value = expr(cursor)?;
    if !cursor.eat("=")? {
        return Ok((None, value));
    }
    match value {
        Expr::Word(name) | Expr::Apply(name, _) => Ok((Some(name), expr(cursor)?)),
        _ => Err(cursor.expected("a name before `=`")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pkt::{Action, Script};
    use std::time::Duration;

    fn call(line: &str) -> Call {
        match Script::parse("t", line).unwrap().events.remove(0).action {
            Action::Call(call) => call,
            other => panic!("{other:?}"),
        }
    }

    fn word(name: &str) -> Expr {
        Expr::Word(name.to_owned())
    }

    #[test]
    fn sockets_and_options() {
        let socket = call("0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3");
        assert_eq!(socket.arguments, [Expr::Ellipsis, word("SOCK_STREAM"), word("IPPROTO_TCP")]);
        assert_eq!((socket.result, socket.errno), (Expr::Int(3), None));
        let option = call("+0 setsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0");
        let linger =
            vec![(Some("onoff".to_owned()), Expr::Int(1)), (Some("linger".to_owned()), Expr::Int(0))];
        assert_eq!(option.arguments[3], Expr::Struct(linger));
        let flags = call("+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0");
        assert_eq!(flags.arguments[2], Expr::Or(vec![word("O_RDWR"), word("O_NONBLOCK")]));
    }

    #[test]
    fn errors_notes_and_results() {
        let again = call("+0 read(4, ..., 1000) = -1 EAGAIN (Resource temporarily unavailable)");
        assert_eq!((again.result, again.errno.as_deref()), (Expr::Int(-1), Some("EAGAIN")));
        let flags = call("+0 fcntl(4, F_GETFL) = 0x2 (flags O_RDWR)");
        assert_eq!((flags.result, flags.errno), (Expr::Int(2), None));
    }

    #[test]
    fn blocking_calls_have_a_second_time() {
        let script =
            Script::parse("t", "+0.1...0.25 connect(4, ..., ...) = 0\n0...1 accept(3, ..., ...) = 4")
                .unwrap();
        assert_eq!(script.events[0].until, Some(Duration::from_millis(250)));
        assert_eq!(script.events[1].until, Some(Duration::from_secs(1)));
    }

    #[test]
    fn structures_of_every_kind() {
        let poll = call("+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLIN}], 1, 0) = 1");
        let Expr::Array(fds) = &poll.arguments[0] else { panic!() };
        let Expr::Struct(members) = &fds[0] else { panic!() };
        assert_eq!(members[1].0.as_deref(), Some("events"));
        let line = "+0 sendmsg(4, {msg_name(...)=..., msg_iov(1)=[{..., 1000}], msg_flags=0}, 0) = 1000";
        let Expr::Struct(message) = &call(line).arguments[1] else { panic!() };
        assert_eq!(message[1].0.as_deref(), Some("msg_iov"));
        let line = "+0 connect(3, {sa_family = AF_INET, sin_port = htons(80), sin_addr = inet_addr(\"10.0.0.1\")}, 16) = 0";
        let Expr::Struct(address) = &call(line).arguments[1] else { panic!() };
        assert_eq!(address[1].1, Expr::Apply("htons".to_owned(), vec![Expr::Int(80)]));
        assert_eq!(call("+0 write(4, \"abc\"..., 3) = 3").arguments[1], Expr::Text("abc".to_owned()));
    }

    #[test]
    fn errors_say_what_was_expected() {
        let error = |line: &str| Script::parse("t", line).unwrap_err().to_string();
        assert_eq!(error("0 close(3)"), "t:1:11: expected `=`, found the end of the line");
        assert_eq!(error("0 close(3 = 0"), "t:1:11: expected `,` or `)`, found `= 0`");
        assert_eq!(
            error("0 close(3) = zero more"),
            "t:1:19: expected the name of an error, a note in parentheses, or the next event, found `more`"
        );
        assert!(error("0 close(?) = 0").contains("expected a value"));
    }
}
