//! The choice of an algorithm, and each of them end to end.

use super::script::Script;
use super::world::{Application, Wire, World, pattern};
use crate::TcpConfig;
use crate::congestion::Algorithm;
use alloc::vec::Vec;
use core::time::Duration;
use stack_core::{EndpointId, Error, Families};

/// A paced connection with a round-trip time of 100 ms, the initial window acknowledged, and `segments` of 1000 octets
/// written in all.
fn paced(segments: u32) -> Script {
    let mut s = Script::connecting(TcpConfig { pacing: true, ..Script::plain() });
    s.skip();
    s.advance(100);
    s.inject("S. 0:0 ack 1 win 65535 <mss 1000>");
    s.skip();
    s.write(segments * 1000).unwrap();
    assert_eq!(s.skip(), 10, "the initial window goes as it is");
    s.advance(100);
    s.inject(". 1:1 ack 10001");
    s
}

#[test]
fn an_application_that_says_little_waits_for_nothing() {
    let mut s = paced(10);
    for i in 0..5u32 {
        s.advance(30);
        s.write(500).unwrap();
        assert_eq!(s.skip(), 1, "{i}");
        s.inject(&alloc::format!(". 1:1 ack {}", 10_501 + 500 * i));
    }
}

#[test]
fn the_algorithm_of_a_socket_is_chosen_at_run_time() {
    let mut s = paced(60);
    assert_eq!(s.info().congestion, "reno");
    let cwnd = s.info().cwnd;
    let id = s.id;
    s.node.with(|tcp, cx| tcp.set_congestion(cx, id, "bbr".parse().unwrap())).unwrap();
    assert_eq!((s.info().congestion, s.info().cwnd), ("bbr", cwnd));
    s.advance(50);
    s.skip();
    s.inject(". 1:1 ack 14001");
    s.advance(50);
    assert!(s.skip() > 0, "and the connection goes on");
}

#[test]
fn connections_of_a_listener_have_its_algorithm() {
    let mut world = World::new(1, Wire::GOOD, TcpConfig::default());
    let listener = world.listen(1);
    world.nodes[1].with(|tcp, cx| tcp.set_congestion(cx, listener, Algorithm::Reno)).unwrap();
    let client = world.connect();
    world.run(Duration::from_secs(1));
    let server = world.accept(listener).unwrap();
    assert_eq!(world.nodes[1].tcp.info(server).unwrap().congestion, "reno");
    assert_eq!(world.nodes[0].tcp.info(client).unwrap().congestion, "cubic");
    let nobody = EndpointId { index: 77, generation: 9 };
    let unknown = world.nodes[1].with(|tcp, cx| tcp.set_congestion(cx, nobody, Algorithm::Bbr));
    assert_eq!(unknown, Err(Error::UnknownEndpoint));
}

#[test]
fn a_fresh_socket_connects_with_its_algorithm() {
    let mut world = World::new(1, Wire::GOOD, TcpConfig::default());
    world.listen(1);
    let client = world.nodes[0].with(|tcp, cx| {
        let id = tcp.create(cx, Families::V4).unwrap();
        tcp.set_congestion(cx, id, Algorithm::Bbr).unwrap();
        let _ = tcp.connect(cx, id, "10.0.0.2:80".parse().unwrap());
        id
    });
    assert_eq!(world.nodes[0].tcp.info(client).unwrap().congestion, "bbr");
}

/// Uploads a megabyte; how long that takes.
fn upload(algorithm: Algorithm, wire: Wire, seed: u64) -> Duration {
    let mut world = World::new(seed, wire, TcpConfig { congestion: algorithm, ..TcpConfig::default() });
    let listener = world.listen(1);
    let client = world.connect();
    let start = world.now;
    let mut client = Application::new(0, client, pattern(3, 1 << 20));
    let mut server: Option<Application> = None;
    while !server.as_ref().is_some_and(|server| server.ended) {
        client.run(&mut world);
        server = server.or_else(|| world.accept(listener).map(|id| Application::new(1, id, Vec::new())));
        server.as_mut().map(|server| server.run(&mut world));
        assert!(world.step(start + Duration::from_secs(600)), "it hangs");
    }
    assert!(server.unwrap().got == pattern(3, 1 << 20));
    world.now.saturating_since(start)
}

#[test]
fn every_algorithm_brings_a_stream_over_every_wire() {
    let wires = [
        Wire::GOOD,
        Wire { loss: 20, ..Wire::GOOD },
        Wire { jitter: Duration::from_millis(15), duplicate: 20, ..Wire::GOOD },
        Wire { delay: Duration::from_micros(50), ..Wire::GOOD },
    ];
    for algorithm in [Algorithm::Reno, Algorithm::Cubic, Algorithm::Bbr] {
        for (i, wire) in wires.into_iter().enumerate() {
            let took = upload(algorithm, wire, 5);
            let limit = if wire.loss > 0 { 10 } else { 2 };
            assert!(took < Duration::from_secs(limit), "{algorithm:?} on wire {i}: {took:?}");
        }
    }
}
