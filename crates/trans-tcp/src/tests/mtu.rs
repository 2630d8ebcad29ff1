//! Black holes and probes: RFC 4821, RFC 2923; what routers say: RFC 5927 §7.2; how long it holds: RFC 1191 §6.3.

use super::script::Script;
use super::world::{Application, Wire, World, pattern};
use crate::{MtuEvent, Probe, TcpConfig, TcpEvent, TcpInfo};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;
use stack_core::{EndpointId, ErrorKind, Instant, MtuProbing, SocketOption};
use std::sync::Mutex;

/// With SACK, without loss probes: less to be seen besides.
fn config() -> TcpConfig {
    TcpConfig { sack: true, loss_probe: false, initial_window: 12, ..Script::plain() }
}

fn always() -> TcpConfig {
    TcpConfig { mtu_probing: MtuProbing::Always, ..config() }
}

/// A connection whose first segment is a probe of 1500 octets, with four others behind it.
fn probing(config: TcpConfig) -> Script {
    let mut s = Script::accepted(config, "mss 1460,sack");
    s.inject(". 1:1 ack 1 win 6000");
    s.write(80_000).unwrap();
    s.expect(". 1:1461");
    assert_eq!(s.skip(), 4);
    s
}

/// Acknowledges all that was sent, each packet as it comes, until nothing is sent any more.
fn acknowledge_all(s: &mut Script) {
    while s.skip() > 0 {
        s.advance(10);
        let sent = s.info().bytes_acked as u32 + s.info().unacked;
        s.inject(&alloc::format!(". 1:1 ack {} win 65535", sent + 1));
    }
}

// R4821-7.7-a
#[test]
fn segments_that_vanish_three_times_become_smaller() {
    let mut s = Script::accepted(config(), "mss 1460,sack");
    s.write(14_600).unwrap();
    assert_eq!(s.skip(), 10);
    for (at, line) in [(200, ". 1:1461"), (600, ". 1:1461"), (1400, ". 1:1025")] {
        s.expect_at(at, line);
    }
    let search = s.info().mtu_search.unwrap();
    assert_eq!((s.info().path_mtu, search.low, search.high), (1064, 1064, 1500));
    for (at, line) in [(3000, ". 1:1025"), (6200, ". 1:1025"), (12_600, ". 1:513")] {
        s.expect_at(at, line);
    }
    assert_eq!((s.info().path_mtu, s.info().mss), (552, 512));
    s.advance(400_000);
    assert_eq!((s.info().path_mtu, s.info().mss), (552, 512), "the floor");
    assert!(s.node.services.path_mtus.is_empty(), "it may have been an outage");
    s.option(SocketOption::MtuProbing(MtuProbing::Off));
    assert_eq!((s.info().path_mtu, s.info().mss), (1500, 1460), "the application knows better");
}

#[test]
fn timeouts_of_segments_that_are_small_already_say_nothing() {
    for (options, text, seconds, timeouts) in [("mss 1460,sack", 1000, 4, 4), ("mss 500,sack", 5000, 60, 8)] {
        let mut s = Script::accepted(config(), options);
        s.write(text).unwrap();
        s.advance(seconds * 1000);
        assert_eq!((s.info().timeouts, s.info().path_mtu), (timeouts, 1500), "{options}");
        assert!(s.info().mtu_search.is_none());
    }
}

#[test]
fn a_socket_that_wants_no_probing_keeps_its_segments() {
    let mut s = Script::accepted(config(), "mss 1460,sack");
    s.option(SocketOption::MtuProbing(MtuProbing::Off));
    s.write(1460).unwrap();
    s.advance(60_000);
    assert_eq!((s.info().path_mtu, s.info().mss), (1500, 1460));
    s.option(SocketOption::MtuProbing(MtuProbing::Always));
    assert_eq!((s.info().path_mtu, s.info().mss), (1064, 1024), "and one that wants it begins at the bottom");
}

// R4821-7.6.1-a
#[test]
fn a_probe_that_arrives_raises_the_size() {
    let mut s = probing(always());
    s.inject(". 1:1 ack 1025 win 6000");
    assert_eq!((s.info().mss, s.counters().mtu_probe_success), (1024, 0), "not all of it");
    s.inject(". 1:1 ack 1461 win 6000");
    assert_eq!((s.info().mss, s.info().path_mtu, s.counters().mtu_probe_success), (1460, 1500, 1));
    assert!(s.info().mtu_search.unwrap().is_resting);
    assert!(s.node.services.path_mtus.is_empty(), "the link's MTU is nothing to remember");
}

// R4821-7.4-a, R4821-7.6.2-a
#[test]
fn a_lone_lost_probe_costs_no_window() {
    let mut s = probing(always());
    let before = s.info();
    s.inject(". 1:1 ack 1 win 6000 <sack 1461:4533>");
    s.expect(". 1:1025");
    s.expect(". 1025:1461");
    let after = s.info();
    assert!(after.cwnd >= before.cwnd && after.ssthresh == u32::MAX);
    assert_eq!((s.counters().sack_recovery, s.counters().mtu_probe_fail), (0, 1));
    let search = after.mtu_search.unwrap();
    assert_eq!((search.low, search.high, search.probe), (1064, 1499, None));
    assert_eq!(s.node.services.path_mtus.last().map(|known| known.1), Some(1064), "now it is sure");
    s.inject(". 1:1 ack 5557 win 6000");
    s.expect(". 5557:6799"); // half way: 1282 octets
}

// R4821-7.6.4-a
#[test]
fn a_probe_lost_among_others_says_nothing_and_costs_a_window() {
    let mut s = Script::accepted(always(), "mss 1460,sack");
    s.inject(". 1:1 ack 1 win 7100");
    s.write(80_000).unwrap();
    assert_eq!(s.skip(), 6);
    s.inject(". 1:1 ack 1 win 7100 <sack 2485:6581>");
    assert_eq!((s.counters().sack_recovery, s.counters().mtu_probe_fail), (1, 0));
    assert!(s.info().ssthresh < u32::MAX);
    acknowledge_all(&mut s);
    assert_eq!(s.counters().mtu_probe_fail, 0);
    assert!(s.info().mtu_search.unwrap().high == 1500, "still possible");
}

#[test]
fn a_probe_whose_text_times_out_says_nothing() {
    let mut s = probing(always());
    s.advance(250);
    s.expect(". 1:1025");
    s.inject(". 1:1 ack 5557 win 6000");
    assert_eq!((s.counters().mtu_probe_success, s.counters().mtu_probe_fail), (0, 0));
    assert_eq!(s.info().mss, 1024);
}

#[test]
fn without_sack_the_third_duplicate_tells_of_the_probe() {
    let mut s = probing(TcpConfig { sack: false, ..always() });
    let before = s.info();
    for _ in 0..2 {
        s.inject(". 1:1 ack 1 win 6000");
    }
    s.quiet();
    s.inject(". 1:1 ack 1 win 6000");
    s.expect(". 1:1025");
    s.expect(". 1025:1461");
    (0..6).for_each(|_| s.inject(". 1:1 ack 1 win 6000"));
    assert_eq!((s.counters().reno_recovery, s.counters().mtu_probe_fail), (0, 1));
    assert_eq!((s.info().ssthresh, s.info().cwnd), (u32::MAX, before.cwnd));
}

#[test]
fn a_probe_waits_for_room_in_the_window_and_nobody_takes_it() {
    let mut s = Script::accepted(TcpConfig { initial_window: 11, ..always() }, "mss 1460,sack");
    s.write(10_240).unwrap();
    assert_eq!(s.skip(), 10);
    s.write(70_000).unwrap();
    assert_eq!(s.info().cwnd - s.info().unacked, 1024, "room for a segment, not for a probe");
    s.quiet();
    s.inject(". 1:1 ack 1025");
    s.expect(". 10241:11701");
    acknowledge_all(&mut s);
    assert_eq!(s.counters().mtu_probe_success, 1);
}

// R1191-3-c, R8201-4-d, R4821-7.8-a
#[test]
fn what_a_router_said_is_tried_again_after_ten_minutes_and_never_within_five() {
    for (interval, rests) in [(600, 600), (10, 300)] {
        let interval = Duration::from_secs(interval);
        let mut s = Script::accepted(TcpConfig { mtu_probe_interval: interval, ..config() }, "mss 1460,sack");
        s.write(1460).unwrap();
        s.error(ErrorKind::PacketTooBig { mtu: 1200 }, 1);
        s.skip();
        s.inject(". 1:1 ack 1461");
        s.write(80_000).unwrap();
        acknowledge_all(&mut s);
        let said = s.ms();
        assert_eq!((s.info().mss, s.info().mtu_search.unwrap().is_resting), (1160, true));
        s.advance(rests * 1000 - 1000);
        s.write(80_000).unwrap();
        acknowledge_all(&mut s);
        assert_eq!(s.counters().mtu_probe_success, 0, "{} ms after it", s.ms() - said);
        s.advance(2000);
        s.write(80_000).unwrap();
        acknowledge_all(&mut s);
        assert_eq!((s.counters().mtu_probe_success, s.info().mss), (1, 1460));
        assert_eq!(s.node.services.path_mtus.last().map(|known| known.1), Some(1500), "all may know");
    }
}

// R5927-7.2-a, R5927-7.2-b
#[test]
fn a_router_that_contradicts_what_arrived_has_to_wait_for_a_timeout() {
    let full_sized = || {
        let mut s = Script::accepted(config(), "mss 1460");
        s.write(1460).unwrap();
        s.inject(". 1:1 ack 1461");
        s.write(1460).unwrap();
        s.skip();
        s.error(ErrorKind::PacketTooBig { mtu: 1200 }, 1461);
        s.quiet();
        assert_eq!((s.info().mss, s.counters().doubted_icmps), (1460, 1));
        s
    };
    let mut s = full_sized();
    s.inject(". 1:1 ack 2921");
    s.write(1460).unwrap();
    s.skip();
    s.advance(250);
    s.expect("P. 2921:4381");
    assert_eq!((s.info().mss, s.counters().timeouts), (1460, 1), "a timeout of another segment");

    let mut s = full_sized();
    let before = s.info();
    s.advance(250);
    s.expect(". 1461:2621");
    s.expect("P. 2621:2921");
    let after = s.info();
    assert_eq!((after.mss, after.cwnd, after.ssthresh), (1160, before.cwnd, before.ssthresh));
    assert_eq!((after.timeouts, s.counters().timeouts), (0, 0), "that was no congestion");
    s.advance(250);
    assert_eq!(s.counters().timeouts, 1, "but this is");
}

#[test]
fn on_another_path_nothing_is_refuted() {
    let mut s = Script::accepted(config(), "mss 1460");
    s.write(1460).unwrap();
    s.inject(". 1:1 ack 1461");
    s.node.services.nic += 1;
    s.node.services.generation += 1;
    s.write(1460).unwrap();
    s.skip();
    s.error(ErrorKind::PacketTooBig { mtu: 1200 }, 1461);
    s.expect(". 1461:2621");
}

/// Uploads `len` octets over a wire that carries `limit` octets in a packet; super-packets of up to `max_gso`.
fn upload(limit: u32, max_gso: u32, config: TcpConfig, len: usize) -> (TcpInfo, World) {
    let mut world = World::new(1, Wire { limit, ..Wire::GOOD }, config);
    world.nodes.iter_mut().for_each(|node| node.services.max_gso = max_gso);
    let listener = world.listen(1);
    let id = world.connect();
    let mut client = Application::new(0, id, pattern(3, len));
    let mut server: Option<Application> = None;
    let until = world.now + Duration::from_secs(100);
    while server.as_ref().is_none_or(|server| server.got.len() < len) {
        client.run(&mut world);
        server = server.or_else(|| world.accept(listener).map(|id| Application::new(1, id, Vec::new())));
        server.as_mut().map(|server| server.run(&mut world));
        assert!(world.step(until), "nothing happens any more at {limit}");
    }
    assert!(server.unwrap().got == pattern(3, len));
    (world.nodes[0].tcp.info(id).unwrap(), world)
}

// R4821-7.2-a
#[test]
fn the_limit_of_a_path_is_found_to_within_the_threshold() {
    for limit in [600, 900, 1064, 1100, 1300, 1400, 1472, 1492] {
        for max_gso in [1500, 65_535] {
            let (info, world) = upload(limit, max_gso, TcpConfig::default(), 4 << 20);
            assert!((limit - 8..=limit).contains(&info.path_mtu), "{limit}: {info:#?}");
            let known = world.nodes[0].services.path_mtus.last().map(|known| known.1);
            assert_eq!(known, Some(info.path_mtu));
        }
    }
}

#[test]
fn where_everything_arrives_one_probe_is_enough() {
    let config = TcpConfig { mtu_probing: MtuProbing::Always, ..TcpConfig::default() };
    let (info, world) = upload(1500, 1500, config, 1 << 20);
    let counters = world.nodes[0].tcp.counters();
    assert_eq!((info.path_mtu, counters.mtu_probe_success, counters.mtu_probe_fail), (1500, 1, 0));
    assert_eq!(counters.retrans_segs, 0);
}

/// Notes what happens to the size of packets.
#[derive(Default)]
struct Sizes(Mutex<Vec<(MtuEvent, u32)>>);

impl Probe for Sizes {
    fn event(&self, _: Instant, _: EndpointId, event: &TcpEvent) {
        if let TcpEvent::PathMtu { event, size } = event {
            self.0.lock().unwrap().push((*event, *size));
        }
    }
}

#[test]
fn a_probe_sees_the_whole_search() {
    use MtuEvent::{BlackHole, ProbeArrived, ProbeLost, ProbeSent};
    let sizes = Arc::new(Sizes::default());
    let config = TcpConfig { probe: Some(Arc::clone(&sizes) as Arc<dyn Probe>), ..TcpConfig::default() };
    upload(1400, 1500, config, 4 << 20);
    let seen = sizes.0.lock().unwrap();
    assert_eq!(
        seen[..5],
        [(BlackHole, 1076), (ProbeSent, 1500), (ProbeLost, 1500), (ProbeSent, 1288), (ProbeArrived, 1288)]
    );
}
