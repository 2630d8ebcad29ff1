//! The two programs: one writes as long as it is told, the other counts what arrives in that time.

use crate::sockets::Stream;
use serde_json::{Value, json};
use stack_core::Clock;
use std::error::Error;
use std::io;
use std::time::Duration;
use ustack::SystemClock;

/// Bytes that are written or read at a time.
const BLOCK: usize = 256 * 1024;
/// What the counts are for: each so long a part of the time.
const BIN: Duration = Duration::from_millis(10);
/// How much longer the sender writes, so that the receiver never waits for it.
const LONGER: Duration = Duration::from_millis(500);
/// How long a read waits for the end of the time.
const PATIENCE: Duration = Duration::from_millis(20);

/// Writes for a little longer than `time`, or until the receiver has had enough.
pub(crate) fn send(mut stream: Box<dyn Stream>, time: Duration) -> Result<(), Box<dyn Error>> {
    let (block, clock) = (vec![0x5a; BLOCK], SystemClock::new());
    let end = clock.now() + time + LONGER;
    while clock.now() < end {
        if stream.write(&block).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

/// Reads for `time` and returns how much that was: in all, and in each part of the time.
pub(crate) fn receive(mut stream: Box<dyn Stream>, time: Duration) -> Result<Value, Box<dyn Error>> {
    stream.set_read_timeout(PATIENCE)?;
    let mut bins = vec![0_u64; (time.as_nanos() / BIN.as_nanos()) as usize];
    let (mut buffer, clock) = (vec![0; BLOCK], SystemClock::new());
    let start = clock.now();
    loop {
        let count = match stream.read(&mut buffer) {
            Ok(0) => return Err("the sender ended before its time".into()),
            Ok(count) => count,
            Err(error) if is_timeout(&error) => 0,
            Err(error) => return Err(error.into()),
        };
        let bin = (clock.now().saturating_since(start).as_nanos() / BIN.as_nanos()) as usize;
        match bins.get_mut(bin) {
            Some(bin) => *bin += count as u64,
            None => return Ok(json!({ "bin_ms": BIN.as_millis() as u64, "bins": bins })),
        }
    }
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted)
}
