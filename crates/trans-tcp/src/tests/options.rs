//! Timestamps and PAWS, keepalive, urgent data, ICMP errors and path MTU.

use super::script::Script;
use crate::{State, TcpConfig};
use core::time::Duration;
use stack_core::{DropReason, Error, ErrorKind, SocketOption};

fn with_timestamps() -> Script {
    Script::accepted(TcpConfig::default(), "mss 1000,ts 1 0")
}

#[test]
fn every_segment_carries_the_timestamp_once_agreed() {
    let mut s = Script::accepted(TcpConfig::default(), "mss 1000,ts 1 0");
    s.write(10).unwrap();
    s.expect("P. 1:11 ack 1 <ts *>");
    s.inject("P. 1:11 ack 11 <ts 200 e>");
    s.advance(40);
    s.expect(". 11:11 ack 11 <ts *>");
    assert_eq!(s.info().mss, 988, "and takes its room");
}

#[test]
fn our_timestamps_never_go_back() {
    let mut s = with_timestamps();
    s.write(10).unwrap();
    s.skip();
    let before = s.our_ts;
    s.node.now = s.node.now - Duration::from_millis(5);
    s.inject("P. 1:11 ack 11 <ts 2 e>");
    s.write(10).unwrap();
    s.expect("P. 11:21 ack 11");
    assert_eq!(s.our_ts, before);
}

#[test]
fn paws_drops_ghosts_and_says_where_we_are() {
    let mut s = with_timestamps();
    s.inject("P. 1:11 ack 1 <ts 200 e>");
    s.advance(40);
    s.skip();
    s.inject("P. 11:21 ack 1 <ts 150 e>");
    s.expect(". 1:1 ack 11");
    assert_eq!((s.node.drops.pop(), s.counters().paws_estab), (Some(DropReason::TcpPaws), 1));
    assert_eq!(s.read(100), Ok(10));
    s.inject("R 11:11 <ts 150 e>");
    assert_eq!(s.state(), State::Closed, "resets are exempt");
}

#[test]
fn after_24_days_of_silence_every_timestamp_is_new() {
    let mut s = with_timestamps();
    s.inject("P. 1:11 ack 1 <ts 200 e>");
    s.advance(24 * 24 * 3600 * 1000);
    s.inject("P. 11:21 ack 1 <ts 150 e>");
    assert_eq!(s.read(100), Ok(20));
}

#[test]
fn the_echo_is_that_of_the_oldest_segment_not_acknowledged() {
    let mut s = with_timestamps();
    s.inject("P. 1:11 ack 1 <ts 200 e>");
    s.inject("P. 11:21 ack 1 <ts 210 e>");
    s.advance(40);
    let ts = s.our_ts;
    s.expect(&alloc::format!(". 1:1 ack 21 <ts {ts} 200>"));
}

#[test]
fn an_echo_that_we_never_sent_refuses_the_syn_ack() {
    let mut s = Script::connecting(TcpConfig::default());
    s.skip();
    let future = s.our_ts.wrapping_add(5000);
    s.inject(&alloc::format!("S. 0:0 ack 1 win 1000 <ts 1 {future}>"));
    s.expect("R 1:1");
    assert_eq!(s.state(), State::SynSent);
}

fn keeping_alive() -> Script {
    let mut s = Script::established();
    s.option(SocketOption::KeepAliveIdle(Duration::from_millis(1000)));
    s.option(SocketOption::KeepAliveInterval(Duration::from_millis(600)));
    s.option(SocketOption::KeepAliveCount(5));
    s.option(SocketOption::KeepAlive(true));
    s
}

#[test]
fn an_idle_peer_is_probed_and_lives_if_it_answers() {
    let mut s = keeping_alive();
    for round in 1..5 {
        s.expect_at(round * 1000, ". 0:0 ack 1");
        s.inject(". 1:1 ack 1");
        s.quiet();
    }
    assert_eq!((s.state(), s.counters().keep_alive), (State::Established, 4));
}

#[test]
fn a_dead_peer_is_given_up_after_five_probes() {
    let mut s = keeping_alive();
    for probe in 0..5 {
        s.expect_at(1000 + probe * 600, ". 0:0 ack 1");
    }
    s.advance(599);
    assert_eq!(s.state(), State::Established);
    s.advance(1);
    s.expect("R. 1:1 ack 1");
    assert_eq!((s.state(), s.take_error()), (State::Closed, Some(Error::Timeout)));
    assert_eq!(s.counters().abort_on_timeout, 1);
}

#[test]
fn keepalive_is_off_by_default_and_rests_while_data_waits() {
    let mut s = Script::established();
    s.advance(10_000_000);
    s.quiet();
    let mut s = keeping_alive();
    s.write(10).unwrap();
    s.advance(30_000);
    assert_eq!((s.counters().keep_alive, s.state()), (0, State::Established));
}

#[test]
fn arrivals_put_the_probe_off() {
    let mut s = keeping_alive();
    s.advance(900);
    s.inject(". 1:1 ack 1");
    s.advance(900);
    s.quiet();
    s.expect_at(1900, ". 0:0 ack 1");
}

#[test]
fn we_answer_the_peers_probes() {
    let mut s = Script::established();
    for _ in 0..3 {
        s.inject(". 0:0 ack 1");
        s.expect(". 1:1 ack 1");
        s.advance(600);
    }
    s.inject(". 0:1 ack 1"); // one garbage octet, as old stacks send it
    s.expect(". 1:1 ack 1");
}

#[test]
fn the_urgent_pointer_is_read_to_the_letter() {
    let mut s = Script::established();
    let id = s.id;
    s.node.tcp.register(id, stack_core::Interest::Readable, core::task::Waker::noop());
    s.inject("U. 1:1 ack 1 urg 5");
    assert_eq!((s.node.tcp.urgent(id), s.node.wakes.len()), (Some(5), 1), "before any of it has come");
    assert!(s.node.tcp.readiness(id).urgent);
    s.inject("UP. 1:11 ack 1 urg 5");
    s.read(3).unwrap();
    assert_eq!(s.node.tcp.urgent(id), Some(2));
    s.inject("UP. 11:21 ack 1 urg 10");
    assert_eq!(s.node.tcp.urgent(id), Some(17), "it advances");
    s.read(100).unwrap();
    assert_eq!(s.node.tcp.urgent(id), None);
}

#[test]
fn an_urgent_pointer_counts_from_where_its_segment_began() {
    let mut s = Script::established();
    s.inject("P. 1:6 ack 1");
    s.inject("P.U 1:11 ack 1 urg 8");
    assert_eq!(s.node.tcp.urgent(s.id), Some(8));
}

#[test]
fn urgent_news_arrive_while_the_window_is_closed() {
    let mut s = Script::established();
    s.option(SocketOption::ReceiveBuffer(4096));
    let mut seq = 1;
    while s.info().rcv_wnd > 0 {
        let len = s.info().rcv_wnd.min(1000);
        s.inject(&alloc::format!(". {seq}:{} ack 1", seq + len));
        seq += len;
    }
    s.inject(&alloc::format!("UP. {seq}:{} ack 1 urg 1", seq + 1));
    assert_eq!(s.node.tcp.urgent(s.id), Some(seq as usize));
}

#[test]
fn we_announce_urgent_data_even_beyond_the_window() {
    let mut s = Script::established();
    s.inject(". 1:1 ack 1 win 5");
    s.write_urgent(20);
    s.expect_at(200, ".U 1:6 ack 1 urg 20");
    s.inject(". 1:1 ack 6 win 1000");
    s.expect("P.U 6:21 ack 1 urg 15");
    s.inject(". 1:1 ack 21 win 1000");
    s.write(10).unwrap();
    s.expect("P. 21:31 ack 1");
}

#[test]
fn a_connect_fails_at_once_when_icmp_quotes_its_syn() {
    for (kind, error) in [
        (ErrorKind::HostUnreachable, Error::HostUnreachable),
        (ErrorKind::NetUnreachable, Error::NetworkUnreachable),
        (ErrorKind::PortUnreachable, Error::ConnectionRefused),
        (ErrorKind::ProtocolUnreachable, Error::ProtocolUnreachable),
        (ErrorKind::Prohibited, Error::HostUnreachable),
    ] {
        let mut s = Script::connecting(Script::plain());
        s.error(kind, 1000);
        assert_eq!((s.state(), s.counters().out_of_window_icmps), (State::SynSent, 1), "another number");
        s.error(kind, 0);
        assert_eq!((s.state(), s.take_error()), (State::Closed, Some(error)));
    }
    let mut s = Script::connecting(Script::plain());
    s.error(ErrorKind::HopLimitExceeded, 0);
    assert_eq!(s.state(), State::SynSent);
}

#[test]
fn icmp_does_not_end_an_established_connection() {
    for kind in [
        ErrorKind::HostUnreachable,
        ErrorKind::PortUnreachable,
        ErrorKind::ProtocolUnreachable,
        ErrorKind::HopLimitExceeded,
        ErrorKind::ParameterProblem { pointer: 0, code: 0 },
    ] {
        let mut s = Script::established();
        s.write(10).unwrap();
        s.error(kind, 1);
        assert_eq!(s.state(), State::Established);
    }
}

#[test]
fn icmp_ends_a_half_open_peer_only() {
    let mut s = Script::listening(Script::plain(), 5);
    s.inject("S 0:0 win 1000");
    s.expect("S. 0:0 ack 1");
    s.error(ErrorKind::HostUnreachable, 9);
    assert_eq!(s.node.tcp.table_sizes(), (1, 1, 0));
    s.error(ErrorKind::HostUnreachable, 0);
    assert_eq!(s.node.tcp.table_sizes(), (1, 0, 0));
    assert!(s.node.timers.is_empty());
}

#[test]
fn a_narrower_path_resends_at_once_in_smaller_segments_without_slowing_down() {
    let mut s = Script::accepted(Script::plain(), "mss 1460");
    s.write(3200).unwrap();
    assert_eq!(s.skip(), 3);
    s.error(ErrorKind::PacketTooBig { mtu: 1200 }, 1);
    for line in [". 1:1161", ". 1161:2321", "P. 2321:3201"] {
        s.expect(line);
    }
    s.quiet();
    let info = s.info();
    assert_eq!((info.path_mtu, info.mss, info.cwnd), (1200, 1160, 14_600));
    assert_eq!(s.node.services.path_mtus.len(), 1);
}

#[test]
fn a_segment_that_fits_already_does_not_go_again() {
    let mut s = Script::accepted(Script::plain(), "mss 1000");
    s.write(2000).unwrap();
    s.skip();
    s.error(ErrorKind::PacketTooBig { mtu: 1200 }, 1);
    s.quiet();
    assert_eq!((s.info().path_mtu, s.info().mss), (1200, 1000));
    let mut s = Script::accepted(Script::plain(), "mss 1460");
    s.write(800).unwrap();
    s.skip();
    s.error(ErrorKind::PacketTooBig { mtu: 1200 }, 1);
    s.quiet();
    s.advance(100);
    s.inject(". 1:1 ack 801");
    s.write(1400).unwrap();
    for line in [". 801:1961", "P. 1961:2201"] {
        s.expect(line);
    }
    assert_eq!((s.info().path_mtu, s.info().mss), (1200, 1160));
}

// R8201-4-e, R8201-4-c, R1191-6.1-b
#[test]
fn what_icmp_says_of_mtus_is_not_believed_below_the_floor_or_out_of_the_window() {
    let mut s = Script::accepted(Script::plain(), "mss 1460");
    s.write(3000).unwrap();
    s.skip();
    s.error(ErrorKind::PacketTooBig { mtu: 1200 }, 90_000);
    s.error(ErrorKind::PacketTooBig { mtu: 9000 }, 1);
    s.quiet();
    s.error(ErrorKind::PacketTooBig { mtu: 0 }, 1);
    assert_eq!(s.info().path_mtu, 1492, "the next plateau");
    s.error(ErrorKind::PacketTooBig { mtu: 68 }, 1);
    assert_eq!(s.info().path_mtu, 552);
}

#[test]
fn a_users_mss_is_announced_and_kept_on_both_ways_to_open() {
    let mut s = Script::listening(Script::plain(), 5);
    s.option(SocketOption::MaxSegment(700));
    s.inject("S 0:0 win 9000 <mss 1460>");
    s.expect("S. 0:0 ack 1 <mss 700>");
    s.inject(". 1:1 ack 1 win 9000");
    s.accept();
    assert_eq!(s.info().mss, 700);
    let mut s = Script::new(Script::plain());
    let to = s.peer;
    s.node.with(|tcp, cx| {
        let id = tcp.create(cx, stack_core::Families::V4).unwrap();
        tcp.set_option(cx, id, SocketOption::MaxSegment(700)).unwrap();
        tcp.connect(cx, id, to).unwrap_err();
    });
    s.flush();
    s.expect("S 0:0 <mss 700>");
}

#[test]
fn options_out_of_range_are_errors() {
    let mut s = Script::established();
    let id = s.id;
    for (option, error) in [
        (SocketOption::HopLimit(0), Error::InvalidArgument),
        (SocketOption::KeepAliveCount(0), Error::InvalidArgument),
        (SocketOption::KeepAliveIdle(Duration::ZERO), Error::InvalidArgument),
        (SocketOption::MaxSegment(10), Error::InvalidArgument),
        (SocketOption::Broadcast(true), Error::NotSupported),
        (SocketOption::UrgentInline(false), Error::NotSupported),
        (SocketOption::BindToNic(None), Error::InvalidState),
    ] {
        assert_eq!(s.node.with(|tcp, cx| tcp.set_option(cx, id, option)), Err(error), "{option:?}");
    }
}

// R4861-7.3.1-a
#[test]
fn progress_confirms_the_neighbour_once_a_second() {
    let mut s = Script::established();
    for ack in 2..50 {
        s.write(1).unwrap();
        s.inject(&alloc::format!(". 1:1 ack {ack}"));
        s.advance(50);
    }
    assert!((2..=4).contains(&s.node.services.confirmed), "{}", s.node.services.confirmed);
}
