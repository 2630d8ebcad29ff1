//! The TCP streams of a test: bytes in one direction each, as fast as they go or at a rate.

use super::measure::{Counters, Pace};
use crate::net::Stream;
use bytes::Bytes;
use std::sync::Arc;
use tokio::sync::watch;

/// Blocks between two looks at the retransmissions of a connection.
const LOOK_EVERY: u64 = 256;

/// Reads and counts until the stream ends or the task is dropped.
pub(super) async fn receive(mut stream: impl Stream, counters: Arc<Counters>) {
    while let Ok(bytes) = stream.read_bytes().await {
        if bytes.is_empty() {
            break;
        }
        counters.add_bytes(bytes.len());
        tokio::task::consume_budget().await;
    }
}

/// Writes the same block over and over until told to stop, and ends the stream then: the client may be waiting for the
/// rest of a block before it looks at its control connection.
pub(super) async fn send(
    mut stream: impl Stream,
    block: Bytes,
    rate: u64,
    counters: Arc<Counters>,
    mut stop: watch::Receiver<bool>,
) {
    tokio::select! {
        biased;
        _ = stop.wait_for(|stop| *stop) => {}
        () = write_blocks(&mut stream, block, rate, &counters) => {}
    }
    counters.set_retransmits(stream.retransmits());
}

async fn write_blocks(stream: &mut impl Stream, block: Bytes, rate: u64, counters: &Counters) {
    let mut pace = Pace::new(rate);
    let (mut sent, mut blocks) = (0, 0_u64);
    while stream.write_bytes(block.clone()).await.is_ok() {
        counters.add_bytes(block.len());
        sent += block.len() as u64;
        blocks += 1;
        if blocks % LOOK_EVERY == 0 {
            counters.set_retransmits(stream.retransmits());
        }
        pace.wait(sent).await;
    }
}
