//! Messages of a client, and what is looked at in answers.

use super::machine::ClientConfig;
use dhcproto::v4::{
    Decodable, Decoder, DhcpOption, Encodable, Flags, HType, Message, MessageType, Opcode, OptionCode,
};
use std::net::Ipv4Addr;

/// What we want to be told.
const WANTED: [OptionCode; 8] = [
    OptionCode::SubnetMask,
    OptionCode::ClasslessStaticRoute,
    OptionCode::Router,
    OptionCode::DomainNameServer,
    OptionCode::DomainName,
    OptionCode::DomainSearch,
    OptionCode::InterfaceMtu,
    OptionCode::AddressLeaseTime,
];
/// What is read of a message.
const READ: [OptionCode; 15] = [
    OptionCode::SubnetMask,
    OptionCode::Router,
    OptionCode::DomainNameServer,
    OptionCode::Hostname,
    OptionCode::DomainName,
    OptionCode::InterfaceMtu,
    OptionCode::RequestedIpAddress,
    OptionCode::AddressLeaseTime,
    OptionCode::MessageType,
    OptionCode::ServerIdentifier,
    OptionCode::Renewal,
    OptionCode::Rebinding,
    OptionCode::ClientIdentifier,
    OptionCode::DomainSearch,
    OptionCode::ClasslessStaticRoute,
];
/// Longest answer that we take, in bytes: a packet of Ethernet (RFC 2132 §9.10).
const LONGEST: u16 = 1500;
/// Shortest message: what relays of old took for one (RFC 951 §3).
const SHORTEST: usize = 300;

/// Bytes in front of the options, the magic cookie included (RFC 2131 §2, §3).
const HEADER_LEN: usize = 240;
const MAGIC: [u8; 4] = [99, 130, 83, 99];

/// Who asks, and since when.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asking<'a> {
    pub(super) config: &'a ClientConfig,
    pub(super) xid: u32,
    /// Seconds since the first message.
    pub(super) secs: u16,
}

impl Asking<'_> {
    /// A message with the options that all of ours have.
    pub(super) fn message(self, kind: MessageType, current: Ipv4Addr) -> Message {
        let Self { config, xid, secs } = self;
        let none = Ipv4Addr::UNSPECIFIED;
        let mut message = Message::new_with_id(xid, current, none, none, none, &config.hardware());
        message.set_opcode(Opcode::BootRequest).set_htype(HType::Eth).set_secs(secs);
        // Until we have an address we hear only what is sent to all (RFC 2131 §4.1).
        if current.is_unspecified() {
            message.set_flags(Flags::default().set_broadcast());
        }
        let options = message.opts_mut();
        options.insert(DhcpOption::MessageType(kind));
        options.insert(DhcpOption::ClientIdentifier(config.client_id()));
        if matches!(kind, MessageType::Discover | MessageType::Request | MessageType::Inform) {
            options.insert(DhcpOption::ParameterRequestList(WANTED.to_vec()));
            options.insert(DhcpOption::MaxMessageSize(LONGEST));
            if let Some(name) = &config.host_name {
                options.insert(DhcpOption::Hostname(name.clone()));
            }
        }
        message
    }
}

/// The bytes of a message.
pub(super) fn encode(message: &Message) -> Vec<u8> {
    // Writing into memory can't fail for messages that were put together here.
    let mut bytes = message.to_vec().unwrap_or_default();
    bytes.resize(bytes.len().max(SHORTEST), 0);
    bytes
}

/// Reads a datagram; `None` if it is no message of DHCP.
pub(super) fn decode(bytes: &[u8]) -> Option<(Message, MessageType)> {
    // What the codec takes as it comes: a length of the hardware address beyond its field, another magic cookie.
    let (header, options) = bytes.split_first_chunk::<HEADER_LEN>()?;
    let [_, _, hardware_len, .., m0, m1, m2, m3] = *header;
    if hardware_len > 16 || [m0, m1, m2, m3] != MAGIC {
        return None;
    }
    let known = [header.as_slice(), &known(options)].concat();
    let message = Message::decode(&mut Decoder::new(&known)).ok()?;
    let kind = message.opts().msg_type()?;
    Some((message, kind))
}

/// The options that we look at, and no others: for some of these the codec trusts the length that a peer writes.
fn known(mut options: &[u8]) -> Vec<u8> {
    const PAD: u8 = 0;
    const END: u8 = 255;
    let mut known = Vec::with_capacity(options.len());
    while let [code, rest @ ..] = options {
        options = match (*code, rest) {
            (END, _) => break,
            (PAD, rest) => rest,
            (code, [len, rest @ ..]) => {
                let Some((value, rest)) = rest.split_at_checked((*len).into()) else { break };
                if READ.contains(&OptionCode::from(code)) {
                    known.extend([code, *len]);
                    known.extend(value);
                }
                rest
            }
            (_, []) => break,
        };
    }
    known.push(END);
    known
}
