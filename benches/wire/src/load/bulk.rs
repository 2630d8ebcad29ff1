//! Bulk in one direction over several streams.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::connect;
use crate::{SINK, sys};

const CHUNK: usize = 256 * 1024;

struct Moved {
    bytes: u64,
    time: Duration,
    stalled: bool,
}

/// Writes to the sink, or reads from the source, and prints the rate.
pub fn run(address: Ipv4Addr, time: Duration, streams: usize, port: u16) -> io::Result<()> {
    let sockets: Vec<TcpStream> = (0..streams).map(|_| connect(address, port)).collect::<io::Result<_>>()?;
    let (start, stop) = (Barrier::new(streams + 1), AtomicBool::new(false));
    let all = thread::scope(|scope| {
        let (start, stop) = (&start, &stop);
        let threads: Vec<_> = sockets
            .iter()
            .map(|socket| scope.spawn(move || move_bytes(socket, port == SINK, start, stop)))
            .collect();
        start.wait();
        thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect::<Vec<Moved>>()
    });
    let bytes: u64 = all.iter().map(|moved| moved.bytes).sum();
    let seconds = all.iter().map(|moved| moved.time.as_secs_f64()).fold(f64::MIN_POSITIVE, f64::max);
    let stalled = all.iter().filter(|moved| moved.stalled).count();
    let gbps = bytes as f64 * 8.0 / seconds / 1e9;
    println!(r#"{{"bytes":{bytes},"secs":{seconds:.4},"gbps":{gbps:.4},"stalled":{stalled}}}"#);
    sockets.iter().try_for_each(sys::reset_on_close)
}

fn move_bytes(mut socket: &TcpStream, out: bool, start: &Barrier, stop: &AtomicBool) -> Moved {
    let mut chunk = vec![0x5a; CHUNK];
    let (mut bytes, mut stalled) = (0, false);
    start.wait();
    let began = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        match if out { socket.write(&chunk) } else { socket.read(&mut chunk) } {
            Ok(0) => break,
            Ok(count) => bytes += count as u64,
            Err(_) => {
                stalled = true;
                break;
            }
        }
    }
    // Only what the peer has acknowledged counts, not what the kernel holds.
    if out {
        bytes = bytes.saturating_sub(sys::unacknowledged(socket));
    }
    Moved { bytes, time: began.elapsed(), stalled }
}
