//! Recordings of this project, replayed from outside of it.

use stack_testkit::capture;
use stack_testkit::replay::{ReplayConfig, replay};

#[track_caller]
fn clean(file: &str, ours: &str) {
    let path = format!("{}/../../captures/{file}", env!("CARGO_MANIFEST_DIR"));
    let report = replay(&capture::read(path).unwrap(), &ReplayConfig::new(ours.parse().unwrap())).unwrap();
    assert!(report.is_clean() && report.same > 5, "{file}: {report}");
}

#[test]
fn our_side_answers_as_it_was_recorded() {
    clean("request-reply.pcapng", "10.0.0.2");
    clean("lossy-upload.pcapng", "10.0.0.2");
    clean("datagrams.pcap", "10.0.0.2");
    clean("linux-http.pcapng", "10.77.0.2");
}
