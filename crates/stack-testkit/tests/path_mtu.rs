//! A black hole in the middle (RFC 2923 §2.1): a link behind a router loses what is longer than 1,200 octets, and nobody
//! says so. A megabyte arrives in each direction all the same, in packets that nearly fit.

use core::cell::RefCell;
use core::time::Duration;
use link_impair::ImpairConfig;
use net_ipv4::{Ipv4, Ipv4Config};
use stack_core::{Instant, IpNet, MtuProbing};
use stack_host::{Host, RouteEntry};
use stack_testkit::SeededRng;
use stack_testkit::net::{Content, HostId, LinkSpec, Net, Transfer};
use std::rc::Rc;
use trans_tcp::{Tcp, TcpConfig, TcpInfo};

const MEBIBYTE: u64 = 1 << 20;
/// The largest packet that the path carries.
const LIMIT: u32 = 1200;

/// Two hosts and a router between them.
struct Path {
    net: Net,
    ends: [HostId; 2],
}

fn net_of(text: &str) -> IpNet {
    text.parse().unwrap()
}

fn host(seed: u64, config: &TcpConfig) -> Host {
    let builder = Host::builder()
        .network(Ipv4::new(Ipv4Config::default()))
        .transport(Tcp::new(config.clone()))
        .rng(Box::new(SeededRng::new(seed)));
    builder.build().unwrap()
}

impl Path {
    fn new(config: &TcpConfig) -> Self {
        let mut net = Net::new();
        let [a, router, b] =
            [1, 2, 3].map(|seed| net.add_host(["a", "router", "b"][seed as usize - 1], host(seed, config)));
        let line = ImpairConfig { delay: Duration::from_millis(5), ..ImpairConfig::default() };
        let hole = ImpairConfig { max_packet: Some(LIMIT as usize), ..line };
        let [to_router, left] = net.connect(
            (a, &[net_of("10.1.0.2/24")]),
            (router, &[net_of("10.1.0.1/24")]),
            &LinkSpec::line(line, 1),
        );
        let [right, from_router] = net.connect(
            (router, &[net_of("10.2.0.1/24")]),
            (b, &[net_of("10.2.0.2/24")]),
            &LinkSpec::line(hole, 2),
        );
        for nic in [left, right] {
            net.host(router).set_forwarding(nic, true).unwrap();
        }
        let default = net_of("0.0.0.0/0");
        net.host(a).add_route(RouteEntry::new(default, to_router).via("10.1.0.1".parse().unwrap()));
        net.host(b).add_route(RouteEntry::new(default, from_router).via("10.2.0.1".parse().unwrap()));
        Self { net, ends: [a, b] }
    }

    /// Moves so many bytes both ways. Returns the last that both ends said of themselves, and how long it took.
    fn transfer(&mut self, port: u16, len: u64) -> (Vec<TcpInfo>, Duration) {
        let [a, b] = self.ends;
        let listen = format!("10.2.0.2:{port}").parse().unwrap();
        let contents = ((a, Content::new(1, len)), (b, Content::new(2, len)));
        let transfer = Transfer::new(self.net.hosts(), contents.0, contents.1, listen, 16_384).unwrap();
        let transfer = Rc::new(RefCell::new(transfer));
        self.net.add_app(Rc::clone(&transfer));
        let (from, mut last) = (self.net.now(), [None, None]);
        let done = self.net.run_while(from + Duration::from_secs(300), |hosts| {
            for (end, last) in [a, b].into_iter().zip(&mut last) {
                *last = connection(hosts.host(end), port).or(last.take());
            }
            transfer.borrow().is_done() || transfer.borrow().error.is_some()
        });
        assert!(done && transfer.borrow().error.is_none(), "{transfer:#?}");
        (last.into_iter().flatten().collect(), self.net.now().saturating_since(from))
    }
}

/// What a host's connection on this port says.
fn connection(host: &Host, port: u16) -> Option<TcpInfo> {
    let tcp = host.transport_ref::<Tcp>()?;
    let mut infos = tcp.connections().filter_map(|entry| tcp.info(entry.id).ok());
    infos.find(|info| info.local.port() == port || info.remote.port() == port)
}

fn counter(path: &mut Path, end: usize, name: &str) -> u64 {
    let id = path.ends[end];
    let tcp = path.net.host(id).transport_ref::<Tcp>().unwrap();
    tcp.counters().iter().find(|(counter, _)| *counter == name).unwrap().1
}

// R4821-7.7-a, R4821-7.6.2-a, R8899-x-a
#[test]
fn a_megabyte_crosses_a_black_hole_both_ways_in_packets_that_nearly_fit() {
    let mut path = Path::new(&TcpConfig::default());
    let (infos, took) = path.transfer(80, MEBIBYTE);
    assert_eq!(infos.len(), 2);
    for info in &infos {
        assert!((LIMIT - 32..=LIMIT).contains(&info.path_mtu), "{info:#?}");
        assert_eq!(info.mss, info.path_mtu - 52, "{info:#?}");
        assert!(info.mtu_search.is_some_and(|search| search.is_resting), "{info:#?}");
    }
    // The third ACK is lost, too, for it rides on full-sized text: the server's SYN-ACK goes again after a second, and its
    // round trip seems to be as long. Three timeouts of that are 21 s.
    assert!(took < Duration::from_secs(30), "{took:?}");
    for end in [0, 1] {
        let (lost, arrived) =
            (counter(&mut path, end, "TCPMTUPFail"), counter(&mut path, end, "TCPMTUPSuccess"));
        assert!((1..=8).contains(&lost) && (1..=8).contains(&arrived), "{lost} lost, {arrived} arrived");
        assert_eq!(counter(&mut path, end, "TCPTimeouts"), 3);
    }
    // The next connection knows, and loses nothing.
    let (infos, took) = path.transfer(81, MEBIBYTE);
    assert!(infos.iter().all(|info| (LIMIT - 32..=LIMIT).contains(&info.path_mtu)), "{infos:#?}");
    assert!(took < Duration::from_millis(500), "{took:?}");
    assert_eq!(counter(&mut path, 0, "TCPTimeouts"), 3);
}

#[test]
fn without_probing_nothing_crosses() {
    let mut path = Path::new(&TcpConfig { mtu_probing: MtuProbing::Off, ..TcpConfig::default() });
    let [a, b] = path.ends;
    let listen = "10.2.0.2:80".parse().unwrap();
    let contents = ((a, Content::new(1, MEBIBYTE)), (b, Content::new(2, 0)));
    let transfer = Transfer::new(path.net.hosts(), contents.0, contents.1, listen, 16_384).unwrap();
    let transfer = Rc::new(RefCell::new(transfer));
    path.net.add_app(Rc::clone(&transfer));
    let limit = Instant::from_secs(60);
    assert!(!path.net.run_while(limit, |_| transfer.borrow().passive.read > 0));
}
