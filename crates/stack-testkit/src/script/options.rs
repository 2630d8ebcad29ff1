//! Socket options: the names of Linux, and what each is here. [`OPTIONS`] is the whole list: an option that the stack
//! learns gets its line there.

use super::arguments::{first, number};
use super::{Stop, UDP};
use crate::pkt::Expr;
use core::time::Duration;
use stack_core::{NicId, OptionName, SocketOption};
use trans_tcp::TcpInfo;
use trans_tcp::congestion::Algorithm;

/// What a call of `setsockopt` means.
pub(super) enum OptionCall {
    /// This setting.
    Set(SocketOption),
    /// Something that has no meaning here and does no harm.
    Nothing,
}

/// What a call of `getsockopt` asks for.
pub(super) enum Question {
    /// `SO_ERROR`
    Error,
    /// Anything will do.
    Any,
    /// Always this.
    Number(i64),
    /// Always this constant.
    Name(&'static str),
    /// What the connection says of itself.
    Info(fn(&TcpInfo) -> Expr),
    /// What the socket is set to.
    Value(OptionName),
}

/// What `setsockopt` does with an option.
#[derive(Clone, Copy)]
enum Set {
    /// It is this setting of the stack.
    To(fn(&Value<'_>) -> Result<SocketOption, Stop>),
    /// It changes nothing that a script can see.
    Nothing,
    /// The stack does not have it.
    Missing,
}

/// What `getsockopt` answers.
#[derive(Clone, Copy)]
enum Get {
    /// `SO_ERROR`
    Error,
    /// The structure is not compared; assertions do that.
    Any,
    /// What the connection says.
    Info(fn(&TcpInfo) -> Expr),
    /// The setting.
    Value(OptionName),
    /// The stack can't be asked.
    Missing,
}

/// Every option that is known by name.
const OPTIONS: &[(&str, Set, Get)] = &[
    (
        "SO_REUSEADDR",
        Set::To(|v| Ok(SocketOption::ReuseAddress(v.on()?))),
        Get::Value(OptionName::ReuseAddress),
    ),
    ("SO_REUSEPORT", Set::To(|v| Ok(SocketOption::ReusePort(v.on()?))), Get::Value(OptionName::ReusePort)),
    ("SO_RCVBUF", Set::To(|v| Ok(SocketOption::ReceiveBuffer(v.size()?))), Get::Missing),
    ("SO_RCVBUFFORCE", Set::To(|v| Ok(SocketOption::ReceiveBuffer(v.size()?))), Get::Missing),
    ("SO_SNDBUF", Set::To(|v| Ok(SocketOption::SendBuffer(v.size()?))), Get::Missing),
    ("SO_SNDBUFFORCE", Set::To(|v| Ok(SocketOption::SendBuffer(v.size()?))), Get::Missing),
    ("SO_KEEPALIVE", Set::To(|v| Ok(SocketOption::KeepAlive(v.on()?))), Get::Value(OptionName::KeepAlive)),
    ("SO_BROADCAST", Set::To(|v| Ok(SocketOption::Broadcast(v.on()?))), Get::Value(OptionName::Broadcast)),
    (
        "SO_OOBINLINE",
        Set::To(|v| Ok(SocketOption::UrgentInline(v.on()?))),
        Get::Value(OptionName::UrgentInline),
    ),
    ("SO_MARK", Set::To(|v| Ok(SocketOption::Mark(v.int()? as u32))), Get::Value(OptionName::Mark)),
    ("SO_LINGER", Set::To(|v| Ok(SocketOption::Linger(v.linger()?))), Get::Missing),
    ("SO_ERROR", Set::Missing, Get::Error),
    ("SO_PRIORITY", Set::Nothing, Get::Missing),
    ("SO_DEBUG", Set::Nothing, Get::Missing),
    (
        "SO_RCVLOWAT",
        Set::To(|v| Ok(SocketOption::ReceiveLowat(v.size()? as u32))),
        Get::Value(OptionName::ReceiveLowat),
    ),
    ("SO_SNDTIMEO", Set::Missing, Get::Missing),
    ("SO_RCVTIMEO", Set::Missing, Get::Missing),
    ("SO_TIMESTAMPING", Set::Missing, Get::Missing),
    ("SO_MAX_PACING_RATE", Set::Missing, Get::Missing),
    ("SO_ZEROCOPY", Set::Missing, Get::Missing),
    ("TCP_NODELAY", Set::To(|v| Ok(SocketOption::NoDelay(v.on()?))), Get::Value(OptionName::NoDelay)),
    (
        "TCP_KEEPIDLE",
        Set::To(|v| Ok(SocketOption::KeepAliveIdle(v.seconds()?))),
        Get::Value(OptionName::KeepAliveIdle),
    ),
    (
        "TCP_KEEPINTVL",
        Set::To(|v| Ok(SocketOption::KeepAliveInterval(v.seconds()?))),
        Get::Value(OptionName::KeepAliveInterval),
    ),
    (
        "TCP_KEEPCNT",
        Set::To(|v| Ok(SocketOption::KeepAliveCount(v.size()? as u32))),
        Get::Value(OptionName::KeepAliveCount),
    ),
    (
        "TCP_USER_TIMEOUT",
        Set::To(|v| Ok(SocketOption::UserTimeout(v.millis()?))),
        Get::Value(OptionName::UserTimeout),
    ),
    (
        "TCP_MAXSEG",
        Set::To(|v| Ok(SocketOption::MaxSegment(v.size()?.min(65_535) as u16))),
        Get::Info(|info| Expr::Int(info.mss.into())),
    ),
    ("TCP_CONGESTION", Set::To(|v| v.congestion()), Get::Info(|info| Expr::Text(info.congestion.to_owned()))),
    ("TCP_INFO", Set::Missing, Get::Any),
    ("TCP_CC_INFO", Set::Missing, Get::Missing),
    ("TCP_CORK", Set::To(|v| Ok(SocketOption::Cork(v.on()?))), Get::Value(OptionName::Cork)),
    ("TCP_QUICKACK", Set::To(|v| Ok(SocketOption::QuickAck(v.on()?))), Get::Value(OptionName::QuickAck)),
    ("TCP_SYNCNT", Set::To(|v| Ok(SocketOption::SynRetries(v.byte()?))), Get::Value(OptionName::SynRetries)),
    (
        "TCP_LINGER2",
        Set::To(|v| Ok(SocketOption::FinWait2(v.fin_wait_2()?))),
        Get::Value(OptionName::FinWait2),
    ),
    (
        "TCP_DEFER_ACCEPT",
        Set::To(|v| Ok(SocketOption::DeferAccept(v.seconds()?))),
        Get::Value(OptionName::DeferAccept),
    ),
    (
        "TCP_WINDOW_CLAMP",
        Set::To(|v| Ok(SocketOption::WindowClamp(v.size()? as u32))),
        Get::Value(OptionName::WindowClamp),
    ),
    (
        "TCP_NOTSENT_LOWAT",
        Set::To(|v| Ok(SocketOption::NotSentLowat(v.size()? as u32))),
        Get::Value(OptionName::NotSentLowat),
    ),
    (
        "TCP_FASTOPEN",
        Set::To(|v| Ok(SocketOption::FastOpen(v.size()?.min(65_535) as u16))),
        Get::Value(OptionName::FastOpen),
    ),
    ("TCP_FASTOPEN_CONNECT", Set::Missing, Get::Missing),
    ("TCP_FASTOPEN_NO_COOKIE", Set::Missing, Get::Missing),
    ("TCP_FASTOPEN_KEY", Set::Missing, Get::Missing),
    ("TCP_THIN_LINEAR_TIMEOUTS", Set::Missing, Get::Missing),
    ("TCP_TIMESTAMP", Set::Missing, Get::Missing),
    ("TCP_MD5SIG", Set::Missing, Get::Missing),
    ("TCP_INQ", Set::Missing, Get::Missing),
    ("TCP_SAVE_SYN", Set::Missing, Get::Missing),
    ("IP_TTL", Set::To(|v| Ok(SocketOption::HopLimit(v.byte()?))), Get::Value(OptionName::HopLimit)),
    (
        "IPV6_UNICAST_HOPS",
        Set::To(|v| Ok(SocketOption::HopLimit(v.byte()?))),
        Get::Value(OptionName::HopLimit),
    ),
    (
        "IP_MULTICAST_TTL",
        Set::To(|v| Ok(SocketOption::MulticastHopLimit(v.byte()?))),
        Get::Value(OptionName::MulticastHopLimit),
    ),
    (
        "IPV6_MULTICAST_HOPS",
        Set::To(|v| Ok(SocketOption::MulticastHopLimit(v.byte()?))),
        Get::Value(OptionName::MulticastHopLimit),
    ),
    (
        "IP_MULTICAST_LOOP",
        Set::To(|v| Ok(SocketOption::MulticastLoop(v.on()?))),
        Get::Value(OptionName::MulticastLoop),
    ),
    (
        "IPV6_MULTICAST_LOOP",
        Set::To(|v| Ok(SocketOption::MulticastLoop(v.on()?))),
        Get::Value(OptionName::MulticastLoop),
    ),
    ("IP_MULTICAST_IF", Set::To(|v| Ok(SocketOption::MulticastNic(v.nic()?))), Get::Missing),
    ("IPV6_MULTICAST_IF", Set::To(|v| Ok(SocketOption::MulticastNic(v.nic()?))), Get::Missing),
    ("SO_BINDTODEVICE", Set::To(|v| Ok(SocketOption::BindToNic(v.nic()?))), Get::Missing),
    ("IP_TOS", Set::To(|v| Ok(SocketOption::TrafficClass(v.byte()?))), Get::Value(OptionName::TrafficClass)),
    (
        "IPV6_TCLASS",
        Set::To(|v| Ok(SocketOption::TrafficClass(v.byte()?))),
        Get::Value(OptionName::TrafficClass),
    ),
    (
        "IPV6_AUTOFLOWLABEL",
        Set::To(|v| Ok(SocketOption::FlowLabel(if v.on()? { None } else { Some(0) }))),
        Get::Missing,
    ),
    // On Linux a label is a matter of IPV6_FLOWLABEL_MGR, IPV6_FLOWINFO_SEND and the address that is connected to.
    (
        "IPV6_FLOWLABEL",
        Set::To(|v| Ok(SocketOption::FlowLabel(Some(v.int()? as u32)))),
        Get::Value(OptionName::FlowLabel),
    ),
    (
        "IPV6_DONTFRAG",
        Set::To(|v| Ok(SocketOption::DontFragment(v.on()?))),
        Get::Value(OptionName::DontFragment),
    ),
    ("IP_RECVERR", Set::To(|v| Ok(SocketOption::ReceiveErrors(v.on()?))), Get::Missing),
    ("IPV6_V6ONLY", Set::To(|v| Ok(SocketOption::V6Only(v.on()?))), Get::Value(OptionName::V6Only)),
    ("IPV6_RECVERR", Set::To(|v| Ok(SocketOption::ReceiveErrors(v.on()?))), Get::Missing),
    ("IP_MTU", Set::Missing, Get::Info(|info| Expr::Int(info.path_mtu.into()))),
    ("IPV6_MTU", Set::Missing, Get::Info(|info| Expr::Int(info.path_mtu.into()))),
    ("IP_MTU_DISCOVER", Set::Missing, Get::Missing),
    ("IPV6_MTU_DISCOVER", Set::Missing, Get::Missing),
];

fn find(name: &str) -> Result<(Set, Get), Stop> {
    let found = OPTIONS.iter().find(|(known, ..)| *known == name);
    found.map(|(_, set, get)| (*set, *get)).ok_or_else(|| missing(name))
}

fn missing(name: &str) -> Stop {
    Stop::Skip(format!("the socket option `{name}`"))
}

/// `setsockopt(fd, LEVEL, NAME, value, length)`
pub(super) fn parse(args: &[Expr]) -> Result<OptionCall, Stop> {
    let [_, _, Expr::Word(name), value, ..] = args else {
        return Err(Stop::Skip("setsockopt without the name of an option and a value".to_owned()));
    };
    if let Some(setting) = super::groups::membership(name, value) {
        return setting.map(OptionCall::Set);
    }
    match find(name)?.0 {
        Set::To(setting) => setting(&Value { name, value }).map(OptionCall::Set),
        Set::Nothing => Ok(OptionCall::Nothing),
        Set::Missing => Err(missing(name)),
    }
}

/// What `getsockopt` of an option asks for.
pub(super) fn question(name: &str, protocol: u8) -> Result<Question, Stop> {
    match name {
        "SO_TYPE" if protocol == UDP => return Ok(Question::Name("SOCK_DGRAM")),
        "SO_TYPE" => return Ok(Question::Name("SOCK_STREAM")),
        "SO_PROTOCOL" => return Ok(Question::Number(protocol.into())),
        _ => {}
    }
    match find(name)?.1 {
        Get::Error => Ok(Question::Error),
        Get::Any => Ok(Question::Any),
        Get::Info(ask) => Ok(Question::Info(ask)),
        Get::Value(option) => Ok(Question::Value(option)),
        Get::Missing => Err(Stop::Skip(format!("getsockopt of `{name}`"))),
    }
}

/// A setting as `getsockopt` tells it; `None` if it is no number.
pub(super) fn shown(option: SocketOption) -> Option<Expr> {
    let seconds = |time: Duration| time.as_secs() as i64;
    Some(Expr::Int(match option {
        SocketOption::FlowLabel(label) => label.unwrap_or_default().into(),
        SocketOption::ReuseAddress(on)
        | SocketOption::ReusePort(on)
        | SocketOption::DontFragment(on)
        | SocketOption::KeepAlive(on)
        | SocketOption::Broadcast(on)
        | SocketOption::UrgentInline(on)
        | SocketOption::NoDelay(on)
        | SocketOption::Cork(on)
        | SocketOption::MulticastLoop(on)
        | SocketOption::QuickAck(on) => on.into(),
        SocketOption::Mark(number)
        | SocketOption::KeepAliveCount(number)
        | SocketOption::WindowClamp(number)
        | SocketOption::NotSentLowat(number)
        | SocketOption::ReceiveLowat(number) => number.into(),
        SocketOption::HopLimit(byte)
        | SocketOption::MulticastHopLimit(byte)
        | SocketOption::TrafficClass(byte)
        | SocketOption::SynRetries(byte) => byte.into(),
        SocketOption::FastOpen(queue) => queue.into(),
        SocketOption::KeepAliveIdle(time)
        | SocketOption::KeepAliveInterval(time)
        | SocketOption::FinWait2(time)
        | SocketOption::DeferAccept(time) => seconds(time),
        SocketOption::UserTimeout(time) => time.unwrap_or_default().as_millis() as i64,
        _ => return None,
    }))
}

/// The value of an option.
struct Value<'a> {
    name: &'a str,
    value: &'a Expr,
}

impl Value<'_> {
    /// `[1]` or `1`.
    fn int(&self) -> Result<i64, Stop> {
        first(Some(self.value)).as_ref().map_or(Ok(0), number)
    }

    fn on(&self) -> Result<bool, Stop> {
        self.int().map(|value| value != 0)
    }

    fn size(&self) -> Result<usize, Stop> {
        self.int().map(|value| value.max(0) as usize)
    }

    fn seconds(&self) -> Result<Duration, Stop> {
        self.int().map(|value| Duration::from_secs(value.clamp(0, u32::MAX.into()) as u64))
    }

    /// Less than zero does not wait.
    fn fin_wait_2(&self) -> Result<Duration, Stop> {
        match self.int()? {
            0 => Err(Stop::Skip("TCP_LINGER2 of 0: the default, which the script has by itself".to_owned())),
            seconds => Ok(Duration::from_secs(seconds.max(0) as u64)),
        }
    }

    /// A name that the stack knows; any other one is an error there.
    fn congestion(&self) -> Result<SocketOption, Stop> {
        let name = match first(Some(self.value)) {
            Some(Expr::Text(name) | Expr::Word(name)) => name,
            other => return Err(Stop::Fail(format!("TCP_CONGESTION wants a name, not {other:?}"))),
        };
        let known = Algorithm::AVAILABLE.into_iter().find(|known| *known == name);
        Ok(SocketOption::Congestion(known.unwrap_or("none of that name")))
    }

    /// 0 is no limit of one's own.
    fn millis(&self) -> Result<Option<Duration>, Stop> {
        let millis = self.size()? as u64;
        Ok((millis > 0).then(|| Duration::from_millis(millis.min(u32::MAX.into()))))
    }

    /// The number of an interface; 0 for none.
    fn nic(&self) -> Result<Option<NicId>, Stop> {
        Ok(Some(self.int()?.clamp(0, u32::MAX.into()) as u32).filter(|nic| *nic > 0).map(NicId))
    }

    fn byte(&self) -> Result<u8, Stop> {
        let value = self.int()?;
        u8::try_from(value).map_err(|_| Stop::Fail(format!("{value} does not fit in {}", self.name)))
    }

    /// `{onoff=1, linger=5}`, or with the names of C: `{l_onoff=1, l_linger=5}`.
    fn linger(&self) -> Result<Option<Duration>, Stop> {
        let Expr::Struct(members) = self.value else {
            return Err(Stop::Fail("SO_LINGER wants {onoff=…, linger=…}".to_owned()));
        };
        let member = |wanted: &str| {
            let is = |name: &str| name.strip_prefix("l_").unwrap_or(name) == wanted;
            let found = members.iter().find(|(name, _)| name.as_deref().is_some_and(is));
            found.map_or(Ok(0), |(_, value)| number(value))
        };
        let seconds = member("linger")?.clamp(0, u32::MAX.into()) as u64;
        Ok((member("onoff")? != 0).then(|| Duration::from_secs(seconds)))
    }
}
