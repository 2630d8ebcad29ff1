//! Neighbour discovery lines (RFC 4861, 4191, 7527, 8106): what they say, how they are read and shown.
//!
//! ```text
//! nd rs                                     [code N] [slla MAC] [to MAC]
//! nd ra [hop N] [managed] [other] [high|low|reserved] [life S] [reach MS] [retrans MS]   options
//! nd ns TARGET                                       options
//! nd na TARGET [router] [solicited] [override]       options
//! nd redirect TARGET for DESTINATION                 options
//! options: slla MAC · tlla MAC · mtu N · nonce [HEX] · prefix P/L [onlink] [auto] valid S pref S · quote
//!          route P/L [high|low|reserved] life S · rdnss S A,B · dnssl S a.example,b · raw KIND HEX
//! ```
//!
//! Lifetimes are seconds or `inf`. `nonce` alone is any nonce of the stack, and inbound the last one that it sent. `raw`
//! has the whole option behind its type, length included. `quote` is a redirected header with any packet in it.

use super::ast::{Body, Packet};
use super::cursor::{Cursor, Parsed};
use super::packet::hex;
use core::fmt::{Display, Formatter, Result, Write};
use core::net::Ipv6Addr;
use stack_packet::LinkAddress;

/// A message of neighbour discovery.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Nd {
    /// What it says in its fixed part.
    pub message: NdMessage,
    /// Its code; 0 unless the line says otherwise.
    pub code: u8,
    /// Its options in order.
    pub options: Vec<NdOption>,
    /// `to …`: how the frame was addressed; `None` outbound is not compared.
    pub to: Option<LinkAddress>,
}

/// The fixed part of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NdMessage {
    /// `rs`
    RouterSolicit,
    /// `ra`
    RouterAdvert {
        /// `hop 64`
        hop_limit: u8,
        /// `managed`, `other` and the preference, as they lie in the octet.
        flags: u8,
        /// `life 1800`: seconds as a default router.
        lifetime: u16,
        /// `reach 30000`: milliseconds.
        reachable: u32,
        /// `retrans 1000`: milliseconds.
        retrans: u32,
    },
    /// `ns`
    NeighborSolicit(Ipv6Addr),
    /// `na`
    NeighborAdvert {
        /// Whose link address it is.
        target: Ipv6Addr,
        /// `router`, `solicited` and `override`, as they lie in the octet.
        flags: u8,
    },
    /// `redirect`
    Redirect {
        /// The better first hop.
        target: Ipv6Addr,
        /// For whom.
        destination: Ipv6Addr,
    },
}

/// An option of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NdOption {
    /// `slla`
    SourceLink(LinkAddress),
    /// `tlla`
    TargetLink(LinkAddress),
    /// `mtu`
    Mtu(u32),
    /// `nonce`
    Nonce(Option<Vec<u8>>),
    /// `prefix`
    Prefix {
        /// Prefix and length.
        net: (Ipv6Addr, u8),
        /// `onlink` and `auto`, as they lie in the octet.
        flags: u8,
        /// Seconds.
        valid: u32,
        /// Seconds.
        preferred: u32,
    },
    /// `route`
    Route {
        /// Prefix and length.
        net: (Ipv6Addr, u8),
        /// The preference, as it lies in the octet.
        flags: u8,
        /// Seconds.
        lifetime: u32,
    },
    /// `rdnss`
    Servers(u32, Vec<Ipv6Addr>),
    /// `dnssl`
    Domains(u32, Vec<String>),
    /// `quote`
    Quote,
    /// `raw`
    Raw(u8, Vec<u8>),
}

/// Words for bits of an octet. No bit at all has no word.
type Flags = [(&'static str, u8)];

const PREFERENCES: &Flags = &[("high", 0x08), ("reserved", 0x10), ("low", 0x18)];
const ADVERT: &Flags = &[("router", 0x80), ("solicited", 0x40), ("override", 0x20)];
const PREFIX: &Flags = &[("onlink", 0x80), ("auto", 0x40)];
const ROUTER: &Flags = &[("managed", 0x80), ("other", 0x40)];

pub(super) fn nd(cursor: &mut Cursor<'_>) -> Parsed<Body> {
    cursor.expect("nd")?;
    let message = match cursor.word("rs, ra, ns, na or redirect")? {
        "rs" => NdMessage::RouterSolicit,
        "ra" => router_advert(cursor)?,
        "ns" => NdMessage::NeighborSolicit(address(cursor)?),
        "na" => NdMessage::NeighborAdvert { target: address(cursor)?, flags: flags(cursor, ADVERT)? },
        "redirect" => {
            let target = address(cursor)?;
            cursor.expect("for")?;
            NdMessage::Redirect { target, destination: address(cursor)? }
        }
        _ => return Err(cursor.expected("rs, ra, ns, na or redirect")),
    };
    let (mut options, mut code, mut to) = (Vec::new(), 0, None);
    loop {
        if cursor.eat_word("code")? {
            code = cursor.number("an ICMPv6 code")?;
        } else if cursor.eat_word("to")? {
            to = Some(link(cursor)?);
        } else if let Some(option) = option(cursor)? {
            options.push(option);
        } else {
            return Ok(Body::Nd(Nd { message, code, options, to }));
        }
    }
}

fn router_advert(cursor: &mut Cursor<'_>) -> Parsed<NdMessage> {
    let mut field = |name: &str| if cursor.eat_word(name)? { cursor.number("a number") } else { Ok(0_u64) };
    let hop_limit = field("hop")? as u8;
    let flags = flags(cursor, ROUTER)? | flags(cursor, PREFERENCES)?;
    let mut field = |name: &str| if cursor.eat_word(name)? { cursor.number("a number") } else { Ok(0_u32) };
    let (lifetime, reachable, retrans) = (field("life")? as u16, field("reach")?, field("retrans")?);
    Ok(NdMessage::RouterAdvert { hop_limit, flags, lifetime, reachable, retrans })
}

fn option(cursor: &mut Cursor<'_>) -> Parsed<Option<NdOption>> {
    let word = cursor.peek_word();
    if !["slla", "tlla", "mtu", "nonce", "prefix", "route", "rdnss", "dnssl", "quote", "raw"].contains(&word)
    {
        return Ok(None);
    }
    cursor.eat(word)?;
    Ok(Some(match word {
        "slla" => NdOption::SourceLink(link(cursor)?),
        "tlla" => NdOption::TargetLink(link(cursor)?),
        "mtu" => NdOption::Mtu(cursor.number("an MTU of 32 bits")?),
        "nonce" => NdOption::Nonce(if cursor.at_digit() { Some(hex(cursor)?) } else { None }),
        "prefix" => {
            let (net, flags) = (net(cursor)?, flags(cursor, PREFIX)?);
            let (valid, preferred) = (lifetime(cursor, "valid")?, lifetime(cursor, "pref")?);
            NdOption::Prefix { net, flags, valid, preferred }
        }
        "route" => {
            let (net, flags) = (net(cursor)?, flags(cursor, PREFERENCES)?);
            NdOption::Route { net, flags, lifetime: lifetime(cursor, "life")? }
        }
        "rdnss" => NdOption::Servers(seconds(cursor)?, list(cursor, address)?),
        "dnssl" => NdOption::Domains(seconds(cursor)?, list(cursor, domain)?),
        "quote" => NdOption::Quote,
        _ => NdOption::Raw(cursor.number("an option type")?, hex(cursor)?),
    }))
}

/// The words that follow, in any order.
fn flags(cursor: &mut Cursor<'_>, known: &Flags) -> Parsed<u8> {
    let mut bits = 0;
    while let Some((word, bit)) = known.iter().find(|(word, _)| cursor.peek_word() == *word) {
        cursor.eat(word)?;
        bits |= bit;
    }
    Ok(bits)
}

fn lifetime(cursor: &mut Cursor<'_>, name: &str) -> Parsed<u32> {
    cursor.expect(name)?;
    seconds(cursor)
}

fn seconds(cursor: &mut Cursor<'_>) -> Parsed<u32> {
    if cursor.eat_word("inf")? { Ok(u32::MAX) } else { cursor.number("seconds, or `inf`") }
}

fn list<T>(cursor: &mut Cursor<'_>, item: impl Fn(&mut Cursor<'_>) -> Parsed<T>) -> Parsed<Vec<T>> {
    let mut items = vec![item(cursor)?];
    while cursor.eat(",")? {
        items.push(item(cursor)?);
    }
    Ok(items)
}

fn address(cursor: &mut Cursor<'_>) -> Parsed<Ipv6Addr> {
    cursor.parse(|c| c.is_ascii_hexdigit() || c == ':', "an IPv6 address")
}

fn net(cursor: &mut Cursor<'_>) -> Parsed<(Ipv6Addr, u8)> {
    let address = address(cursor)?;
    cursor.expect("/")?;
    Ok((address, cursor.number("a prefix length")?))
}

fn domain(cursor: &mut Cursor<'_>) -> Parsed<String> {
    cursor.parse(|c| c.is_ascii_alphanumeric() || c == '.' || c == '-', "a domain")
}

fn link(cursor: &mut Cursor<'_>) -> Parsed<LinkAddress> {
    cursor.parse(|c| c.is_ascii_hexdigit() || c == ':', "a link address, such as 02:00:00:00:00:01")
}

impl Nd {
    /// A rendered line as far as `wanted` says something of it: any nonce where that has no number, the frame's address.
    pub(crate) fn as_wanted(&self, wanted: &Self) -> Self {
        let any_nonce = wanted.options.contains(&NdOption::Nonce(None));
        let shown = |option: &NdOption| match option {
            NdOption::Nonce(_) if any_nonce => NdOption::Nonce(None),
            option => option.clone(),
        };
        let options = self.options.iter().map(shown).collect();
        Self { options, to: wanted.to.and(self.to), ..self.clone() }
    }

    /// The same as a body.
    pub(crate) fn rendered_like(&self, hint: Option<&Packet>) -> Body {
        match hint.map(|hint| &hint.body) {
            Some(Body::Nd(wanted)) => Body::Nd(self.as_wanted(wanted)),
            _ => Body::Nd(self.clone()),
        }
    }
}

impl Display for Nd {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "nd {}", self.message)?;
        if self.code != 0 {
            write!(f, " code {}", self.code)?;
        }
        self.options.iter().try_for_each(|option| write!(f, " {option}"))?;
        self.to.map_or(Ok(()), |to| write!(f, " to {to}"))
    }
}

impl Display for NdMessage {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match *self {
            Self::RouterSolicit => f.write_str("rs"),
            Self::RouterAdvert { hop_limit, flags, lifetime, reachable, retrans } => {
                f.write_str("ra")?;
                number(f, "hop", u32::from(hop_limit))?;
                words(f, flags, ROUTER)?;
                preference(f, flags)?;
                number(f, "life", u32::from(lifetime))?;
                number(f, "reach", reachable)?;
                number(f, "retrans", retrans)
            }
            Self::NeighborSolicit(target) => write!(f, "ns {target}"),
            Self::NeighborAdvert { target, flags } => {
                write!(f, "na {target}")?;
                words(f, flags, ADVERT)
            }
            Self::Redirect { target, destination } => write!(f, "redirect {target} for {destination}"),
        }
    }
}

impl Display for NdOption {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::SourceLink(link) => write!(f, "slla {link}"),
            Self::TargetLink(link) => write!(f, "tlla {link}"),
            Self::Mtu(mtu) => write!(f, "mtu {mtu}"),
            Self::Nonce(None) => f.write_str("nonce"),
            Self::Nonce(Some(nonce)) => write!(f, "nonce {}", digits(nonce)),
            Self::Prefix { net: (prefix, length), flags, valid, preferred } => {
                write!(f, "prefix {prefix}/{length}")?;
                words(f, *flags, PREFIX)?;
                write!(f, " valid {} pref {}", Lifetime(*valid), Lifetime(*preferred))
            }
            Self::Route { net: (prefix, length), flags, lifetime } => {
                write!(f, "route {prefix}/{length}")?;
                preference(f, *flags)?;
                write!(f, " life {}", Lifetime(*lifetime))
            }
            Self::Servers(lifetime, servers) => {
                let servers: Vec<_> = servers.iter().map(ToString::to_string).collect();
                write!(f, "rdnss {} {}", Lifetime(*lifetime), servers.join(","))
            }
            Self::Domains(lifetime, domains) => {
                write!(f, "dnssl {} {}", Lifetime(*lifetime), domains.join(","))
            }
            Self::Quote => f.write_str("quote"),
            Self::Raw(kind, bytes) => write!(f, "raw {kind} {}", digits(bytes)),
        }
    }
}

struct Lifetime(u32);

impl Display for Lifetime {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if self.0 == u32::MAX { f.write_str("inf") } else { write!(f, "{}", self.0) }
    }
}

fn number(f: &mut Formatter<'_>, name: &str, value: u32) -> Result {
    if value == 0 { Ok(()) } else { write!(f, " {name} {value}") }
}

fn words(f: &mut Formatter<'_>, flags: u8, known: &Flags) -> Result {
    known.iter().filter(|(_, bit)| flags & bit != 0).try_for_each(|(word, _)| write!(f, " {word}"))
}

fn preference(f: &mut Formatter<'_>, flags: u8) -> Result {
    let known = PREFERENCES.iter().find(|(_, bits)| flags & 0x18 == *bits);
    known.map_or(Ok(()), |(word, _)| write!(f, " {word}"))
}

fn digits(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use crate::pkt::{Action, Script};

    #[test]
    fn lines_are_shown_as_they_are_read() {
        for line in [
            "nd rs slla 02:00:00:00:00:01",
            "nd ra hop 64 managed high life 1800 reach 30000 retrans 1000 slla 02:00:00:00:00:02 mtu 1400",
            "nd ra prefix 2001:db8::/64 onlink auto valid inf pref 600 route fd00::/8 low life 60",
            "nd ra life 9 rdnss 60 fd00::1,fd00::2 dnssl inf a.example,b to 33:33:00:00:00:01",
            "nd ns fe80::1 nonce 0102030405",
            "nd na fe80::1 router solicited override code 1 tlla 02:00:00:00:00:02",
            "nd redirect fe80::2 for 2001:db8::9 raw 99 0100 quote",
        ] {
            let script = Script::parse("t", &format!("--ip_version=ipv6\n0 < {line}")).unwrap();
            let Action::Inbound(packet) = &script.events[0].action else { panic!() };
            assert_eq!(packet.body.to_string(), line);
        }
        let error = Script::parse("t", "0 < nd na").unwrap_err().to_string();
        assert!(error.contains("an IPv6 address"), "{error}");
    }
}
