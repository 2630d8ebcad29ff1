//! The UDP streams of a test: one socket for all, told apart by the client's addresses.
//!
//! A stream begins with a greeting that is answered. Each datagram carries the sender's clock (seconds, microseconds)
//! and a number from 1, in 32 or 64 bits, all in network order. Loss and jitter are counted as iperf3 counts them:
//! a gap is a loss until a late datagram fills it; jitter is that of RFC 1889 §6.3.1.

use super::measure::{Counters, Pace};
use super::protocol::{UDP_HELLO, UDP_WELCOME};
use crate::net::Datagrams;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;

/// Clock and the longer of the two counters.
pub(super) const HEADER_LEN: usize = 16;
/// Largest payload of a datagram over IPv4, in bytes.
pub(super) const MAX_LEN: usize = 65_507;

/// A stream that a client has opened.
pub(super) struct Opened {
    pub(super) peer: SocketAddr,
    pub(super) counters: Arc<Counters>,
}

/// Answers greetings of up to `expected` streams and counts what they send, until the task is dropped.
pub(super) async fn receive(
    socket: Arc<impl Datagrams>,
    expected: usize,
    wide: bool,
    opened: mpsc::Sender<Opened>,
) {
    let mut streams: HashMap<SocketAddr, Inbound> = HashMap::new();
    let mut buffer = vec![0; 1 << 16];
    // An error is about one datagram, such as an unreachable port that an earlier answer met.
    loop {
        tokio::task::consume_budget().await;
        let Ok((length, peer)) = socket.recv_from(&mut buffer).await else { continue };
        let datagram = &buffer[..length];
        if UDP_HELLO.iter().any(|hello| hello == datagram) {
            if !streams.contains_key(&peer) {
                if streams.len() == expected {
                    continue;
                }
                let stream = streams.entry(peer).or_default();
                let _ = opened.send(Opened { peer, counters: Arc::clone(&stream.counters) }).await;
            }
            let _ = socket.send_to(&UDP_WELCOME, peer).await;
        } else if let (Some(stream), Some(header)) = (streams.get_mut(&peer), Header::parse(datagram, wide)) {
            stream.count(header, length, micros());
        }
    }
}

/// Sends numbered datagrams until the task is dropped.
pub(super) async fn send(
    socket: Arc<impl Datagrams>,
    peer: SocketAddr,
    length: usize,
    wide: bool,
    rate: u64,
    counters: Arc<Counters>,
) {
    let mut pace = Pace::new(rate);
    let mut datagram: Vec<u8> = (0..length).map(|index| b'0' + (index % 10) as u8).collect();
    let (mut sent, mut number) = (0, 0);
    loop {
        number += 1;
        Header { micros: micros(), number }.write(&mut datagram, wide);
        if socket.send_to(&datagram, peer).await.is_ok() {
            counters.add_bytes(length);
        }
        counters.packets.store(number, Ordering::Relaxed);
        sent += length as u64;
        pace.wait(sent).await;
    }
}

/// What stands at the beginning of each datagram.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Header {
    micros: u64,
    number: u64,
}

impl Header {
    fn parse(datagram: &[u8], wide: bool) -> Option<Self> {
        let word = |at: usize| Some(u32::from_be_bytes(datagram.get(at..at + 4)?.try_into().ok()?));
        let (seconds, micros, high) = (word(0)?, word(4)?, u64::from(word(8)?));
        let number = if wide { high << 32 | u64::from(word(12)?) } else { high };
        Some(Self { micros: u64::from(seconds) * 1_000_000 + u64::from(micros), number })
    }

    fn write(self, datagram: &mut [u8], wide: bool) {
        let seconds = (self.micros / 1_000_000) as u32;
        let micros = (self.micros % 1_000_000) as u32;
        datagram[0..4].copy_from_slice(&seconds.to_be_bytes());
        datagram[4..8].copy_from_slice(&micros.to_be_bytes());
        if wide {
            datagram[8..16].copy_from_slice(&self.number.to_be_bytes());
        } else {
            datagram[8..12].copy_from_slice(&(self.number as u32).to_be_bytes());
        }
    }
}

/// What is known of a stream that sends to us.
#[derive(Default)]
struct Inbound {
    counters: Arc<Counters>,
    highest: u64,
    /// Arrival less departure on two clocks: only its changes mean something. Microseconds.
    transit: Option<i64>,
    /// Microseconds.
    jitter: f64,
}

impl Inbound {
    fn count(&mut self, header: Header, length: usize, now: u64) {
        let counters = &self.counters;
        counters.add_bytes(length);
        if header.number > self.highest {
            let skipped = header.number - self.highest - 1;
            counters.lost.fetch_add(i64::try_from(skipped).unwrap_or(i64::MAX / 2), Ordering::Relaxed);
            self.highest = header.number;
            counters.packets.store(self.highest, Ordering::Relaxed);
        } else if counters.lost.load(Ordering::Relaxed) > 0 {
            counters.lost.fetch_sub(1, Ordering::Relaxed);
        }
        let transit = now.wrapping_sub(header.micros) as i64;
        let change = transit.wrapping_sub(self.transit.replace(transit).unwrap_or(transit)).unsigned_abs();
        self.jitter += (change as f64 - self.jitter) / 16.0;
        counters.jitter.store((self.jitter * 1000.0) as u64, Ordering::Relaxed);
    }
}

/// The time of day.
fn micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    since.as_micros() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_both_widths() {
        for (wide, number) in [(false, 7), (true, 1 << 40)] {
            let header = Header { micros: 1_700_000_000_123_456, number };
            let mut datagram = [0; HEADER_LEN];
            header.write(&mut datagram, wide);
            assert_eq!(Header::parse(&datagram, wide), Some(header));
            assert_eq!(&datagram[..4], 1_700_000_000_u32.to_be_bytes());
        }
        assert_eq!(Header::parse(&[0; 11], false), None);
        assert_eq!(Header::parse(&[0; 12], true), None);
    }

    #[test]
    fn gaps_are_losses_until_they_are_filled() {
        let mut stream = Inbound::default();
        for (number, lost) in [(1, 0), (2, 0), (5, 2), (3, 1), (6, 1), (4, 0), (4, 0)] {
            stream.count(Header { micros: number, number }, 100, number);
            assert_eq!(stream.counters.figures().lost, lost, "after number {number}");
        }
        assert_eq!((stream.counters.figures().packets, stream.counters.figures().bytes), (6, 700));
    }

    #[test]
    fn jitter_is_the_smoothed_change_of_transit_times() {
        let mut stream = Inbound::default();
        stream.count(Header { micros: 0, number: 1 }, 1, 5000);
        stream.count(Header { micros: 1000, number: 2 }, 1, 6000);
        assert_eq!(stream.counters.figures().jitter, Duration::ZERO);
        stream.count(Header { micros: 2000, number: 3 }, 1, 7160);
        assert_eq!(stream.counters.figures().jitter, Duration::from_micros(10));
    }
}
