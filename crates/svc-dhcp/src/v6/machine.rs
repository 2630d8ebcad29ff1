//! The client's state machine: RFC 8415 §18.2, without sockets and clocks.
//!
//! ```text
//!  stateful   SOLICIT ──advertisements──► REQUEST ──reply──► bound ──T1──► RENEW ──T2──► REBIND ──end──► SOLICIT
//!                │  reply (rapid commit)                       ▲             │ reply        │ reply
//!                └─────────────────────────────────────────────┴─────────────┴──────────────┘
//!  stateless  INFORMATION-REQUEST ──reply──► informed ──refresh──► INFORMATION-REQUEST
//! ```
//!
//! Advertisements are collected for the first wait, and the one with the highest preference is taken; one of 255 at once, and
//! the first one after that wait. Whoever runs the machine says when an address turns out to be another station's.

use super::lease::{Granted, Lease, granted, seconds, status};
use super::message::{association, decode, encode, message};
use super::retransmit::{INFORM, REBIND, RENEW, REQUEST, Retransmit, SOLICIT};
use dhcproto::v6::{DhcpOption, DhcpOptions, Message, MessageType, OptionCode, Status};
use stack_core::{Instant, LinkAddress};
use std::net::Ipv6Addr;
use std::time::Duration;
use ustack::Rng;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mode {
    /// An address, and the rest.
    #[default]
    Stateful,
    /// Only what hosts need beside addresses (§6.1).
    Stateless,
}

/// How to ask.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ClientConfig {
    /// What is asked for.
    pub mode: Mode,
    /// Our address on the link, from which the identifiers are made; where there is none, as on TUN, one is made of the
    /// client's random number.
    pub link_address: Option<LinkAddress>,
    /// What servers know us by (DUID, §11); a DUID-LL of the link address if `None`.
    pub duid: Option<Vec<u8>>,
    /// Names the interface's association with servers (§12); from the link address if `None`.
    pub iaid: Option<u32>,
    /// Take an address with the first answer, of servers that do this (§21.14). Off.
    pub rapid_commit: bool,
}

impl ClientConfig {
    fn duid(&self) -> Vec<u8> {
        /// DUID-LL, Ethernet (§11.4).
        const KIND: [u8; 4] = [0, 3, 0, 1];
        let link = self.link_address.map_or([0; 6], |link| link.0);
        self.duid.clone().unwrap_or_else(|| [&KIND[..], &link].concat())
    }

    fn iaid(&self) -> u32 {
        let [.., a, b, c, d] = self.link_address.map_or([0; 6], |link| link.0);
        self.iaid.unwrap_or(u32::from_be_bytes([a, b, c, d]))
    }
}

/// What there is to do; every message goes to all servers and relay agents, ff02::1:2.
pub type Output = crate::Output<Lease, ()>;

#[derive(Debug)]
enum State {
    Soliciting {
        best: Option<Offer>,
        again: Retransmit,
    },
    Requesting {
        offer: Offer,
        again: Retransmit,
    },
    Bound {
        lease: Lease,
    },
    Renewing {
        lease: Lease,
        again: Retransmit,
    },
    Rebinding {
        lease: Lease,
        again: Retransmit,
    },
    Informing {
        lease: Option<Lease>,
        again: Retransmit,
    },
    Informed {
        lease: Lease,
    },
    /// Until the time, if there is one.
    Resting {
        until: Instant,
    },
}

#[derive(Clone, Debug)]
struct Offer {
    server: Vec<u8>,
    address: Option<Ipv6Addr>,
    preference: u8,
}

/// After an address was another station's, so that two who disagree do not flood the link: as long as DHCP for IPv4 rests.
const AFTER_CONFLICT: Duration = Duration::from_secs(10);
/// What a server may ask for as the longest wait (§21.24).
const PATIENCE: std::ops::RangeInclusive<u32> = 60..=86_400;

/// A client.
pub struct Machine {
    config: ClientConfig,
    duid: Vec<u8>,
    rng: Box<dyn Rng + Send>,
    state: State,
    xid: [u8; 3],
    /// The longest waits, as servers have asked.
    solicit_longest: Duration,
    inform_longest: Duration,
}

impl Machine {
    /// A client that begins now.
    pub fn new(now: Instant, mut config: ClientConfig, mut rng: Box<dyn Rng + Send>) -> Self {
        if config.link_address.is_none() {
            let [a, b, c, d, e, ..] = rng.next_u64().to_be_bytes();
            config.link_address = Some(LinkAddress([0x02, a, b, c, d, e]));
        }
        let duid = config.duid();
        let state = State::Resting { until: now };
        let mut machine = Self {
            config,
            duid,
            rng,
            state,
            xid: [0; 3],
            solicit_longest: SOLICIT.longest,
            inform_longest: INFORM.longest,
        };
        machine.begin(now, None);
        machine
    }

    /// Asks anew; `known` is what is known already.
    fn begin(&mut self, now: Instant, known: Option<Lease>) {
        self.new_exchange();
        self.state = match self.config.mode {
            Mode::Stateful => {
                let mut again = Retransmit::new(now, SOLICIT, &mut *self.rng);
                again.set_longest(self.solicit_longest);
                State::Soliciting { best: None, again }
            }
            Mode::Stateless => {
                let mut again = Retransmit::new(now, INFORM, &mut *self.rng);
                again.set_longest(self.inform_longest);
                State::Informing { lease: known, again }
            }
        };
    }

    fn new_exchange(&mut self) {
        let [a, b, c, ..] = self.rng.next_u64().to_be_bytes();
        self.xid = [a, b, c];
    }

    /// When there is something to do without a message.
    pub fn deadline(&self) -> Instant {
        match &self.state {
            State::Soliciting { again, .. }
            | State::Requesting { again, .. }
            | State::Informing { again, .. } => again.at,
            State::Bound { lease } | State::Informed { lease } => lease.renew,
            State::Renewing { lease, again } => again.at.min(lease.rebind).min(lease.expires),
            State::Rebinding { lease, again } => again.at.min(lease.expires),
            State::Resting { until } => *until,
        }
    }

    /// The lease that we have.
    pub fn lease(&self) -> Option<&Lease> {
        match &self.state {
            State::Bound { lease }
            | State::Informed { lease }
            | State::Renewing { lease, .. }
            | State::Rebinding { lease, .. } => Some(lease),
            State::Informing { lease, .. } => lease.as_ref(),
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
        let rng = &mut *self.rng;
        match &mut self.state {
            State::Resting { .. } => {
                self.begin(now, None);
                None
            }
            State::Soliciting { best, .. } if best.is_some() => {
                let offer = best.take()?;
                self.request(now, offer);
                None
            }
            State::Soliciting { again, .. } => {
                again.send(now, rng);
                let elapsed = again.elapsed(now);
                Some(self.ask(MessageType::Solicit, None, elapsed, None))
            }
            State::Requesting { offer, again } => {
                if again.send(now, rng).is_none() {
                    self.begin(now, None);
                    return None;
                }
                let (offer, elapsed) = (offer.clone(), again.elapsed(now));
                Some(self.ask(MessageType::Request, Some(&offer.server), elapsed, offer.address))
            }
            State::Informing { again, .. } => {
                again.send(now, rng);
                let elapsed = again.elapsed(now);
                Some(self.ask(MessageType::InformationRequest, None, elapsed, None))
            }
            State::Bound { lease } => {
                let again = Retransmit::new(now, RENEW, rng);
                self.state = State::Renewing { lease: lease.clone(), again };
                self.new_exchange();
                None
            }
            State::Informed { lease } => {
                let known = lease.clone();
                self.begin(now, Some(known));
                None
            }
            State::Renewing { lease, .. } | State::Rebinding { lease, .. } if lease.expires <= now => {
                let lost = lease.clone();
                self.begin(now, None);
                Some(Output::Lost(lost))
            }
            State::Renewing { lease, .. } if lease.rebind <= now => {
                let again = Retransmit::new(now, REBIND, rng);
                self.state = State::Rebinding { lease: lease.clone(), again };
                self.new_exchange();
                None
            }
            State::Renewing { lease, again } => {
                again.send(now, rng);
                let (lease, elapsed) = (lease.clone(), again.elapsed(now));
                Some(self.ask(MessageType::Renew, Some(&lease.server), elapsed, lease.address))
            }
            State::Rebinding { lease, again } => {
                again.send(now, rng);
                let (address, elapsed) = (lease.address, again.elapsed(now));
                Some(self.ask(MessageType::Rebind, None, elapsed, address))
            }
        }
    }

    fn request(&mut self, now: Instant, offer: Offer) {
        self.new_exchange();
        let again = Retransmit::new(now, REQUEST, &mut *self.rng);
        self.state = State::Requesting { offer, again };
    }

    /// A datagram from port 547.
    pub fn receive(&mut self, now: Instant, bytes: &[u8]) -> Option<Output> {
        let message = decode(bytes)?;
        // R8415-16-a: ours, and from somebody who says who he is.
        let is_ours = message.xid() == self.xid
            && matches!(message.opts().get(OptionCode::ClientId), Some(DhcpOption::ClientId(id)) if *id == self.duid);
        let Some(DhcpOption::ServerId(server)) = message.opts().get(OptionCode::ServerId).filter(|_| is_ours)
        else {
            return None;
        };
        self.note_patience(message.opts());
        let server = server.clone();
        match (message.msg_type(), &self.state) {
            (MessageType::Advertise, State::Soliciting { .. }) => {
                self.advertised(now, &message, server);
                None
            }
            (MessageType::Reply, State::Informing { .. }) => {
                let lease = Lease::of_information(message.opts(), server, now);
                self.state = State::Informed { lease: lease.clone() };
                Some(Output::Configured(lease))
            }
            (MessageType::Reply, State::Soliciting { .. }) => {
                let rapid = self.config.rapid_commit && message.opts().get(OptionCode::RapidCommit).is_some();
                if rapid { self.replied(now, &message, server) } else { None }
            }
            (MessageType::Reply, State::Requesting { offer, .. }) if offer.server == server => {
                self.replied(now, &message, server)
            }
            (MessageType::Reply, State::Renewing { .. } | State::Rebinding { .. }) => {
                self.replied(now, &message, server)
            }
            _ => None,
        }
    }

    /// R8415-18.2.9-a.
    fn advertised(&mut self, now: Instant, message: &Message, server: Vec<u8>) {
        let Granted::Lease(lease) = granted(message.opts(), self.config.iaid(), server, now) else { return };
        let preference = match message.opts().get(OptionCode::Preference) {
            Some(DhcpOption::Preference(preference)) => *preference,
            _ => 0,
        };
        let offer = Offer { server: lease.server, address: lease.address, preference };
        let State::Soliciting { best, again } = &mut self.state else { return };
        if !again.is_first() || preference == u8::MAX {
            return self.request(now, offer);
        }
        if best.as_ref().is_none_or(|best| best.preference < preference) {
            *best = Some(offer);
        }
    }

    /// §18.2.10.
    fn replied(&mut self, now: Instant, message: &Message, server: Vec<u8>) -> Option<Output> {
        match granted(message.opts(), self.config.iaid(), server.clone(), now) {
            Granted::Lease(lease) => {
                self.state = State::Bound { lease: lease.clone() };
                Some(Output::Configured(lease))
            }
            // R8415-18.2.10.1-a: a server that has forgotten us is asked for the same address.
            Granted::Unknown => {
                let address = self.lease().and_then(|lease| lease.address);
                self.request(now, Offer { server, address, preference: 0 });
                None
            }
            Granted::Nothing if matches!(self.state, State::Requesting { .. }) => {
                // It may be asked again where it is only busy; otherwise others are.
                if status(message.opts()) != Status::UnspecFail {
                    self.begin(now, None);
                }
                None
            }
            Granted::Nothing => None,
        }
    }

    /// SOL_MAX_RT and INF_MAX_RT (§21.24, §21.25).
    fn note_patience(&mut self, options: &DhcpOptions) {
        let told = |code| {
            let told = seconds(options, code).filter(|told| PATIENCE.contains(told));
            told.map(|told| Duration::from_secs(told.into()))
        };
        if let Some(longest) = told(OptionCode::SolMaxRt) {
            self.solicit_longest = longest;
        }
        if let Some(longest) = told(OptionCode::InfMaxRt) {
            self.inform_longest = longest;
        }
        match &mut self.state {
            State::Soliciting { again, .. } => again.set_longest(self.solicit_longest),
            State::Informing { again, .. } => again.set_longest(self.inform_longest),
            _ => {}
        }
    }

    /// The address is another station's (§18.2.8): the message that says so. The machine begins again after ten seconds.
    pub fn decline(&mut self, now: Instant) -> Option<Output> {
        self.give_up(MessageType::Decline, now + AFTER_CONFLICT)
    }

    /// Gives the address back (§18.2.7): the message that says so. The machine rests from then on.
    pub fn release(&mut self, _: Instant) -> Option<Output> {
        self.give_up(MessageType::Release, Instant::FAR_FUTURE)
    }

    fn give_up(&mut self, kind: MessageType, until: Instant) -> Option<Output> {
        let lease = self.lease()?.clone();
        self.state = State::Resting { until };
        self.new_exchange();
        let address = lease.address?;
        Some(self.ask(kind, Some(&lease.server), 0, Some(address)))
    }

    fn ask(
        &self,
        kind: MessageType,
        server: Option<&[u8]>,
        elapsed: u16,
        address: Option<Ipv6Addr>,
    ) -> Output {
        let mut message = message(kind, self.xid, &self.duid, server, elapsed);
        if kind != MessageType::InformationRequest {
            message.opts_mut().insert(association(self.config.iaid(), address));
        }
        if kind == MessageType::Solicit && self.config.rapid_commit {
            message.opts_mut().insert(DhcpOption::RapidCommit);
        }
        Output::Send { message: encode(&message), to: () }
    }
}

impl std::fmt::Debug for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Machine").field("state", &self.state).finish_non_exhaustive()
    }
}
