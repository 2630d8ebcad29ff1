//! Whatever the network does, a stream arrives as it was sent: 1,000 seeds, each another pair of hosts, link and
//! program. Up to 1 MiB in each direction, up to 10 % loss, reordering, duplication, corruption, closed windows.
//! At the end both ends are closed, no timer is left and every queue is empty.
//!
//! `SEED=n cargo test -p stack-testkit --test virtual_network` runs one seed; `SEEDS=n` runs more.

use core::time::Duration;
use link_impair::ImpairConfig;
use net_arp::Arp;
use net_ipv4::{Ipv4, Ipv4Config};
use stack_core::{Instant, Medium};
use stack_host::Host;
use stack_testkit::SeededRng;
use stack_testkit::net::{Content, LinkSpec, Net, Transfer};
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use trans_tcp::{Tcp, TcpConfig};

const SEEDS: u64 = 1000;
const MEBIBYTE: u64 = 1 << 20;
/// Virtual time that a transfer may take: the slowest lines lose every fifth exchange and carry 100 kbit/s.
const LIMIT: Duration = Duration::from_secs(24 * 3600);

fn chance(rng: &mut SeededRng, one_in: u64) -> bool {
    rng.below(one_in) == 0
}

fn tcp(rng: &mut SeededRng) -> TcpConfig {
    let buffer = |rng: &mut SeededRng| 1usize << (12 + rng.below(9));
    TcpConfig {
        receive_buffer: buffer(rng),
        send_buffer: buffer(rng),
        timestamps: !chance(rng, 3),
        window_scaling: !chance(rng, 3),
        no_delay: chance(rng, 2),
        ..TcpConfig::default()
    }
}

fn host(rng: &mut SeededRng) -> Host {
    let builder = Host::builder()
        .network(Ipv4::new(Ipv4Config::default()))
        .network(Arp::default())
        .transport(Tcp::new(tcp(rng)))
        .rng(Box::new(rng.fork()));
    builder.build().unwrap()
}

fn fraction(rng: &mut SeededRng, max: f64) -> f64 {
    max * rng.below(1000) as f64 / 1000.0
}

fn line(rng: &mut SeededRng) -> ImpairConfig {
    let delay = Duration::from_micros(rng.below(100_000));
    ImpairConfig {
        delay,
        jitter: if chance(rng, 2) { delay / 4 } else { Duration::ZERO },
        rate: chance(rng, 2).then(|| 100_000 << rng.below(14)),
        queue_packets: 5 + rng.below(100) as usize,
        loss: if chance(rng, 3) { 0.0 } else { fraction(rng, 0.1) },
        reorder: if chance(rng, 2) { fraction(rng, 0.1) } else { 0.0 },
        reorder_delay: Duration::from_micros(rng.below(50_000)),
        duplicate: if chance(rng, 2) { fraction(rng, 0.05) } else { 0.0 },
        corrupt: if chance(rng, 2) { fraction(rng, 0.05) } else { 0.0 },
        ..ImpairConfig::default()
    }
}

fn link(rng: &mut SeededRng) -> LinkSpec {
    let line = (!chance(rng, 8)).then(|| line(rng));
    LinkSpec {
        medium: if chance(rng, 2) { Medium::Ethernet } else { Medium::Ip },
        mtu: [576, 1280, 1500, 1500, 9000][rng.below(5) as usize],
        offload: line.is_none(),
        line,
        seed: rng.next(),
    }
}

fn length(rng: &mut SeededRng) -> u64 {
    match rng.below(6) {
        0 => rng.below(3),
        1 => rng.below(5_000),
        2 | 3 => rng.below(100_000),
        _ => rng.below(MEBIBYTE + 1),
    }
}

/// What a seed has met, so that the test can tell that it tested something.
#[derive(Clone, Copy, Default, Debug)]
struct Met {
    bytes: u64,
    lost: usize,
    reordered: usize,
    duplicated: usize,
    corrupted: usize,
    retransmitted: u64,
    refused: u64,
}

impl Met {
    fn add(&mut self, other: &Self) {
        self.bytes += other.bytes;
        self.lost += other.lost;
        self.reordered += other.reordered;
        self.duplicated += other.duplicated;
        self.corrupted += other.corrupted;
        self.retransmitted += other.retransmitted;
        self.refused += other.refused;
    }
}

fn run(seed: u64) -> Met {
    let rng = &mut SeededRng::new(seed);
    let mut net = Net::new();
    let client = net.add_host("client", host(rng));
    let server = net.add_host("server", host(rng));
    let (a, b) = ("10.0.0.1/24".parse().unwrap(), "10.0.0.2/24".parse().unwrap());
    let spec = link(rng);
    net.connect((client, &[a]), (server, &[b]), &spec);

    let contents = (Content::new(rng.next(), length(rng)), Content::new(rng.next(), length(rng)));
    let chunk = 1 + rng.below(20_000) as usize;
    let listen = "10.0.0.2:80".parse().unwrap();
    let transfer =
        Transfer::new(net.hosts(), (client, contents.0), (server, contents.1), listen, chunk).unwrap();
    let transfer = Rc::new(RefCell::new(transfer));
    if chance(rng, 3) {
        let (bytes, pause) = (1 + rng.below(100_000), Duration::from_millis(rng.below(3_000)));
        transfer.borrow_mut().client.rest_after(bytes.max(contents.1.len / 50), pause);
    }
    net.add_app(Rc::clone(&transfer));

    let limit = Instant::ZERO + LIMIT;
    let done = net.run_while(limit, |_| transfer.borrow().is_done() || transfer.borrow().error.is_some());
    {
        let state = transfer.borrow();
        assert!(done && state.error.is_none(), "{state:#?}\n{spec:#?}\nat {}", net.now());
        assert_eq!((state.client.read, state.passive.read), (contents.1.len, contents.0.len));
    }
    // TIME-WAIT is the last to end.
    net.run_for(Duration::from_secs(600));
    net.assert_quiet();
    for id in [client, server] {
        let sizes = net.host(id).transport_ref::<Tcp>().unwrap().table_sizes();
        assert_eq!(sizes, (0, 0, 0), "sockets, half-open peers and TIME-WAIT records are left");
    }
    let line = net.line_statistics();
    let mut counter = |id, name: &str| {
        let tcp = net.host(id).transport_ref::<Tcp>().unwrap();
        tcp.counters().iter().find(|(counter, _)| *counter == name).unwrap().1
    };
    Met {
        bytes: contents.0.len + contents.1.len,
        lost: line.lost + line.overflowed,
        reordered: line.reordered,
        duplicated: line.duplicated,
        corrupted: line.corrupted,
        retransmitted: counter(client, "RetransSegs") + counter(server, "RetransSegs"),
        refused: counter(client, "InCsumErrors") + counter(server, "InCsumErrors"),
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().expect("a number"))
}

#[test]
fn streams_arrive_whatever_the_network_does() {
    if let Some(seed) = number("SEED") {
        run(seed);
        return;
    }
    let (next, seeds) = (AtomicU64::new(0), number("SEEDS").unwrap_or(SEEDS));
    let (failed, met) = (AtomicU64::new(u64::MAX), Mutex::new(Met::default()));
    let work = || {
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds || failed.load(Ordering::Relaxed) != u64::MAX {
                return;
            }
            match std::panic::catch_unwind(|| run(seed)) {
                Ok(one) => met.lock().unwrap().add(&one),
                Err(_) => drop(failed.fetch_min(seed, Ordering::Relaxed)),
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(1, |count| count.get().min(4));
    std::thread::scope(|scope| (0..threads).for_each(|_| drop(scope.spawn(work))));
    let failed = failed.into_inner();
    assert_eq!(
        failed,
        u64::MAX,
        "seed {failed} failed; rerun it with SEED={failed} cargo test -p stack-testkit --test virtual_network"
    );
    let met = met.into_inner().unwrap();
    println!("{seeds} seeds: {met:?}");
    let tested = met.bytes.min(met.retransmitted).min(met.refused) as usize;
    let tested = tested.min(met.lost).min(met.reordered).min(met.duplicated).min(met.corrupted);
    assert!(tested > seeds as usize, "the network was too good: {met:?}");
}
