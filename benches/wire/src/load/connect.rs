//! Connect, one byte each way, close; again and again on several threads.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::thread;
use std::time::{Duration, Instant};

use super::Sources;
use crate::{ECHO, sys};

/// Prints whole connections per second and how many failed.
pub fn run(address: Ipv4Addr, time: Duration, threads: usize, sources: Sources) {
    let all: Vec<(f64, usize)> = thread::scope(|scope| {
        let sources = &sources;
        let threads: Vec<_> = (0..threads)
            .map(|first| scope.spawn(move || again_and_again(address, time, first, sources)))
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    });
    let rate: f64 = all.iter().map(|(rate, _)| rate).sum();
    let failed: usize = all.iter().map(|(_, failed)| failed).sum();
    println!(r#"{{"cps":{rate:.0},"fails":{failed}}}"#);
}

fn again_and_again(address: Ipv4Addr, time: Duration, first: usize, sources: &Sources) -> (f64, usize) {
    let to = SocketAddrV4::new(address, ECHO);
    let (mut done, mut failed) = (0_usize, 0_usize);
    let began = Instant::now();
    while began.elapsed() < time {
        match once(to, sources.nth(first + done + failed)) {
            Ok(()) => done += 1,
            Err(_) => failed += 1,
        }
    }
    (done as f64 / began.elapsed().as_secs_f64(), failed)
}

fn once(to: SocketAddrV4, from: Option<Ipv4Addr>) -> io::Result<()> {
    let mut stream = sys::connect(to, from)?;
    let mut byte = [1];
    stream.write_all(&byte)?;
    stream.read_exact(&mut byte)
}
