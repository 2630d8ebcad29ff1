//! Forwarders: sockets that are asked about every connection that a peer opens where nobody listens. What transparent
//! proxies stand on, together with an interface in promiscuous mode; the netstack family calls it by this name.
//!
//! A SYN that no endpoint answers to becomes a record in the table of half-open peers that is *held*: nothing is sent, and
//! the application is told ([`Tcp::next_request`]). It decides in its own time, for instance once it has reached the
//! destination itself: [`Tcp::accept_request`] answers the SYN and has the connection in SYN-RECEIVED,
//! [`Tcp::reject_request`] answers with a reset, [`Tcp::forget_request`] not at all. A request that nobody decides about
//! is forgotten after [`ForwarderConfig::patience`], and when the peer takes it back with a reset.
//!
//! Listeners, connections and their remains come first, as the host finds those; the peer's repeated SYNs find the record
//! and are dropped. Checksums are verified before anything is kept. Text in a SYN is left for the peer to send again.

mod config;
mod request;

pub use config::ForwarderConfig;
pub use request::TcpRequest;

use crate::segment::Segment;
use crate::settings::Settings;
use crate::syn_queue::{HalfOpen, Judgement};
use crate::tcp::{Socket, Tcp};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::task::Waker;
use stack_core::{DropReason, EndpointId, Error, Instant, NicId, RxPacket, TransportCx};
use stack_wire::seq::SeqNum;

/// A socket that is asked.
#[derive(Debug)]
pub(crate) struct Forwarder {
    pub(crate) config: ForwarderConfig,
    /// What its connections begin with.
    pub(crate) settings: Arc<Settings>,
    /// Requests that nobody has taken, in their order.
    untold: VecDeque<EndpointId>,
    /// Undecided requests, taken or not.
    pending: usize,
    /// Of these, those of each peer.
    pending_of: BTreeMap<IpAddr, usize>,
    pub(crate) waker: Option<Waker>,
}

impl Forwarder {
    /// Requests that wait for a decision.
    pub(crate) fn pending(&self) -> usize {
        self.pending
    }

    /// Whether there is a request that nobody has taken.
    pub(crate) fn has_untold(&self) -> bool {
        !self.untold.is_empty()
    }

    fn admits(&self, peer: IpAddr) -> bool {
        let of_peer = self.pending_of.get(&peer).copied().unwrap_or(0);
        self.pending < self.config.max_pending && of_peer < self.config.max_pending_per_peer
    }

    fn add(&mut self, id: EndpointId, peer: IpAddr) {
        self.pending += 1;
        *self.pending_of.entry(peer).or_default() += 1;
        self.untold.push_back(id);
    }

    /// A request is decided, or gone.
    pub(crate) fn settle(&mut self, id: EndpointId, peer: IpAddr) {
        self.pending -= 1;
        if let Some(of_peer) = self.pending_of.get_mut(&peer) {
            *of_peer -= 1;
            if *of_peer == 0 {
                self.pending_of.remove(&peer);
            }
        }
        self.untold.retain(|untold| *untold != id);
    }
}

impl HalfOpen {
    /// What a request makes of a segment: the peer has seen nothing of us yet.
    pub(crate) fn judge_held(&self, seg: &Segment) -> Judgement {
        let takes_back = seg.flags.rst() && seg.seq == self.irs + 1;
        if takes_back {
            return Judgement::Remove;
        }
        let again = seg.flags.syn() && seg.seq == self.irs;
        Judgement::Drop(if again { DropReason::TcpDuplicate } else { DropReason::TcpOutOfWindow })
    }
}

impl Tcp {
    /// A new forwarder. Settings are changed like those of a listener: its connections inherit them.
    ///
    /// # Errors
    /// [`Error::LimitReached`] at [`TcpConfig::max_sockets`](crate::TcpConfig::max_sockets); [`Error::PortInUse`] if there is
    /// one for the same interfaces.
    pub fn open_forwarder(&mut self, config: ForwarderConfig) -> Result<EndpointId, Error> {
        if self.forwarders.iter().any(|id| self.forwarder(*id).is_some_and(|it| it.config.nic == config.nic))
        {
            return Err(Error::PortInUse);
        }
        let forwarder = Forwarder {
            settings: self.shared.settings.clone(),
            config,
            untold: VecDeque::new(),
            pending: 0,
            pending_of: BTreeMap::new(),
            waker: None,
        };
        let socket = Socket::Forwarder(Box::new(forwarder));
        let id = self.sockets.insert(socket).map_err(|_| Error::LimitReached)?;
        self.forwarders.push(id);
        Ok(id)
    }

    /// Who is asked about a peer on this interface: the forwarder of the interface, or else that of all.
    pub(crate) fn forwarder_for(&self, nic: NicId) -> Option<EndpointId> {
        let of = |wanted| {
            let mut ids = self.forwarders.iter();
            ids.find(|id| self.forwarder(**id).is_some_and(|it| it.config.nic == wanted)).copied()
        };
        of(Some(nic)).or_else(|| of(None))
    }

    pub(crate) fn forwarder(&self, id: EndpointId) -> Option<&Forwarder> {
        match self.sockets.get(id)? {
            Socket::Forwarder(forwarder) => Some(forwarder),
            _ => None,
        }
    }

    pub(crate) fn forwarder_mut(&mut self, id: EndpointId) -> Option<&mut Forwarder> {
        match self.sockets.get_mut(id)? {
            Socket::Forwarder(forwarder) => Some(forwarder),
            _ => None,
        }
    }

    /// A SYN that nobody answers to: a request. `after` is the highest number that an earlier connection of this tuple
    /// used.
    pub(crate) fn ask(
        &mut self,
        cx: &mut TransportCx<'_>,
        id: EndpointId,
        packet: &RxPacket,
        seg: &Segment,
        after: Option<SeqNum>,
    ) -> Result<(), DropReason> {
        let admits = self.forwarder(id).is_some_and(|it| it.admits(packet.ip.src));
        if !admits || self.half_open.is_full() {
            self.shared.counters.forward_overflows += 1;
            return Err(DropReason::BacklogFull);
        }
        let mut record = HalfOpen { held: true, queued: false, ..self.record_of_syn(cx, id, packet, seg)? };
        record.iss = after.map_or(record.iss, |after| record.iss.max(after + 0x1_0000));
        let half = self.half_open.insert(record).map_err(|_| DropReason::BacklogFull)?;
        if cx.register(&record.tuple.identity(record.nic), half).is_err() {
            self.half_open.remove(half);
            return Err(DropReason::NoEndpoint);
        }
        self.shared.counters.forward_requests += 1;
        let Some(forwarder) = self.forwarder_mut(id) else { return Ok(()) };
        forwarder.add(half, record.tuple.remote);
        cx.wake(&mut forwarder.waker);
        cx.arm(half, record.waits_since + forwarder.config.patience);
        Ok(())
    }

    /// Nobody has decided about a request in time.
    pub(crate) fn request_timeout(&mut self, cx: &mut TransportCx<'_>, id: EndpointId, record: &HalfOpen) {
        let patience = self.forwarder(record.listener).map_or_else(Default::default, |it| it.config.patience);
        let deadline: Instant = record.waits_since + patience;
        if deadline > cx.now {
            return cx.arm(id, deadline);
        }
        self.shared.counters.forward_expired += 1;
        self.remove_half_open(cx, id);
    }

    /// The forwarder goes, and all that it was asked.
    pub(crate) fn close_forwarder(&mut self, cx: &mut TransportCx<'_>, id: EndpointId) {
        self.forwarders.retain(|other| *other != id);
        let mine = self.half_open.iter().filter(|(_, record)| record.listener == id);
        let mine: Vec<EndpointId> = mine.map(|(half, _)| half).collect();
        mine.into_iter().for_each(|half| self.remove_half_open(cx, half));
    }
}
