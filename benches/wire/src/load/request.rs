//! Request and response: one byte each way, again and again.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::connect;
use crate::ECHO;

/// Prints transactions per second and the median and 99th percentile of one.
pub fn run(address: Ipv4Addr, time: Duration, connections: usize) -> io::Result<()> {
    let sockets: Vec<TcpStream> =
        (0..connections).map(|_| connect(address, ECHO)).collect::<io::Result<_>>()?;
    let start = Barrier::new(connections);
    let mut all: Vec<u64> = thread::scope(|scope| {
        let start = &start;
        let threads: Vec<_> =
            sockets.iter().map(|socket| scope.spawn(move || exchange(socket, time, start))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).flatten().collect()
    });
    all.sort_unstable();
    let rate = all.len() as f64 / time.as_secs_f64();
    let (median, tail) = (percentile(&all, 0.5), percentile(&all, 0.99));
    println!(r#"{{"tps":{rate:.0},"p50_us":{median:.1},"p99_us":{tail:.1}}}"#);
    Ok(())
}

/// The nanoseconds of each exchange until time is up or the connection fails.
fn exchange(mut socket: &TcpStream, time: Duration, start: &Barrier) -> Vec<u64> {
    let mut times = Vec::with_capacity(1 << 18);
    let mut byte = [1];
    start.wait();
    let began = Instant::now();
    let mut sent_at = began;
    while sent_at - began < time {
        if socket.write_all(&byte).and_then(|()| socket.read_exact(&mut byte)).is_err() {
            break;
        }
        let now = Instant::now();
        times.push((now - sent_at).as_nanos() as u64);
        sent_at = now;
    }
    times
}

/// Microseconds below which `share` of the sorted nanoseconds lie.
fn percentile(sorted: &[u64], share: f64) -> f64 {
    let at = (sorted.len().saturating_sub(1) as f64 * share) as usize;
    sorted.get(at).map_or(0.0, |&nanoseconds| nanoseconds as f64 / 1000.0)
}
