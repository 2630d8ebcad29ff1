//! Initial sequence numbers (RFC 6528), timestamp offsets (RFC 7323 §5.4) and flow hashes: a clock and a keyed hash.
//!
//! ISN = M + F(tuple, secret): M ticks every 4 µs (R9293-MUST-8), F is SipHash-2-4 with a secret that is drawn when
//! the stack first needs it, so that numbers of different tuples tell an observer nothing of each other (R9293-MUST-9).

use crate::tuple::Tuple;
use core::hash::Hasher;
use siphasher::sip::SipHasher24;
use stack_core::{Instant, TransportServices};
use stack_wire::seq::SeqNum;

/// The secrets of one stack; drawn once, never told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Secrets {
    key: (u64, u64),
}

impl Secrets {
    /// Draws them.
    pub(crate) fn new(host: &mut dyn TransportServices) -> Self {
        Self { key: (host.random(), host.random()) }
    }

    /// The initial sequence number of a connection that begins now (R9293-SHLD-1, R6528-3-a).
    pub(crate) fn isn(&self, tuple: &Tuple, now: Instant) -> SeqNum {
        let clock = (now.as_micros() / 4) as u32;
        SeqNum(clock.wrapping_add(self.hash(tuple, b'S', 0) as u32))
    }

    /// What is added to the clock in the timestamps towards a peer (R7323-5.4-a). It is the same for each incarnation
    /// of a tuple, so that timestamps go on growing from one to the next (RFC 6191).
    pub(crate) fn timestamp_offset(&self, tuple: &Tuple) -> u32 {
        self.hash(tuple, b'T', 0) as u32
    }

    /// A hash by which the packets of a flow are told from those of others.
    pub(crate) fn flow_hash(&self, tuple: &Tuple) -> u32 {
        (self.hash(tuple, b'F', 0) as u32).max(1)
    }

    /// The keyed hash of a tuple and `more`, a different one for each purpose.
    pub(crate) fn hash(&self, tuple: &Tuple, purpose: u8, more: u128) -> u64 {
        let (bytes, len) = tuple.bytes();
        let mut hasher = SipHasher24::new_with_keys(self.key.0, self.key.1);
        hasher.write_u8(purpose);
        hasher.write(bytes.get(..len).unwrap_or_default());
        hasher.write(&more.to_be_bytes());
        hasher.finish()
    }

    /// Secrets that everybody knows.
    #[cfg(test)]
    pub(crate) fn fixed() -> Self {
        Self { key: (1, 2) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{IpAddr, Ipv4Addr};

    fn tuple(port: u16) -> Tuple {
        let ip = |last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
        Tuple { local: ip(1), remote: ip(2), local_port: port, remote_port: 80 }
    }

    // R9293-MUST-8, R9293-SHLD-1, R9293-MUST-9, R6528-3-a
    #[test]
    fn numbers_advance_with_the_clock_and_differ_by_tuple_and_secret() {
        let secrets = Secrets { key: (1, 2) };
        let at = |us| secrets.isn(&tuple(1), Instant::from_micros(us));
        assert_eq!(at(4_000) - at(0), 1_000);
        assert_ne!(secrets.isn(&tuple(2), Instant::ZERO), at(0));
        assert_ne!(Secrets { key: (1, 3) }.isn(&tuple(1), Instant::ZERO), at(0));
        assert_ne!(secrets.timestamp_offset(&tuple(1)), secrets.flow_hash(&tuple(1)));
        assert_ne!(secrets.timestamp_offset(&tuple(1)), secrets.timestamp_offset(&tuple(2)));
    }
}
