//! What each congestion control makes of a path of 100 Mbit/s × 50 ms with a queue of one bandwidth-delay product: two
//! of our hosts in virtual time, with 32 MiB of buffers. 96.5 Mbit/s of text fit into the rate.

use core::net::SocketAddr;
use core::time::Duration;
use link_channel::{ChannelConfig, pair};
use link_impair::{Impair, ImpairConfig};
use net_ipv4::{Ipv4, Ipv4Config};
use stack_core::Instant;
use stack_host::Host;
use stack_testkit::SeededRng;
use stack_testkit::net::{App, HostId, Hosts, Net, Socket, TCP};
use std::cell::Cell;
use std::rc::Rc;
use trans_tcp::{Tcp, TcpConfig};

const BUFFER: usize = 32 << 20;

/// Writes whatever there is room for.
struct Source {
    socket: Socket,
    block: Vec<u8>,
}

impl App for Source {
    fn poll(&mut self, hosts: &mut Hosts) -> bool {
        (0..).take_while(|_: &u32| self.socket.write(hosts, &self.block).is_ok()).count() > 0
    }
}

/// Takes one connection and counts what it brings.
struct Sink {
    listener: Socket,
    socket: Option<Socket>,
    buffer: Vec<u8>,
    received: Rc<Cell<u64>>,
}

impl App for Sink {
    fn poll(&mut self, hosts: &mut Hosts) -> bool {
        self.socket = self.socket.or_else(|| self.listener.accept(hosts).ok());
        let Some(socket) = self.socket else { return false };
        let before = self.received.get();
        while let Ok((octets @ 1.., _)) = socket.read(hosts, &mut self.buffer) {
            self.received.set(self.received.get() + octets as u64);
        }
        self.received.get() > before
    }
}

struct Path {
    net: Net,
    sender: HostId,
    received: Vec<Rc<Cell<u64>>>,
}

impl Path {
    /// Flows that begin together.
    fn new(congestion: &str, flows: u16, loss: f64, seed: u64) -> Self {
        let congestion = congestion.parse().unwrap();
        let config =
            TcpConfig { congestion, receive_buffer: BUFFER, send_buffer: BUFFER, ..TcpConfig::default() };
        let host = |seed| {
            let builder = Host::builder().network(Ipv4::new(Ipv4Config::default()));
            let builder = builder.transport(Tcp::new(config.clone()));
            builder.rng(Box::new(SeededRng::new(seed))).build().unwrap()
        };
        let mut net = Net::new();
        let (sender, receiver) =
            (net.add_host("sender", host(seed)), net.add_host("receiver", host(seed + 1)));
        let back = ImpairConfig {
            delay: Duration::from_millis(25),
            rate: Some(100_000_000),
            queue_packets: usize::MAX,
            queue_bytes: 625_000,
            ..ImpairConfig::default()
        };
        let (first, second) = pair(ChannelConfig::default());
        let line = ImpairConfig { loss, ..back };
        net.attach(sender, Impair::new(first, line, seed), &["10.0.0.1/24".parse().unwrap()]);
        net.attach(receiver, Impair::new(second, back, seed + 7), &["10.0.0.2/24".parse().unwrap()]);
        let mut path = Self { net, sender, received: Vec::new() };
        (0..flows).for_each(|i| path.add_flow(receiver, 80 + i));
        path
    }

    fn add_flow(&mut self, receiver: HostId, port: u16) {
        let address = SocketAddr::from(([10, 0, 0, 2], port));
        let listener = Socket::listening(self.net.hosts(), receiver, address, 1).unwrap();
        let socket = Socket::connecting(self.net.hosts(), self.sender, TCP, address).unwrap();
        let received = Rc::new(Cell::new(0));
        self.received.push(received.clone());
        self.net.add_app(Source { socket, block: vec![1; 65_536] });
        self.net.add_app(Sink { listener, socket: None, buffer: vec![0; 1 << 20], received });
    }

    /// Megabits a second that each flow delivers between two times.
    fn goodput(&mut self, from: u64, to: u64) -> Vec<f64> {
        self.net.run_until(Instant::from_secs(from));
        let before: Vec<u64> = self.received.iter().map(|received| received.get()).collect();
        self.net.run_until(Instant::from_secs(to));
        let megabits = |octets: u64| octets as f64 * 8e-6 / (to - from) as f64;
        self.received.iter().zip(before).map(|(received, before)| megabits(received.get() - before)).collect()
    }

    fn timeouts(&mut self) -> u64 {
        let now = self.net.now();
        let (tcp, _) = self.net.host(self.sender).transport::<Tcp>(now).unwrap();
        tcp.counters().timeouts
    }
}

#[test]
fn a_path_without_losses_is_filled() {
    for (congestion, megabits) in [("reno", 92.0), ("cubic", 92.0), ("bbr", 90.0)] {
        let mut path = Path::new(congestion, 1, 0.0, 1);
        let goodput = path.goodput(0, 15)[0];
        assert!(goodput > megabits, "{congestion}: {goodput} Mbit/s");
        assert_eq!(path.timeouts(), 0, "{congestion}");
    }
}

#[test]
fn bbr_goes_through_random_losses() {
    for (loss, megabits) in [(0.01, 80.0), (0.03, 40.0)] {
        let mut path = Path::new("bbr", 1, loss, 1);
        let goodput = path.goodput(0, 30)[0];
        assert!(goodput > megabits, "{goodput} Mbit/s with a loss of {loss}");
        assert_eq!(path.timeouts(), 0, "with a loss of {loss}");
    }
}

/// 1.22 segments a round trip over the root of the loss rate (Mathis et al., 1997): 2.83 Mbit/s at 1 %.
#[test]
fn reno_and_cubic_go_through_random_losses_as_they_should() {
    for congestion in ["reno", "cubic"] {
        let goodput = Path::new(congestion, 1, 0.01, 2).goodput(0, 30)[0];
        assert!((2.5..4.0).contains(&goodput), "{congestion}: {goodput} Mbit/s");
    }
}

#[test]
fn four_flows_share_a_path() {
    let shares = Path::new("cubic", 4, 0.0, 1).goodput(30, 60);
    let (sum, squares) = shares.iter().fold((0.0, 0.0), |(sum, squares), x| (sum + x, squares + x * x));
    let jain = sum * sum / (squares * shares.len() as f64);
    assert!(jain > 0.95 && sum > 95.0, "{shares:?}");
}
