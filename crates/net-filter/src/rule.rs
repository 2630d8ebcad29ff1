//! Rules: what a packet has to be, and what happens to it then. The first of a place that matches decides.

use core::net::IpAddr;
use core::ops::{BitOr, RangeInclusive};
use stack_core::{IpNet, NicId};
use thiserror::Error;

/// The five places at which a packet meets rules (`stack_core::Hook`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Place {
    /// Inbound, before it is known whether it is for us.
    Prerouting,
    /// For our own sockets. Echo requests and ICMP errors end in the network layer, before this place.
    Input,
    /// To be sent on.
    Forward,
    /// Our own.
    Output,
    /// Leaving, our own or forwarded.
    Postrouting,
}

/// What happens to a packet that a rule matches.
///
/// A translation is decided with the first packet of a connection and holds for its life, both directions; for its later
/// packets such a rule accepts. Addresses of another family than the packet's match nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// It goes on.
    Accept,
    /// It ends here.
    Drop,
    /// To another destination; the port stays where `port` is `None`. At `Prerouting` and `Output`.
    Dnat {
        /// The destination that it gets.
        to: IpAddr,
        /// The port that it gets.
        port: Option<u16>,
    },
    /// From another source. The port stays if it is free and inside `ports`, if those are given; else one of `ports`, or
    /// one of the same half, below 1024 or not (RFC 4787 REQ-3). At `Postrouting`.
    Snat {
        /// The source that it gets.
        to: IpAddr,
        /// First and last of the ports that may be used.
        ports: Option<(u16, u16)>,
    },
    /// From the address of the interface by which it leaves, ports as with [`Action::Snat`]. At `Postrouting`.
    Masquerade,
    /// To ourselves: the address of the interface that it came in by, or for our own packets the loopback address. The
    /// port stays where it is `None`. At `Prerouting` and `Output`.
    Redirect {
        /// The port that it gets.
        port: Option<u16>,
    },
}

/// What a packet is to its connection; several together in a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct States(u8);

impl States {
    /// It opens a connection, or repeats what opened one that nobody has answered.
    pub const NEW: Self = Self(1);
    /// It belongs to a connection that was answered.
    pub const ESTABLISHED: Self = Self(2);
    /// It is an ICMP error about a packet of a connection.
    pub const RELATED: Self = Self(4);
    /// It fits no connection and opens none.
    pub const INVALID: Self = Self(8);
    /// It is of a kind that has no connections: neighbour discovery, group membership, redirects.
    pub const UNTRACKED: Self = Self(16);

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

impl BitOr for States {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A rule that can't stand where it was put.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[non_exhaustive]
pub enum RuleError {
    /// Destinations change before routing, sources after it.
    #[error(
        "this translation is not made at {0:?}: put destination rules at Prerouting or Output, source rules at Postrouting"
    )]
    WrongPlace(Place),
    /// There is no port in the range.
    #[error("the range of ports is empty: its first port is above its last")]
    NoPorts,
}

/// A rule: matches that all have to hold, and an action.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rule {
    action: Action,
    source: Option<IpNet>,
    destination: Option<IpNet>,
    protocol: Option<u8>,
    source_ports: Option<RangeInclusive<u16>>,
    destination_ports: Option<RangeInclusive<u16>>,
    input: Option<NicId>,
    output: Option<NicId>,
    states: Option<States>,
    mark: Option<(u32, u32)>,
    hits: u64,
}

impl Rule {
    /// A rule that matches every packet.
    pub const fn new(action: Action) -> Self {
        Self {
            action,
            source: None,
            destination: None,
            protocol: None,
            source_ports: None,
            destination_ports: None,
            input: None,
            output: None,
            states: None,
            mark: None,
            hits: 0,
        }
    }

    /// Only from these addresses.
    #[must_use]
    pub fn source(self, net: impl Into<IpNet>) -> Self {
        Self { source: Some(net.into()), ..self }
    }

    /// Only to these addresses.
    #[must_use]
    pub fn destination(self, net: impl Into<IpNet>) -> Self {
        Self { destination: Some(net.into()), ..self }
    }

    /// Only of this transport protocol, by its number.
    #[must_use]
    pub fn protocol(self, number: u8) -> Self {
        Self { protocol: Some(number), ..self }
    }

    /// Only TCP and UDP from these ports.
    #[must_use]
    pub fn source_ports(self, ports: RangeInclusive<u16>) -> Self {
        Self { source_ports: Some(ports), ..self }
    }

    /// Only TCP and UDP to these ports.
    #[must_use]
    pub fn destination_ports(self, ports: RangeInclusive<u16>) -> Self {
        Self { destination_ports: Some(ports), ..self }
    }

    /// Only what came in by this interface; nothing at `Output` and `Postrouting`.
    #[must_use]
    pub fn input(self, nic: NicId) -> Self {
        Self { input: Some(nic), ..self }
    }

    /// Only what leaves by this interface; nothing at `Prerouting` and `Input`.
    #[must_use]
    pub fn output(self, nic: NicId) -> Self {
        Self { output: Some(nic), ..self }
    }

    /// Only in one of these states.
    #[must_use]
    pub fn states(self, states: States) -> Self {
        Self { states: Some(states), ..self }
    }

    /// Only with this mark, where `mask` has ones.
    #[must_use]
    pub fn mark(self, value: u32, mask: u32) -> Self {
        Self { mark: Some((value, mask)), ..self }
    }

    /// What it does.
    pub const fn action(&self) -> Action {
        self.action
    }

    /// Packets that it has decided about.
    pub const fn hits(&self) -> u64 {
        self.hits
    }

    pub(crate) fn check(&self, place: Place) -> Result<(), RuleError> {
        let fits = match self.action {
            Action::Accept | Action::Drop => true,
            Action::Dnat { .. } | Action::Redirect { .. } => {
                matches!(place, Place::Prerouting | Place::Output)
            }
            Action::Snat { .. } | Action::Masquerade => place == Place::Postrouting,
        };
        match self.action {
            _ if !fits => Err(RuleError::WrongPlace(place)),
            Action::Snat { ports: Some((first, last)), .. } if first > last => Err(RuleError::NoPorts),
            _ => Ok(()),
        }
    }

    /// Whether it decides about the packet; counted if so.
    pub(crate) fn decides(&mut self, seen: &Seen) -> bool {
        let decides = self.matches(seen);
        self.hits += u64::from(decides);
        decides
    }

    fn matches(&self, seen: &Seen) -> bool {
        let family = match self.action {
            Action::Dnat { to, .. } | Action::Snat { to, .. } => to.is_ipv4() == seen.src.is_ipv4(),
            _ => true,
        };
        let port = |wanted: &Option<RangeInclusive<u16>>, port: Option<u16>| {
            wanted.as_ref().is_none_or(|ports| port.is_some_and(|port| ports.contains(&port)))
        };
        family
            && self.source.is_none_or(|net| net.contains(&seen.src))
            && self.destination.is_none_or(|net| net.contains(&seen.dst))
            && self.protocol.is_none_or(|number| number == seen.protocol)
            && port(&self.source_ports, seen.ports.map(|ports| ports.0))
            && port(&self.destination_ports, seen.ports.map(|ports| ports.1))
            && self.input.is_none_or(|nic| seen.input == Some(nic))
            && self.output.is_none_or(|nic| seen.output == Some(nic))
            && self.states.is_none_or(|states| states.bits() & seen.state.bits() != 0)
            && self.mark.is_none_or(|(value, mask)| seen.mark & mask == value & mask)
    }
}

/// A packet as rules see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) src: IpAddr,
    pub(crate) dst: IpAddr,
    pub(crate) protocol: u8,
    pub(crate) ports: Option<(u16, u16)>,
    pub(crate) input: Option<NicId>,
    pub(crate) output: Option<NicId>,
    pub(crate) state: States,
    pub(crate) mark: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen() -> Seen {
        Seen {
            src: "10.0.0.1".parse().unwrap(),
            dst: "192.0.2.1".parse().unwrap(),
            protocol: 6,
            ports: Some((1024, 80)),
            input: Some(NicId(1)),
            output: None,
            state: States::NEW,
            mark: 0x12,
        }
    }

    #[test]
    fn each_match_has_to_hold() {
        let any = || Rule::new(Action::Accept);
        let net = |text: &str| text.parse::<IpNet>().unwrap();
        let cases = [
            (any(), true),
            (any().source(net("10.0.0.0/8")).destination(net("192.0.2.1/32")), true),
            (any().source(net("10.0.1.0/24")), false),
            (any().destination(net("2001:db8::/32")), false),
            (any().protocol(6).source_ports(1024..=2000).destination_ports(80..=80), true),
            (any().destination_ports(81..=90), false),
            (any().protocol(17), false),
            (any().input(NicId(1)), true),
            (any().output(NicId(1)), false),
            (any().states(States::NEW | States::INVALID), true),
            (any().states(States::ESTABLISHED), false),
            (any().mark(2, 0xf), true),
            (any().mark(2, 0xff), false),
            (Rule::new(Action::Dnat { to: "::1".parse().unwrap(), port: None }), false),
        ];
        for (mut rule, decides) in cases {
            assert_eq!(rule.decides(&seen()), decides, "{rule:?}");
            assert_eq!(rule.hits(), u64::from(decides));
        }
    }

    #[test]
    fn a_packet_without_ports_has_none_of_any_range() {
        let ping = Seen { ports: None, protocol: 1, ..seen() };
        assert!(!Rule::new(Action::Drop).destination_ports(0..=u16::MAX).decides(&ping));
    }

    #[test]
    fn translations_have_their_places() {
        let to = "10.0.0.9".parse().unwrap();
        let dnat = Rule::new(Action::Dnat { to, port: None });
        let snat = Rule::new(Action::Snat { to, ports: Some((9, 8)) });
        assert_eq!(dnat.check(Place::Prerouting), Ok(()));
        assert_eq!(dnat.check(Place::Postrouting), Err(RuleError::WrongPlace(Place::Postrouting)));
        assert_eq!(snat.check(Place::Forward), Err(RuleError::WrongPlace(Place::Forward)));
        assert_eq!(snat.check(Place::Postrouting), Err(RuleError::NoPorts));
        assert_eq!(Rule::new(Action::Drop).check(Place::Input), Ok(()));
    }
}
