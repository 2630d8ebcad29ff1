//! `ustack demo` as a user runs it: its files, its table, and that nothing but the options decides them.

use crate::common::{Folder, failure, success, ustack};
use serde_json::Value;

#[test]
fn a_table_a_chart_and_a_capture() {
    let folder = Folder::new("demo");
    let out = folder.path("new/folder");
    let text = success(&ustack(&["demo", "--out", &out, "--bytes", "500k"]));
    for part in ["500 kB", "virtual time", "wall time", "goodput", "retransmissions", "round-trip", "equal"] {
        assert!(text.contains(part), "{part} is missing:\n{text}");
    }
    let svg = std::fs::read_to_string(format!("{out}/demo.svg")).unwrap();
    for part in ["<svg ", "cwnd", "bytes in flight", "round-trip time (ms)", "time (s)", "</svg>"] {
        assert!(svg.contains(part), "{part} is missing in the chart");
    }
    let capture = std::fs::read(format!("{out}/demo.pcapng")).unwrap();
    // The section header block, and all the content once at least.
    assert!(capture.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]) && capture.len() > 500_000);
}

#[test]
fn the_seed_decides_every_byte() {
    let folder = Folder::new("seed");
    let run = |name: &str, seed: &str| {
        let out = folder.path(name);
        success(&ustack(&["demo", "--out", &out, "--bytes", "300k", "--loss", "3%", "--seed", seed]));
        let read = |file: &str| std::fs::read(format!("{out}/{file}")).unwrap();
        (read("demo.svg"), read("demo.pcapng"))
    };
    let (first, again, other) = (run("a", "5"), run("b", "5"), run("c", "6"));
    assert!(first == again, "the same seed gave other files");
    assert!(first.1 != other.1, "another seed gave the same capture");
}

#[test]
fn figures_for_a_script() {
    let folder = Folder::new("json");
    let line = ["--bytes", "1M", "--loss", "0", "--rtt", "20", "--rate", "100", "--json"];
    let out = folder.path("out");
    let args = [&["demo", "--out", &out][..], &line].concat();
    let json: Value = serde_json::from_str(&success(&ustack(&args))).unwrap();
    assert_eq!(
        (&json["bytes"], &json["sha256_equal"], &json["ip"]),
        (&1_000_000.into(), &true.into(), &4.into())
    );
    let seconds = json["virtual_seconds"].as_f64().unwrap();
    // 80 ms of sending at least, and the round trips of slow start.
    assert!((0.08..1.0).contains(&seconds), "{seconds} s");
    let rtt = json["min_rtt_ms"].as_f64().unwrap();
    assert!((20.0..25.0).contains(&rtt), "{rtt} ms");
    assert_eq!(json["sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn over_ipv6_every_packet_is_of_ipv6() {
    let folder = Folder::new("ipv6");
    let out = folder.path("out");
    assert!(success(&ustack(&["demo", "-6", "--out", &out, "--bytes", "50k"])).contains("IPv6"));
    let capture = std::fs::read(format!("{out}/demo.pcapng")).unwrap();
    let server = "fd00::2".parse::<std::net::Ipv6Addr>().unwrap().octets();
    assert!(capture.windows(16).any(|bytes| bytes == server));
    assert!(!capture.windows(4).any(|bytes| bytes == [10, 0, 0, 2]));
}

#[test]
fn bad_lines_and_none_at_all() {
    let folder = Folder::new("lines");
    let out = folder.path("out");
    let content = ["--bytes", "50k"];
    for line in [["--loss", "15%"], ["--rtt", "0"], ["--rate", "0.5"]] {
        let args = [&["demo", "--out", &out][..], &content, &line].concat();
        assert!(success(&ustack(&args)).contains("equal"), "{line:?}");
    }
    for bytes in ["0", "1"] {
        let args = ["demo", "--out", &out, "--bytes", bytes];
        assert!(success(&ustack(&args)).contains("equal"), "{bytes} bytes");
    }
}

#[test]
fn mistakes_are_told_in_one_line() {
    let folder = Folder::new("mistakes");
    let out = folder.path("out");
    std::fs::write(folder.path("file"), "").unwrap();
    let below = folder.path("file/below");
    let cases: [(&[&str], &str); 7] = [
        (&["--out", &out, "--loss", "2"], "0 to 0.5"),
        (&["--out", &out, "--loss", "much"], "0 to 0.5"),
        (&["--out", &out, "--rtt", "-1"], "10000 milliseconds"),
        (&["--out", &out, "--rate", "0"], "Mbit/s"),
        (&["--out", &out, "--bytes", "9G"], "1 GB"),
        (&["--out", &out, "--bytes", "many"], "number of bytes"),
        (&["--out", &below], "folder that can be written"),
    ];
    for (options, part) in cases {
        let message = failure(&ustack(&[&["demo"], options].concat()));
        assert!(message.contains(part), "{options:?}: {message}");
    }
}
