//! Taps and hooks: who may look at packets, and who may decide about them. Both are empty unless somebody registers one.

use crate::{NetServices, NicView};
use core::any::Any;
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

/// What a hook is told beside the packet.
pub struct HookCx<'a> {
    /// The time of this batch.
    pub now: Instant,
    /// The interface that the packet came in by: at `prerouting`, `input` and `forward`.
    pub ingress: Option<NicView<'a>>,
    /// The interface that it leaves by: at `forward`, `output` and `postrouting`.
    pub egress: Option<NicView<'a>>,
    /// The rest of the host.
    pub host: &'a mut dyn NetServices,
}

/// Decides about packets at the five places of a filter, and may rewrite them there. Unfilled places accept.
///
/// A packet passes `prerouting`, then `input` or `forward`; or `output`; and what leaves passes `postrouting`. What a
/// hook finds out at one place it may write into the packet's `policy`, and reads it there at the next: packets that come
/// from a link start with 0. Network endpoints' own questions (ARP, neighbour discovery) pass no hook on their way out.
pub trait Hook: Any + Send {
    /// Inbound, before it is known whether it is for us; fragments come one by one.
    fn prerouting(&mut self, cx: &mut HookCx<'_>, packet: &mut RxPacket) -> HookVerdict {
        let _ = (cx, packet);
        HookVerdict::Accept
    }

    /// For us, before the transport protocol, fragments put together.
    fn input(&mut self, cx: &mut HookCx<'_>, packet: &mut RxPacket) -> HookVerdict {
        let _ = (cx, packet);
        HookVerdict::Accept
    }

    /// Not for us, about to be sent on, its route known.
    fn forward(&mut self, cx: &mut HookCx<'_>, packet: &mut RxPacket) -> HookVerdict {
        let _ = (cx, packet);
        HookVerdict::Accept
    }

    /// Our own, routed, before the network header is written. Another destination in `packet.ip` makes the host route it
    /// again.
    fn output(&mut self, cx: &mut HookCx<'_>, packet: &mut TxPacket) -> HookVerdict {
        let _ = (cx, packet);
        HookVerdict::Accept
    }

    /// Our own or forwarded, finished and whole: before it is cut into fragments or segments.
    fn postrouting(&mut self, cx: &mut HookCx<'_>, packet: &mut TxPacket) -> HookVerdict {
        let _ = (cx, packet);
        HookVerdict::Accept
    }
}
