//! The server's side of RFC 2131 §4.3: which address each client has, and what a message is answered with; without sockets
//! and clocks.
//!
//! Addresses come from a pool, each with one owner at a time, known by its client identifier. An offer holds an address for
//! a minute; a lease until it expires or is given back; a declined address is left alone for as long as a lease. A client
//! gets the address that it had, as long as nobody else needed it. Everything is bounded by the pool.

use super::lease::server as server_of;
use super::message::{decode, encode};
use crate::Error;
use dhcproto::v4::{DhcpOption, Message, MessageType, Opcode, OptionCode};
use ipnet::Ipv4Net;
use stack_core::{Instant, LinkAddress};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

/// How long an offered address is kept for who asked.
const OFFERED: Duration = Duration::from_secs(60);
/// Largest pool.
const MOST: u32 = 65_536;

/// What a server hands out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerConfig {
    /// The server's address and the subnet of the link.
    pub address: Ipv4Net,
    /// First and last address of the pool.
    pub pool: (Ipv4Addr, Ipv4Addr),
    /// Addresses that belong to stations, in the pool or not.
    pub reservations: Vec<(LinkAddress, Ipv4Addr)>,
    /// How long a lease lasts, in whole seconds. One hour, as common servers have it.
    pub lease: Duration,
    /// Default routers.
    pub routers: Vec<Ipv4Addr>,
    /// Name servers.
    pub dns_servers: Vec<Ipv4Addr>,
    /// Domain of the hosts.
    pub domain: Option<String>,
    /// Largest packet on the link, in bytes.
    pub mtu: Option<u16>,
}

impl ServerConfig {
    /// A server at an address that hands out a pool of its subnet, and nothing else.
    pub fn new(address: Ipv4Net, first: Ipv4Addr, last: Ipv4Addr) -> Self {
        Self {
            address,
            pool: (first, last),
            reservations: Vec::new(),
            lease: Duration::from_secs(3600),
            routers: Vec::new(),
            dns_servers: Vec::new(),
            domain: None,
            mtu: None,
        }
    }

    fn check(&self) -> Result<(), Error> {
        let (first, last) = self.pool;
        let fits = first <= last
            && last.to_bits() - first.to_bits() < MOST
            && self.address.contains(&first)
            && self.address.contains(&last);
        if fits { Ok(()) } else { Err(Error::Pool { first, last, subnet: self.address }) }
    }
}

/// An answer, and the way to the client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The message.
    pub message: Vec<u8>,
    /// To whom (RFC 2131 §4.1): 255.255.255.255 where the client can hear nothing else.
    pub to: SocketAddrV4,
    /// The link address of a client that can't answer questions about it yet.
    pub link: Option<LinkAddress>,
}

type ClientId = Vec<u8>;

#[derive(Clone, PartialEq, Eq, Debug)]
struct Entry {
    /// `None` for an address that somebody uses without asking us.
    client: Option<ClientId>,
    until: Instant,
    /// Granted, not only offered.
    granted: bool,
}

/// All addresses of a server, and who has them.
#[derive(Debug)]
pub struct Leases {
    config: ServerConfig,
    entries: BTreeMap<Ipv4Addr, Entry>,
    by_client: BTreeMap<ClientId, Ipv4Addr>,
    /// When entries end, the next one first.
    ends: BTreeSet<(Instant, Ipv4Addr)>,
    /// Addresses of the pool that nobody has had yet or that were given back, the longest unused first.
    free: VecDeque<Ipv4Addr>,
}

impl Leases {
    /// A server that has granted nothing.
    ///
    /// # Errors
    /// [`Error::Pool`].
    pub fn new(config: ServerConfig) -> Result<Self, Error> {
        config.check()?;
        let (first, last) = config.pool;
        let taken = |address: &Ipv4Addr| {
            *address == config.address.addr()
                || *address == config.address.network()
                || *address == config.address.broadcast()
                || config.reservations.iter().any(|(_, reserved)| reserved == address)
        };
        let pool = (first.to_bits()..=last.to_bits()).map(Ipv4Addr::from_bits);
        let free = pool.filter(|address| !taken(address)).collect();
        Ok(Self { entries: BTreeMap::new(), by_client: BTreeMap::new(), ends: BTreeSet::new(), free, config })
    }

    /// What it hands out.
    pub fn config(&self) -> &ServerConfig {
        &self.config
    }

    /// Addresses that are granted now, with the end of their leases.
    pub fn granted(&self) -> impl Iterator<Item = (Ipv4Addr, Instant)> + '_ {
        let granted = self.entries.iter().filter(|(_, entry)| entry.granted && entry.client.is_some());
        granted.map(|(address, entry)| (*address, entry.until))
    }

    /// A datagram from a client; what to answer.
    pub fn receive(&mut self, now: Instant, bytes: &[u8]) -> Option<Reply> {
        let (message, kind) = decode(bytes)?;
        if message.opcode() != Opcode::BootRequest {
            return None;
        }
        let client = identity(&message);
        match kind {
            MessageType::Discover => self.discover(now, &message, client),
            MessageType::Request => self.request(now, &message, client),
            MessageType::Decline => {
                self.declined(now, &message, &client);
                None
            }
            MessageType::Release => {
                self.released(now, message.ciaddr(), &client);
                None
            }
            MessageType::Inform => Some(self.inform(&message)),
            _ => None,
        }
    }

    fn discover(&mut self, now: Instant, message: &Message, client: ClientId) -> Option<Reply> {
        let address = self.choose(now, message, &client)?;
        self.give(address, client, now + OFFERED, false);
        Some(self.answer(message, MessageType::Offer, address))
    }

    /// R2131-4.3.1-a: the address that it has or had, the one that it asks for, a free one.
    fn choose(&mut self, now: Instant, message: &Message, client: &ClientId) -> Option<Ipv4Addr> {
        let reserved = self.config.reservations.iter().find(|(link, _)| link.0 == message.chaddr());
        if let Some((_, address)) = reserved {
            return Some(*address);
        }
        if let Some(address) = self.by_client.get(client) {
            return Some(*address);
        }
        self.expire(now);
        let wanted = requested(message).filter(|wanted| self.free.contains(wanted));
        wanted.or_else(|| self.free.front().copied())
    }

    fn request(&mut self, now: Instant, message: &Message, client: ClientId) -> Option<Reply> {
        let ours = self.by_client.get(&client).copied();
        let here = self.config.address.addr();
        match (server_of(message.opts()), requested(message)) {
            // It has chosen another server: what we offered is free again.
            (Some(server), _) if server != here => {
                if let Some(address) = ours.filter(|address| !self.is_granted(*address)) {
                    self.free_up(address);
                }
                None
            }
            (Some(_), Some(wanted)) => Some(self.grant_or_refuse(now, message, client, wanted, ours)),
            (Some(_), None) => None,
            // INIT-REBOOT: about a client that we don't know we have nothing to say, unless it is on the wrong link.
            (None, Some(wanted)) if ours.is_none() && self.config.address.contains(&wanted) => None,
            (None, Some(wanted)) => Some(self.grant_or_refuse(now, message, client, wanted, ours)),
            // RENEWING, REBINDING.
            (None, None) => Some(self.grant_or_refuse(now, message, client, message.ciaddr(), ours)),
        }
    }

    fn grant_or_refuse(
        &mut self,
        now: Instant,
        message: &Message,
        client: ClientId,
        wanted: Ipv4Addr,
        ours: Option<Ipv4Addr>,
    ) -> Reply {
        if ours != Some(wanted) {
            return self.refuse(message);
        }
        self.give(wanted, client, now + self.config.lease, true);
        self.answer(message, MessageType::Ack, wanted)
    }

    fn declined(&mut self, now: Instant, message: &Message, client: &ClientId) {
        let Some(address) = requested(message).filter(|address| self.by_client.get(client) == Some(address))
        else {
            return;
        };
        tracing::warn!(%address, "a client found this address in use by another station");
        self.free_up(address);
        self.free.retain(|free| *free != address);
        self.set(address, Entry { client: None, until: now + self.config.lease, granted: true });
    }

    /// The address is kept for its client until somebody else needs it.
    fn released(&mut self, now: Instant, address: Ipv4Addr, client: &ClientId) {
        if self.by_client.get(client) == Some(&address) {
            self.set(address, Entry { client: Some(client.clone()), until: now, granted: false });
        }
    }

    fn is_granted(&self, address: Ipv4Addr) -> bool {
        self.entries.get(&address).is_some_and(|entry| entry.granted)
    }

    /// Offers or grants an address. What is granted already stays so through another offer.
    fn give(&mut self, address: Ipv4Addr, client: ClientId, until: Instant, granted: bool) {
        if let Some(before) = self.by_client.get(&client).copied().filter(|before| *before != address) {
            self.free_up(before);
        }
        let lease = self.entries.get(&address).filter(|entry| entry.granted && !granted);
        let entry = Entry {
            until: lease.map_or(until, |lease| lease.until.max(until)),
            granted: granted || lease.is_some(),
            client: Some(client.clone()),
        };
        self.free.retain(|free| *free != address);
        self.by_client.insert(client, address);
        self.set(address, entry);
    }

    fn set(&mut self, address: Ipv4Addr, entry: Entry) {
        let until = entry.until;
        if let Some(old) = self.entries.insert(address, entry) {
            self.ends.remove(&(old.until, address));
        }
        self.ends.insert((until, address));
    }

    /// Makes room: what has ended is free, the longest ended first.
    fn expire(&mut self, now: Instant) {
        while let Some(&(until, address)) = self.ends.first().filter(|(until, _)| *until <= now) {
            self.ends.remove(&(until, address));
            self.free_up(address);
        }
    }

    fn free_up(&mut self, address: Ipv4Addr) {
        let Some(entry) = self.entries.remove(&address) else { return };
        self.ends.remove(&(entry.until, address));
        if let Some(client) = entry.client {
            self.by_client.remove(&client);
        }
        let (first, last) = self.config.pool;
        let reserved = self.config.reservations.iter().any(|(_, reserved)| *reserved == address);
        if (first..=last).contains(&address) && !reserved {
            self.free.push_back(address);
        }
    }

    fn answer(&self, message: &Message, kind: MessageType, address: Ipv4Addr) -> Reply {
        let mut reply = self.blank(message, kind);
        reply.set_yiaddr(address).set_ciaddr(message.ciaddr());
        let lease = u32::try_from(self.config.lease.as_secs()).unwrap_or(u32::MAX);
        reply.opts_mut().insert(DhcpOption::AddressLeaseTime(lease));
        self.describe(&mut reply);
        reply_to(message, &reply)
    }

    /// R2131-4.3.5-a: all but an address and a lease.
    fn inform(&self, message: &Message) -> Reply {
        let mut reply = self.blank(message, MessageType::Ack);
        reply.set_ciaddr(message.ciaddr());
        self.describe(&mut reply);
        reply_to(message, &reply)
    }

    fn refuse(&self, message: &Message) -> Reply {
        let reply = self.blank(message, MessageType::Nak);
        reply_to(message, &reply)
    }

    /// RFC 2131 §4.3.1, table 3.
    fn blank(&self, message: &Message, kind: MessageType) -> Message {
        let none = Ipv4Addr::UNSPECIFIED;
        let mut reply =
            Message::new_with_id(message.xid(), none, none, none, message.giaddr(), message.chaddr());
        reply.set_opcode(Opcode::BootReply).set_htype(message.htype()).set_flags(message.flags());
        reply.opts_mut().insert(DhcpOption::MessageType(kind));
        reply.opts_mut().insert(DhcpOption::ServerIdentifier(self.config.address.addr()));
        // RFC 6842 §3.
        if let Some(id @ DhcpOption::ClientIdentifier(_)) = message.opts().get(OptionCode::ClientIdentifier) {
            reply.opts_mut().insert(id.clone());
        }
        reply
    }

    fn describe(&self, reply: &mut Message) {
        let ServerConfig { address, routers, dns_servers, domain, mtu, .. } = &self.config;
        let options = reply.opts_mut();
        options.insert(DhcpOption::SubnetMask(address.netmask()));
        if !routers.is_empty() {
            options.insert(DhcpOption::Router(routers.clone()));
        }
        if !dns_servers.is_empty() {
            options.insert(DhcpOption::DomainNameServer(dns_servers.clone()));
        }
        domain.iter().for_each(|domain| drop(options.insert(DhcpOption::DomainName(domain.clone()))));
        mtu.iter().for_each(|mtu| drop(options.insert(DhcpOption::InterfaceMtu(*mtu))));
    }
}

/// What a client is known by (RFC 2131 §4.2).
fn identity(message: &Message) -> ClientId {
    match message.opts().get(OptionCode::ClientIdentifier) {
        Some(DhcpOption::ClientIdentifier(id)) if !id.is_empty() => id.clone(),
        _ => std::iter::once(u8::from(message.htype())).chain(message.chaddr().iter().copied()).collect(),
    }
}

fn requested(message: &Message) -> Option<Ipv4Addr> {
    match message.opts().get(OptionCode::RequestedIpAddress)? {
        DhcpOption::RequestedIpAddress(address) => Some(*address),
        _ => None,
    }
}

/// R2131-4.1-a: by the relay, to the address that the client has, to all, or to the address that it is to have.
fn reply_to(message: &Message, reply: &Message) -> Reply {
    let refuses = reply.opts().has_msg_type(MessageType::Nak);
    let link = message.chaddr().try_into().ok().map(LinkAddress).filter(|_| !message.flags().broadcast());
    let (address, port, link) = match link {
        _ if !message.giaddr().is_unspecified() => (message.giaddr(), super::SERVER_PORT, None),
        _ if refuses => (Ipv4Addr::BROADCAST, super::CLIENT_PORT, None),
        _ if !message.ciaddr().is_unspecified() => (message.ciaddr(), super::CLIENT_PORT, None),
        Some(link) => (reply.yiaddr(), super::CLIENT_PORT, Some(link)),
        None => (Ipv4Addr::BROADCAST, super::CLIENT_PORT, None),
    };
    Reply { message: encode(reply), to: SocketAddrV4::new(address, port), link }
}
