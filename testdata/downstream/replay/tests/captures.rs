//! Recordings of this project, replayed from outside of it.

use stack_testkit::capture;
use stack_testkit::replay::{ReplayConfig, replay};

#[track_caller]
fn clean(file: &str, config: &ReplayConfig) {
    let path = format!("{}/../../captures/{file}", env!("CARGO_MANIFEST_DIR"));
    let report = replay(&capture::read(path).unwrap(), config).unwrap();
    assert!(report.is_clean() && report.same > 5, "{file}: {report}");
}

#[test]
fn our_side_answers_as_it_was_recorded() {
    let ours = ReplayConfig::new("10.0.0.2".parse().unwrap());
    clean("request-reply.pcapng", &ours);
    clean("lossy-upload.pcapng", &ours);
    clean("datagrams.pcap", &ours);
    let mut serving = ReplayConfig::new("10.77.0.2".parse().unwrap());
    serving.tcp.sack = false; // as it was when this was captured
    clean("linux-http.pcapng", &serving);
}
