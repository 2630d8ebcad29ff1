//! Links: where packets come from and go to.
//!
//! A link is made whole, asked what it can do, and split into two halves that two threads may own.
//! Decorators (`link-ethernet`, `link-pcap`, `link-impair`) wrap each half and forward what they don't change.
//! The host owns no link: it is handed a batch and hands one back.

use crate::{DropReason, LinkError};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::task::Waker;
use stack_packet::{Instant, LinkAddress, Placement, RxBatch, Token, TxBatch};

/// What a link carries.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Medium {
    /// IP packets, without a link header and without neighbours to resolve.
    #[default]
    Ip,
    /// Ethernet: neighbours have link addresses, found by ARP and neighbour discovery.
    Ethernet,
    /// Packets to ourselves only.
    Loopback,
}

/// What a link can do. Decorators change what would no longer be true.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LinkCapabilities {
    /// What it carries.
    pub medium: Medium,
    /// Largest IP packet of a frame, in bytes, its own link header not counted.
    pub mtu: u32,
    /// Bytes that the link itself puts in front of the network header; they fit in every packet's headroom.
    pub header_len: u16,
    /// Inbound packets come with a checksum state that can be trusted.
    pub rx_checksum: bool,
    /// The link completes [`Checksum::Partial`](stack_packet::Checksum::Partial) of TCP and UDP.
    pub tx_checksum: bool,
    /// The link cuts TCP super-packets over IPv4.
    pub tso4: bool,
    /// The link cuts TCP super-packets over IPv6.
    pub tso6: bool,
    /// The link cuts UDP super-packets, both families.
    pub uso: bool,
    /// Largest super-packet, in bytes from the network header; at most 65,535. Meaningful with one of the three above.
    pub max_gso: u32,
    /// Packets that it likes to pass in one batch.
    pub batch: usize,
    /// Packets that the queue between its peer and us holds, where overflow means loss;
    /// `None` where there is no such queue. Receive windows stay below queue × segment size.
    pub queue_packets: Option<u32>,
    /// Wants to hear of each dropped packet through [`LinkReceive::outcome`].
    pub wants_outcomes: bool,
}

impl LinkCapabilities {
    /// A plain link of that medium and MTU: no offload, batches of 32.
    pub const fn plain(medium: Medium, mtu: u32) -> Self {
        Self {
            medium,
            mtu,
            header_len: 0,
            rx_checksum: false,
            tx_checksum: false,
            tso4: false,
            tso6: false,
            uso: false,
            max_gso: 0,
            batch: 32,
            queue_packets: None,
            wants_outcomes: false,
        }
    }
}

impl Default for LinkCapabilities {
    fn default() -> Self {
        Self::plain(Medium::Ip, 1500)
    }
}

/// Counts of the packets that ended inside a link, which the host never sees or takes for sent.
pub trait LinkDrops: Send + Sync {
    /// How many so far for this reason.
    fn of(&self, reason: DropReason) -> u64;
}

/// A link before it is put to use.
pub trait LinkEndpoint: Send {
    /// What it can do.
    fn capabilities(&self) -> LinkCapabilities;
    /// Our own address on it, where it has addresses.
    fn link_address(&self) -> Option<LinkAddress>;
    /// What ends inside it and inside the links that it decorates; goes on counting while the halves are in use.
    fn drops(&self) -> Vec<Arc<dyn LinkDrops>> {
        Vec::new()
    }
    /// Its two halves.
    fn split(self: Box<Self>) -> (Box<dyn LinkReceive>, Box<dyn LinkTransmit>);
}

/// The half that packets come from.
pub trait LinkReceive: Send {
    /// Appends what has arrived, up to about a batch, without waiting; stamps each packet with `now`.
    /// Returns how many; 0 means that there is nothing now.
    ///
    /// # Errors
    /// The link is gone; what arrived before it went has been handed out.
    fn receive(&mut self, now: Instant, batch: &mut RxBatch) -> Result<usize, LinkError>;

    /// The same for a reader that waits: what its stream goes on with may be read to its memory, if the segments are plain
    /// and their checksums right; [`placed`](stack_packet::RxMeta::placed) of their packets says how much of the text is
    /// there, and the others come as ever. Called only where the link may [`coalesce`](Self::coalesce). Links that place
    /// nothing leave this as it is.
    ///
    /// # Errors
    /// Those of [`receive`](Self::receive).
    fn receive_placing(
        &mut self,
        now: Instant,
        batch: &mut RxBatch,
        placement: &mut Placement<'_>,
    ) -> Result<usize, LinkError> {
        let _ = placement;
        self.receive(now, batch)
    }

    /// When `receive` may have something although nobody wakes us: links that delay packets.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Wakes this waker when packets arrive, once; the caller looks again after registering.
    /// Links with a [`descriptor`](Self::descriptor) may do nothing here.
    fn register(&mut self, waker: &Waker);

    /// A file descriptor that polls readable when packets are there.
    fn descriptor(&self) -> Option<i32> {
        None
    }

    /// Says whether consecutive segments of a flow may be handed out as one super-packet with
    /// [`gso_size`](stack_packet::RxMeta::gso_size), checksums verified, from the next `receive` on. Links that read packet
    /// by packet save most by it (GRO); others need not heed it. Until it is said, packets come as they are.
    fn coalesce(&mut self, on: bool) {
        let _ = on;
    }

    /// Says that the stack dropped the packet of that token, and why.
    /// Called after the packet's batch was processed and before the next `receive`, if the capabilities ask for it.
    fn outcome(&mut self, token: Token, reason: DropReason) {
        let _ = (token, reason);
    }
}

/// The half that packets go to.
pub trait LinkTransmit: Send {
    /// Sends packets from the front of the batch and removes them. What stays could not be sent now.
    ///
    /// # Errors
    /// The link is gone; the batch is left as it is.
    fn transmit(&mut self, now: Instant, batch: &mut TxBatch) -> Result<(), LinkError>;

    /// When `transmit` has to be called although the batch is empty: links that hold packets back.
    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// Wakes this waker when there is room again after packets stayed in a batch, once.
    fn register(&mut self, waker: &Waker);

    /// A file descriptor that polls writable when there is room.
    fn descriptor(&self) -> Option<i32> {
        None
    }
}

impl LinkEndpoint for Box<dyn LinkEndpoint> {
    fn capabilities(&self) -> LinkCapabilities {
        (**self).capabilities()
    }

    fn link_address(&self) -> Option<LinkAddress> {
        (**self).link_address()
    }

    fn drops(&self) -> Vec<Arc<dyn LinkDrops>> {
        (**self).drops()
    }

    fn split(self: Box<Self>) -> (Box<dyn LinkReceive>, Box<dyn LinkTransmit>) {
        (*self).split()
    }
}
