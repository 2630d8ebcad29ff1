//! Two TCPs over a wire: bytes in are bytes out under any schedule, and afterwards nothing is left.

use super::world::{Application, Wire, World, pattern};
use crate::congestion::Algorithm;
use crate::{State, TcpConfig, TcpCounters};
use alloc::vec::Vec;
use core::time::Duration;
use stack_core::EcnPolicy;

fn transfer(seed: u64, wire: Wire, config: TcpConfig, up: usize, down: usize) -> World {
    transfer_in(World::new(seed, wire, config), seed, up, down)
}

/// Moves `up` bytes one way and `down` the other, closes both ends, and waits until TIME-WAIT is over.
fn transfer_in(mut world: World, seed: u64, up: usize, down: usize) -> World {
    let listener = world.listen(4);
    let client = world.connect();
    let (there, back) = (pattern(seed, up), pattern(!seed, down));
    let mut client = Application::new(0, client, there.clone());
    let mut server: Option<Application> = None;
    let limit = world.now + Duration::from_secs(3600);
    loop {
        let mut done = client.run(&mut world);
        if server.is_none() {
            server = world.accept(listener).map(|id| Application::new(1, id, back.clone()));
        }
        done &= server.as_mut().is_some_and(|server| server.run(&mut world));
        if done {
            break;
        }
        assert!(world.step(limit), "seed {seed}: nothing happens any more");
        assert!(world.now < limit, "seed {seed}: it takes too long");
    }
    let server = server.unwrap();
    assert!(client.got == back && server.got == there, "seed {seed}: the streams differ");
    world.nodes[0].with(|tcp, cx| tcp.close(cx, client.id));
    world.nodes[1].with(|tcp, cx| tcp.close(cx, server.id));
    world.nodes[1].with(|tcp, cx| tcp.close(cx, listener));
    world.run(Duration::from_secs(1000));
    for node in &world.nodes {
        assert_eq!(node.tcp.table_sizes(), (0, 0, 0), "seed {seed}: {:?}", node.tcp.connections().next());
        assert!(node.timers.is_empty(), "seed {seed}: a timer is left");
        assert!(node.services.table.is_empty() && node.services.ports.is_empty(), "seed {seed}");
        assert_eq!(node.tcp.counters().curr_estab, 0);
    }
    world
}

#[test]
fn a_handshake_establishes_both_ends() {
    let mut world = World::new(1, Wire::GOOD, TcpConfig::default());
    let listener = world.listen(4);
    let client = world.connect();
    world.run(Duration::from_millis(100));
    let server = world.accept(listener).unwrap();
    assert_eq!((world.state(0, client), world.state(1, server)), (State::Established, State::Established));
    assert_eq!(world.sent, [2, 1]);
}

#[test]
fn streams_arrive_whole_over_a_good_wire() {
    for (up, down) in [(0, 0), (1, 0), (0, 1), (1000, 1000), (1 << 20, 0), (0, 1 << 20), (1 << 19, 1 << 19)] {
        let world = transfer(7, Wire::GOOD, TcpConfig::default(), up, down);
        let counters = world.nodes[0].tcp.counters();
        assert_eq!((counters.retrans_segs, counters.timeouts), (0, 0), "{up} up, {down} down");
    }
}

#[test]
fn streams_arrive_whole_over_bad_wires() {
    for seed in 0..60u64 {
        let wire = Wire {
            delay: Duration::from_millis(seed % 40),
            jitter: Duration::from_millis(seed % 7 * 3),
            loss: seed % 11 * 10,
            duplicate: seed % 5 * 10,
            ..Wire::GOOD
        };
        let size = |n: u64| (n * 7919 % 100_000) as usize;
        transfer(seed, wire, TcpConfig::default(), size(seed), size(seed + 13));
    }
}

#[test]
fn streams_arrive_whole_over_wires_that_mark() {
    for seed in 0..48u64 {
        let wire = Wire {
            delay: Duration::from_millis(seed % 30),
            jitter: Duration::from_millis(seed % 5 * 3),
            loss: seed % 4 * 10,
            duplicate: seed % 3 * 10,
            mark: [5, 50, 300, 1000][(seed / 4 % 4) as usize],
            ..Wire::GOOD
        };
        let ecn = if seed % 2 == 0 { EcnPolicy::ON } else { EcnPolicy::ACCURATE };
        let congestion = [Algorithm::Reno, Algorithm::Cubic, Algorithm::Bbr][(seed % 3) as usize];
        let config = TcpConfig {
            ecn,
            congestion,
            sack: seed % 5 != 0,
            timestamps: seed % 7 != 0,
            ..TcpConfig::default()
        };
        let mut world = World::new(seed, wire, config);
        world
            .nodes
            .iter_mut()
            .for_each(|node| node.services.max_gso = [1500, 65_535][(seed / 2 % 2) as usize]);
        let world = transfer_in(world, seed, 60_000, 40_000);
        let (told, came) = (world.nodes[0].tcp.counters().delivered_ce, world.nodes[1].tcp.counters().in_ce);
        // With accurate feedback a whole first flight of marks may look like a count that was zeroed on the way.
        let is_doubtful = ecn == EcnPolicy::ACCURATE && wire.mark >= 300;
        assert!(told > 0 || came < 2 || is_doubtful, "{seed}: {came} came marked and nothing was told");
        let is_good = wire.loss == 0 && wire.jitter.is_zero();
        assert!(!is_good || world.nodes[0].tcp.counters().retrans_segs == 0, "{seed}");
    }
}

#[test]
fn streams_arrive_whole_without_options() {
    let plain = TcpConfig { timestamps: false, window_scaling: false, ..TcpConfig::default() };
    for seed in 0..10 {
        let wire = Wire { loss: 50, ..Wire::GOOD };
        transfer(seed, wire, plain.clone(), 100_000, 50_000);
    }
}

#[test]
fn super_packets_go_whole() {
    let wire = Wire { loss: 20, ..Wire::GOOD };
    for seed in 0..10 {
        let mut world = World::new(seed, wire, TcpConfig::default());
        world.nodes.iter_mut().for_each(|node| node.services.max_gso = 65_535);
        let world = transfer_in(world, seed, 1 << 20, 1 << 18);
        assert!(world.sent[0] < 700, "{} packets for 1 MiB", world.sent[0]);
    }
}

/// Uploads `size` bytes while these packets of the client are lost; returns its counters and how long it took.
fn upload_without(lost: &[usize], size: usize) -> (TcpCounters, Duration, usize) {
    let mut world = World::new(1, Wire::GOOD, TcpConfig::default());
    world.lost = lost.to_vec();
    let listener = world.listen(1);
    let client = world.connect();
    let start = world.now;
    let mut client = Application::new(0, client, pattern(3, size));
    let mut server: Option<Application> = None;
    let limit = world.now + Duration::from_secs(100);
    while !server.as_ref().is_some_and(|server| server.ended) {
        client.run(&mut world);
        server = server.or_else(|| world.accept(listener).map(|id| Application::new(1, id, Vec::new())));
        server.as_mut().map(|server| server.run(&mut world));
        assert!(world.step(limit), "nothing happens any more without {lost:?}");
    }
    assert!(server.unwrap().got == pattern(3, size));
    let took = world.now.saturating_since(start);
    world.run(Duration::from_secs(1));
    (*world.nodes[0].tcp.counters(), took, world.sent[0])
}

#[test]
fn any_single_loss_is_repaired_without_a_timeout() {
    let size = 60_000;
    let (_, undisturbed, packets) = upload_without(&[], size);
    // The first two are the SYN and the ACK of the handshake.
    for lost in 3..=packets {
        let (counters, took, _) = upload_without(&[lost], size);
        assert_eq!((counters.timeouts, lost), (0, lost));
        let late = took.saturating_sub(undisturbed);
        assert!(late < Duration::from_millis(400), "{lost} of {packets} cost {late:?}");
    }
}

#[test]
fn a_retransmission_that_is_lost_too_is_repaired_without_a_timeout() {
    let (size, lost) = (400_000, 60);
    let (counters, once, _) = upload_without(&[lost], size);
    assert_eq!((counters.timeouts, counters.fast_retrans), (0, 1));
    // Whichever packet after the loss is the retransmission: dropping each in turn meets it.
    let mut met = 0;
    for second in lost + 1..lost + 150 {
        let (counters, took, _) = upload_without(&[lost, second], size);
        assert_eq!((counters.timeouts, second), (0, second));
        if counters.lost_retransmit > 0 {
            met += 1;
            assert!(took.saturating_sub(once) < Duration::from_millis(60), "three round trips at most");
        }
    }
    assert_eq!(met, 1);
}

#[test]
fn reordering_costs_no_window() {
    // Packets overtake each other within a quarter of the round trip.
    let wire = Wire { jitter: Duration::from_millis(4), ..Wire::GOOD };
    let world = transfer(11, wire, TcpConfig::default(), 1 << 20, 0);
    let counters = world.nodes[0].tcp.counters();
    let undone = counters.dsack_undo + counters.partial_undo + counters.full_undo;
    assert!(counters.sack_recovery <= undone + 1, "{counters:?}");
    assert_eq!(counters.timeouts, 0);
}
