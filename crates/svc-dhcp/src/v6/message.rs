//! Messages of a client, and what is looked at in answers.

use dhcproto::v6::{
    Decodable, Decoder, DhcpOption, DhcpOptions, Encodable, IAAddr, IANA, Message, MessageType, ORO,
    OptionCode,
};
use std::net::Ipv6Addr;

/// What we want to be told (RFC 8415 §21.7); SOL_MAX_RT and INF_MAX_RT have to be asked for (§18.2.1, §18.2.6).
const WANTED: [OptionCode; 4] =
    [OptionCode::DomainNameServers, OptionCode::DomainSearchList, OptionCode::SolMaxRt, OptionCode::InfMaxRt];
/// Bytes in front of the options.
const HEADER_LEN: usize = 4;

/// A message with the options that all of ours have.
pub(super) fn message(
    kind: MessageType,
    xid: [u8; 3],
    client: &[u8],
    server: Option<&[u8]>,
    elapsed: u16,
) -> Message {
    let mut message = Message::new_with_id(kind, xid);
    let options = message.opts_mut();
    options.insert(DhcpOption::ClientId(client.to_vec()));
    if let Some(server) = server {
        options.insert(DhcpOption::ServerId(server.to_vec()));
    }
    options.insert(DhcpOption::ElapsedTime(elapsed));
    let mut wanted = WANTED.to_vec();
    if kind == MessageType::InformationRequest {
        wanted.push(OptionCode::InformationRefreshTime);
    }
    if !matches!(kind, MessageType::Release | MessageType::Decline) {
        options.insert(DhcpOption::ORO(ORO { opts: wanted }));
    }
    message
}

/// The association for one address, with the address that is meant.
pub(super) fn association(iaid: u32, address: Option<Ipv6Addr>) -> DhcpOption {
    let mut opts = DhcpOptions::new();
    if let Some(addr) = address {
        // §18.2.4: lifetimes of zero leave them to the server.
        opts.insert(DhcpOption::IAAddr(IAAddr {
            addr,
            preferred_life: 0,
            valid_life: 0,
            opts: DhcpOptions::new(),
        }));
    }
    DhcpOption::IANA(IANA { id: iaid, t1: 0, t2: 0, opts })
}

/// The bytes of a message.
pub(super) fn encode(message: &Message) -> Vec<u8> {
    // Writing into memory can't fail for messages that were put together here.
    message.to_vec().unwrap_or_default()
}

/// Reads a datagram; `None` if it is no message of DHCP.
pub(super) fn decode(bytes: &[u8]) -> Option<Message> {
    let (header, options) = bytes.split_at_checked(HEADER_LEN)?;
    let known = [header, &known(options, Level::Message)].concat();
    Message::decode(&mut Decoder::new(&known)).ok()
}

/// Where options stand, which says which ones may, and where options of their own begin.
#[derive(Clone, Copy)]
enum Level {
    Message,
    Association,
    Address,
}

impl Level {
    /// The level inside of an option, and the bytes in front of it.
    fn inside(self, code: OptionCode) -> Option<(Self, usize)> {
        match (self, code) {
            (Self::Message, OptionCode::IANA) => Some((Self::Association, 12)),
            (Self::Association, OptionCode::IAAddr) => Some((Self::Address, 24)),
            _ => None,
        }
    }

    fn has(self, code: OptionCode) -> bool {
        const PLAIN: [OptionCode; 9] = [
            OptionCode::ClientId,
            OptionCode::ServerId,
            OptionCode::Preference,
            OptionCode::RapidCommit,
            OptionCode::DomainNameServers,
            OptionCode::DomainSearchList,
            OptionCode::InformationRefreshTime,
            OptionCode::SolMaxRt,
            OptionCode::InfMaxRt,
        ];
        let plain = matches!(self, Self::Message) && PLAIN.contains(&code);
        plain || code == OptionCode::StatusCode || self.inside(code).is_some()
    }
}

/// Whether an option is as long as it has to be (RFC 8415 §21.8, §21.13, §21.14). Of these the codec reads what there
/// should be, and goes on behind that, whatever its length says.
fn has_right_length(code: OptionCode, len: usize) -> bool {
    match code {
        OptionCode::Preference => len == 1,
        OptionCode::RapidCommit => len == 0,
        OptionCode::StatusCode => len >= 2,
        _ => true,
    }
}

/// The options that we look at, where they belong, and no others: the codec trusts some lengths that a peer writes, and
/// options inside of options as deep as they go.
fn known(mut options: &[u8], level: Level) -> Vec<u8> {
    let mut known_options = Vec::with_capacity(options.len());
    while let Some((&[c0, c1, l0, l1], rest)) = options.split_first_chunk::<4>() {
        let Some((value, rest)) = rest.split_at_checked(u16::from_be_bytes([l0, l1]).into()) else { break };
        options = rest;
        let code = OptionCode::from(u16::from_be_bytes([c0, c1]));
        if !level.has(code) || !has_right_length(code, value.len()) {
            continue;
        }
        let value = match level.inside(code) {
            None => value.to_vec(),
            Some((inside, front)) => match value.split_at_checked(front) {
                Some((front, options)) => [front, &known(options, inside)].concat(),
                None => continue,
            },
        };
        known_options.extend([c0, c1]);
        // What is left of a value is not longer than it was.
        known_options.extend((value.len() as u16).to_be_bytes());
        known_options.extend(value);
    }
    known_options
}
