//! Large answers to pings that were sent lately: whose path MTU may be learned from them.
//!
//! No endpoint waits for an answer to be answered, so a router that complains of one has only this to be checked against
//! (RFC 8201 §4, R8201-4-e): it is believed about the last few destinations, and only if what it says fits was exceeded.

use core::net::Ipv6Addr;
use stack_wire::ipv6::MIN_MTU;

/// Destinations that are remembered.
const PLACES: usize = 8;

/// The last destinations of answers that are larger than what every link carries.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Replies {
    sent: [Option<(Ipv6Addr, usize)>; PLACES],
    next: usize,
}

impl Replies {
    /// An answer of `len` octets, its IPv6 header included, goes to `dst`.
    pub(crate) fn note(&mut self, dst: Ipv6Addr, len: usize) {
        if len <= MIN_MTU {
            return;
        }
        if let Some(place) = self.sent.get_mut(self.next) {
            *place = Some((dst, len));
        }
        self.next = (self.next + 1) % PLACES;
    }

    /// Whether an answer to `dst` was sent that is larger than `mtu`.
    pub(crate) fn exceeded(&self, dst: Ipv6Addr, mtu: u32) -> bool {
        self.sent.iter().flatten().any(|(to, len)| *to == dst && *len > mtu as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R8201-4-e
    #[test]
    fn only_what_was_sent_can_have_been_too_large() {
        let (mut replies, peer) = (Replies::default(), |last| Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, last));
        replies.note(peer(9), 1280);
        assert!(!replies.exceeded(peer(9), 1279), "every link carries it");
        replies.note(peer(9), 1400);
        for (dst, mtu, exceeded) in [(9, 1399, true), (9, 1400, false), (8, 1399, false)] {
            assert_eq!(replies.exceeded(peer(dst), mtu), exceeded, "{dst} {mtu}");
        }
        (0..PLACES as u16).for_each(|other| replies.note(peer(100 + other), 1400));
        assert!(!replies.exceeded(peer(9), 1399), "others came later");
    }
}
