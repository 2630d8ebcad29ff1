//! What a connection is handed with each call, besides its own state: the time, the host, and what all connections
//! of one TCP share. Connections never see each other.

use crate::challenge_ack::ChallengeBudget;
use crate::config::TcpConfig;
use crate::counters::TcpCounters;
use crate::event::TcpEvent;
use crate::fastopen::{Cookies, Worth};
use crate::isn::Secrets;
use crate::memory::Budget;
use crate::placement::Awaited;
use crate::recovery::flight::{Flight, Pool};
use crate::segment::Segment;
use crate::settings::Settings;
use crate::syn_queue::HalfOpen;
use crate::tuple::Tuple;
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;
use stack_core::{EndpointId, Instant, NicId, RxPacket, TransportCx};
use stack_packet::Rope;
use stack_wire::seq::SeqNum;
use stack_wire::tcp::Flags;
use stack_wire::tcp_options::FastOpenCookie;

/// Control packets that wait for the next transmission; more are dropped, as a network would.
const MAX_CONTROL: usize = 1024;
/// Empty ropes kept for the next connection that has something to send or to read.
const MAX_SPARE_ROPES: usize = 32;

/// A packet without text that belongs to no connection in the table: resets, ACKs of records, SYN-ACKs.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Control {
    /// A finished answer.
    Reply(Reply),
    /// The SYN-ACK of a half-open peer, built from its record when it is sent.
    SynAck(EndpointId),
    /// The SYN-ACK of a peer of which nothing is kept.
    SynCookie(HalfOpen),
}

/// A segment without text or SYN.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reply {
    pub(crate) tuple: Tuple,
    pub(crate) nic: Option<NicId>,
    pub(crate) seq: SeqNum,
    pub(crate) ack: SeqNum,
    pub(crate) flags: Flags,
    pub(crate) window: u16,
    pub(crate) timestamps: Option<(u32, u32)>,
    pub(crate) mark: u32,
}

/// What all connections of one TCP share.
#[derive(Debug)]
#[expect(clippy::vec_box, reason = "connections own the boxes; a rope moves between them and the pool")]
pub(crate) struct Shared {
    pub(crate) config: TcpConfig,
    /// What a new socket begins with.
    pub(crate) settings: Arc<Settings>,
    /// The same for sockets of both families.
    pub(crate) dual_settings: Arc<Settings>,
    pub(crate) counters: TcpCounters,
    pub(crate) challenges: ChallengeBudget,
    pub(crate) memory: Budget,
    pub(crate) fast_open: Cookies,
    pub(crate) control: VecDeque<Control>,
    pub(crate) ready: VecDeque<EndpointId>,
    /// What may have been placed with a reader.
    pub(crate) awaited: Option<Awaited>,
    /// The latest time that a call came with.
    latest: Instant,
    secrets: Option<Secrets>,
    spare_ropes: Vec<Box<Rope>>,
    spare_flights: Pool,
}

impl Shared {
    pub(crate) fn new(config: TcpConfig) -> Self {
        Self {
            settings: Arc::new(Settings::new(&config)),
            dual_settings: Arc::new(Settings { maps_ipv4: true, ..Settings::new(&config) }),
            config,
            counters: TcpCounters::default(),
            challenges: ChallengeBudget::default(),
            memory: Budget::default(),
            fast_open: Cookies::default(),
            control: VecDeque::new(),
            ready: VecDeque::new(),
            awaited: None,
            latest: Instant::ZERO,
            secrets: None,
            spare_ropes: Vec::new(),
            spare_flights: Pool::default(),
        }
    }

    /// Time does not go back from one call to the next, even if callers looked at the clock before they waited for
    /// a lock: a timestamp that is older than the one before is thrown away by the peer (RFC 7323 §5.3).
    pub(crate) fn keep_time(&mut self, cx: &mut TransportCx<'_>) {
        self.latest = self.latest.max(cx.now);
        cx.now = self.latest;
    }

    /// The latest time that a call came with.
    pub(crate) fn latest(&self) -> Instant {
        self.latest
    }

    /// The secrets, drawn at the first need.
    pub(crate) fn secrets(&mut self, cx: &mut TransportCx<'_>) -> Secrets {
        *self.secrets.get_or_insert_with(|| Secrets::new(cx.host))
    }

    /// The Fast Open cookie of a peer.
    pub(crate) fn fast_open_cookie(&mut self, cx: &mut TransportCx<'_>, peer: IpAddr) -> FastOpenCookie {
        self.fast_open.make(cx.now, &self.config, || cx.host.random(), peer)
    }

    /// What a Fast Open cookie is worth that a peer brings.
    pub(crate) fn check_fast_open_cookie(
        &mut self,
        cx: &mut TransportCx<'_>,
        peer: IpAddr,
        cookie: &FastOpenCookie,
    ) -> Worth {
        self.fast_open.check(cx.now, &self.config, || cx.host.random(), peer, cookie)
    }

    /// Queues a control packet; beyond the cap it is dropped and counted.
    pub(crate) fn push_control(&mut self, control: Control) -> bool {
        let fits = self.control.len() < MAX_CONTROL;
        if fits {
            self.control.push_back(control);
        } else {
            self.counters.control_drops += 1;
        }
        fits
    }

    /// Answers a segment with a reset, as RFC 9293 §3.10.7.1 has it: from its ACK where it has one, else for what it
    /// took of sequence space. Resets are never answered.
    pub(crate) fn reset_stray(&mut self, tuple: Tuple, nic: Option<NicId>, seg: &Segment, mark: u32) {
        if seg.flags.rst() {
            return;
        }
        let (seq, ack, flags) = if seg.flags.ack() {
            (seg.ack, SeqNum(0), Flags::RST)
        } else {
            (SeqNum(0), seg.seq + seg.sequence_len(), Flags::RST | Flags::ACK)
        };
        let reply = Reply { tuple, nic, seq, ack, flags, window: 0, timestamps: None, mark };
        self.push_control(Control::Reply(reply));
    }

    /// An empty rope.
    pub(crate) fn rope(&mut self) -> Box<Rope> {
        self.spare_ropes.pop().unwrap_or_default()
    }

    /// Takes an empty rope back.
    pub(crate) fn give_rope(&mut self, rope: Box<Rope>) {
        if self.spare_ropes.len() < MAX_SPARE_ROPES && rope.is_empty() {
            self.spare_ropes.push(rope);
        }
    }

    /// A place for what a connection is about to have in flight.
    pub(crate) fn flight(&mut self) -> Box<Flight> {
        self.spare_flights.take()
    }

    /// Takes it back.
    pub(crate) fn give_flight(&mut self, flight: Box<Flight>) {
        self.spare_flights.give(flight);
    }
}

/// The surroundings of one call to one connection.
pub(crate) struct Env<'a, 'b> {
    pub(crate) now: Instant,
    pub(crate) id: EndpointId,
    pub(crate) cx: &'a mut TransportCx<'b>,
    pub(crate) shared: &'a mut Shared,
}

impl<'a, 'b> Env<'a, 'b> {
    pub(crate) fn new(id: EndpointId, cx: &'a mut TransportCx<'b>, shared: &'a mut Shared) -> Self {
        Self { now: cx.now, id, cx, shared }
    }

    pub(crate) fn config(&self) -> &TcpConfig {
        &self.shared.config
    }

    pub(crate) fn counters(&mut self) -> &mut TcpCounters {
        &mut self.shared.counters
    }

    /// Shows an event to the probe, if there is one.
    pub(crate) fn emit(&self, event: impl FnOnce() -> TcpEvent) {
        if let Some(probe) = &self.shared.config.probe {
            probe.event(self.now, self.id, &event());
        }
    }
}

/// The interface that an answer to a packet is bound to: the one it came by, where addresses mean nothing without it.
pub(crate) fn answer_nic(packet: &RxPacket) -> Option<NicId> {
    let local = crate::tuple::is_link_local;
    (local(packet.ip.src) || local(packet.ip.dst)).then_some(packet.meta.nic)
}
