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

/// A packet that a tap is shown.
#[derive(Clone, Copy, Debug)]
pub enum TappedPacket<'a> {
    /// An inbound one.
    Received(&'a RxPacket),
    /// An outbound one.
    Transmitted(&'a TxPacket),
}

/// Sees packets and changes nothing: packet and raw sockets, monitors. What it keeps, it clones.
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

    /// Our own, before the network header is written.
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
