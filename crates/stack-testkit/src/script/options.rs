//! `setsockopt`: names of Linux as settings of the stack.

use super::Stop;
use super::arguments::number;
use crate::pkt::Expr;
use core::time::Duration;
use stack_core::SocketOption;

/// What a call of `setsockopt` means.
pub(super) enum OptionCall {
    /// This setting.
    Set(SocketOption),
    /// Something that has no meaning here and does no harm.
    Nothing,
}

/// `setsockopt(fd, LEVEL, NAME, value, length)`
pub(super) fn parse(args: &[Expr]) -> Result<OptionCall, Stop> {
    let [_, Expr::Word(level), Expr::Word(name), value, ..] = args else {
        return Err(Stop::Fail("setsockopt wants a file, a level, a name and a value".to_owned()));
    };
    let int = || scalar(value);
    let on = || scalar(value).map(|value| value != 0);
    let seconds = || Ok(Duration::from_secs(scalar(value)?.max(0) as u64));
    let size = || Ok(scalar(value)?.max(0) as usize);
    let byte = || {
        let value = scalar(value)?;
        u8::try_from(value).map_err(|_| Stop::Fail(format!("{value} does not fit in {name}")))
    };
    Ok(OptionCall::Set(match (level.as_str(), name.as_str()) {
        ("SOL_SOCKET", "SO_REUSEADDR") => SocketOption::ReuseAddress(on()?),
        ("SOL_SOCKET", "SO_REUSEPORT") => SocketOption::ReusePort(on()?),
        ("SOL_SOCKET", "SO_RCVBUF") => SocketOption::ReceiveBuffer(size()?),
        ("SOL_SOCKET", "SO_SNDBUF") => SocketOption::SendBuffer(size()?),
        ("SOL_SOCKET", "SO_KEEPALIVE") => SocketOption::KeepAlive(on()?),
        ("SOL_SOCKET", "SO_BROADCAST") => SocketOption::Broadcast(on()?),
        ("SOL_SOCKET", "SO_OOBINLINE") => SocketOption::UrgentInline(on()?),
        ("SOL_SOCKET", "SO_MARK") => SocketOption::Mark(int()? as u32),
        ("SOL_SOCKET", "SO_LINGER") => SocketOption::Linger(linger(value)?),
        ("SOL_SOCKET", "SO_PRIORITY") => return Ok(OptionCall::Nothing),
        (_, "TCP_NODELAY") => SocketOption::NoDelay(on()?),
        (_, "TCP_KEEPIDLE") => SocketOption::KeepAliveIdle(seconds()?),
        (_, "TCP_KEEPINTVL") => SocketOption::KeepAliveInterval(seconds()?),
        (_, "TCP_KEEPCNT") => SocketOption::KeepAliveCount(int()?.max(0) as u32),
        (_, "TCP_USER_TIMEOUT") => {
            let millis = int()?.max(0) as u64;
            SocketOption::UserTimeout((millis > 0).then(|| Duration::from_millis(millis)))
        }
        (_, "TCP_MAXSEG") => SocketOption::MaxSegment(int()?.clamp(0, 65_535) as u16),
        (_, "IP_TTL") => SocketOption::HopLimit(byte()?),
        (_, "IP_TOS") => SocketOption::TrafficClass(byte()?),
        _ => return Err(Stop::Skip(format!("the socket option `{name}`"))),
    }))
}

/// `[1]` or `1`.
fn scalar(value: &Expr) -> Result<i64, Stop> {
    match value {
        Expr::Array(values) => values.first().map_or(Ok(0), number),
        other => number(other),
    }
}

/// `{onoff=1, linger=5}`
fn linger(value: &Expr) -> Result<Option<Duration>, Stop> {
    let Expr::Struct(members) = value else {
        return Err(Stop::Fail("SO_LINGER wants {onoff=…, linger=…}".to_owned()));
    };
    let member = |name: &str| {
        let found = members.iter().find(|(member, _)| {
            member.as_deref() == Some(name) || member.as_deref() == Some(&format!("l_{name}"))
        });
        found.map_or(Ok(0), |(_, value)| number(value))
    };
    let seconds = member("linger")?.max(0) as u64;
    Ok((member("onoff")? != 0).then(|| Duration::from_secs(seconds)))
}
