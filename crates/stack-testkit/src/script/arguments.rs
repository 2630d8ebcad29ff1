//! What is in the arguments of a system call: numbers, constants, lengths, addresses.

use super::Stop;
use super::conversation::v4;
use crate::pkt::{Call, Expr};
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

type Result<T> = core::result::Result<T, Stop>;

/// The bytes of a string: `\xff` is one.
pub(super) fn latin1(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(c).unwrap_or(b'?')).collect()
}

/// A number.
pub(super) fn number(expr: &Expr) -> Result<i64> {
    match expr {
        Expr::Int(number) => Ok(*number),
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

/// How many bytes a call reads or writes: its third argument, or the sum of its vectors.
pub(super) fn length(call: &Call) -> Result<usize> {
    let vectors = match (call.name.as_str(), call.arguments.get(1)) {
        ("readv" | "writev", Some(Expr::Array(vectors))) => Some(vectors),
        ("recvmsg" | "sendmsg", Some(Expr::Struct(members))) => {
            members.iter().find_map(|(name, value)| match value {
                Expr::Array(vectors) if name.as_deref() == Some("msg_iov") => Some(vectors),
                _ => None,
            })
        }
        _ => None,
    };
    let Some(vectors) = vectors else {
        let third =
            call.arguments.get(2).ok_or_else(|| Stop::Fail(format!("{} names no length", call.name)))?;
        return Ok(number(third)?.max(0) as usize);
    };
    let mut sum = 0;
    for vector in vectors {
        let Expr::Struct(members) = vector else {
            return Err(Stop::Fail("a vector is {..., length}".to_owned()));
        };
        sum += members.last().map_or(Ok(0), |(_, len)| number(len))?.max(0) as usize;
    }
    Ok(sum)
}

/// An IPv4 socket address; `None` for `...`.
pub(super) fn address(expr: Option<&Expr>) -> Result<Option<SocketAddr>> {
    let members = match expr {
        None | Some(Expr::Ellipsis) => return Ok(None),
        Some(Expr::Struct(members)) => members,
        Some(other) => return Err(Stop::Fail(format!("expected an address or `...`, found {other:?}"))),
    };
    let argument = |name: &str| {
        let value =
            members.iter().find(|(member, _)| member.as_deref() == Some(name)).map(|(_, value)| value);
        if let Some(Expr::Apply(_, arguments)) = value { arguments.first() } else { value }
    };
    let port = argument("sin_port").map_or(Ok(0), number)?;
    let port = u16::try_from(port).map_err(|_| Stop::Fail(format!("{port} is no port")))?;
    let ip = match argument("sin_addr") {
        Some(Expr::Text(text)) => {
            text.parse().map_err(|_| Stop::Fail(format!("`{text}` is no IPv4 address")))?
        }
        Some(Expr::Word(word)) if word == "INADDR_ANY" => Ipv4Addr::UNSPECIFIED,
        _ => return Err(Stop::Skip("an address that is not IPv4".to_owned())),
    };
    Ok(Some(SocketAddr::from((v4(IpAddr::V4(ip)), port))))
}
