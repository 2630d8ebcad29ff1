//! The decorator: what passes in either direction is copied into the capture.

use crate::Capture;
use crate::format::Framing;
use crate::record::Record;
use core::task::Waker;
use core::time::Duration;
use stack_core::{
    DropReason, Instant, LinkAddress, LinkCapabilities, LinkDrops, LinkEndpoint, LinkError, LinkReceive,
    LinkTransmit, Medium, RxBatch, Token, TxBatch,
};
use std::io;
use std::sync::Arc;
use thiserror::Error;

/// Packets that are copied before the link is asked to take them; those that it does not take are copied again.
const CHUNK: usize = 32;

/// Why a link can't be captured.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PcapError {
    /// The file takes no more.
    #[error("cannot describe the link {name:?} in the capture: {source}; capture to a new file")]
    Write {
        /// The name of the link.
        name: String,
        /// What the system says.
        source: io::Error,
    },
    /// The link has taken the Ethernet headers off its frames, and a capture needs them.
    #[error("the link {0:?} hands out packets without their Ethernet header; capture the link inside of it")]
    Unframed(String),
}

/// A link whose traffic is captured.
#[derive(Debug)]
pub struct Pcap<L> {
    inner: L,
    capture: Capture,
    interface: u32,
}

impl<L: LinkEndpoint> Pcap<L> {
    /// Captures `inner` as the interface `name` of the file.
    ///
    /// # Errors
    /// The capture has failed before, or the link hands out Ethernet packets without their headers.
    pub fn new(inner: L, capture: &Capture, name: &str) -> Result<Self, PcapError> {
        let claims = inner.capabilities();
        let framing = match claims.medium {
            Medium::Ethernet if claims.header_len > 0 => return Err(PcapError::Unframed(name.to_owned())),
            Medium::Ethernet => Framing::Ethernet,
            Medium::Ip | Medium::Loopback => Framing::Raw,
        };
        let interface = capture
            .interface(name, framing, inner.link_address())
            .map_err(|source| PcapError::Write { name: name.to_owned(), source })?;
        Ok(Self { inner, capture: capture.clone(), interface })
    }
}

impl<L: LinkEndpoint> LinkEndpoint for Pcap<L> {
    fn capabilities(&self) -> LinkCapabilities {
        LinkCapabilities { wants_outcomes: true, ..self.inner.capabilities() }
    }

    fn link_address(&self) -> Option<LinkAddress> {
        self.inner.link_address()
    }

    fn drops(&self) -> Vec<Arc<dyn LinkDrops>> {
        self.inner.drops()
    }

    fn split(self: Box<Self>) -> (Box<dyn LinkReceive>, Box<dyn LinkTransmit>) {
        let inner_wants_outcomes = self.inner.capabilities().wants_outcomes;
        let (receive, transmit) = Box::new(self.inner).split();
        let recording = Recording { capture: self.capture, interface: self.interface, records: Vec::new() };
        let receive = PcapReceive {
            inner: receive,
            inner_wants_outcomes,
            inner_tokens: Vec::new(),
            first_token: 0,
            outcomes: Vec::new(),
            recording: recording.clone(),
        };
        (Box::new(receive), Box::new(PcapTransmit { inner: transmit, chunk: TxBatch::new(), recording }))
    }
}

/// What both halves know of the capture.
struct Recording {
    capture: Capture,
    interface: u32,
    records: Vec<Record>,
}

impl Recording {
    fn clone(&self) -> Self {
        Self { capture: self.capture.clone(), interface: self.interface, records: Vec::new() }
    }

    fn wall_clock(&self, now: Instant) -> Duration {
        self.capture.config().epoch + Duration::from_nanos(now.as_nanos())
    }

    fn snaplen(&self) -> usize {
        self.capture.config().snaplen as usize
    }
}

struct PcapReceive {
    inner: Box<dyn LinkReceive>,
    inner_wants_outcomes: bool,
    /// The tokens that the inner link gave to the packets of the last batch.
    inner_tokens: Vec<Token>,
    /// Our token of the first packet of the last batch; the others count up from it.
    first_token: u64,
    /// What became of the packets of the last batch.
    outcomes: Vec<Option<DropReason>>,
    recording: Recording,
}

impl PcapReceive {
    fn settle(&mut self) {
        self.first_token += self.inner_tokens.len() as u64;
        self.inner_tokens.clear();
        self.recording.capture.settle(self.recording.interface, &mut self.outcomes);
    }

    fn record(&mut self, now: Instant, arrived: &mut RxBatch, first: usize) {
        let packets = &mut arrived[first..];
        for (packet, token) in packets.iter_mut().zip(self.first_token..) {
            self.inner_tokens.push(packet.meta.token);
            packet.meta.token = Token(token);
        }
        if self.recording.capture.miss(packets.len()) {
            return;
        }
        let (at, snaplen) = (self.recording.wall_clock(now), self.recording.snaplen());
        let copies =
            packets.iter().map(|packet| Record::received(packet, self.recording.interface, at, snaplen));
        self.recording.records.extend(copies);
        self.recording.capture.append(&mut self.recording.records);
        self.outcomes.resize(packets.len(), None);
    }
}

impl LinkReceive for PcapReceive {
    fn receive(&mut self, now: Instant, batch: &mut RxBatch) -> Result<usize, LinkError> {
        self.settle();
        let first = batch.len();
        let result = self.inner.receive(now, batch);
        if batch.len() > first {
            self.record(now, batch, first);
        }
        result
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.inner.poll_timeout()
    }

    fn register(&mut self, waker: &Waker) {
        self.inner.register(waker);
    }

    fn descriptor(&self) -> Option<i32> {
        self.inner.descriptor()
    }

    /// Notes the reason for packets of the last batch; for older ones the record is written.
    fn outcome(&mut self, token: Token, reason: DropReason) {
        let position =
            token.0.checked_sub(self.first_token).and_then(|position| usize::try_from(position).ok());
        let Some(position) = position else { return };
        if let Some(outcome) = self.outcomes.get_mut(position) {
            outcome.get_or_insert(reason);
        }
        if let Some(inner) = self.inner_tokens.get(position).filter(|_| self.inner_wants_outcomes) {
            self.inner.outcome(*inner, reason);
        }
    }
}

impl Drop for PcapReceive {
    fn drop(&mut self) {
        self.settle();
    }
}

struct PcapTransmit {
    inner: Box<dyn LinkTransmit>,
    /// Packets between the caller's batch and the link; empty between calls.
    chunk: TxBatch,
    recording: Recording,
}

impl PcapTransmit {
    /// Lets the link take what is in the chunk, and records what it has taken.
    fn transmit_chunk(&mut self, now: Instant) -> Result<(), LinkError> {
        let offered = self.chunk.len();
        let copied = !self.recording.capture.miss(0);
        if copied {
            let (at, snaplen) = (self.recording.wall_clock(now), self.recording.snaplen());
            let interface = self.recording.interface;
            let copies = self.chunk.iter().map(|packet| Record::transmitted(packet, interface, at, snaplen));
            self.recording.records.extend(copies);
        }
        let result = self.inner.transmit(now, &mut self.chunk);
        let taken = offered - self.chunk.len();
        if copied {
            self.recording.records.truncate(taken);
            self.recording.capture.append(&mut self.recording.records);
        } else {
            self.recording.capture.miss(taken);
        }
        result
    }
}

impl LinkTransmit for PcapTransmit {
    fn transmit(&mut self, now: Instant, batch: &mut TxBatch) -> Result<(), LinkError> {
        loop {
            for _ in 0..CHUNK {
                let Some(packet) = batch.pop() else { break };
                self.chunk.push(packet);
            }
            let result = self.transmit_chunk(now);
            if !self.chunk.is_empty() || result.is_err() {
                self.chunk.append(batch);
                core::mem::swap(&mut self.chunk, batch);
                return result;
            }
            if batch.is_empty() {
                // Slots that the link has emptied go back to where the next packets are built.
                self.chunk.append(batch);
                return Ok(());
            }
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.inner.poll_timeout()
    }

    fn register(&mut self, waker: &Waker) {
        self.inner.register(waker);
    }

    fn descriptor(&self) -> Option<i32> {
        self.inner.descriptor()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CaptureConfig;
    use crate::capture::tests::Memory;
    use crate::format::tests::{ReadRecord, read};
    use bytes::Bytes;
    use link_channel::{ChannelConfig, ChannelPort, injector};
    use stack_core::Checksum;

    const EPOCH: Duration = Duration::from_secs(1_700_000_000);

    struct Setup {
        port: ChannelPort,
        receive: Box<dyn LinkReceive>,
        transmit: Box<dyn LinkTransmit>,
        capture: Capture,
        memory: Memory,
    }

    fn setup(channel: ChannelConfig) -> Setup {
        let memory = Memory::default();
        let capture = Capture::to_writer(memory.clone(), CaptureConfig::new(EPOCH)).unwrap();
        let (link, port) = injector(channel);
        let (receive, transmit) = Box::new(Pcap::new(link, &capture, "test0").unwrap()).split();
        Setup { port, receive, transmit, capture, memory }
    }

    impl Setup {
        fn inject(&self, payload: &'static [u8]) {
            self.port.inject_bytes(Bytes::from_static(payload)).unwrap();
        }

        fn records(self) -> Vec<ReadRecord> {
            drop((self.receive, self.transmit, self.capture));
            read(&self.memory.contents())
        }
    }

    fn queue(batch: &mut TxBatch, payload: &'static [u8]) {
        batch.slot().push(Bytes::from_static(payload)).unwrap();
    }

    #[test]
    fn it_claims_what_the_link_claims_and_wants_outcomes() {
        let (link, _port) = injector(ChannelConfig::default().with_offload());
        let inner = link.capabilities();
        let capture = Capture::to_writer(Memory::default(), CaptureConfig::new(EPOCH)).unwrap();
        let claims = Pcap::new(link, &capture, "x").unwrap().capabilities();
        assert_eq!(claims, LinkCapabilities { wants_outcomes: true, ..inner });
    }

    #[test]
    fn both_directions_are_recorded_with_stamps_and_reasons() {
        let mut setup = setup(ChannelConfig::default());
        for payload in [b"\x45 one", b"\x45 two", b"\x45 3rd"] {
            setup.inject(payload);
        }
        let (mut batch, mut out) = (Vec::new(), TxBatch::new());
        setup.receive.receive(Instant::from_nanos(7), &mut batch).unwrap();
        setup.receive.outcome(batch[1].meta.token, DropReason::BadTransportChecksum);
        setup.receive.outcome(batch[1].meta.token, DropReason::Policy);
        setup.receive.outcome(Token(99), DropReason::Policy);
        queue(&mut out, b"\x45 reply");
        setup.transmit.transmit(Instant::from_nanos(9), &mut out).unwrap();
        setup.receive.receive(Instant::from_nanos(11), &mut batch).unwrap();
        assert_eq!(setup.capture.statistics().packets, 4);

        let records = setup.records();
        let comments: Vec<Option<&str>> = records.iter().map(|record| record.comment.as_deref()).collect();
        assert_eq!(comments, [None, Some("dropped: bad-transport-checksum"), None, None]);
        assert_eq!(
            records.iter().map(|record| record.inbound).collect::<Vec<_>>(),
            [true, true, true, false]
        );
        let stamps: Vec<Duration> = records.iter().map(|record| record.at - EPOCH).collect();
        assert_eq!(stamps, [7, 7, 7, 9].map(Duration::from_nanos));
        assert_eq!((records[3].data.as_slice(), records[3].framing), (&b"\x45 reply"[..], Framing::Raw));
    }

    #[test]
    fn tokens_are_new_for_each_packet() {
        let mut setup = setup(ChannelConfig::default());
        let mut batch = Vec::new();
        for _ in 0..3 {
            setup.inject(b"\x45");
            setup.inject(b"\x45");
            setup.receive.receive(Instant::ZERO, &mut batch).unwrap();
        }
        let late = batch[1].meta.token;
        setup.receive.outcome(late, DropReason::FragmentTimeout);
        assert_eq!(batch.iter().map(|packet| packet.meta.token.0).collect::<Vec<_>>(), [0, 1, 2, 3, 4, 5]);
        assert!(setup.records().iter().all(|record| record.comment.is_none()));
    }

    #[test]
    fn only_what_the_link_takes_is_recorded_and_only_once() {
        let mut setup = setup(ChannelConfig::default().with_capacity(40));
        let mut out = TxBatch::new();
        for _ in 0..50 {
            queue(&mut out, b"\x45");
        }
        setup.transmit.transmit(Instant::ZERO, &mut out).unwrap();
        assert_eq!((out.len(), setup.capture.statistics().packets), (10, 40));
        setup.transmit.transmit(Instant::ZERO, &mut out).unwrap();
        assert_eq!((out.len(), setup.capture.statistics().packets), (10, 40));
        setup.port.read_batch(40, &mut TxBatch::new());
        setup.transmit.transmit(Instant::ZERO, &mut out).unwrap();
        assert_eq!((out.len(), setup.capture.statistics().packets), (0, 50));
    }

    #[test]
    fn the_order_of_a_batch_survives_a_link_that_is_full_or_gone() {
        let mut setup = setup(ChannelConfig::default().with_capacity(3));
        let mut out = TxBatch::new();
        for mark in 0..100 {
            out.slot().mark = mark;
        }
        setup.transmit.transmit(Instant::ZERO, &mut out).unwrap();
        assert_eq!(out.iter().map(|packet| packet.mark).collect::<Vec<_>>(), (3..100).collect::<Vec<_>>());
        drop(setup.port);
        assert_eq!(setup.transmit.transmit(Instant::ZERO, &mut out), Err(LinkError::Closed));
        assert_eq!(out.iter().map(|packet| packet.mark).collect::<Vec<_>>(), (3..100).collect::<Vec<_>>());
        assert_eq!(setup.receive.receive(Instant::ZERO, &mut Vec::new()), Err(LinkError::Closed));
    }

    #[test]
    fn a_super_packet_is_recorded_whole() {
        let mut setup = setup(ChannelConfig::default().with_offload());
        let mut out = TxBatch::new();
        let packet = out.slot();
        packet.push(Bytes::from(vec![1; 60_000])).unwrap();
        packet.prepend(40).unwrap().fill(0);
        packet.checksum = Checksum::Partial { start: 20, offset: 16 };
        packet.gso_size = 1448;
        setup.transmit.transmit(Instant::ZERO, &mut out).unwrap();
        let sent = setup.port.read().unwrap();
        assert_eq!(
            sent.checksum,
            Checksum::Partial { start: 20, offset: 16 },
            "the packet itself is untouched"
        );
        let record = &setup.records()[0];
        assert_eq!((record.data.len(), record.original_len), (60_040, 60_040));
        assert_ne!(record.data[36..38], [0, 0]);
    }

    #[test]
    fn frames_are_captured_as_frames_but_not_without_their_header() {
        let station = LinkAddress([2, 0, 0, 0, 0, 1]);
        let mut setup = setup(ChannelConfig::ethernet(station, station));
        setup.inject(b"destinsource\x08\x00payload");
        setup.receive.receive(Instant::ZERO, &mut Vec::new()).unwrap();
        let capture = setup.capture.clone();
        struct Unframed;
        impl LinkEndpoint for Unframed {
            fn capabilities(&self) -> LinkCapabilities {
                LinkCapabilities { header_len: 14, ..LinkCapabilities::plain(Medium::Ethernet, 1500) }
            }
            fn link_address(&self) -> Option<LinkAddress> {
                None
            }
            fn split(self: Box<Self>) -> (Box<dyn LinkReceive>, Box<dyn LinkTransmit>) {
                unreachable!("it is never put to use")
            }
        }
        assert!(matches!(Pcap::new(Unframed, &capture, "x"), Err(PcapError::Unframed(_))));
        drop(capture);
        assert_eq!(setup.records()[0].framing, Framing::Ethernet);
    }

    #[test]
    fn a_capture_in_a_capture_hears_outcomes_by_its_own_tokens() {
        let (inner_file, outer_file) = (Memory::default(), Memory::default());
        let config = CaptureConfig::new(EPOCH);
        let inner_capture = Capture::to_writer(inner_file.clone(), config).unwrap();
        let outer_capture = Capture::to_writer(outer_file.clone(), config).unwrap();
        let (link, port) = injector(ChannelConfig::default());
        let inner = Pcap::new(link, &inner_capture, "inner").unwrap();
        let (mut receive, transmit) = Box::new(Pcap::new(inner, &outer_capture, "outer").unwrap()).split();
        for _ in 0..2 {
            port.inject_bytes(Bytes::from_static(b"\x45")).unwrap();
        }
        let mut batch = Vec::new();
        receive.receive(Instant::ZERO, &mut batch).unwrap();
        receive.outcome(batch[1].meta.token, DropReason::NoEndpoint);
        drop((receive, transmit, inner_capture, outer_capture));
        for file in [inner_file, outer_file] {
            let records = read(&file.contents());
            assert_eq!(records[0].comment, None);
            assert_eq!(records[1].comment.as_deref(), Some("dropped: no-endpoint"));
        }
    }

    #[test]
    fn readiness_is_that_of_the_link() {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicU32, Ordering};
        #[derive(Default)]
        struct Count(AtomicU32);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let count = Arc::new(Count::default());
        let mut setup = setup(ChannelConfig::default());
        setup.receive.register(&Waker::from(Arc::clone(&count)));
        setup.inject(b"\x45");
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        assert_eq!((setup.receive.descriptor(), setup.receive.poll_timeout()), (None, None));
    }
}
