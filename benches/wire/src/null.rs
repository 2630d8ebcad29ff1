//! A peer that does next to nothing: answers TCP and UDP on a TUN device from
//! one thread, one read and one write a packet. What it reaches is the ceiling
//! of any stack behind one queue of such a device.
//!
//! Left out: checksums of what arrives, timers, windows of its own, SACK,
//! every check of a peer's behaviour. Lost segments of the source are sent
//! again after three duplicate acknowledgements, all from there on.

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::thread;
use std::time::Duration;

use crate::packet::{
    ACK, FIN, Header, PSH, Path, RST, SYN, Segment, TCP, UDP, VNET_LEN, build_tcp, build_udp, parse,
    parse_segment, window_scale,
};
use crate::{ECHO, QUESTION, SOURCE, UDP_ECHO, UDP_SINK, sys};

/// Plain data is acknowledged once a batch of at most this many packets.
const BATCH: usize = 64;
const BUFFER: usize = 70_000;
/// Payload of a super-packet, cut to whole segments.
const SUPER_PACKET: usize = 65_000;
const ISS: u32 = 1000;
/// Most bytes that the source has under way.
const MOST_IN_FLIGHT: u32 = 4 << 20;
/// Segments that the source sends for one acknowledgement.
const BURST: usize = 256;

#[derive(Clone, Copy, Default)]
struct Flow {
    rcv_nxt: u32,
    snd_una: u32,
    snd_nxt: u32,
    snd_wnd: u32,
    scale: u8,
    duplicates: u8,
    is_source: bool,
}

struct Responder {
    device: File,
    /// Segment size and, with the virtio-net header, of what the kernel cuts.
    mss: u16,
    vnet: bool,
    /// By the client's port: the bench uses each at one address at a time.
    flows: Vec<Flow>,
    unacknowledged: Vec<Path>,
    payload: Vec<u8>,
    datagrams: u64,
    bytes: u64,
}

/// Answers on the device until it goes.
pub fn run(device: &str, vnet: bool, mss: u16) -> io::Result<()> {
    let mut responder = Responder {
        device: sys::open_tun(device, vnet)?,
        mss,
        vnet,
        flows: vec![Flow::default(); 1 << 16],
        unacknowledged: Vec::new(),
        payload: vec![0x33; BUFFER],
        datagrams: 0,
        bytes: 0,
    };
    println!("ready");
    let mut buffer = vec![0; BUFFER];
    loop {
        let drained = responder.receive(&mut buffer)?;
        if drained && responder.unacknowledged.is_empty() {
            sys::wait_readable(&responder.device);
        }
        responder.acknowledge();
    }
}

impl Responder {
    /// Answers up to a batch of packets; whether the queue is empty after it.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        let skip = if self.vnet { VNET_LEN } else { 0 };
        for _ in 0..BATCH {
            match self.device.read(buffer) {
                Ok(count) => {
                    if let Some((protocol, path, body)) = buffer.get(skip..count).and_then(parse) {
                        self.answer(protocol, path, body);
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // EIO: the device is down; it comes up again.
                Err(error) if error.raw_os_error() == Some(libc::EIO) => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    fn answer(&mut self, protocol: u8, path: Path, body: &[u8]) {
        match protocol {
            UDP => self.datagram(path, body.get(4..).unwrap_or_default()),
            TCP => {
                if let Some(segment) = parse_segment(body) {
                    self.segment(path, &segment);
                }
            }
            _ => {}
        }
    }

    fn datagram(&mut self, path: Path, payload: &[u8]) {
        if path.source == UDP_ECHO {
            self.send_udp(path, payload);
        } else if path.source == UDP_SINK && payload.starts_with(QUESTION) {
            let counts = [self.datagrams.to_le_bytes(), self.bytes.to_le_bytes()].concat();
            self.send_udp(path, &counts);
        } else if path.source == UDP_SINK {
            self.datagrams += 1;
            self.bytes += payload.len() as u64;
        }
    }

    fn segment(&mut self, path: Path, segment: &Segment<'_>) {
        let mut flow = self.flows[usize::from(path.destination)];
        if segment.flags & RST != 0 {
            flow.is_source = false;
        } else if segment.flags & SYN != 0 {
            flow = self.open(path, segment);
        } else {
            flow.snd_wnd = u32::from(segment.window) << flow.scale;
            if segment.payload.is_empty() && segment.flags & FIN == 0 {
                self.acknowledged(path, &mut flow, segment.ack);
            } else {
                self.text(path, &mut flow, segment);
            }
        }
        self.flows[usize::from(path.destination)] = flow;
    }

    fn open(&self, path: Path, segment: &Segment<'_>) -> Flow {
        let [high, low] = self.mss.to_be_bytes();
        let scale = if self.vnet || self.mss > 9000 { 8 } else { 4 };
        let options = [2, 4, high, low, 1, 3, 3, scale];
        let rcv_nxt = segment.seq.wrapping_add(1);
        self.send_tcp(path, Header { seq: ISS, ack: rcv_nxt, flags: SYN | ACK, options: &options }, &[]);
        Flow {
            rcv_nxt,
            snd_una: ISS + 1,
            snd_nxt: ISS + 1,
            snd_wnd: u32::from(segment.window),
            scale: window_scale(segment.options).min(14),
            duplicates: 0,
            is_source: path.source == SOURCE,
        }
    }

    fn acknowledged(&self, path: Path, flow: &mut Flow, ack: u32) {
        let advance = ack.wrapping_sub(flow.snd_una);
        if (1..1 << 30).contains(&advance) {
            flow.snd_una = ack;
            flow.duplicates = 0;
        } else if flow.is_source && flow.snd_nxt != flow.snd_una {
            flow.duplicates += 1;
            if flow.duplicates == 3 {
                flow.duplicates = 0;
                flow.snd_nxt = flow.snd_una;
            }
        }
        if flow.is_source {
            self.pump(path, flow);
        }
    }

    /// Sends what the peer's window allows.
    fn pump(&self, path: Path, flow: &mut Flow) {
        let mss = usize::from(self.mss);
        let chunk = if self.vnet { SUPER_PACKET / mss * mss } else { mss };
        for _ in 0..BURST {
            let in_flight = flow.snd_nxt.wrapping_sub(flow.snd_una);
            if in_flight as usize + chunk > flow.snd_wnd.min(MOST_IN_FLIGHT) as usize {
                return;
            }
            let header = Header { seq: flow.snd_nxt, ack: flow.rcv_nxt, flags: ACK, options: &[] };
            self.send_tcp(path, header, &self.payload[..chunk]);
            flow.snd_nxt = flow.snd_nxt.wrapping_add(chunk as u32);
        }
    }

    fn text(&mut self, path: Path, flow: &mut Flow, segment: &Segment<'_>) {
        let plain = |flow: &Flow, flags| Header { seq: flow.snd_nxt, ack: flow.rcv_nxt, flags, options: &[] };
        if segment.seq != flow.rcv_nxt {
            self.send_tcp(path, plain(flow, ACK), &[]);
            return;
        }
        let fin = segment.flags & FIN;
        flow.rcv_nxt = segment.seq.wrapping_add(segment.payload.len() as u32 + u32::from(fin));
        if path.source == ECHO && !segment.payload.is_empty() {
            self.send_tcp(path, plain(flow, ACK | PSH | fin), segment.payload);
            flow.snd_nxt = flow.snd_nxt.wrapping_add(segment.payload.len() as u32);
        } else if fin != 0 {
            self.send_tcp(path, plain(flow, ACK | FIN), &[]);
        } else if !self.unacknowledged.contains(&path) {
            self.unacknowledged.push(path);
        }
        flow.snd_una = flow.snd_nxt;
        flow.is_source &= fin == 0;
    }

    /// Acknowledges the plain data of the batch.
    fn acknowledge(&mut self) {
        for path in std::mem::take(&mut self.unacknowledged) {
            let flow = self.flows[usize::from(path.destination)];
            self.send_tcp(
                path,
                Header { seq: flow.snd_nxt, ack: flow.rcv_nxt, flags: ACK, options: &[] },
                &[],
            );
        }
    }

    fn send_tcp(&self, path: Path, header: Header<'_>, payload: &[u8]) {
        let mut buffer = [0; 100];
        let len = build_tcp(&mut buffer, path, header, payload, self.vnet.then_some(self.mss));
        self.write(&buffer[..len], payload);
    }

    fn send_udp(&self, path: Path, payload: &[u8]) {
        let mut buffer = [0; 100];
        let len = build_udp(&mut buffer, path, payload);
        self.write(&buffer[..len], payload);
    }

    /// What the device does not take is lost, as on any wire.
    fn write(&self, headers: &[u8], payload: &[u8]) {
        let skip = if self.vnet { 0 } else { VNET_LEN };
        let _ = (&self.device).write_vectored(&[IoSlice::new(&headers[skip..]), IoSlice::new(payload)]);
    }
}
