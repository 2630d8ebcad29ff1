//! Round trips, counted by what is acknowledged: a round ends when data sent after it began is acknowledged
//! (RFC 9406 §4.2, RFC 7661 §4.2).

use super::AckSample;
use stack_wire::seq::SeqNum;

/// The round that is under way.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Round {
    /// SND.NXT when it began; `None` before the first.
    end: Option<SeqNum>,
}

impl Round {
    /// Whether a round begins with this ACK.
    pub(super) fn begins(&mut self, ack: &AckSample) -> bool {
        let begins = self.end.is_none_or(|end| ack.snd_una.after_eq(end));
        if begins {
            self.end = Some(ack.snd_nxt);
        }
        begins
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stack_core::Instant;

    // R9406-4.2-b
    #[test]
    fn a_round_ends_with_the_ack_of_what_was_sent_when_it_began() {
        let mut round = Round::default();
        let mut begins = |una: u32, nxt: u32| {
            round.begins(&AckSample {
                snd_una: SeqNum(una),
                snd_nxt: SeqNum(nxt),
                ..AckSample::of(Instant::ZERO, 1)
            })
        };
        assert!(begins(u32::MAX, 10));
        assert!(!begins(3, 14), "across the wrap");
        assert!(begins(10, 30) && !begins(29, 40) && begins(30, 50));
    }
}
