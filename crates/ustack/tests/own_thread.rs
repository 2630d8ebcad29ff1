//! Interfaces that are read by threads of their own: the same behaviour, and threads that end.

mod common;

use common::{alone, echo, exchange, noise, stack, threads};
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::{Duration, Instant};
use ustack::contract::{
    LinkAddress, LinkCapabilities, LinkEndpoint, LinkError, LinkReceive, LinkTransmit, RxBatch,
};
use ustack::link::channel::{ChannelConfig, injector, pair};
use ustack::net::{TcpListener, TcpStream};
use ustack::{NicConfig, NicId, Stack};

fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn readers() -> usize {
    threads(|name| name.starts_with("ustack-nic"))
}

/// A client, a router whose interfaces are read by threads of their own, and a server.
fn through_a_router(config: ChannelConfig) -> (Stack, Stack, Stack) {
    let ((client, inside), (outside, server)) = (pair(config.clone()), pair(config));
    let nic = |link, address: &str| {
        NicConfig::new(link).address(address.parse().unwrap()).forwarding(true).own_thread(true)
    };
    let router = Stack::builder()
        .default_protocols()
        .nic(nic(inside, "10.0.1.1/24"))
        .nic(nic(outside, "10.0.2.1/24"))
        .build()
        .unwrap();
    let host = |link, address: &str, gateway: &str| {
        let nic = NicConfig::new(link).address(address.parse().unwrap()).gateway(gateway.parse().unwrap());
        Stack::builder().default_protocols().nic(nic).build().unwrap()
    };
    (host(client, "10.0.1.2/24", "10.0.1.1"), router, host(server, "10.0.2.2/24", "10.0.2.1"))
}

#[test]
fn megabytes_cross_a_router_both_ways() {
    let _alone = alone();
    for config in [ChannelConfig::default(), ChannelConfig::default().with_offload()] {
        let (client, router, server) = through_a_router(config);
        let listener = TcpListener::bind(&server, "10.0.2.2:7").unwrap();
        let serving = std::thread::spawn(move || echo(listener.accept().unwrap().0));
        let bytes = noise(5, 5_000_000);
        let stream = TcpStream::connect(&client, "10.0.2.2:7").unwrap();
        assert!(exchange(&stream, &bytes) == bytes, "other bytes came back");
        serving.join().unwrap();
        assert!(router.counters().forwarded > 0);
        assert_eq!(readers(), 2);
    }
    assert_eq!(readers(), 0);
}

#[test]
fn the_router_itself_can_be_talked_to_without_a_thread_of_the_stacks() {
    let _alone = alone();
    let (near, far) = pair(ChannelConfig::default());
    let nic = NicConfig::new(near).address("10.0.0.1/24".parse().unwrap()).own_thread(true);
    let server = Stack::builder().default_protocols().without_thread().nic(nic).build().unwrap();
    let client = stack(far, &["10.0.0.2/24"]);
    let listener = TcpListener::bind(&server, "10.0.0.1:7").unwrap();
    let serving = std::thread::spawn(move || echo(listener.accept().unwrap().0));
    let bytes = noise(6, 1_000_000);
    let stream = TcpStream::connect(&client, "10.0.0.1:7").unwrap();
    assert!(exchange(&stream, &bytes) == bytes, "other bytes came back");
    serving.join().unwrap();
    drop((stream, server));
    assert_eq!(readers(), 0, "whoever drops the last handle waits for the thread");
}

/// A link that remembers what it was told of super-packets.
struct Told(Box<dyn LinkEndpoint>, Arc<Mutex<Option<bool>>>);
struct ToldReceive(Box<dyn LinkReceive>, Arc<Mutex<Option<bool>>>);

impl LinkEndpoint for Told {
    fn capabilities(&self) -> LinkCapabilities {
        self.0.capabilities()
    }
    fn link_address(&self) -> Option<LinkAddress> {
        self.0.link_address()
    }
    fn split(self: Box<Self>) -> (Box<dyn LinkReceive>, Box<dyn LinkTransmit>) {
        let (receive, transmit) = self.0.split();
        (Box::new(ToldReceive(receive, self.1)), transmit)
    }
}

impl LinkReceive for ToldReceive {
    fn receive(&mut self, now: ustack::contract::Instant, batch: &mut RxBatch) -> Result<usize, LinkError> {
        self.0.receive(now, batch)
    }
    fn register(&mut self, waker: &Waker) {
        self.0.register(waker);
    }
    fn coalesce(&mut self, on: bool) {
        *self.1.lock().unwrap() = Some(on);
    }
}

#[test]
fn a_link_is_told_whether_segments_may_come_joined() {
    let _alone = alone();
    for own_thread in [false, true] {
        let (link, port) = injector(ChannelConfig::default());
        let told = Arc::new(Mutex::new(None));
        let link = Told(Box::new(link), Arc::clone(&told));
        let nic = NicConfig::new(link).address("10.0.0.1/24".parse().unwrap()).own_thread(own_thread);
        let stack = Stack::builder().default_protocols().build().unwrap();
        let nic = stack.create_nic(nic).unwrap();
        let inject = || port.inject_bytes(bytes::Bytes::from_static(&[0x45; 40])).unwrap();
        inject();
        wait_until("it was not told", || *told.lock().unwrap() == Some(true));
        stack.set_forwarding(nic, true).unwrap();
        inject();
        wait_until("it was not told to stop", || *told.lock().unwrap() == Some(false));
    }
}

#[test]
fn a_disabled_interface_is_not_read_and_a_removed_one_has_no_thread() {
    let _alone = alone();
    let (link, port) = injector(ChannelConfig::default());
    let stack = Stack::builder().default_protocols().build().unwrap();
    let nic = NicConfig::new(link).address("10.0.0.1/24".parse().unwrap()).own_thread(true);
    let nic = stack.create_disabled_nic(nic).unwrap();
    let inject = || port.inject_bytes(bytes::Bytes::from_static(&[0x45; 40])).unwrap();
    let received = || stack.nic_counters(nic).unwrap().received.packets;
    inject();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(received(), 0);
    stack.enable_nic(nic).unwrap();
    wait_until("nothing was read", || received() == 1);
    std::thread::sleep(Duration::from_millis(20));
    inject();
    wait_until("the sleeper was not called", || received() == 2);
    stack.disable_nic(nic).unwrap();
    inject();
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(received(), 2);
    assert_eq!(readers(), 1);
    stack.remove_nic(nic).unwrap();
    wait_until("the thread is left", || readers() == 0);
}

#[test]
fn a_link_that_goes_takes_its_interface_and_its_thread_along() {
    let _alone = alone();
    let (link, port) = injector(ChannelConfig::default());
    let nic = NicConfig::new(link).address("10.0.0.1/24".parse().unwrap()).own_thread(true);
    let stack = Stack::builder().default_protocols().nic(nic).build().unwrap();
    drop(port);
    wait_until("the interface is still up", || {
        stack.nics().iter().any(|nic| nic.id == NicId(1) && !nic.enabled)
    });
    wait_until("the thread is left", || readers() == 0);
}
