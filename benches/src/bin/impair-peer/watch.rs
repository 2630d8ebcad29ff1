//! What the box sees of each stream: bytes of text, and those among them that it has carried before.

use serde_json::{Value, json};
use stack_testkit::sim::Retransmissions;
use std::collections::BTreeMap;

/// Streams that are told apart at most.
const MOST: usize = 1024;
/// IPv4 header without options, in bytes.
const IPV4_HEADER: usize = 20;

/// Streams in one direction, by source address and ports.
#[derive(Default)]
pub(crate) struct Watch(BTreeMap<([u8; 4], [u8; 4]), Retransmissions>);

impl Watch {
    /// Takes notice of a packet.
    pub(crate) fn see(&mut self, packet: &[u8]) {
        let (Some(source), Some(ports)) = (
            packet.get(12..).and_then(|rest| rest.first_chunk()),
            packet.get(IPV4_HEADER..).and_then(|rest| rest.first_chunk()),
        ) else {
            return;
        };
        let room = self.0.len() < MOST;
        let key = (*source, *ports);
        if room || self.0.contains_key(&key) {
            self.0.entry(key).or_default().see(packet, packet.len());
        }
    }

    /// The streams with text, by their source address.
    pub(crate) fn to_json(&self) -> Value {
        let streams = self.0.iter().filter(|(_, stream)| stream.bytes > 0);
        streams
            .map(|((source, _), stream)| {
                json!({
                    "from": std::net::Ipv4Addr::from(*source).to_string(),
                    "bytes": stream.bytes,
                    "retransmitted_bytes": stream.retransmitted,
                    "retransmits": stream.segments,
                })
            })
            .collect()
    }
}
