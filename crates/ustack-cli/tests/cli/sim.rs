//! `ustack sim` as a user runs it: figures, files, and that nothing but the options decides them.

use crate::common::{Folder, failure, success, ustack};
use serde_json::Value;

const SHORT: [&str; 5] = ["sim", "--seconds", "3", "--rate", "10mbit"];

fn short(more: &[&str]) -> Vec<u8> {
    let output = ustack(&[&SHORT[..], more].concat());
    success(&output);
    output.stdout
}

#[test]
fn a_table_for_people() {
    let text = String::from_utf8(short(&["--cc", "cubic,reno"])).unwrap();
    for part in ["10.0 Mbit/s", "50.0 ms", "62.5 kB queue", "real time", "goodput", "cubic", "reno", "Jain"] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
}

#[test]
fn one_object_for_scripts() {
    let output =
        short(&["--json", "--flows", "2", "--rtt", "20ms,40ms", "--stagger", "1s", "--loss", "0.5%"]);
    let json: Value = serde_json::from_slice(&output).unwrap();
    let flows = json["flows"].as_array().unwrap();
    assert_eq!(flows.len(), 2);
    for flow in flows {
        for number in ["goodput_mbit", "srtt_ms", "retransmitted_bytes", "timeouts", "cwnd_bytes"] {
            assert!(flow[number].is_number(), "{number}: {flow}");
        }
        assert!(flow["cc"].is_string() && flow["failure"].is_null());
    }
    assert_eq!((&flows[1]["rtt_ms"], &flows[1]["start_s"]), (&40.0.into(), &1.0.into()));
    assert!((0.5..=1.0).contains(&json["jain"].as_f64().unwrap()));
    assert!(json["queues"][0]["lost"].as_u64().unwrap() > 0);
}

#[test]
fn the_seed_decides_every_byte() {
    let folder = Folder::new("sim-seed");
    let run = |name: &str, seed: &str| {
        let [plot, pcap, events] =
            ["svg", "pcapng", "jsonl"].map(|kind| folder.path(&format!("{name}.{kind}")));
        let files = ["--plot", &plot, "--pcap", &pcap, "--events", &events];
        let json = short(&[&["--json", "--loss", "1%", "--seed", seed][..], &files].concat());
        let mut all = [plot, pcap, events].map(|path| std::fs::read(path).unwrap()).to_vec();
        all.push(json);
        all
    };
    let (first, again, other) = (run("a", "5"), run("b", "5"), run("c", "6"));
    assert!(first == again, "the same seed gave other files");
    assert!(first.iter().zip(&other).all(|(one, other)| one != other), "another seed gave the same");
}

#[test]
fn files_hold_what_they_promise() {
    let folder = Folder::new("sim-files");
    let [plot, pcap, events] = ["a.svg", "a.pcapng", "a.jsonl"].map(|name| folder.path(name));
    short(&["--loss", "ge:1%,30%", "--plot", &plot, "--pcap", &pcap, "--events", &events]);
    let svg = std::fs::read_to_string(plot).unwrap();
    for part in
        ["congestion window (kB)", "in flight (kB)", "round-trip time (ms)", "goodput", "queue", "</svg>"]
    {
        assert!(svg.contains(part), "{part} is missing in the plot");
    }
    let capture = std::fs::read(pcap).unwrap();
    assert!(capture.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) && capture.len() > 50_000);
    let lines = std::fs::read_to_string(events).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for kind in ["state", "window", "rtt", "retransmit", "sample", "queue"] {
        assert!(lines.iter().any(|line| line["event"] == kind), "no event {kind}");
    }
    assert!(lines.windows(2).all(|two| two[0]["t"].as_f64() <= two[1]["t"].as_f64()), "not in order");
}

#[test]
fn every_topology_runs() {
    for topology in ["dumbbell", "parking-lot", "policer", "wifi"] {
        let json: Value = serde_json::from_slice(&short(&["--json", "--topology", topology])).unwrap();
        assert!(json["goodput_mbit"].as_f64().unwrap() > 1.0, "{topology}: {json}");
        assert!(json["network"].as_str().unwrap().starts_with(topology));
    }
}

#[test]
fn mistakes_are_told_with_what_to_do() {
    let folder = Folder::new("sim-mistakes");
    let nowhere = folder.path("no/such/folder/x");
    let cases: [(&[&str], &str); 13] = [
        (&["--rate", "100"], "such as 100mbit"),
        (&["--rtt", "50"], "such as 50ms"),
        (&["--loss", "2"], "0 to 1"),
        (&["--loss", "ge:1%"], "ge:ENTER,LEAVE"),
        (&["--queue", "0"], "1500"),
        (&["--queue", "xbdp"], "0.01bdp"),
        (&["--cc", "vegas"], "choose from reno"),
        (&["--seconds", "0"], "0.1 to 3600"),
        (&["--flows", "0"], "1..=1000"),
        (&["--flows", "4", "--stagger", "20s"], "less --stagger"),
        (&["--topology", "parking-lot", "--flows", "1"], "more flows"),
        (&["--topology", "ring"], "dumbbell"),
        (&["--plot", &nowhere, "--seconds", "1"], "folder that exists"),
    ];
    for (options, part) in cases {
        let message = failure(&ustack(&[&["sim"], options].concat()));
        assert!(message.contains(part), "{options:?}: {message}");
    }
}
