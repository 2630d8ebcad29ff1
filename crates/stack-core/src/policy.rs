//! Taps and hooks: who may look at packets, and who may decide about them. Both are empty unless somebody registers one.

use stack_packet::{Instant, NicId, RxPacket, TxPacket};

/// Where a tap stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TapPoint {
    /// As it came from the link, before anything else.
    LinkReceive,
    /// As it goes to the link.
    LinkTransmit,
    /// After the network layer, on its way to a local endpoint.
    LocalInput,
}

/// A set of places where taps stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct TapPoints(u8);

impl TapPoints {
    /// No place.
    pub const NONE: Self = Self(0);

    /// The same with one more place.
    #[must_use]
    pub const fn with(self, point: TapPoint) -> Self {
        Self(self.0 | 1 << point as u8)
    }

    /// All places of both.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the place is among them.
    pub const fn contains(self, point: TapPoint) -> bool {
        self.0 & 1 << point as u8 != 0
    }

    /// Whether there is no place.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// A packet that a tap is shown.
#[derive(Clone, Copy, Debug)]
pub enum TappedPacket<'a> {
    /// An inbound one.
    Received(&'a RxPacket),
    /// An outbound one.
    Transmitted(&'a TxPacket),
}

/// Sees packets and changes nothing: monitors. What it keeps, it clones. Who sees packets for sockets is a transport
/// protocol with [`tap`](crate::TransportProtocol::tap).
pub trait Tap: Send {
    /// A packet passes.
    fn packet(&mut self, now: Instant, nic: NicId, point: TapPoint, packet: TappedPacket<'_>);
}

/// What a hook decides.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum HookVerdict {
    /// Go on.
    #[default]
    Accept,
    /// End here, counted as [`DropReason::Policy`](crate::DropReason::Policy).
    Drop,
}

/// Decides about packets at the five places of a filter, and may rewrite them there. Unfilled places accept.
pub trait Hook: Send {
    /// Inbound, before it is known whether it is for us.
    fn prerouting(&mut self, now: Instant, packet: &mut RxPacket) -> HookVerdict {
        let _ = (now, packet);
        HookVerdict::Accept
    }

    /// For us, before the transport protocol.
    fn input(&mut self, now: Instant, packet: &mut RxPacket) -> HookVerdict {
        let _ = (now, packet);
        HookVerdict::Accept
    }

    /// Not for us, about to be sent on.
    fn forward(&mut self, now: Instant, packet: &mut RxPacket) -> HookVerdict {
        let _ = (now, packet);
        HookVerdict::Accept
    }

    /// Our own, before the network header is written, except by raw sockets: `packet.layer` says so. Frames of packet
    /// sockets pass no hook.
    fn output(&mut self, now: Instant, packet: &mut TxPacket) -> HookVerdict {
        let _ = (now, packet);
        HookVerdict::Accept
    }

    /// Our own or forwarded, finished, before it goes to the interface.
    fn postrouting(&mut self, now: Instant, packet: &mut TxPacket) -> HookVerdict {
        let _ = (now, packet);
        HookVerdict::Accept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_of_places_has_those_that_were_put_in() {
        use TapPoint::{LinkReceive, LinkTransmit, LocalInput};
        let set = TapPoints::NONE.with(LinkReceive).union(TapPoints::NONE.with(LocalInput));
        assert_eq!([LinkReceive, LinkTransmit, LocalInput].map(|at| set.contains(at)), [true, false, true]);
        assert!(TapPoints::NONE.is_empty() && !set.is_empty());
    }
}
