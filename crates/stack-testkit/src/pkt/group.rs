//! Group management lines (RFC 9776, RFC 9777 and their older versions): what they say, how they are read and shown.
//!
//! ```text
//! igmp query [GROUP] [v1|v2] [max MS] [qrv N] [qqi S] [from A,B]      mld query [GROUP] [v1] …
//! igmp report_v1 GROUP                                                mld report_v1 GROUP
//! igmp report_v2 GROUP
//! igmp leave GROUP                                                    mld done GROUP
//! igmp report RECORD …                                                mld report RECORD …
//! RECORD: is_in|is_ex|to_in|to_ex|allow|block GROUP [from A,B]
//! behind any of them: [noalert] [to MAC]
//! ```
//!
//! A query without a group is general, one without a version of the newest. Times that have to be rounded are. `noalert` is a
//! message without router alert, which all others have.

use super::ast::{Body, Packet};
use super::cursor::{Cursor, Parsed};
use core::fmt::{Display, Formatter, Result};
use core::net::IpAddr;
use stack_packet::LinkAddress;

/// A message of IGMP or MLD.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// MLD rather than IGMP.
    pub mld: bool,
    /// What it says.
    pub message: GroupMessage,
    /// Whether it has a router alert.
    pub alert: bool,
    /// `to …`: how the frame was addressed; `None` outbound is not compared.
    pub to: Option<LinkAddress>,
}

/// What a message says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum GroupMessage {
    /// `query`
    Query(GroupQuery),
    /// `report_v1`, `report_v2`, `leave` or `done`: the message type and the group.
    Short(u8, IpAddr),
    /// `report`
    Report(Vec<GroupRecord>),
}

/// What a query asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupQuery {
    /// 1, 2 or, of IGMP, 3.
    pub version: u8,
    /// About which group; `None` for all.
    pub group: Option<IpAddr>,
    /// `max 10000`: milliseconds.
    pub max_response: u32,
    /// `qrv 2`
    pub robustness: u8,
    /// `qqi 125`: seconds.
    pub interval: u32,
    /// `from …`
    pub sources: Vec<IpAddr>,
}

/// A record of a report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GroupRecord {
    /// Its type.
    pub kind: u8,
    /// Its group.
    pub group: IpAddr,
    /// `from …`
    pub sources: Vec<IpAddr>,
}

/// Words for types of records.
const RECORDS: &[(&str, u8)] =
    &[("is_in", 1), ("is_ex", 2), ("to_in", 3), ("to_ex", 4), ("allow", 5), ("block", 6)];
/// Words for messages about one group: of IGMP, then of MLD.
const SHORT: [&[(&str, u8)]; 2] =
    [&[("report_v1", 0x12), ("report_v2", 0x16), ("leave", 0x17)], &[("report_v1", 131), ("done", 132)]];

fn number_of(words: &[(&str, u8)], word: &str) -> Option<u8> {
    words.iter().find(|(known, _)| *known == word).map(|(_, number)| *number)
}

fn word_for(words: &[(&'static str, u8)], number: u8) -> &'static str {
    words.iter().find(|(_, known)| *known == number).map_or("?", |(word, _)| word)
}

pub(super) fn group(cursor: &mut Cursor<'_>) -> Parsed<Body> {
    const WHAT: &str = "query, report, report_v1, report_v2, leave or done";
    let mld = cursor.word("igmp or mld")? == "mld";
    let message = match cursor.word(WHAT)? {
        "query" => GroupMessage::Query(query(cursor, mld)?),
        "report" => GroupMessage::Report(records(cursor)?),
        word => match number_of(SHORT[usize::from(mld)], word) {
            Some(kind) => GroupMessage::Short(kind, address(cursor)?),
            None => return Err(cursor.expected(WHAT)),
        },
    };
    let alert = !cursor.eat_word("noalert")?;
    let to = if cursor.eat_word("to")? { Some(link(cursor)?) } else { None };
    Ok(Body::Group(Group { mld, message, alert, to }))
}

fn query(cursor: &mut Cursor<'_>, mld: bool) -> Parsed<GroupQuery> {
    let group = if at_group(cursor) { Some(address(cursor)?) } else { None };
    let newest = if mld { 2 } else { 3 };
    let version = if cursor.eat_word("v1")? {
        1
    } else if cursor.eat_word("v2")? {
        2
    } else {
        newest
    };
    let mut field = |name: &str| if cursor.eat_word(name)? { cursor.number("a number") } else { Ok(0_u32) };
    let (max_response, robustness, interval) = (field("max")?, field("qrv")? as u8, field("qqi")?);
    Ok(GroupQuery { version, group, max_response, robustness, interval, sources: sources(cursor)? })
}

fn at_group(cursor: &Cursor<'_>) -> bool {
    cursor.clone().take_while(|c| c.is_ascii_hexdigit() || c == ':' || c == '.').contains([':', '.'])
}

fn records(cursor: &mut Cursor<'_>) -> Parsed<Vec<GroupRecord>> {
    let mut records = Vec::new();
    while let Some(kind) = number_of(RECORDS, cursor.peek_word()) {
        cursor.word("a type of record")?;
        records.push(GroupRecord { kind, group: address(cursor)?, sources: sources(cursor)? });
    }
    if records.is_empty() {
        Err(cursor.expected("is_in, is_ex, to_in, to_ex, allow or block"))
    } else {
        Ok(records)
    }
}

fn sources(cursor: &mut Cursor<'_>) -> Parsed<Vec<IpAddr>> {
    let mut sources = Vec::new();
    if cursor.eat_word("from")? {
        sources.push(address(cursor)?);
        while cursor.eat(",")? {
            sources.push(address(cursor)?);
        }
    }
    Ok(sources)
}

fn address(cursor: &mut Cursor<'_>) -> Parsed<IpAddr> {
    cursor.parse(|c| c.is_ascii_hexdigit() || c == ':' || c == '.', "an address")
}

fn link(cursor: &mut Cursor<'_>) -> Parsed<LinkAddress> {
    cursor.parse(|c| c.is_ascii_hexdigit() || c == ':', "a link address, such as 01:00:5e:00:00:16")
}

impl Group {
    /// A rendered line as far as `wanted` says something of it.
    pub(crate) fn as_wanted(&self, wanted: &Self) -> Self {
        Self { to: wanted.to.and(self.to), ..self.clone() }
    }

    /// The same as a body.
    pub(crate) fn rendered_like(&self, hint: Option<&Packet>) -> Body {
        match hint.map(|hint| &hint.body) {
            Some(Body::Group(wanted)) => Body::Group(self.as_wanted(wanted)),
            _ => Body::Group(self.clone()),
        }
    }
}

impl Display for Group {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(if self.mld { "mld " } else { "igmp " })?;
        match &self.message {
            GroupMessage::Query(query) => query.show(f, self.mld)?,
            GroupMessage::Short(kind, group) => {
                write!(f, "{} {group}", word_for(SHORT[usize::from(self.mld)], *kind))?;
            }
            GroupMessage::Report(records) => {
                f.write_str("report")?;
                for GroupRecord { kind, group, sources } in records {
                    write!(f, " {} {group}{}", word_for(RECORDS, *kind), From(sources))?;
                }
            }
        }
        if !self.alert {
            f.write_str(" noalert")?;
        }
        self.to.map_or(Ok(()), |to| write!(f, " to {to}"))
    }
}

impl GroupQuery {
    fn show(&self, f: &mut Formatter<'_>, mld: bool) -> Result {
        f.write_str("query")?;
        self.group.map_or(Ok(()), |group| write!(f, " {group}"))?;
        if self.version < if mld { 2 } else { 3 } {
            write!(f, " v{}", self.version)?;
        }
        for (name, value) in
            [("max", self.max_response), ("qrv", self.robustness.into()), ("qqi", self.interval)]
        {
            if value > 0 {
                write!(f, " {name} {value}")?;
            }
        }
        write!(f, "{}", From(&self.sources))
    }
}

struct From<'a>(&'a [IpAddr]);

impl Display for From<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        for (index, source) in self.0.iter().enumerate() {
            f.write_str(if index == 0 { " from " } else { "," })?;
            write!(f, "{source}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::pkt::{Action, Script};

    #[test]
    fn lines_are_shown_as_they_are_read() {
        for line in [
            "igmp query",
            "igmp query v1",
            "igmp query 239.1.1.1 v2 max 1000",
            "igmp query 239.1.1.1 max 10000 qrv 2 qqi 125 from 10.0.0.1,10.0.0.2 noalert",
            "igmp report_v1 239.1.1.1 noalert",
            "igmp report_v2 239.1.1.1 to 01:00:5e:01:01:01",
            "igmp leave 239.1.1.1",
            "igmp report to_ex 239.1.1.1 allow 239.1.1.2 from 10.0.0.1,10.0.0.2 block 239.1.1.3",
            "mld query ff15::1 v1 max 1000",
            "mld report_v1 ff15::1",
            "mld done ff15::1",
            "mld report is_in ff15::1 from 2001:db8::1 is_ex ff15::2 to 33:33:00:00:00:16",
        ] {
            let script = Script::parse("t", &format!("0 < {line}")).unwrap();
            let Action::Inbound(packet) = &script.events[0].action else { panic!() };
            assert_eq!(packet.body.to_string(), line);
        }
        for (line, wanted) in [("igmp done 239.1.1.1", "query, report"), ("mld report", "is_in, is_ex")] {
            let error = Script::parse("t", &format!("0 < {line}")).unwrap_err().to_string();
            assert!(error.contains(wanted), "{error}");
        }
    }
}
