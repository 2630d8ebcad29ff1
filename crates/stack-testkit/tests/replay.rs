//! The recordings in `testdata/captures`, replayed: our side answers as it was recorded.

use core::net::IpAddr;
use core::time::Duration;
use stack_testkit::capture::{self, Captured};
use stack_testkit::replay::{ReplayConfig, ReplayError, Report, replay};
use std::path::PathBuf;

fn read(name: &str) -> Vec<Captured> {
    capture::read(PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/captures").join(name))
        .unwrap()
}

fn ours() -> IpAddr {
    "10.0.0.2".parse().unwrap()
}

#[track_caller]
fn clean(name: &str, config: &ReplayConfig, at_least: usize) -> Report {
    let report = replay(&read(name), config).unwrap();
    assert!(report.is_clean(), "{name}: {report}");
    assert!(report.same >= at_least, "{name}: only {} packets were compared", report.same);
    report
}

#[test]
fn request_and_reply() {
    let report =
        clean("request-reply.pcapng", &ReplayConfig { windows: true, ..ReplayConfig::new(ours()) }, 10);
    assert_eq!(report.worst_time, Duration::ZERO, "both were made in virtual time");
}

#[test]
fn an_upload_over_a_lossy_line() {
    clean("lossy-upload.pcapng", &ReplayConfig::new(ours()), 20);
}

#[test]
fn datagrams_fragments_and_pings_over_ethernet() {
    clean("datagrams.pcap", &ReplayConfig::new(ours()), 10);
}

#[test]
fn a_linux_client() {
    let mut config = ReplayConfig::new("10.77.0.2".parse().unwrap());
    config.tcp.sack = false; // as it was when this was captured
    clean("linux-http.pcapng", &config, 10);
}

#[test]
fn the_other_side_can_be_played_too() {
    let client = ReplayConfig::new("10.0.0.1".parse().unwrap());
    clean("request-reply.pcapng", &client, 5);
    // What waits for the neighbour's answer is seen only when it leaves, so the questions are missing.
    let report = replay(&read("datagrams.pcap"), &client).unwrap();
    let others = report.missing.iter().filter(|line| !line.contains("ARP")).count();
    assert_eq!((others, report.extra.len()), (0, 0), "{report}");
    assert!(report.same >= 10, "{report}");
}

#[test]
fn a_stack_that_is_set_otherwise_answers_otherwise() {
    let mut config = ReplayConfig::new(ours());
    config.tcp.timestamps = false;
    let report = replay(&read("request-reply.pcapng"), &config).unwrap();
    let first = &report.differences[0];
    assert!(
        first
            .fields
            .iter()
            .any(|(field, then, now)| field == "options" && then.contains("TS") && !now.contains("TS"))
    );
    config.tcp.timestamps = true;
    config.tcp.delayed_ack = Duration::ZERO;
    assert!(!replay(&read("request-reply.pcapng"), &config).unwrap().is_clean());
}

#[test]
fn a_packet_that_never_came_is_missed() {
    let mut packets = read("datagrams.pcap");
    let request = packets.iter().position(|p| p.packet.len() == 20 + 8 + 56).unwrap();
    packets.remove(request);
    let report = replay(&packets, &ReplayConfig::new(ours())).unwrap();
    assert_eq!(report.missing.len(), 1, "{report}");
    assert!(report.missing[0].contains("ICMP 0/0 to 10.0.0.1"), "{report}");
}

#[test]
fn an_address_that_is_not_there_is_an_error() {
    let nobody = "192.0.2.99".parse().unwrap();
    let error = replay(&read("datagrams.pcap"), &ReplayConfig::new(nobody)).unwrap_err();
    assert!(matches!(error, ReplayError::NotInCapture(address) if address == nobody));
}
