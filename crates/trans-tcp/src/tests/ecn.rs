//! ECN where scripts of packets do not reach: super-packets, windows of one segment, other congestion controls, settings of
//! one socket.

use super::script::Script;
use crate::TcpConfig;
use crate::congestion::{Algorithm, Phase};
use crate::ecn::Codepoint;
use stack_core::{EcnPolicy, SocketOption};

/// A connection whose peer has asked with these flags.
fn accepted(config: TcpConfig, syn: &str, syn_ack: &str, ack: &str) -> Script {
    let mut s = Script::listening(config, 5);
    s.inject(&alloc::format!("{syn} 0:0 win 65535 <mss 1000>"));
    s.expect(&alloc::format!("{syn_ack} 0:0 ack 1"));
    s.inject(&alloc::format!("{ack} 1:1 ack 1 win 65535"));
    s.accept();
    s
}

fn classic(config: TcpConfig) -> Script {
    accepted(config, "SEW", "S.E", ".")
}

fn accurate() -> Script {
    let config = TcpConfig { ecn: EcnPolicy::ACCURATE, ..Script::plain() };
    accepted(config, "SEWe", "S.W", ".W")
}

// R9768-3.2-a, R9768-3.2-b
#[test]
fn a_marked_super_packet_counts_as_its_segments() {
    let mut s = accurate();
    s.codepoint = Codepoint::Ce;
    s.inject_super(".Ee 1:3501 ack 1 win 65535", 1000);
    s.expect(".E 1:1 ack 3501"); // 5 + 4, modulo 8
    let counts = s.info().accurate_ecn.unwrap();
    assert_eq!((counts.received_ce, counts.received_bytes.ce), (4, 3500));
    assert_eq!(counts.received_bytes.ect0, 0);
}

// R3168-6.1.3-a
#[test]
fn a_marked_super_packet_is_echoed() {
    let mut s = classic(Script::plain());
    s.codepoint = Codepoint::Ce;
    s.inject_super(". 1:3501 ack 1 win 65535", 1000);
    s.expect(".E 1:1 ack 3501");
    assert!(s.info().ecn_seen);
    assert_eq!((s.counters().in_ce, s.counters().in_no_ect), (4, 2), "SYN, ACK, and what was marked");
}

// R3168-6.1.2-a, R3168-6.1.4-a
#[test]
fn a_super_packet_says_cwr_once_and_is_ecn_capable_as_a_whole() {
    let mut s = classic(Script::plain());
    (s.node.services.max_gso, s.node.services.generation) = (65_535, 2);
    s.write(10_000).unwrap();
    s.skip();
    s.inject(".E 1:1 ack 10001 win 65535");
    assert_eq!((s.info().cwnd, s.info().phase), (5000, Phase::Cwr));
    s.write(5000).unwrap();
    s.expect_super("P.W 10001:15001", 1000);
    assert_eq!(s.sent_codepoint, Codepoint::Ect0);
    s.inject(". 1:1 ack 15001 win 65535");
    assert_eq!(s.info().phase, Phase::Open);
    s.write(3000).unwrap();
    s.expect_super("P. 15001:18001", 1000);
}

// R3168-6.1.2-a, R9438-4.6-d
#[test]
fn with_a_window_of_one_segment_text_waits_for_the_timer() {
    // A SYN-ACK that had to go again leaves one segment (R5681-3.1-b).
    let mut s = Script::listening(Script::plain(), 5);
    s.inject("SEW 0:0 win 65535 <mss 1000>");
    s.expect("S.E 0:0 ack 1");
    s.expect_at(1000, "S.E 0:0 ack 1");
    s.inject(". 1:1 ack 1 win 65535");
    s.accept();
    assert_eq!(s.info().cwnd, 1000);
    s.write(3000).unwrap();
    s.expect("P. 1:1001");
    s.advance(100);
    s.inject(".E 1:1 ack 1001 win 65535");
    s.quiet();
    assert_eq!((s.info().ssthresh, s.info().cwnd <= 2000), (2000, true));
    let rto = s.info().rto.as_millis() as u64;
    s.expect_at(s.ms() + rto, ". 1001:2001");
    assert_eq!(s.sent_codepoint, Codepoint::NotEct, "as a probe");
    s.inject(". 1:1 ack 2001 win 65535");
    s.expect("P.W 2001:3001");
    // Two segments become one, and one is held for twice as long.
    s.inject(".E 1:1 ack 3001 win 65535");
    assert_eq!(s.info().cwnd, 1000);
    s.write(1000).unwrap();
    s.expect("P.W 3001:4001");
    s.inject(".E 1:1 ack 4001 win 65535");
    s.write(1000).unwrap();
    s.quiet();
    let twice = 2 * s.info().rto;
    s.expect_at(s.ms() + twice.as_millis() as u64, "P. 4001:5001");
}

// R4015-3.2-c
#[test]
fn a_reduction_is_not_taken_back_by_an_ack_that_echoes_marks() {
    for (ack, undone) in [(".", true), (".E", false)] {
        let config = TcpConfig { timestamps: true, ..Script::plain() };
        let mut s = Script::listening(config, 5);
        s.inject("SEW 0:0 win 65535 <mss 1012,ts 1 0>");
        s.expect("S.E 0:0 ack 1");
        s.inject(". 1:1 ack 1 win 65535 <ts 2 e>");
        s.accept();
        s.write(1000).unwrap();
        s.expect("P. 1:1001");
        let before = s.our_ts;
        s.advance(1000);
        assert!(s.skip() > 0, "it was sent again");
        s.inject(&alloc::format!("{ack} 1:1 ack 1001 win 65535 <ts 3 {before}>"));
        assert_eq!(s.counters().loss_undo == 1, undone, "{ack}");
    }
}

#[test]
fn bbr_is_told_once_for_each_window_and_keeps_its_own() {
    let mut s = classic(TcpConfig { congestion: Algorithm::Bbr, ..Script::plain() });
    s.write(10_000).unwrap();
    s.skip();
    s.advance(50);
    s.inject(".E 1:1 ack 2001 win 65535");
    let info = s.info();
    assert_eq!((info.phase, info.ssthresh, info.delivered_ce), (Phase::Cwr, u32::MAX, 2));
    assert!(info.cwnd >= 4000, "four segments at least");
    s.advance(50);
    s.inject(". 1:1 ack 10001 win 65535");
    assert_eq!(s.info().phase, Phase::Cwr, "nothing that was sent since is acknowledged");
    s.skip();
    s.write(1000).unwrap();
    s.expect("P.W 10001:11001");
    s.inject(".E 1:1 ack 11001 win 65535");
    assert_eq!((s.info().phase, s.info().delivered_ce), (Phase::Cwr, 3), "another window");
}

#[test]
fn a_socket_has_its_own_policy() {
    for (policy, syn_ack) in [(EcnPolicy::OFF, "S."), (EcnPolicy::ON, "S.E"), (EcnPolicy::ACCURATE, "S.W")] {
        let mut s = Script::listening(Script::plain(), 5);
        s.option(SocketOption::Ecn(policy));
        s.inject("SEWe 0:0 win 65535 <mss 1000>");
        s.expect(&alloc::format!("{syn_ack} 0:0 ack 1"));
    }
}

// R9768-3.2.2.5.1-b
#[test]
fn an_idle_connection_with_accurate_feedback_answers_no_acks_without_marks() {
    let mut s = accurate();
    s.skip();
    for _ in 0..10 {
        s.inject(".Ee 1:1 ack 1 win 65535");
    }
    s.quiet();
}

// R9768-3.1.5-k
#[test]
fn cwr_in_a_count_does_not_end_anything() {
    let mut s = accurate();
    s.codepoint = Codepoint::Ce;
    s.inject("P.Ee 1:11 ack 1 win 65535");
    s.expect(".We 1:1 ack 11");
    s.codepoint = Codepoint::Ect0;
    s.inject("P.EWe 11:21 ack 1 win 65535");
    s.advance(40);
    s.expect(".We 1:1 ack 21");
}
