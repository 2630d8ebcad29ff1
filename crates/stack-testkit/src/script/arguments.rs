//! What is in the arguments of a system call: numbers, constants, lengths, addresses.

use super::Stop;
use crate::pkt::{Call, Expr};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

type Result<T> = core::result::Result<T, Stop>;

/// Most bytes that one call reads or writes: scripts must not take the machine's memory.
const MAX_LENGTH: usize = 64 << 20;

/// The bytes of a string: `\xff` is one.
pub(super) fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect()
}

/// A number.
pub(super) fn number(expr: &Expr) -> Result<i64> {
    match expr {
        Expr::Int(number) => Ok(*number),
        Expr::Word(word) => Err(Stop::Skip(format!("the constant `{word}`"))),
        other => Err(Stop::Fail(format!("expected a number, found {other:?}"))),
    }
}

/// The constants in a value: `A|B` is both.
pub(super) fn words(expr: &Expr) -> Vec<&str> {
    match expr {
        Expr::Word(word) => vec![word],
        Expr::Or(terms) => terms.iter().flat_map(words).collect(),
        _ => Vec::new(),
    }
}

/// The value of a member of `{name=value, …}`.
pub(super) fn member<'a>(expr: &'a Expr, name: &str) -> Option<&'a Expr> {
    let Expr::Struct(members) = expr else { return None };
    members.iter().find(|(member, _)| member.as_deref() == Some(name)).map(|(_, value)| value)
}

/// `[value]` or `value`, as the value of options is written.
pub(super) fn first(expr: Option<&Expr>) -> Option<Expr> {
    match expr {
        Some(Expr::Array(values)) => values.first().cloned(),
        other => other.cloned(),
    }
}

/// How many bytes a call reads or writes: its third argument, or the sum of its vectors.
pub(super) fn length(call: &Call) -> Result<usize> {
    let vectors = match (call.name.as_str(), call.arguments.get(1)) {
        ("readv" | "writev", Some(Expr::Array(vectors))) => Some(vectors),
        ("recvmsg" | "sendmsg", Some(message)) => match member(message, "msg_iov") {
            Some(Expr::Array(vectors)) => Some(vectors),
            _ => return Err(Stop::Fail(format!("{} wants a msg_iov", call.name))),
        },
        _ => None,
    };
    let Some(vectors) = vectors else {
        let third =
            call.arguments.get(2).ok_or_else(|| Stop::Fail(format!("{} names no length", call.name)))?;
        return bounded(number(third)?);
    };
    let mut sum = 0i64;
    for vector in vectors {
        let Expr::Struct(members) = vector else {
            return Err(Stop::Fail("a vector is {..., length}".to_owned()));
        };
        sum = sum.saturating_add(members.last().map_or(Ok(0), |(_, len)| number(len))?);
    }
    bounded(sum)
}

fn bounded(length: i64) -> Result<usize> {
    usize::try_from(length)
        .ok()
        .filter(|length| *length <= MAX_LENGTH)
        .ok_or_else(|| Stop::Skip(format!("a call with {length} bytes")))
}

/// A socket address; `None` for `...`. Of IPv4 addresses in IPv6 the IPv4 one.
pub(super) fn address(expr: Option<&Expr>) -> Result<Option<SocketAddr>> {
    let expr = match expr {
        None | Some(Expr::Ellipsis) => return Ok(None),
        Some(expr @ Expr::Struct(_)) => expr,
        Some(Expr::Word(word)) => return Err(Stop::Skip(format!("the address `{word}`"))),
        Some(other) => return Err(Stop::Fail(format!("expected an address or `...`, found {other:?}"))),
    };
    let argument = |name: &str| match member(expr, name) {
        Some(Expr::Apply(_, arguments)) => arguments.first(),
        value => value,
    };
    let port = argument("sin_port").or(argument("sin6_port")).map_or(Ok(0), number)?;
    let port = u16::try_from(port).map_err(|_| Stop::Fail(format!("{port} is no port")))?;
    let ip: IpAddr = match argument("sin_addr").or(argument("sin6_addr")) {
        Some(Expr::Text(text)) => {
            text.parse().map_err(|_| Stop::Fail(format!("`{text}` is no IP address")))?
        }
        Some(Expr::Word(word)) if word == "INADDR_ANY" => Ipv4Addr::UNSPECIFIED.into(),
        Some(Expr::Word(word)) if word == "in6addr_any" => Ipv6Addr::UNSPECIFIED.into(),
        other => return Err(Stop::Skip(format!("the address {other:?}"))),
    };
    Ok(Some(SocketAddr::from((ip.to_canonical(), port))))
}
