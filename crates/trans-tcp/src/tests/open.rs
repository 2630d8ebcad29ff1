//! Opening: RFC 9293 §3.5, §3.10.7.2, §3.10.7.3, RFC 7323 §2 and §3, and the limits of listeners.

use super::script::Script;
use crate::{State, SynCookies, TcpConfig};
use core::net::SocketAddr;
use stack_core::{Cast, DropReason, Error, Families};

#[test]
fn a_syn_is_answered_with_what_it_offered_and_no_more() {
    let cases = [
        ("", "S. 0:0 ack 1 win 65535 <mss 1460>"),
        ("mss 1000", "S. 0:0 ack 1 win 65535 <mss 1460>"),
        ("mss 1000,ws 3", "S. 0:0 ack 1 win 65535 <mss 1460,ws 10>"),
        ("mss 1000,sack", "S. 0:0 ack 1 win 65535 <mss 1460,sack>"),
    ];
    for (offered, answer) in cases {
        let mut s = Script::listening(TcpConfig::default(), 5);
        s.inject(&alloc::format!("S 0:0 win 1000 <{offered}>"));
        s.expect(answer);
        s.quiet();
    }
    let mut s = Script::listening(TcpConfig::default(), 5);
    s.inject("S 0:0 win 1000 <mss 1000,ws 3,ts 77 0>");
    let ts = s.node.now;
    s.expect("S. 0:0 ack 1 win 65535 <mss 1460,ws 10,ts *>");
    let _ = ts;
    s.inject(". 1:1 ack 1 win 1000 <ts 78 e>");
    s.accept();
    assert_eq!((s.info().window_scale, s.info().timestamps), (Some((10, 3)), true));
}

#[test]
fn an_active_syn_offers_everything() {
    let mut s = Script::connecting(TcpConfig::default());
    s.expect("S 0:0 ack 0 win 65535 <mss 1460,ws 10,sack,ts *>");
    assert_eq!((s.state(), s.counters().active_opens), (State::SynSent, 1));
    s.inject("S. 0:0 ack 1 win 500 <mss 1200,ws 7,ts 9 e>");
    s.expect(". 1:1 ack 1");
    assert_eq!((s.state(), s.info().snd_wnd), (State::Established, 500), "a SYN's window is not scaled");
    s.inject(". 1:1 ack 1 win 500 <ts 10 e>");
    assert_eq!((s.info().snd_wnd, s.info().mss), (500 << 7, 1200 - 12));
}

#[test]
fn a_window_scale_beyond_14_counts_as_14() {
    let mut s = Script::accepted(TcpConfig::default(), "mss 1000,ws 200");
    s.inject(". 1:1 ack 1 win 2");
    assert_eq!(s.info().snd_wnd, 2 << 14);
}

#[test]
fn without_an_mss_option_segments_are_small() {
    assert_eq!(Script::accepted(Script::plain(), "").info().mss, 536);
    assert_eq!(Script::accepted(Script::plain(), "mss 10").info().mss, 48, "but not absurdly so");
}

#[test]
fn simultaneous_open() {
    let mut s = Script::connecting(Script::plain());
    s.expect("S 0:0 win 65535 <mss 1460>");
    s.inject("S 0:0 win 1000 <mss 1000>");
    s.expect("S. 0:0 ack 1 win 65535 <mss 1460>");
    assert_eq!(s.state(), State::SynReceived);
    s.inject("S. 0:0 ack 1 win 1000 <mss 1000>");
    assert_eq!(s.state(), State::Established);
    s.inject("P. 1:5 ack 1 win 1000");
    assert_eq!(s.read(10), Ok(4));
}

#[test]
fn simultaneous_open_completed_by_a_bare_ack() {
    let mut s = Script::connecting(Script::plain());
    s.expect("S 0:0");
    s.inject("S 0:0 win 1000 <mss 1000>");
    s.expect("S. 0:0 ack 1");
    s.inject(". 1:1 ack 7 win 1000");
    s.expect("R 7:7 <>");
    assert_eq!(s.state(), State::SynReceived, "a wrong ACK is answered, and is all");
    s.inject(". 1:1 ack 1 win 1000");
    assert_eq!(s.state(), State::Established);
}

#[test]
fn a_socket_can_connect_to_itself() {
    let mut world = super::world::World::new(1, super::world::Wire::GOOD, TcpConfig::default());
    let node = &mut world.nodes[0];
    let to: SocketAddr = "10.0.0.1:77".parse().unwrap();
    let id = node.with(|tcp, cx| {
        let id = tcp.create(cx, Families::V4).unwrap();
        tcp.bind(cx, id, to).unwrap();
        assert_eq!(tcp.connect(cx, id, to), Err(Error::ConnectStarted));
        tcp.write(cx, id, b"to myself").unwrap();
        id
    });
    for _ in 0..10 {
        for packet in node.transmit(32) {
            let rx = super::host::turn(packet, node.now);
            node.receive(rx);
        }
    }
    assert_eq!(node.tcp.state(id), Ok(State::Established));
    let mut buffer = [0; 20];
    assert_eq!(node.with(|tcp, cx| tcp.read(cx, id, &mut buffer)), Ok(9));
    assert_eq!(&buffer[..9], b"to myself");
}

#[test]
fn refused_at_once() {
    let mut s = Script::connecting(Script::plain());
    s.skip();
    s.inject("R. 0:0 ack 5");
    s.inject("R 0:0");
    assert_eq!(s.state(), State::SynSent, "a reset must acknowledge the SYN");
    s.inject("R. 0:0 ack 1");
    assert_eq!((s.state(), s.take_error()), (State::Closed, Some(Error::ConnectionRefused)));
    assert_eq!(s.counters().attempt_fails, 1);
    assert!(s.node.timers.is_empty() && s.node.services.table.is_empty());
}

#[test]
fn the_ghost_of_an_old_connection_is_reset_and_the_syn_sent_again_soon() {
    let mut s = Script::connecting(Script::plain());
    s.expect("S 0:0");
    s.inject(". 100:100 ack 9 win 100");
    s.expect("R 9:9 ack 0 win 0 <>");
    s.expect_at(10, "S 0:0");
    s.inject("S. 0:0 ack 1 win 100");
    assert_eq!(s.state(), State::Established);
}

#[test]
fn syns_back_off_for_more_than_three_minutes() {
    let mut s = Script::connecting(Script::plain());
    for at in [0, 1, 3, 7, 15, 31, 63, 127, 247] {
        s.expect_at(at * 1000, "S 0:0 win 65535 <mss 1460>");
    }
    s.advance(119_000);
    assert_eq!(s.state(), State::SynSent);
    s.advance(2_000);
    assert_eq!((s.state(), s.take_error()), (State::Closed, Some(Error::Timeout)));
    s.quiet();
}

#[test]
fn the_handshake_gives_the_first_sample() {
    let mut s = Script::connecting(Script::plain());
    s.skip();
    s.advance(500);
    s.inject("S. 0:0 ack 1 win 1000");
    assert_eq!((s.info().srtt.unwrap().as_millis(), s.info().rto.as_millis()), (500, 1500));
}

#[test]
fn a_repeated_syn_gives_no_sample_and_three_seconds() {
    let mut s = Script::connecting(Script::plain());
    s.advance(1_100);
    assert_eq!(s.skip(), 2);
    s.inject("S. 0:0 ack 1 win 1000 <mss 1000>");
    assert_eq!((s.info().srtt, s.info().rto.as_millis()), (None, 3000));
    assert_eq!(s.info().cwnd, 1000, "and an initial window of one segment");
}

#[test]
fn data_with_the_syn_ack_counts() {
    let mut s = Script::connecting(Script::plain());
    s.skip();
    s.inject("S. 0:0 ack 1 win 1000");
    s.skip();
    s.inject("P. 1:11 ack 1 win 1000");
    assert_eq!(s.read(100), Ok(10));
}

#[test]
fn what_was_written_before_the_handshake_goes_with_its_end() {
    let mut s = Script::connecting(Script::plain());
    s.expect("S 0:0");
    s.write(10).unwrap();
    s.shutdown();
    s.quiet();
    s.inject("S. 0:0 ack 1 win 1000");
    s.expect("FP. 1:11 ack 1");
    assert_eq!(s.state(), State::FinWait1);
}

#[test]
fn data_on_the_third_ack_is_not_lost() {
    let mut s = Script::listening(Script::plain(), 5);
    s.inject("S 0:0 win 1000");
    s.expect("S. 0:0 ack 1");
    s.inject("P. 1:5 ack 1 win 1000");
    s.accept();
    assert_eq!((s.state(), s.read(10)), (State::Established, Ok(4)));
    s.close();
    s.expect("F. 1:1 ack 5");
}

#[test]
fn the_third_ack_may_lack_its_timestamp() {
    let mut s = Script::listening(TcpConfig::default(), 5);
    s.inject("S 0:0 win 1000 <mss 1000,ts 1 0>");
    s.expect("S. 0:0 ack 1");
    s.inject(". 1:1 ack 1 win 1000");
    s.accept();
    assert_eq!((s.state(), s.info().timestamps), (State::Established, true));
    s.inject("P. 1:5 ack 1 win 1000");
    assert_eq!(s.node.drops, [DropReason::TcpNoTimestamp], "but no segment after it");
}

#[test]
fn an_ecn_setup_syn_is_as_good_as_any() {
    let mut s = Script::listening(Script::plain(), 5);
    s.inject("SEW 0:0 win 1000");
    s.expect("S.E 0:0 ack 1");
}

#[test]
fn repeated_syns_make_one_half_open_peer() {
    let mut s = Script::listening(Script::plain(), 5);
    for _ in 0..5 {
        s.inject("S 0:0 win 1000");
        s.advance(10);
    }
    s.expect("S. 0:0 ack 1");
    s.quiet();
    assert_eq!(s.node.tcp.table_sizes(), (1, 1, 0));
    s.advance(600);
    s.inject("S 0:0 win 1000");
    s.expect("S. 0:0 ack 1");
    s.quiet();
}

#[test]
fn syn_acks_back_off_and_the_peer_is_forgotten() {
    let mut s = Script::listening(Script::plain(), 5);
    s.inject("S 0:0 win 1000");
    for at in [0, 1, 3, 7, 15, 31] {
        s.expect_at(at * 1000, "S. 0:0 ack 1");
    }
    s.advance(33_000);
    s.quiet();
    assert_eq!(s.node.tcp.table_sizes(), (1, 0, 0));
    assert!(s.node.timers.is_empty());
    s.inject(". 1:1 ack 1 win 1000");
    s.expect("R 1:1");
}

#[test]
fn listen_holds_one_more_than_its_backlog() {
    let mut s = Script::listening(Script::plain(), 2);
    for port in 1..=4 {
        s.peer.set_port(port);
        s.inject("S 0:0 win 1000");
        if port <= 3 {
            s.expect("S. 0:0 ack 1");
            s.inject(". 1:1 ack 1 win 1000");
        }
    }
    s.quiet();
    assert_eq!((s.counters().listen_overflows, s.counters().curr_estab), (1, 3));
    assert_eq!(s.node.drops, [DropReason::BacklogFull]);
    for _ in 0..3 {
        s.accept();
    }
    let listener = s.listener.unwrap();
    assert_eq!(s.node.with(|tcp, cx| tcp.accept(cx, listener)), Err(Error::WouldBlock));
}

#[test]
fn a_third_ack_that_finds_no_room_waits_for_the_next_syn_ack() {
    let mut s = Script::listening(Script::plain(), 1);
    let open = |s: &mut Script, port| {
        s.peer.set_port(port);
        s.inject("S 0:0 win 1000");
        s.expect("S. 0:0 ack 1");
        s.our_iss
    };
    let (one, two) = (open(&mut s, 1), open(&mut s, 2));
    let complete = |s: &mut Script, port, iss| {
        s.peer.set_port(port);
        s.our_iss = iss;
        s.inject(". 1:1 ack 1 win 1000");
    };
    complete(&mut s, 1, one);
    let three = open(&mut s, 3);
    complete(&mut s, 2, two);
    complete(&mut s, 3, three);
    assert_eq!((s.node.tcp.table_sizes(), s.counters().listen_overflows), ((3, 1, 0), 1));
    assert_eq!(s.node.drops, [DropReason::BacklogFull]);
    s.accept();
    s.advance(1000);
    s.expect("S. 0:0 ack 1");
    complete(&mut s, 3, three);
    assert_eq!(s.node.tcp.table_sizes(), (4, 0, 0));
}

#[test]
fn half_open_peers_are_as_many_as_the_backlog_allows() {
    let config = TcpConfig { syn_cookies: SynCookies::Off, ..Script::plain() };
    let mut s = Script::listening(config, 3);
    for port in 1..=10 {
        s.peer.set_port(port);
        s.inject("S 0:0 win 1000");
    }
    assert_eq!(s.skip(), 4);
    assert_eq!((s.counters().req_q_full_drop, s.counters().listen_drops), (6, 6));
}

#[test]
fn closing_a_listener_forgets_peers_and_resets_what_nobody_took() {
    let mut s = Script::listening(Script::plain(), 5);
    s.inject("S 0:0 win 1000");
    s.expect("S. 0:0 ack 1");
    s.inject(". 1:1 ack 1 win 1000");
    s.close();
    s.expect("R. 1:1 ack 1");
    s.quiet();
    assert_eq!(s.node.tcp.table_sizes(), (0, 0, 0));
    assert!(s.node.services.table.is_empty() && s.node.services.ports.is_empty());

    let mut s = Script::listening(Script::plain(), 5);
    s.inject("S 0:0 win 1000");
    s.expect("S. 0:0 ack 1");
    s.close();
    s.quiet();
    s.inject(". 1:1 ack 1 win 1000");
    s.expect("R 1:1");
    assert!(s.node.timers.is_empty());
}

#[test]
fn nothing_is_said_to_many_and_groups_are_not_answered() {
    for cast in [Cast::Broadcast, Cast::Multicast] {
        let mut s = Script::listening(Script::plain(), 5);
        s.cast = cast;
        s.inject("S 0:0 win 1000");
        s.quiet();
        assert_eq!(s.node.drops, [DropReason::MartianDestination]);
    }
    for source in ["224.0.0.1:5", "255.255.255.255:5", "0.0.0.0:5"] {
        let mut s = Script::listening(Script::plain(), 5);
        s.peer = source.parse().unwrap();
        s.inject("S 0:0 win 1000");
        s.quiet();
        assert_eq!(s.node.drops, [DropReason::MartianSource]);
    }
}

#[test]
fn connects_that_make_no_sense_fail_at_once() {
    for (to, error) in [
        ("224.0.0.1:80", Error::NetworkUnreachable),
        ("255.255.255.255:80", Error::NetworkUnreachable),
        ("0.0.0.0:80", Error::NetworkUnreachable),
        ("10.0.0.2:0", Error::InvalidArgument),
        ("[2001:db8::1]:80", Error::AddressFamily),
    ] {
        let mut s = Script::new(Script::plain());
        let result = s.node.with(|tcp, cx| {
            let id = tcp.create(cx, Families::V4).unwrap();
            tcp.connect(cx, id, to.parse().unwrap())
        });
        assert_eq!(result, Err(error), "{to}");
        assert!(s.node.services.ports.is_empty());
    }
    let mut s = Script::new(Script::plain());
    s.node.services.cast = Cast::Broadcast;
    let result = s.node.with(|tcp, cx| {
        let id = tcp.create(cx, Families::V4).unwrap();
        tcp.connect(cx, id, "10.0.0.255:80".parse().unwrap())
    });
    assert_eq!(result, Err(Error::NetworkUnreachable));
}

#[test]
fn calls_in_the_wrong_state_say_so() {
    let mut s = Script::connecting(Script::plain());
    let (id, to) = (s.id, s.peer);
    let again = s.node.with(|tcp, cx| tcp.connect(cx, id, to));
    assert_eq!(again, Err(Error::AlreadyConnecting));
    s.inject("S. 0:0 ack 1 win 1000");
    let again = s.node.with(|tcp, cx| tcp.connect(cx, id, to));
    assert_eq!(again, Err(Error::AlreadyConnected));
    assert_eq!(s.node.with(|tcp, cx| tcp.listen(cx, id, 1)), Err(Error::InvalidState));
    let fresh = s.node.with(|tcp, cx| {
        let fresh = tcp.create(cx, Families::V4).unwrap();
        assert_eq!(tcp.listen(cx, fresh, 1), Err(Error::InvalidState));
        assert_eq!(tcp.read(cx, fresh, &mut [0; 1]), Err(Error::NotConnected));
        assert_eq!(tcp.write(cx, fresh, b"x"), Err(Error::NotConnected));
        tcp.close(cx, fresh);
        fresh
    });
    assert_eq!(s.node.with(|tcp, cx| tcp.read(cx, fresh, &mut [0; 1])), Err(Error::UnknownEndpoint));
}

#[test]
fn a_port_serves_many_peers_while_it_listens() {
    let mut s = Script::listening(Script::plain(), 5);
    for port in [1, 2, 3] {
        s.peer.set_port(port);
        s.inject("S 0:0 win 1000");
        s.expect("S. 0:0 ack 1");
        s.inject(". 1:1 ack 1 win 1000");
        s.accept();
        assert_eq!(s.state(), State::Established);
    }
    let again = s.node.with(|tcp, cx| {
        let id = tcp.create(cx, Families::V4).unwrap();
        tcp.bind(cx, id, "0.0.0.0:80".parse().unwrap())
    });
    assert_eq!(again, Err(Error::PortInUse));
}

#[test]
fn linux_sends_its_first_syns_a_second_apart_and_gives_up_after_131() {
    let mut s = Script::connecting(TcpConfig::linux());
    s.expect("S 0:0 win 64240 <mss 1460,ws 7,sack,ts *>");
    for seconds in [1, 2, 3, 4, 5, 7, 11, 19, 35, 67] {
        s.expect_at(seconds * 1000, "S 0:0");
    }
    s.advance(63_999);
    assert_eq!(s.state(), State::SynSent);
    s.advance(1);
    assert_eq!((s.ms(), s.state(), s.take_error()), (131_000, State::Closed, Some(Error::Timeout)));
}

#[test]
fn the_first_window_of_linux_is_one_of_whole_segments() {
    for (options, window) in [("mss 1460", 64_240), ("mss 1460,ts 1 0", 65_160)] {
        let mut s = Script::listening(TcpConfig::linux(), 5);
        s.inject(&alloc::format!("S 0:0 win 65535 <{options}>"));
        s.expect(&alloc::format!("S. 0:0 ack 1 win {window}"));
    }
}
