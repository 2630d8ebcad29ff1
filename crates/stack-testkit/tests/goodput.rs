//! What each congestion control makes of a path of 100 Mbit/s × 50 ms with a queue of one bandwidth-delay product: two
//! of our hosts for each flow in virtual time, with 32 MiB of buffers. 96.5 Mbit/s of text fit into the rate.

use core::time::Duration;
use stack_testkit::sim::{FlowConfig, Network, Report, SimConfig, run};
use trans_tcp::TcpConfig;

const BUFFER: usize = 32 << 20;

/// Flows that begin together.
fn path(congestion: &str, flows: usize, loss: f64, seconds: u64, seed: u64) -> Report {
    let tcp = TcpConfig {
        congestion: congestion.parse().unwrap(),
        receive_buffer: BUFFER,
        send_buffer: BUFFER,
        ..TcpConfig::default()
    };
    let network = Network { loss, ..Network::default() };
    let duration = Duration::from_secs(seconds);
    let flows = vec![FlowConfig { tcp, ..FlowConfig::default() }; flows];
    run(&SimConfig { seed, duration, network, ..SimConfig::new(flows) }, &mut ()).unwrap()
}

#[test]
fn a_path_without_losses_is_filled() {
    for (congestion, megabits) in [("reno", 92.0), ("cubic", 92.0), ("bbr", 90.0)] {
        let flow = &path(congestion, 1, 0.0, 15, 1).flows[0];
        assert!(flow.goodput_mbit > megabits, "{flow:?}");
        assert_eq!(flow.timeouts, 0, "{congestion}");
    }
}

#[test]
fn bbr_goes_through_random_losses() {
    for (loss, megabits) in [(0.01, 80.0), (0.03, 40.0)] {
        let flow = &path("bbr", 1, loss, 30, 1).flows[0];
        assert!(flow.goodput_mbit > megabits, "with a loss of {loss}: {flow:?}");
        assert_eq!(flow.timeouts, 0, "with a loss of {loss}");
    }
}

/// 1.22 segments a round trip over the root of the loss rate (Mathis et al., 1997): 2.83 Mbit/s at 1 %.
#[test]
fn reno_and_cubic_go_through_random_losses_as_they_should() {
    for congestion in ["reno", "cubic"] {
        let flow = &path(congestion, 1, 0.01, 30, 2).flows[0];
        assert!((2.5..4.0).contains(&flow.goodput_mbit), "{flow:?}");
    }
}

#[test]
fn four_flows_share_a_path() {
    let report = path("cubic", 4, 0.0, 60, 1);
    let sum: f64 = report.flows.iter().map(|flow| flow.goodput_second_half_mbit).sum();
    assert!(report.jain_second_half > 0.95 && sum > 95.0, "{report:?}");
}
