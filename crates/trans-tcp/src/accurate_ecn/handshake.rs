//! Which kind of ECN feedback a connection has: RFC 9768 §3.1 and §3.2.2.1, RFC 3168 §6.1.1.
//!
//! Three flags of SYN and SYN-ACK, (AE, CWR, ECE), say what each end can do, and, with accurate feedback, what became of the
//! ECN field on the way. An ECN-setup SYN is always accepted, whatever is made of its flags.

use super::{ace, ace_flags};
use crate::ecn::{Codepoint, Feedback};
use stack_wire::tcp::Flags;

/// SYNs with accurate feedback: the first, and one more, should that get lost (§3.1.4.1).
const ACCURATE_SYNS: u8 = 2;
/// ECN-setup SYNs: RFC 3168 §6.1.1.1 lets the first retransmission go without, and so does Linux.
const CLASSIC_SYNS: u8 = 1;
/// SYN-ACKs that agree to accurate feedback (§3.2.3.2.2).
pub const ACCURATE_SYN_ACKS: u8 = 2;

/// The three flags of the `attempt`th SYN, from 0 on.
pub fn syn_flags(request: Feedback, attempt: u8) -> Flags {
    match request {
        Feedback::Accurate if attempt < ACCURATE_SYNS => ace_flags(0b111),
        Feedback::Classic if attempt < CLASSIC_SYNS => ace_flags(0b011), // R3168-6.1.1-a
        _ => Flags::NONE,
    }
}

/// What a server makes of a SYN. Flags that mean nothing yet count as a request for accurate feedback (§3.1.3).
pub fn answer_to_syn(can: Feedback, syn: Flags) -> Feedback {
    match (can, ace(syn)) {
        (Feedback::None, _) | (_, 0b000) => Feedback::None,
        (_, 0b011) | (Feedback::Classic, 0b111) => Feedback::Classic,
        (Feedback::Accurate, _) => Feedback::Accurate,
        (Feedback::Classic, _) => Feedback::None,
    }
}

/// The three flags of the `attempt`th SYN-ACK, from 0 on, to a SYN that arrived with a codepoint.
pub fn syn_ack_flags(feedback: Feedback, syn: Codepoint, attempt: u8) -> Flags {
    match feedback {
        Feedback::Accurate if attempt < ACCURATE_SYN_ACKS => ace_flags(arrived(syn)),
        Feedback::Classic => Flags::ECE,
        Feedback::Accurate | Feedback::None => Flags::NONE,
    }
}

/// What a client makes of a SYN-ACK to a SYN that was sent with `request` and a codepoint: how to go on, and with which
/// codepoint the SYN arrived, if that is known.
pub fn on_syn_ack(request: Feedback, sent: Codepoint, syn_ack: Flags) -> (Feedback, Option<Codepoint>) {
    let ace = ace(syn_ack);
    match request {
        Feedback::None => (Feedback::None, None),
        Feedback::Classic if ace & 0b011 == 0b001 => (Feedback::Classic, None),
        Feedback::Classic => (Feedback::None, None),
        Feedback::Accurate => match ace {
            0b000 | 0b111 => (Feedback::None, None), // 0b111: reflected by a broken server
            0b001 => (Feedback::Classic, None),
            0b101 => (Feedback::Accurate, Some(sent)), // reserved: as if it had arrived unchanged
            _ => (Feedback::Accurate, codepoint(ace)),
        },
    }
}

/// What a server in SYN-RECEIVED learns from a pure ACK of its SYN-ACK: table 4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AckOfSynAck {
    /// The flags are zeroed: the client is not with us, or something on the path is against it.
    Disabled,
    /// A value that means nothing yet.
    Unused,
    /// The SYN-ACK arrived with this codepoint.
    Arrived(Codepoint),
}

/// Reads the flags of that ACK; the client sets them with [`ack_of_syn_ack_flags`].
pub fn on_ack_of_syn_ack(flags: Flags) -> AckOfSynAck {
    match ace(flags) {
        0b000 => AckOfSynAck::Disabled,
        ace => codepoint(ace).map_or(AckOfSynAck::Unused, AckOfSynAck::Arrived),
    }
}

/// The flags of a client's pure ACK of a SYN-ACK that arrived with a codepoint: table 3.
pub fn ack_of_syn_ack_flags(syn_ack: Codepoint) -> Flags {
    ace_flags(arrived(syn_ack))
}

/// Whether two SYNs, or two SYN-ACKs, of one handshake ask for accurate and for classic feedback: then the ends could come to
/// have different ones, and the connection must be reset (§3.1.5).
pub fn conflicts(is_syn_ack: bool, one: Flags, other: Flags) -> bool {
    let classic = if is_syn_ack { 0b001 } else { 0b011 };
    let kind = |flags| match ace(flags) {
        0b000 => None,
        ace => Some(ace == classic),
    };
    matches!((kind(one), kind(other)), (Some(one), Some(other)) if one != other)
}

/// Whether the ECN field was changed on the way as routers must not (RFC 3168 §18, RFC 9768 §3.2.2.3).
pub fn is_mangled(sent: Codepoint, arrived: Codepoint) -> bool {
    sent != arrived && (arrived != Codepoint::Ce || sent == Codepoint::NotEct)
}

/// Table 2 and table 3: how a codepoint is told.
fn arrived(codepoint: Codepoint) -> u8 {
    match codepoint {
        Codepoint::NotEct => 0b010,
        Codepoint::Ect1 => 0b011,
        Codepoint::Ect0 => 0b100,
        Codepoint::Ce => 0b110,
    }
}

fn codepoint(ace: u8) -> Option<Codepoint> {
    [Codepoint::NotEct, Codepoint::Ect1, Codepoint::Ect0, Codepoint::Ce]
        .into_iter()
        .find(|&it| arrived(it) == ace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Codepoint::{Ce, Ect0, Ect1, NotEct};

    const ALL: [Codepoint; 4] = [NotEct, Ect1, Ect0, Ce];

    // R9768-3.1.1-b, R9768-3.1.1-c, R9768-3.1.1-d, R9768-3.1.2-a, R9768-3.1.2-b
    /// RFC 9768, table 2: what each end asks for and can do, and what both come to.
    #[test]
    fn every_pair_of_ends_agrees() {
        use Feedback::{Accurate, Classic, None};
        for (client, server, feedback) in [
            (Accurate, Accurate, Accurate),
            (Accurate, Classic, Classic),
            (Accurate, None, None),
            (Classic, Accurate, Classic),
            (Classic, Classic, Classic),
            (Classic, None, None),
            (None, Accurate, None),
            (None, Classic, None),
        ] {
            for codepoint in ALL {
                let answer = answer_to_syn(server, syn_flags(client, 0));
                assert_eq!(answer, feedback, "{client:?} to {server:?}");
                let (found, arrived) = on_syn_ack(client, NotEct, syn_ack_flags(answer, codepoint, 0));
                assert_eq!(found, feedback);
                assert_eq!(arrived, (feedback == Accurate).then_some(codepoint));
            }
        }
    }

    // R3168-6.1.1-a, R9768-3.1.1-a, R9768-3.1.1-b, R9768-3.1.3-d
    #[test]
    fn flags_of_table_2() {
        assert_eq!(ace(syn_flags(Feedback::Accurate, 0)), 0b111);
        assert_eq!(ace(syn_flags(Feedback::Classic, 0)), 0b011);
        let told = ALL.map(|codepoint| ace(syn_ack_flags(Feedback::Accurate, codepoint, 0)));
        assert_eq!(told, [0b010, 0b011, 0b100, 0b110]);
        assert_eq!(ace(syn_ack_flags(Feedback::Classic, Ce, 0)), 0b001);
    }

    // R9768-3.1.2-c, R9768-3.1.3-a, R9768-3.1.3-c
    #[test]
    fn broken_and_future_answers() {
        assert_eq!(on_syn_ack(Feedback::Accurate, Ect0, ace_flags(0b111)), (Feedback::None, None));
        assert_eq!(on_syn_ack(Feedback::Accurate, Ect0, ace_flags(0b101)), (Feedback::Accurate, Some(Ect0)));
        assert_eq!(
            on_syn_ack(Feedback::Classic, NotEct, ace_flags(0b011)),
            (Feedback::None, None),
            "reflected"
        );
        for future in [0b001, 0b010, 0b100, 0b101, 0b110] {
            assert_eq!(answer_to_syn(Feedback::Accurate, ace_flags(future)), Feedback::Accurate);
        }
    }

    // R9768-3.1.3-b, R9768-3.1.4.1-a, R9768-3.1.5-c, R9768-3.2.3.2.2-a
    #[test]
    fn what_is_not_answered_is_asked_without() {
        let asked = |request| [0, 1, 2, 3].map(|attempt| ace(syn_flags(request, attempt)));
        assert_eq!(asked(Feedback::Accurate), [7, 7, 0, 0]);
        assert_eq!(asked(Feedback::Classic), [3, 0, 0, 0]);
        let answered = [0, 1, 2].map(|attempt| ace(syn_ack_flags(Feedback::Accurate, Ect0, attempt)));
        assert_eq!(answered, [0b100, 0b100, 0]);
    }

    // R9768-3.2.2.1-a, R9768-3.2.2.1-b
    /// RFC 9768, tables 3 and 4.
    #[test]
    fn the_ack_of_the_syn_ack_tells_how_that_arrived() {
        for codepoint in ALL {
            let flags = ack_of_syn_ack_flags(codepoint);
            assert_eq!(on_ack_of_syn_ack(flags), AckOfSynAck::Arrived(codepoint));
        }
        assert_eq!(on_ack_of_syn_ack(Flags::ACK), AckOfSynAck::Disabled);
        for unused in [0b001, 0b101, 0b111] {
            assert_eq!(on_ack_of_syn_ack(ace_flags(unused)), AckOfSynAck::Unused);
        }
    }

    #[test]
    fn two_kinds_in_one_handshake_conflict() {
        let conflict = |is_syn_ack, one, other| conflicts(is_syn_ack, ace_flags(one), ace_flags(other));
        assert!(conflict(false, 0b111, 0b011) && conflict(false, 0b011, 0b100));
        assert!(
            !conflict(false, 0b111, 0b000)
                && !conflict(false, 0b011, 0b011)
                && !conflict(false, 0b111, 0b101)
        );
        assert!(
            conflict(true, 0b001, 0b010) && !conflict(true, 0b011, 0b110) && !conflict(true, 0b000, 0b001)
        );
    }

    #[test]
    fn only_marking_is_allowed_on_the_way() {
        for (sent, arrived, mangled) in [
            (NotEct, Ect0, true),
            (NotEct, Ce, true),
            (Ect0, Ce, false),
            (Ect1, Ce, false),
            (Ect0, NotEct, true),
            (Ect0, Ect1, true),
            (Ce, Ect0, true),
            (Ect0, Ect0, false),
        ] {
            assert_eq!(is_mangled(sent, arrived), mangled, "{sent:?} to {arrived:?}");
        }
    }
}
