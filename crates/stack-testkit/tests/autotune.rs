//! Buffers that tune themselves, on a path that needs it: two hosts with nothing configured fill 1 Gbit/s over 100 ms.

use core::cell::RefCell;
use core::time::Duration;
use link_impair::ImpairConfig;
use net_ipv4::{Ipv4, Ipv4Config};
use stack_core::Instant;
use stack_host::Host;
use stack_testkit::SeededRng;
use stack_testkit::net::{Content, LinkSpec, Net, Transfer};
use std::rc::Rc;
use trans_tcp::{Tcp, TcpConfig};

const RATE: u64 = 1_000_000_000;
const DELAY: Duration = Duration::from_millis(50);
/// Bytes on the way when the path is full.
const PATH: usize = (RATE / 8 / 10) as usize;

fn host(seed: u64, config: &TcpConfig) -> Host {
    let builder = Host::builder()
        .network(Ipv4::new(Ipv4Config::default()))
        .transport(Tcp::new(config.clone()))
        .rng(Box::new(SeededRng::new(seed)));
    builder.build().unwrap()
}

/// Bits a second between the times at which a receiver has had `skip` and `len` bytes.
fn goodput(config: &TcpConfig, skip: u64, len: u64) -> f64 {
    let mut net = Net::new();
    let (a, b) = (net.add_host("sender", host(1, config)), net.add_host("receiver", host(2, config)));
    let line = ImpairConfig {
        delay: DELAY,
        rate: Some(RATE),
        // This is about buffers: the queue takes whatever they hold, so that nothing is lost.
        queue_packets: 3 * PATH / 1500,
        ..ImpairConfig::default()
    };
    let net_of = |text: &str| text.parse().unwrap();
    net.connect((a, &[net_of("10.0.0.1/24")]), (b, &[net_of("10.0.0.2/24")]), &LinkSpec::line(line, 1));
    let listen = "10.0.0.2:80".parse().unwrap();
    let contents = ((a, Content::new(1, len)), (b, Content::new(2, 0)));
    let transfer = Transfer::new(net.hosts(), contents.0, contents.1, listen, 4096).unwrap();
    let transfer = Rc::new(RefCell::new(transfer));
    net.add_app(Rc::clone(&transfer));
    let mut reached = |bytes| {
        assert!(net.run_while(Instant::from_secs(600), |_| transfer.borrow().passive.bytes_read() >= bytes));
        net.now()
    };
    let (from, to) = (reached(skip), reached(len));
    (len - skip) as f64 * 8.0 / to.saturating_since(from).as_secs_f64()
}

#[test]
fn nothing_configured_fills_a_gigabit_over_100_ms() {
    let share = goodput(&TcpConfig::default(), 60_000_000, 140_000_000) / RATE as f64;
    assert!(share > 0.9, "{share:.2} of the path");
}

#[test]
fn without_tuning_the_buffers_are_the_limit() {
    let config = TcpConfig { autotune: false, ..TcpConfig::default() };
    let share = goodput(&config, 5_000_000, 20_000_000) / RATE as f64;
    assert!(share < 0.1, "{share:.2} of the path: a megabyte in 100 ms is 0.08");
}
