//! The simulator itself: what it carries is real, its times are exact, and the same seed is the same run.

use core::time::Duration;
use stack_core::EcnPolicy;
use stack_core::{Instant, TxPacket};
use stack_testkit::sim::{
    Direction, FlowConfig, Network, Observer, Report, SimConfig, SimError, Topology, run,
};
use stack_wire::ipv4::Ipv4;
use stack_wire::tcp::Tcp;
use trans_tcp::congestion::Algorithm;
use trans_tcp::{TcpConfig, TcpEvent};

const MILLISECOND: Duration = Duration::from_millis(1);

fn config(flows: usize, seconds: u64) -> SimConfig {
    let network = Network { rate: 10_000_000, ..Network::default() };
    let flow = FlowConfig { rtt: 20 * MILLISECOND, ..FlowConfig::default() };
    SimConfig { network, duration: Duration::from_secs(seconds), ..SimConfig::new(vec![flow; flows]) }
}

/// Keeps everything, as text and as numbers.
#[derive(Default)]
struct All {
    packets: Vec<(Instant, usize, Direction, Vec<u8>)>,
    events: Vec<(Instant, usize, String)>,
    rtts: Vec<Duration>,
}

impl Observer for All {
    fn wants_packets(&self) -> bool {
        true
    }

    fn packet(&mut self, at: Instant, flow: usize, direction: Direction, packet: &TxPacket) {
        self.packets.push((at, flow, direction, packet.to_bytes().to_vec()));
    }

    fn event(&mut self, at: Instant, flow: usize, event: &TcpEvent) {
        self.events.push((at, flow, format!("{event:?}")));
        if let TcpEvent::RttSample { rtt, .. } = event {
            self.rtts.push(*rtt);
        }
    }
}

fn watched(config: &SimConfig) -> (Report, All) {
    let mut all = All::default();
    let report = run(config, &mut all).unwrap();
    (report, all)
}

#[test]
fn the_same_seed_is_the_same_run_and_another_is_another() {
    let mut config = config(2, 2);
    config.network.loss = 0.02;
    let (report, all) = watched(&config);
    let (again, same) = watched(&config);
    assert!(all.packets == same.packets && all.events == same.events);
    assert_eq!(format!("{report:?}"), format!("{again:?}"));
    config.seed = 2;
    assert!(watched(&config).1.packets != all.packets);
}

// R3168-6.1.2-a, R9768-3.2.3.2.5-a
#[test]
fn flows_that_speak_ecn_fill_a_line_that_marks_and_lose_nothing() {
    for ecn in [EcnPolicy::ON, EcnPolicy::ACCURATE] {
        for congestion in [Algorithm::Reno, Algorithm::Cubic, Algorithm::Bbr] {
            let mut config = config(2, 20);
            config.network.queue_bytes = Some(100_000);
            config.network.mark_above = Some(20_000);
            config
                .flows
                .iter_mut()
                .for_each(|flow| flow.tcp = TcpConfig { ecn, congestion, ..flow.tcp.clone() });
            let report = run(&config, &mut All::default()).unwrap();
            let (queue, situation) = (&report.queues[0], format!("{congestion:?} {ecn:?}: {report:#?}"));
            assert!(queue.packets.marked > 0, "{situation}");
            assert_eq!(queue.packets.overflowed, 0, "{situation}");
            assert!(report.flows.iter().all(|flow| flow.retransmits + flow.timeouts == 0), "{situation}");
            assert!(queue.utilization > 0.8 && report.jain_second_half > 0.9, "{situation}");
        }
    }
}

#[test]
fn packets_are_whole_and_no_longer_than_the_mtu() {
    let (_, all) = watched(&config(1, 1));
    let longest = all.packets.iter().map(|(.., packet)| packet.len()).max();
    assert_eq!(longest, Some(1500));
    for (.., packet) in &all.packets {
        let ip = Ipv4::parse(packet).unwrap();
        let pseudo = stack_wire::checksum::pseudo_header(
            ip.src().into(),
            ip.dst().into(),
            ip.protocol(),
            ip.payload().len() as u32,
        );
        assert!(Tcp::parse(ip.payload()).unwrap().verify_checksum(pseudo));
    }
}

#[test]
fn times_are_those_of_the_line_to_the_nanosecond() {
    let (_, all) = watched(&config(1, 1));
    // The SYN and its answer take 60 bytes each at 10 Mbit/s, once, and ten milliseconds each way.
    let [syn, syn_ack] = [0, 1].map(|number: usize| all.packets[number].3.len() as u64);
    let expected = Duration::from_nanos((syn + syn_ack) * 800) + 20 * MILLISECOND;
    assert_eq!((all.packets[0].0, all.packets[1].0), (Instant::ZERO, Instant::ZERO + expected));
    assert!(all.rtts.iter().all(|rtt| *rtt >= 20 * MILLISECOND));
}

#[test]
fn a_lost_syn_is_sent_again_exactly_a_second_later() {
    let mut config = config(1, 2);
    config.network.loss = 1.0;
    let (report, all) = watched(&config);
    let times: Vec<u64> = all.packets.iter().map(|(at, ..)| at.as_nanos()).collect();
    assert_eq!(times, [0, 1_000_000_000]);
    assert_eq!((report.flows[0].bytes, report.fill_s), (0, None));
}

#[test]
fn a_clean_line_is_filled_and_an_empty_one_is_not() {
    let (report, _) = watched(&config(1, 5));
    let flow = &report.flows[0];
    assert!(flow.goodput_mbit > 9.0 && flow.goodput_mbit < 10.0, "{flow:?}");
    assert!(report.queues[0].utilization > 0.95 && report.queues[0].utilization <= 1.0);
    assert!(report.fill_s.is_some_and(|at| at < 1.0));
    assert!((19.9..21.0).contains(&flow.min_rtt_ms), "{flow:?}");
}

#[test]
fn transfers_end_and_flows_start_when_they_are_told() {
    let mut config = config(2, 5);
    config.flows[0].bytes = Some(500_000);
    config.flows[1].start = Duration::from_secs(2);
    let (report, all) = watched(&config);
    let [first, second] = &report.flows[..] else { panic!("two flows") };
    assert_eq!((first.bytes, first.failure.as_deref()), (500_000, None));
    // 500 kB take 0.4 s at this rate.
    assert!(first.end_s.is_some_and(|end| (0.4..1.2).contains(&end)), "{first:?}");
    let begin = all.packets.iter().find(|(_, flow, ..)| *flow == 1).map(|(at, ..)| *at);
    assert_eq!(begin, Some(Instant::from_secs(2)));
    assert!(second.end_s.is_none() && second.goodput_mbit > 8.0);
}

#[test]
fn what_the_network_does_is_counted_where_it_is_done() {
    let mut config = config(1, 5);
    (config.network.loss, config.network.reorder) = (0.01, 0.01);
    config.network.reorder_delay = 2 * MILLISECOND;
    let packets = watched(&config).0.queues[0].packets;
    assert!(packets.lost > 5 && packets.reordered > 5 && packets.policed == 0, "{packets:?}");
    let mut config = self::config(1, 5);
    config.network.topology = Topology::Policer;
    let (report, all) = watched(&config);
    assert!(report.queues[0].packets.policed > 0 && report.queues[0].max_bytes == 0);
    assert!(report.flows[0].retransmitted_bytes > 0);
    assert!(all.rtts.iter().all(|rtt| *rtt < 100 * MILLISECOND));
}

#[test]
fn wifi_hands_acknowledgements_over_together() {
    let mut config = config(1, 2);
    config.network.topology = Topology::Wifi { collect: 5 * MILLISECOND };
    let (_, all) = watched(&config);
    let inbound = all.packets.iter().filter(|(_, _, direction, _)| *direction == Direction::In);
    let times: Vec<Instant> = inbound.map(|(at, ..)| *at).collect();
    assert!(times.len() > 100);
    assert!(times.iter().all(|at| at.as_nanos() % 5_000_000 == 0));
    assert!(times.windows(2).any(|two| two[0] == two[1]));
}

#[test]
fn the_long_flow_of_a_parking_lot_gets_less_than_the_short_ones() {
    let mut config = config(3, 20);
    config.network.topology = Topology::ParkingLot { hops: 2 };
    let (report, _) = watched(&config);
    let goodputs: Vec<f64> = report.flows.iter().map(|flow| flow.goodput_mbit).collect();
    assert!(goodputs[0] < goodputs[1] && goodputs[0] < goodputs[2], "{goodputs:?}");
    assert_eq!(report.queues.len(), 2);
}

#[test]
fn what_can_not_be_run_is_told() {
    let wrong = |change: fn(&mut SimConfig)| {
        let mut config = config(1, 1);
        change(&mut config);
        run(&config, &mut ()).unwrap_err()
    };
    assert_eq!(wrong(|config| config.flows.clear()), SimError::NoFlow);
    assert_eq!(wrong(|config| config.mtu = 100), SimError::Mtu(100));
    let lot = wrong(|config| config.network.topology = Topology::ParkingLot { hops: 2 });
    assert_eq!(lot, SimError::ParkingLot);
}
