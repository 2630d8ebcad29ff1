//! One TCP and a peer whose segments are written by hand, in a line each, as tcpdump shows them:
//!
//! `"S. 0:0 ack 1 win 65535 <mss 1460,ws 10,ts 5 0>"` — flags, first and last sequence number, then what is said of
//! the rest. Numbers count from each side's initial one. In [`Script::expect`] only what is written is compared;
//! `<>` says that there are no options. Text is a pattern of its position and always compared.

use super::host::Node;
use super::line::{LETTERS, Line};
use crate::congestion::Algorithm;
use crate::ecn::Codepoint;
use crate::{State, TcpConfig, TcpCounters, TcpInfo};
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use bytes::Bytes;
use core::net::{IpAddr, SocketAddr};
use core::time::Duration;
use stack_core::{
    Cast, Checksum, DeliveryError, EndpointId, Error, ErrorKind, ErrorOrigin, Families, Instant, IpMeta,
    RxPacket, SocketOption, TransportProtocol, TxPacket,
};
use stack_wire::seq::SeqNum;
use stack_wire::tcp::{Emit, Flags, Tcp as TcpView};
use stack_wire::tcp_options::TcpOptions;

/// The peer's initial sequence number: close to the wrap.
const PEER_ISS: u32 = u32::MAX - 1500;

/// The text of a stream at a position that counts from its first octet.
pub(super) fn text(from: u32, len: u32) -> Vec<u8> {
    (from..from + len).map(|i| (i % 251) as u8).collect()
}

pub(super) struct Script {
    pub(super) node: Node,
    pub(super) id: EndpointId,
    pub(super) listener: Option<EndpointId>,
    start: Instant,
    pub(super) our_iss: SeqNum,
    /// The last timestamp that we sent.
    pub(super) our_ts: u32,
    out: VecDeque<(Instant, Line, u16)>,
    pub(super) peer: SocketAddr,
    our_port: u16,
    written: u32,
    /// Octets that have been read.
    pub(super) read: u32,
    pub(super) cast: Cast,
    /// The ECN field of what the peer sends from now on.
    pub(super) codepoint: Codepoint,
    /// That of what was sent last.
    pub(super) sent_codepoint: Codepoint,
}

impl Script {
    /// A TCP without sockets.
    pub(super) fn new(config: TcpConfig) -> Self {
        let node = Node::new("10.0.0.1", config);
        let start = node.now;
        Self {
            node,
            id: EndpointId { index: u32::MAX, generation: 0 },
            listener: None,
            start,
            our_iss: SeqNum(0),
            our_ts: 0,
            out: VecDeque::new(),
            peer: "10.0.0.2:5000".parse().unwrap(),
            our_port: 80,
            written: 0,
            read: 0,
            cast: Cast::Unicast,
            codepoint: Codepoint::NotEct,
            sent_codepoint: Codepoint::NotEct,
        }
    }

    /// Timestamps, window scaling, SACK and pacing off, and Reno: what most scripts want to look at.
    pub(super) fn plain() -> TcpConfig {
        TcpConfig {
            timestamps: false,
            window_scaling: false,
            sack: false,
            pacing: false,
            congestion: Algorithm::Reno,
            ..TcpConfig::default()
        }
    }

    /// A listener on port 80.
    pub(super) fn listening(config: TcpConfig, backlog: usize) -> Self {
        let mut script = Self::new(config);
        let id = script.node.with(|tcp, cx| {
            let id = tcp.create(cx, Families::V4).unwrap();
            tcp.bind(cx, id, "0.0.0.0:80".parse().unwrap()).unwrap();
            tcp.listen(cx, id, backlog).unwrap();
            id
        });
        script.listener = Some(id);
        script.id = id;
        script
    }

    /// A connection that a peer with these SYN options has opened, accepted.
    pub(super) fn accepted(config: TcpConfig, syn_options: &str) -> Self {
        let mut script = Self::listening(config, 5);
        script.inject(&format!("S 0:0 win 65535 <{syn_options}>"));
        script.expect("S. 0:0 ack 1");
        let ts = if syn_options.contains("ts") { "ts 2 e" } else { "" };
        script.inject(&format!(". 1:1 ack 1 win 65535 <{ts}>"));
        script.accept();
        script
    }

    /// The usual: no options but an MSS of 1000.
    pub(super) fn established() -> Self {
        Self::accepted(Self::plain(), "mss 1000")
    }

    pub(super) fn accept(&mut self) -> EndpointId {
        let listener = self.listener.unwrap();
        self.id = self.node.with(|tcp, cx| tcp.accept(cx, listener)).unwrap().0;
        self.id
    }

    /// A socket that connects to the peer; its SYN is next.
    pub(super) fn connecting(config: TcpConfig) -> Self {
        let mut script = Self::new(config);
        let to = script.peer;
        script.id = script.node.with(|tcp, cx| {
            let id = tcp.create(cx, Families::V4).unwrap();
            assert_eq!(tcp.connect(cx, id, to), Err(Error::ConnectStarted));
            id
        });
        script.our_port = script.node.tcp.local_address(script.id).unwrap().port();
        script.flush();
        script
    }

    /// The peer's segment arrives.
    #[track_caller]
    pub(super) fn inject(&mut self, line: &str) {
        self.inject_batch(&[line]);
    }

    /// Several arrive in one batch.
    pub(super) fn inject_batch(&mut self, lines: &[&str]) {
        for line in lines {
            let packet = self.packet(line);
            self.node.receive(packet);
        }
        self.flush();
    }

    /// One super-packet arrives, of segments of that size.
    pub(super) fn inject_super(&mut self, line: &str, gso_size: u16) {
        let mut packet = self.packet(line);
        packet.meta.gso_size = gso_size;
        self.node.receive(packet);
        self.flush();
    }

    pub(super) fn packet(&self, line: &str) -> RxPacket {
        let line = Line::parse(line);
        let flags = LETTERS
            .iter()
            .filter(|(_, letter)| line.flags.contains(*letter))
            .fold(Flags::NONE, |flags, (flag, _)| flags | *flag);
        let options = self.parse_options(line.options.as_deref().unwrap_or_default());
        let mut area = [0; 40];
        let options_len = options.write(&mut area);
        let emit = Emit {
            src_port: self.peer.port(),
            dst_port: self.our_port,
            seq: SeqNum(PEER_ISS) + line.seq,
            ack: self.our_iss + line.ack.unwrap_or(0),
            flags,
            window: line.win.unwrap_or(65_535) as u16,
            urgent: line.urg.unwrap_or(0) as u16,
            options: &area[..options_len],
        };
        let mut bytes = alloc::vec![0; emit.header_len()];
        emit.write_partial(&mut bytes, Default::default());
        bytes.extend(text(line.seq.wrapping_sub(1) % 1_000_000, line.end.wrapping_sub(line.seq)));
        let mut packet = RxPacket::new(Bytes::from(bytes), 0x0800, self.node.now);
        packet.meta.checksum = Checksum::Verified;
        packet.ip = IpMeta {
            src: self.peer.ip(),
            dst: self.node.services.address,
            protocol: 6,
            cast: self.cast,
            traffic_class: self.codepoint.bits(),
            ..IpMeta::default()
        };
        packet
    }

    fn parse_options(&self, text: &str) -> TcpOptions {
        let mut options = TcpOptions::NONE;
        for option in text.split(',').filter(|option| !option.is_empty()) {
            let words: Vec<&str> = option.split_whitespace().collect();
            let number = |index: usize| match words[index] {
                "e" => self.our_ts,
                word => word.parse::<i64>().unwrap() as u32,
            };
            match words[0] {
                "mss" => options.mss = Some(number(1) as u16),
                "ws" => options.window_scale = Some(number(1) as u8),
                "sack" if words.len() == 1 => options.sack_permitted = true,
                "sack" => {
                    for block in &words[1..] {
                        let (left, right) = block.split_once(':').expect("a block");
                        let edge = |text: &str| self.our_iss + text.parse::<i64>().unwrap() as u32;
                        assert!(options.sack.push(edge(left), edge(right)));
                    }
                }
                "ts" => options.timestamps = Some((number(1), number(2))),
                other => panic!("option {other}"),
            }
        }
        options
    }

    /// Collects what the TCP sends.
    pub(super) fn flush(&mut self) {
        for packet in self.node.transmit(32) {
            self.sent_codepoint = Codepoint::of_traffic_class(packet.ip.traffic_class);
            let line = self.read_packet(&packet);
            self.out.push_back((self.node.now, line, packet.gso_size));
        }
    }

    fn read_packet(&mut self, packet: &TxPacket) -> Line {
        let bytes = packet.to_bytes();
        let tcp = TcpView::parse(&bytes).expect("a well-formed segment");
        assert_eq!(packet.checksum, Checksum::Partial { start: 0, offset: 16 });
        assert_eq!((packet.ip.dst, tcp.dst_port()), (self.peer.ip(), self.peer.port()));
        let flags = tcp.flags();
        if flags.syn() {
            self.our_iss = tcp.seq();
        }
        let seq = tcp.seq().distance_from(self.our_iss);
        let len = tcp.payload().len() as u32;
        if len > 0 {
            assert!(tcp.payload() == text(seq - 1, len), "the text at {seq} is not what was written");
        }
        let options = TcpOptions::parse(tcp.options_bytes());
        let mut shown = Vec::new();
        shown.extend(options.mss.map(|mss| format!("mss {mss}")));
        shown.extend(options.window_scale.map(|shift| format!("ws {shift}")));
        shown.extend(options.sack_permitted.then(|| "sack".to_string()));
        if !options.sack.is_empty() {
            let edge = |seq: SeqNum| seq.distance_from(SeqNum(PEER_ISS));
            let blocks = options.sack.iter().map(|b| format!(" {}:{}", edge(b.left), edge(b.right)));
            shown.push(format!("sack{}", blocks.collect::<String>()));
        }
        if let Some((tsval, tsecr)) = options.timestamps {
            self.our_ts = tsval;
            shown.push(format!("ts {tsval} {tsecr}"));
        }
        let ack = tcp.ack().distance_from(SeqNum(PEER_ISS));
        Line {
            flags: LETTERS.iter().filter(|(flag, _)| flags.contains(*flag)).map(|(_, l)| *l).collect(),
            seq,
            end: seq + len,
            ack: Some(if flags.ack() { ack } else { tcp.ack().0 }),
            win: Some(u32::from(tcp.window())),
            urg: flags.urg().then(|| u32::from(tcp.urgent())),
            options: Some(shown.join(",")),
        }
    }

    /// The next segment that was sent is this one.
    #[track_caller]
    pub(super) fn expect(&mut self, line: &str) {
        let Some((_, seen, _)) = self.out.pop_front() else { panic!("expected {line}\nseen     nothing") };
        assert!(Line::parse(line).holds(&seen), "expected {line}\nseen     {seen}");
    }

    /// The same, sent at that many milliseconds after the script's beginning; time passes until then.
    #[track_caller]
    pub(super) fn expect_at(&mut self, ms: u64, line: &str) {
        let at = self.start + Duration::from_millis(ms);
        let end = at + Duration::from_millis(1);
        while let Some(next) = self.node.deadline().filter(|next| *next < end && self.out.is_empty()) {
            self.advance_to(next);
        }
        if self.out.is_empty() {
            self.advance_to(at);
        }
        let Some((when, seen, _)) = self.out.pop_front() else { panic!("expected {line}\nseen     nothing") };
        let after = (when - self.start).as_millis();
        assert!(Line::parse(line).holds(&seen), "expected {ms} {line}\nseen     {after} {seen}");
        assert_eq!(after, u128::from(ms), "{line} at another time");
    }

    /// The next one is a super-packet of segments of that size.
    #[track_caller]
    pub(super) fn expect_super(&mut self, line: &str, gso_size: u16) {
        let (_, _, size) = self.out.front().expect("a packet");
        assert_eq!(*size, gso_size);
        self.expect(line);
    }

    /// Nothing (more) was sent.
    #[track_caller]
    pub(super) fn quiet(&mut self) {
        if let Some((_, seen, _)) = self.out.front() {
            panic!("expected nothing\nseen     {seen}");
        }
    }

    /// Drops what was sent and says how many segments that were.
    pub(super) fn skip(&mut self) -> usize {
        self.out.drain(..).count()
    }

    /// The next segment that was sent, as text.
    pub(super) fn pop(&mut self) -> Option<String> {
        self.out.pop_front().map(|(_, line, _)| line.to_string())
    }

    /// Milliseconds since the beginning.
    pub(super) fn ms(&self) -> u64 {
        (self.node.now - self.start).as_millis() as u64
    }

    /// Lets milliseconds pass.
    pub(super) fn advance(&mut self, ms: u64) {
        self.advance_to(self.node.now + Duration::from_millis(ms));
    }

    fn advance_to(&mut self, until: Instant) {
        while let Some(next) = self.node.deadline().filter(|next| *next <= until) {
            self.node.now = self.node.now.max(next);
            self.node.run_timers();
            self.flush();
        }
        self.node.now = self.node.now.max(until);
    }

    /// The application writes the next octets of the pattern; returns how many were taken.
    pub(super) fn write(&mut self, len: u32) -> Result<usize, Error> {
        let bytes = text(self.written, len);
        let taken = self.node.with(|tcp, cx| tcp.write(cx, self.id, &bytes));
        self.written += taken.unwrap_or(0) as u32;
        self.flush();
        taken
    }

    /// The same by reference, as one piece.
    pub(super) fn write_bytes(&mut self, len: u32) -> Result<usize, Error> {
        let mut bytes = Bytes::from(text(self.written, len));
        let taken = self.node.with(|tcp, cx| tcp.write_bytes(cx, self.id, &mut bytes));
        self.written += taken.unwrap_or(0) as u32;
        self.flush();
        taken
    }

    pub(super) fn write_urgent(&mut self, len: u32) {
        let bytes = text(self.written, len);
        self.written += self.node.with(|tcp, cx| tcp.write_urgent(cx, self.id, &bytes)).unwrap() as u32;
        self.flush();
    }

    /// The application reads up to `max` octets; what it gets is compared with the pattern.
    #[track_caller]
    pub(super) fn read(&mut self, max: usize) -> Result<usize, Error> {
        let mut buffer = alloc::vec![0; max];
        let got = self.node.with(|tcp, cx| tcp.read(cx, self.id, &mut buffer));
        if let Ok(len) = got {
            assert!(buffer[..len] == text(self.read, len as u32), "the text at {} is wrong", self.read);
            self.read += len as u32;
        }
        self.flush();
        got
    }

    pub(super) fn shutdown(&mut self) {
        self.node.with(|tcp, cx| tcp.shutdown(cx, self.id, stack_core::Shutdown::Write)).unwrap();
        self.flush();
    }

    pub(super) fn close(&mut self) {
        self.node.with(|tcp, cx| tcp.close(cx, self.id));
        self.flush();
    }

    pub(super) fn option(&mut self, option: SocketOption) {
        self.node.with(|tcp, cx| tcp.set_option(cx, self.id, option)).unwrap();
        self.flush();
    }

    /// An error about a packet of ours that began at `seq`.
    pub(super) fn error(&mut self, kind: ErrorKind, seq: u32) {
        let mut quoted = Vec::new();
        quoted.extend(self.our_port.to_be_bytes());
        quoted.extend(self.peer.port().to_be_bytes());
        quoted.extend((self.our_iss + seq).0.to_be_bytes());
        let from: IpAddr = "10.9.9.9".parse().unwrap();
        let (local, remote) = (self.node.services.address, self.peer.ip());
        let error = DeliveryError {
            kind,
            origin: ErrorOrigin::Icmp { from },
            nic: None,
            protocol: 6,
            local,
            remote,
            quoted: Bytes::from(quoted),
        };
        let key = (Some(local), self.our_port, Some(remote), self.peer.port());
        let Some(id) = self.node.services.table.get(&key).copied() else { return };
        self.node.with(|tcp, cx| tcp.receive_error(cx, id, &error));
        self.flush();
    }

    pub(super) fn state(&self) -> State {
        self.node.tcp.state(self.id).unwrap_or_default()
    }

    pub(super) fn info(&self) -> TcpInfo {
        self.node.tcp.info(self.id).unwrap()
    }

    pub(super) fn counters(&self) -> &TcpCounters {
        self.node.tcp.counters()
    }

    pub(super) fn take_error(&mut self) -> Option<Error> {
        self.node.tcp.take_error(self.id)
    }
}
