//! Curves of congestion control, reviewed: goodput, windows and queues of fixed seeds against the tables in
//! `testdata/curves`. A change of behaviour is a difference there.
//!
//! `UPDATE_EXPECT=1 cargo test -p stack-testkit --test curves` rewrites the tables; look at the difference before you
//! commit it. `ustack sim` draws the same runs.

use core::time::Duration;
use link_impair::GilbertElliott;
use stack_testkit::sim::{FlowConfig, Network, Observer, Report, Sample, SimConfig, Topology, run};
use std::fmt::Write;
use std::path::PathBuf;
use trans_tcp::TcpConfig;
use trans_tcp::congestion::Algorithm;

/// Rows of a table.
const ROWS: usize = 20;
const MILLISECOND: Duration = Duration::from_millis(1);

/// One flow of each algorithm, in turn.
fn flows(count: usize, algorithms: &[Algorithm]) -> Vec<FlowConfig> {
    let flow = |number: usize| {
        let congestion = algorithms[number % algorithms.len()];
        let buffer = 4 << 20;
        let tcp =
            TcpConfig { congestion, receive_buffer: buffer, send_buffer: buffer, ..TcpConfig::default() };
        FlowConfig { tcp, ..FlowConfig::default() }
    };
    (0..count).map(flow).collect()
}

fn config(seconds: u64, network: Network, flows: Vec<FlowConfig>) -> SimConfig {
    SimConfig { duration: Duration::from_secs(seconds), network, ..SimConfig::new(flows) }
}

/// Collects what a table shows of each sample.
#[derive(Default)]
struct Samples(Vec<Row>);

struct Row {
    at: f64,
    flows: Vec<(u64, u32, f64)>,
    queue: usize,
}

impl Observer for Samples {
    fn sample(&mut self, sample: &Sample<'_>) {
        let flows = sample.flows.iter().map(|flow| (flow.delivered, flow.cwnd, flow.srtt_ms));
        self.0.push(Row {
            at: sample.at.as_micros() as f64 / 1e6,
            flows: flows.collect(),
            queue: sample.queues.iter().sum(),
        });
    }
}

/// The table of a run.
fn table(config: &SimConfig) -> String {
    let mut samples = Samples::default();
    let report = run(config, &mut samples).expect("the simulation runs");
    let mut text = String::from("    s |");
    for flow in &report.flows {
        write!(text, " {:>6} Mbit/s   cwnd kB   srtt ms |", flow.cc).unwrap();
    }
    text += "  queue kB\n";
    let step = (samples.0.len() - 1) / ROWS;
    let rows: Vec<&Row> = samples.0.iter().step_by(step).collect();
    for pair in rows.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        write!(text, "{:5.1} |", after.at).unwrap();
        for (flow, earlier) in after.flows.iter().zip(&before.flows) {
            let goodput = (flow.0 - earlier.0) as f64 * 8e-6 / (after.at - before.at);
            write!(text, " {goodput:>13.1} {:>9} {:>9.0} |", flow.1 / 1000, flow.2).unwrap();
        }
        writeln!(text, " {:>9}", after.queue / 1000).unwrap();
    }
    text + &summary(&report)
}

fn summary(report: &Report) -> String {
    let mut text = String::new();
    for flow in &report.flows {
        writeln!(
            text,
            "{}: {:.1} Mbit/s, {} segments sent again, {} timeouts, {} kB arrived",
            flow.cc,
            flow.goodput_mbit,
            flow.retransmits,
            flow.timeouts,
            flow.bytes / 1000
        )
        .unwrap();
    }
    for queue in &report.queues {
        writeln!(
            text,
            "queue: {:.0} kB of {} kB on the average, {:.1} % of the rate used, {} overflowed, {} lost, {} policed",
            queue.mean_bytes / 1e3,
            queue.capacity_bytes / 1000,
            queue.utilization * 100.0,
            queue.packets.overflowed,
            queue.packets.lost,
            queue.packets.policed
        )
        .unwrap();
    }
    text
}

/// Compares the table of a run with the reviewed one.
#[track_caller]
fn reviewed(name: &str, config: &SimConfig) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../testdata/curves/{name}.txt"));
    let actual = table(config);
    if std::env::var_os("UPDATE_EXPECT").is_some_and(|value| value == "1") {
        std::fs::write(&path, &actual).expect("the table can be written");
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == actual,
        "{name} is another curve; UPDATE_EXPECT=1 takes it\nexpected:\n{expected}\nactual:\n{actual}"
    );
}

/// A clean line of 20 Mbit/s for each algorithm.
fn clean(algorithm: Algorithm) -> SimConfig {
    let network = Network { rate: 20_000_000, ..Network::default() };
    config(20, network, flows(1, &[algorithm]))
}

fn lossy(algorithm: Algorithm) -> SimConfig {
    let mut config = clean(algorithm);
    config.network.loss = 0.01;
    config
}

#[test]
fn reno_alone() {
    reviewed("reno-clean", &clean(Algorithm::Reno));
    reviewed("reno-1-percent", &lossy(Algorithm::Reno));
}

#[test]
fn cubic_alone() {
    reviewed("cubic-clean", &clean(Algorithm::Cubic));
    reviewed("cubic-1-percent", &lossy(Algorithm::Cubic));
}

#[test]
fn bbr_alone() {
    reviewed("bbr-clean", &clean(Algorithm::Bbr));
    reviewed("bbr-1-percent", &lossy(Algorithm::Bbr));
}

#[test]
fn four_equal_flows_share() {
    let network = Network { rate: 40_000_000, ..Network::default() };
    reviewed("cubic-four-flows", &config(40, network, flows(4, &[Algorithm::Cubic])));
}

#[test]
fn cubic_beside_reno_and_unequal_paths() {
    let network = Network { rate: 40_000_000, ..Network::default() };
    let mut config = config(40, network, flows(2, &[Algorithm::Cubic, Algorithm::Reno]));
    reviewed("cubic-beside-reno", &config);
    config.flows = flows(2, &[Algorithm::Cubic]);
    (config.flows[0].rtt, config.flows[1].rtt) = (20 * MILLISECOND, 80 * MILLISECOND);
    reviewed("cubic-unequal-paths", &config);
}

#[test]
fn reordering_bursts_and_collected_acknowledgements() {
    let cubic = || clean(Algorithm::Cubic);
    let mut config = cubic();
    (config.network.reorder, config.network.reorder_delay) = (0.02, 10 * MILLISECOND);
    reviewed("cubic-reordered", &config);
    let mut config = cubic();
    config.network.burst_loss =
        Some(GilbertElliott { enter: 0.0005, leave: 0.2, loss_bad: 1.0, loss_good: 0.0 });
    reviewed("cubic-bursts", &config);
    let mut config = cubic();
    config.network.topology = Topology::Wifi { collect: 8 * MILLISECOND };
    reviewed("cubic-wifi", &config);
}

#[test]
fn policed_and_through_a_parking_lot() {
    let mut config = clean(Algorithm::Cubic);
    config.network.topology = Topology::Policer;
    reviewed("cubic-policed", &config);
    let network =
        Network { rate: 20_000_000, topology: Topology::ParkingLot { hops: 2 }, ..Network::default() };
    reviewed("cubic-parking-lot", &self::config(30, network, flows(3, &[Algorithm::Cubic])));
}

#[test]
fn a_long_fat_path_with_the_default_configuration() {
    let network = Network { rate: 1_000_000_000, ..Network::default() };
    let flow = FlowConfig { rtt: 100 * MILLISECOND, ..FlowConfig::default() };
    reviewed("default-long-fat", &config(4, network, vec![flow]));
}
