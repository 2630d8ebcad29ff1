//! The client's state machine: RFC 2131 §4.4 and its figure 5, without sockets and clocks.
//!
//! ```text
//!           ┌──────── INIT ──DISCOVER──► SELECTING ──OFFER──► REQUESTING ──ACK──► BOUND ──T1──► RENEWING ──T2──► REBINDING
//!    NAK,   │          ▲                                          │                 ▲               │ ACK           │ ACK
//!  no answer│          └─────────────── NAK, no answer ───────────┘                 └───────────────┴───────────────┘
//!           └─ REBOOTING: an address of old is asked for first
//! ```
//!
//! The first offer is taken. Answers count only with our transaction, to our hardware address, and where it matters from
//! the server that was asked. Whoever runs the machine says when an address turns out to be another station's.

use super::lease::{Lease, server};
use super::message::{Asking, decode, encode};
use crate::retry::around;
use dhcproto::v4::{DhcpOption, Message, MessageType, Opcode};
use stack_core::{Instant, LinkAddress};
use std::net::Ipv4Addr;
use std::time::Duration;
use ustack::Rng;

/// R2131-4.1-b: 4, 8, 16, 32 and 64 s, each more or less by up to a second.
const FIRST_WAIT: Duration = Duration::from_secs(4);
const LONGEST_WAIT: Duration = Duration::from_secs(64);
/// Requests without an answer that end in INIT again; RFC 2131 §3.1 step 5 asks for 60 s, these are that.
const TRIES: u32 = 4;
/// Between two requests while the lease runs out (R2131-4.4.5-a).
const LEAST_WAIT: Duration = Duration::from_secs(60);
/// After an address was another station's (R2131-3.1-a), and after a refusal, so that two who disagree do not
/// flood the link.
const AFTER_CONFLICT: Duration = Duration::from_secs(10);
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// How to ask.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientConfig {
    /// Our address on the link; where there is none, as on TUN, one is made of the client's random number.
    pub link_address: Option<LinkAddress>,
    /// What the server knows us by, with its type in front (RFC 2132 §9.14); that of the link address if `None`.
    pub client_id: Option<Vec<u8>>,
    /// The name that we would like to be known by.
    pub host_name: Option<String>,
    /// An address that we had: it is asked for first (INIT-REBOOT).
    pub previous: Option<Ipv4Addr>,
    /// Ask on the link whether another station has the address before it is used, and decline it then (RFC 2131 §4.4.1,
    /// RFC 5227 §2.1): up to nine seconds, on links with ARP. On.
    pub probe: bool,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self { link_address: None, client_id: None, host_name: None, previous: None, probe: true }
    }
}

impl ClientConfig {
    pub(super) fn hardware(&self) -> [u8; 6] {
        self.link_address.map_or([0; 6], |link| link.0)
    }

    pub(super) fn client_id(&self) -> Vec<u8> {
        const ETHERNET: u8 = 1;
        let of_link = || std::iter::once(ETHERNET).chain(self.hardware()).collect();
        self.client_id.clone().unwrap_or_else(of_link)
    }
}

/// Whom a message is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum To {
    /// All on the link, from 0.0.0.0 if we have no address.
    Everyone,
    /// This server, from our address.
    Server(Ipv4Addr),
}

/// What there is to do.
pub type Output = crate::Output<Lease, To>;

#[derive(Debug)]
enum State {
    Init { at: Instant },
    Rebooting { address: Ipv4Addr, tries: u32, at: Instant },
    Selecting { tries: u32, at: Instant },
    Requesting { offer: Offer, tries: u32, at: Instant },
    Bound { lease: Lease },
    Renewing { lease: Lease, at: Instant },
    Rebinding { lease: Lease, at: Instant },
}

#[derive(Clone, Copy, Debug)]
struct Offer {
    address: Ipv4Addr,
    server: Ipv4Addr,
}

/// A client.
pub struct Machine {
    config: ClientConfig,
    rng: Box<dyn Rng + Send>,
    state: State,
    xid: u32,
    /// When the first message of this acquisition was sent.
    began: Instant,
    /// When the last one was, which the lease counts from.
    asked: Instant,
}

impl Machine {
    /// A client that begins now.
    pub fn new(now: Instant, mut config: ClientConfig, mut rng: Box<dyn Rng + Send>) -> Self {
        if config.link_address.is_none() {
            let [a, b, c, d, e, ..] = rng.next_u64().to_be_bytes();
            config.link_address = Some(LinkAddress([0x02, a, b, c, d, e]));
        }
        let state = match config.previous {
            Some(address) => State::Rebooting { address, tries: 0, at: now },
            None => State::Init { at: now },
        };
        let xid = rng.next_u64() as u32;
        Self { config, rng, state, xid, began: now, asked: now }
    }

    /// When there is something to do without a message.
    pub fn deadline(&self) -> Instant {
        match &self.state {
            State::Init { at }
            | State::Rebooting { at, .. }
            | State::Selecting { at, .. }
            | State::Requesting { at, .. } => *at,
            State::Bound { lease } => lease.renew,
            State::Renewing { lease, at } => lease.rebind.min(*at),
            State::Rebinding { lease, at } => lease.expires.min(*at),
        }
    }

    /// The lease that we have.
    pub fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::Bound { lease } | State::Renewing { lease, .. } | State::Rebinding { lease, .. } => {
                Some(lease)
            }
            _ => None,
        }
    }

    /// The next thing to do at this time; call until there is none.
    pub fn poll(&mut self, now: Instant) -> Option<Output> {
        while self.deadline() <= now {
            let output = self.step(now);
            if output.is_some() {
                return output;
            }
        }
        None
    }

    /// What the clock causes: a message, the loss of the lease, or only another state.
    fn step(&mut self, now: Instant) -> Option<Output> {
        match &mut self.state {
            State::Init { .. } => {
                self.begin(now);
                self.state = State::Selecting { tries: 0, at: now };
                None
            }
            State::Selecting { tries, at } => {
                *at = now + wait(*tries, &mut *self.rng);
                *tries += 1;
                Some(self.ask(now, MessageType::Discover, None, To::Everyone, &[]))
            }
            State::Rebooting { tries, .. } | State::Requesting { tries, .. } if *tries >= TRIES => {
                self.state = State::Init { at: now };
                None
            }
            State::Rebooting { address, tries, at } => {
                let wanted = DhcpOption::RequestedIpAddress(*address);
                *at = now + wait(*tries, &mut *self.rng);
                *tries += 1;
                Some(self.ask(now, MessageType::Request, None, To::Everyone, &[wanted]))
            }
            State::Requesting { offer, tries, at } => {
                let Offer { address, server } = *offer;
                *at = now + wait(*tries, &mut *self.rng);
                *tries += 1;
                let chosen = [DhcpOption::RequestedIpAddress(address), DhcpOption::ServerIdentifier(server)];
                Some(self.ask(now, MessageType::Request, None, To::Everyone, &chosen))
            }
            State::Bound { lease } => {
                self.state = State::Renewing { lease: lease.clone(), at: now };
                self.begin(now);
                None
            }
            State::Renewing { lease, .. } if lease.rebind <= now => {
                self.state = State::Rebinding { lease: lease.clone(), at: now };
                None
            }
            State::Renewing { lease, at } => {
                *at = now + (lease.rebind.saturating_since(now) / 2).max(LEAST_WAIT);
                let (ours, server) = (lease.address.addr(), lease.server);
                Some(self.ask(now, MessageType::Request, Some(ours), To::Server(server), &[]))
            }
            State::Rebinding { lease, .. } if lease.expires <= now => {
                let lost = lease.clone();
                self.state = State::Init { at: now };
                Some(Output::Lost(lost))
            }
            State::Rebinding { lease, at } => {
                *at = now + (lease.expires.saturating_since(now) / 2).max(LEAST_WAIT);
                let ours = lease.address.addr();
                Some(self.ask(now, MessageType::Request, Some(ours), To::Everyone, &[]))
            }
        }
    }

    /// A datagram from port 67.
    pub fn receive(&mut self, now: Instant, bytes: &[u8]) -> Option<Output> {
        let (message, kind) = decode(bytes)?;
        let ours = message.opcode() == Opcode::BootReply
            && message.xid() == self.xid
            && message.chaddr() == self.config.hardware();
        if !ours {
            return None;
        }
        match (kind, &self.state) {
            (MessageType::Offer, State::Selecting { .. }) => {
                let offer = Offer { address: message.yiaddr(), server: server(message.opts())? };
                self.state = State::Requesting { offer, tries: 0, at: now };
                None
            }
            (MessageType::Ack, _) => self.acknowledged(&message),
            (MessageType::Nak, _) => self.refused(now, &message),
            _ => None,
        }
    }

    fn acknowledged(&mut self, message: &Message) -> Option<Output> {
        let lease = Lease::of_ack(message, self.asked)?;
        let is_answer = match &self.state {
            State::Requesting { offer, .. } => lease.server == offer.server,
            State::Rebooting { .. } | State::Renewing { .. } | State::Rebinding { .. } => true,
            State::Init { .. } | State::Selecting { .. } | State::Bound { .. } => false,
        };
        if !is_answer {
            return None;
        }
        self.state = State::Bound { lease: lease.clone() };
        Some(Output::Configured(lease))
    }

    /// The server does not let us have the address (RFC 2131 §3.1 step 5, §3.2 step 3).
    fn refused(&mut self, now: Instant, message: &Message) -> Option<Output> {
        let from = server(message.opts());
        let lost = match &self.state {
            State::Requesting { offer, .. } if from != Some(offer.server) => return None,
            State::Requesting { .. } | State::Rebooting { .. } => None,
            State::Renewing { lease, .. } | State::Rebinding { lease, .. } => {
                Some(Output::Lost(lease.clone()))
            }
            State::Init { .. } | State::Selecting { .. } | State::Bound { .. } => return None,
        };
        self.state = State::Init { at: now + AFTER_REFUSAL };
        lost
    }

    /// The address is another station's (RFC 2131 §4.4.1): the message that says so. The machine begins again after ten
    /// seconds.
    pub fn decline(&mut self, now: Instant) -> Option<Output> {
        let lease = self.lease()?.clone();
        let told = [
            DhcpOption::RequestedIpAddress(lease.address.addr()),
            DhcpOption::ServerIdentifier(lease.server),
        ];
        self.state = State::Init { at: now + AFTER_CONFLICT };
        self.begin(now);
        Some(self.ask(now, MessageType::Decline, None, To::Everyone, &told))
    }

    /// Gives the address back (RFC 2131 §4.4.6): the message that says so. The machine rests from then on.
    pub fn release(&mut self, now: Instant) -> Option<Output> {
        let lease = self.lease()?.clone();
        self.state = State::Init { at: Instant::FAR_FUTURE };
        self.begin(now);
        let told = [DhcpOption::ServerIdentifier(lease.server)];
        let ours = Some(lease.address.addr());
        Some(self.ask(now, MessageType::Release, ours, To::Server(lease.server), &told))
    }

    /// Another transaction.
    fn begin(&mut self, now: Instant) {
        self.xid = self.rng.next_u64() as u32;
        self.began = now;
    }

    fn ask(
        &mut self,
        now: Instant,
        kind: MessageType,
        current: Option<Ipv4Addr>,
        to: To,
        options: &[DhcpOption],
    ) -> Output {
        self.asked = now;
        let secs = now.saturating_since(self.began).as_secs().min(u16::MAX.into()) as u16;
        let asking = Asking { config: &self.config, xid: self.xid, secs };
        let mut message = asking.message(kind, current.unwrap_or(Ipv4Addr::UNSPECIFIED));
        for option in options {
            message.opts_mut().insert(option.clone());
        }
        Output::Send { message: encode(&message), to }
    }
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("state", &self.state).finish_non_exhaustive()
    }
}

/// How long the answer to a try is waited for.
fn wait(tries: u32, rng: &mut dyn Rng) -> Duration {
    let wait = (FIRST_WAIT * (1 << tries.min(8))).min(LONGEST_WAIT);
    around(wait, 1.0 / wait.as_secs_f64(), rng)
}
