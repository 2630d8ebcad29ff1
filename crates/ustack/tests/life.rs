//! The life of a stack and of its interfaces: what ends when, and that nothing is left.

mod common;

use common::{alone, driver_threads, noise, stack, two_stacks};
use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use ustack::contract::{LinkCapabilities, LinkDrops, LinkEndpoint, LinkReceive, LinkTransmit};
use ustack::link::channel::{ChannelConfig, ChannelLink, injector, pair};
use ustack::net::{TcpListener, TcpStream, UdpSocket};
use ustack::{DropReason, Error, LinkAddress, NicConfig, NicId, Stack};

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn the_last_handle_ends_the_thread() {
    let _alone = alone();
    let (a, b) = two_stacks(ChannelConfig::default());
    wait_until("no thread has started", || driver_threads() == 2);
    let socket = UdpSocket::bind(&a, "10.0.0.1:9").unwrap();
    drop(a);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(driver_threads(), 2, "a socket is a handle");
    drop(socket);
    wait_until("the first is left", || driver_threads() == 1);
    drop(b);
    wait_until("the second is left", || driver_threads() == 0);
}

#[test]
fn stacks_dropped_with_traffic_in_flight_end() {
    let _alone = alone();
    for round in 0..10 {
        let (a, b) = two_stacks(ChannelConfig::default().with_offload());
        let listener = TcpListener::bind(&b, "10.0.0.2:7").unwrap();
        let reader = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
            let mut buffer = vec![0; 100_000];
            for _ in 0..round * 3 {
                // The writer's stack goes without a word: there may be an end, or only silence.
                if stream.read(&mut buffer).is_ok_and(|len| len > 0) {
                    continue;
                }
                return;
            }
        });
        let mut writer = TcpStream::connect(&a, "10.0.0.2:7").unwrap();
        // The reader may be gone already, and the connection reset.
        let _ = writer.write_all(&noise(1, 200_000));
        drop(writer);
        drop((a, b));
        reader.join().unwrap();
        wait_until("threads are left", || driver_threads() == 0);
    }
}

#[test]
fn a_stack_that_resets_its_connections_tells_the_peers() {
    let _alone = alone();
    let (a, b) = two_stacks(ChannelConfig::default());
    let listener = TcpListener::bind(&b, "10.0.0.2:7").unwrap();
    let mut writer = TcpStream::connect(&a, "10.0.0.2:7").unwrap();
    let (mut reader, _) = listener.accept().unwrap();
    // More than the reader's window: an end of the stream would have to wait for it.
    let full = std::thread::spawn(move || writer.write_all(&noise(1, 8_000_000)));
    reader.read_exact(&mut [0; 1000]).unwrap();
    assert_eq!(a.reset_connections(), 1);
    let error = full.join().unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
    assert!(a.shutdown(Duration::ZERO));
    drop(a);
    let error = reader.read_to_end(&mut Vec::new()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
}

#[test]
fn a_stack_that_is_shut_down_delivers_everything_first() {
    let _alone = alone();
    for _ in 0..10 {
        let (a, b) = two_stacks(ChannelConfig::default());
        let listener = TcpListener::bind(&b, "10.0.0.2:7").unwrap();
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            listener.accept().unwrap().0.read_to_end(&mut all).unwrap();
            all.len()
        });
        let mut writer = TcpStream::connect(&a, "10.0.0.2:7").unwrap();
        writer.write_all(&noise(1, 900_000)).unwrap();
        assert!(!a.shutdown(Duration::from_millis(10)), "the connection is still ours");
        drop(writer);
        assert!(a.shutdown(Duration::from_secs(20)));
        drop(a);
        assert_eq!(reader.join().unwrap(), 900_000);
    }
}

#[test]
fn what_was_written_before_the_end_arrives() {
    let _alone = alone();
    let (a, b) = two_stacks(ChannelConfig::default());
    let socket = UdpSocket::bind(&b, "10.0.0.2:9").unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    UdpSocket::bind(&a, "0.0.0.0:0").unwrap().send_to(b"last words", "10.0.0.2:9").unwrap();
    drop(a);
    let mut buffer = [0; 100];
    assert_eq!(socket.recv(&mut buffer).unwrap(), 10);
}

#[test]
fn a_link_that_goes_takes_its_interface_down() {
    let _alone = alone();
    let (link, port) = injector(ChannelConfig::default());
    let stack = stack(link, &["10.0.0.1/24"]);
    let socket = UdpSocket::bind(&stack, "0.0.0.0:0").unwrap();
    socket.send_to(b"still there", "10.0.0.2:9").unwrap();
    drop(port);
    wait_until("the interface is still up", || {
        stack.nics().iter().any(|nic| nic.id == NicId(1) && !nic.enabled)
    });
    let error = socket.send_to(b"gone", "10.0.0.2:9").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NetworkUnreachable);
    assert_eq!(stack.enable_nic(NicId(1)), Err(Error::BadLink));
    assert!(stack.nics().iter().any(|nic| nic.id == NicId(1) && !nic.enabled));
    let before = cpu_ticks();
    std::thread::sleep(Duration::from_millis(300));
    assert!(cpu_ticks() - before <= 1, "the driver spins on the dead link");
}

#[test]
fn a_peer_that_goes_ends_a_blocked_connection() {
    let _alone = alone();
    let (a, b) = two_stacks(ChannelConfig::default());
    let listener = TcpListener::bind(&b, "10.0.0.2:7").unwrap();
    let client = TcpStream::connect(&a, "10.0.0.2:7").unwrap();
    client.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let (server, _) = listener.accept().unwrap();
    drop((server, listener, b));
    // The other stack said goodbye before it went.
    let mut rest = Vec::new();
    assert_eq!((&client).read_to_end(&mut rest).unwrap(), 0);
}

#[test]
fn a_disabled_interface_reads_nothing_until_it_is_enabled() {
    let _alone = alone();
    let (link, port) = injector(ChannelConfig::default());
    let stack = Stack::builder().default_protocols().build().unwrap();
    let nic = NicConfig::new(link).address("10.0.0.1/24".parse().unwrap());
    let nic = stack.create_disabled_nic(nic).unwrap();
    port.inject_bytes(bytes::Bytes::from_static(&[0x45; 40])).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(stack.nic_counters(nic).unwrap().received.packets, 0);
    stack.enable_nic(nic).unwrap();
    wait_until("nothing was read", || stack.nic_counters(nic).unwrap().received.packets == 1);
    stack.disable_nic(nic).unwrap();
    port.inject_bytes(bytes::Bytes::from_static(&[0x45; 40])).unwrap();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(stack.nic_counters(nic).unwrap().received.packets, 1);
}

#[test]
fn interfaces_come_and_go_while_the_stack_runs() {
    let _alone = alone();
    let stack = Stack::builder().default_protocols().build().unwrap();
    for round in 0..20 {
        let (near, far) = pair(ChannelConfig::default());
        let nic = stack.create_nic(NicConfig::new(near).address("10.0.0.1/24".parse().unwrap())).unwrap();
        let peer = common::stack(far, &["10.0.0.2/24"]);
        let server = UdpSocket::bind(&peer, "10.0.0.2:9").unwrap();
        server.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let client = UdpSocket::bind(&stack, "0.0.0.0:0").unwrap();
        client.send_to(&[round], "10.0.0.2:9").unwrap();
        let mut buffer = [0; 10];
        assert_eq!(server.recv(&mut buffer).unwrap(), 1);
        stack.remove_nic(nic).unwrap();
        assert!(stack.remove_nic(nic).is_err());
        assert!(client.send_to(&[round], "10.0.0.2:9").is_err());
    }
    assert_eq!(stack.nics().len(), 1, "the local interface is left");
}

/// A channel that says it has lost packets, as devices and decorators do.
struct Leaky(ChannelLink, Arc<Leaks>);

#[derive(Default)]
struct Leaks(AtomicU64);

impl LinkDrops for Leaks {
    fn of(&self, reason: DropReason) -> u64 {
        if reason == DropReason::LinkRefused { self.0.load(Ordering::Relaxed) } else { 0 }
    }
}

impl LinkEndpoint for Leaky {
    fn capabilities(&self) -> LinkCapabilities {
        self.0.capabilities()
    }
    fn link_address(&self) -> Option<LinkAddress> {
        self.0.link_address()
    }
    fn drops(&self) -> Vec<Arc<dyn LinkDrops>> {
        vec![self.1.clone()]
    }
    fn split(self: Box<Self>) -> (Box<dyn LinkReceive>, Box<dyn LinkTransmit>) {
        Box::new(self.0).split()
    }
}

#[test]
fn what_ends_inside_links_is_in_the_statistics_once() {
    let _alone = alone();
    let (link, _peer) = pair(ChannelConfig::default());
    let leaks = Arc::new(Leaks::default());
    let nic = NicConfig::new(Leaky(link, leaks.clone()));
    let stack = Stack::builder().default_protocols().nic(nic).build().unwrap();
    let one = NicId(1);
    let refused = || stack.counters().drops.of(DropReason::LinkRefused);
    assert_eq!(refused(), 0);
    leaks.0.store(3, Ordering::Relaxed);
    assert_eq!((refused(), refused()), (3, 3));
    assert_eq!(stack.nic_counters(one).unwrap().drops.of(DropReason::LinkRefused), 3);
    leaks.0.store(5, Ordering::Relaxed);
    stack.update_counters(|counters| *counters = Default::default());
    assert_eq!(refused(), 0, "set back with what was counted until then");
    leaks.0.store(6, Ordering::Relaxed);
    stack.remove_nic(one).unwrap();
    assert_eq!(refused(), 1, "what the link counted last is not lost with it");
}

#[test]
fn a_device_that_takes_no_more_makes_senders_wait_and_nobody_spin() {
    let _alone = alone();
    let (link, port) = injector(ChannelConfig::default().with_capacity(4));
    let stack = stack(link, &["10.0.0.1/24"]);
    let socket = UdpSocket::bind(&stack, "0.0.0.0:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    let mut sent = 0;
    let full = loop {
        match socket.send_to(&[0; 1000], "10.0.0.2:9") {
            Ok(_) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < 100_000, "all was taken");
    };
    assert_eq!(full.kind(), ErrorKind::WouldBlock);
    let before = cpu_ticks();
    std::thread::sleep(Duration::from_millis(500));
    assert!(cpu_ticks() - before <= 1, "the driver spins on the full device");
    // Once the device takes packets again, all that was accepted goes out.
    let mut received = 0;
    wait_until("packets are left behind", || {
        while port.read().is_some() {
            received += 1;
        }
        received == sent
    });
}

#[test]
fn an_idle_stack_uses_no_time() {
    let _alone = alone();
    let (_a, _b) = two_stacks(ChannelConfig::default());
    std::thread::sleep(Duration::from_millis(100));
    let before = cpu_ticks();
    std::thread::sleep(Duration::from_millis(500));
    assert!(cpu_ticks() - before <= 1, "drivers spin");
}

/// Processor time of this process, in ticks of 10 ms.
fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}
