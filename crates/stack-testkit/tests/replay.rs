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
    clean("lossy-upload.pcapng", &ReplayConfig::new(ours()), 30);
}

#[test]
fn datagrams_fragments_and_pings_over_ethernet() {
    clean("datagrams.pcap", &ReplayConfig::new(ours()), 10);
}
