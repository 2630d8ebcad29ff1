//! An interface of a capture whose packets are recorded by hand: for simulators and others that carry packets without
//! a link.

use crate::capture::Capture;
use crate::format::Framing;
use crate::record::Record;
use core::time::Duration;
use stack_core::{Instant, Medium, TxPacket};
use std::io;

/// An interface of a capture.
#[derive(Clone, Debug)]
pub struct Interface {
    capture: Capture,
    number: u32,
}

impl Interface {
    /// An interface of that name, for whole Ethernet frames or for IP packets.
    ///
    /// # Errors
    /// The capture has failed before, or fails now.
    pub fn new(capture: &Capture, name: &str, medium: Medium) -> io::Result<Self> {
        let framing = match medium {
            Medium::Ethernet => Framing::Ethernet,
            Medium::Ip | Medium::Loopback => Framing::Raw,
        };
        Ok(Self { number: capture.interface(name, framing, None)?, capture: capture.clone() })
    }

    /// Records a packet that arrived here, or left. A capture that has failed counts it as missing.
    pub fn record(&self, now: Instant, packet: &TxPacket, inbound: bool) {
        if self.capture.miss(1) {
            return;
        }
        let at = self.capture.config().epoch + Duration::from_nanos(now.as_nanos());
        let snaplen = self.capture.config().snaplen as usize;
        let record = Record { inbound, ..Record::transmitted(packet, self.number, at, snaplen) };
        self.capture.append(&mut vec![record]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::CaptureConfig;
    use crate::format::tests::read;
    use bytes::Bytes;

    #[test]
    fn packets_are_in_the_file_with_time_and_direction() {
        let path = std::env::temp_dir().join(format!("link-pcap-interface-{}.pcapng", std::process::id()));
        let capture = Capture::create(&path, CaptureConfig::new(Duration::from_secs(5))).unwrap();
        let interface = Interface::new(&capture, "sender", Medium::Ip).unwrap();
        let mut packet = TxPacket::new();
        packet.push(Bytes::from_static(b"\x45 a packet")).unwrap();
        for (at, inbound) in [(1, false), (2, true)] {
            interface.record(Instant::from_secs(at), &packet, inbound);
        }
        capture.flush();
        let records = read(&std::fs::read(&path).unwrap());
        std::fs::remove_file(&path).unwrap();
        let seen: Vec<_> = records.iter().map(|record| (record.at.as_secs(), record.inbound)).collect();
        assert_eq!(seen, [(6, false), (7, true)]);
        assert!(records.iter().all(|record| record.interface == "sender" && record.data == b"\x45 a packet"));
    }
}
