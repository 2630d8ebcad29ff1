//! Connections that are opened and then only held.

use std::io::{Read, stdin};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::{Duration, Instant};

use super::Sources;
use crate::{HOLD, sys};

/// With more failures than this the peer has had enough.
const MOST_FAILURES: usize = 20;
const LIMIT: Duration = Duration::from_secs(60);

/// Opens `count` connections, prints how many there are, and holds them until
/// the standard input ends.
pub fn run(address: Ipv4Addr, count: usize, sources: Sources) {
    let to = SocketAddrV4::new(address, HOLD);
    let began = Instant::now();
    let (mut open, mut failed) = (Vec::with_capacity(count), 0);
    for number in 0..count {
        match sys::connect(to, sources.nth(number)) {
            Ok(stream) => open.push(stream),
            Err(error) => {
                failed += 1;
                eprintln!("connection {number}: {error}");
            }
        }
        if failed > MOST_FAILURES || began.elapsed() > LIMIT {
            break;
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!(r#"{{"open":{},"fails":{failed},"secs":{seconds:.2}}}"#, open.len());
    let mut byte = [0];
    while stdin().read(&mut byte).is_ok_and(|count| count > 0) {}
}
