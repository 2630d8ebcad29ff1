//! `ustack pkt`: what the lines say and how it exits.

use crate::common::{Folder, success, ustack};
use std::process::Output;

const PASSES: &str = "0 < icmp echo_request id 7 seq 1 (56)\n+0 > icmp echo_reply id 7 seq 1 (56)\n";
const FAILS: &str = "0 < icmp echo_request id 7 seq 1 (56)\n+0.2 > icmp echo_reply id 8 seq 1 (56)\n";
const SKIPS: &str = "0 sendfile(4, 5, [0], 9) = 9\n";
const CANNOT_PARSE: &str = "0 < icmp echo_request id 7 seq 1 (56)\n+0 > S 0:0(0) <mss>\n";

/// Runs the command on a folder with these scripts.
fn pkt(name: &str, scripts: &[(&str, &str)], options: &[&str]) -> (Option<i32>, String, String) {
    let folder = Folder::new(name);
    for (file, text) in scripts {
        std::fs::write(folder.path(file), text).expect("a script can be written");
    }
    let all = folder.path("");
    let Output { status, stdout, stderr } = ustack(&[&["pkt"], options, &[all.as_str()]].concat());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text").replace(&all, "");
    (status.code(), text(stdout), text(stderr))
}

#[test]
fn all_passed() {
    let (code, out, err) = pkt("pkt-pass", &[("a.pkt", PASSES), ("b.pkt", SKIPS), ("c.txt", FAILS)], &[]);
    let skipped = "skipped: b.pkt:1: not supported: `sendfile`: the runner has no files and pipes\n";
    assert_eq!((code, err.as_str()), (Some(0), ""));
    assert_eq!(out, format!("{skipped}1 passed, 0 failed, 1 skipped\n"));
    let (_, out, _) = pkt("pkt-verbose", &[("a.pkt", PASSES)], &["--verbose"]);
    assert_eq!(out, "passed: a.pkt\n1 passed, 0 failed, 0 skipped\n");
}

#[test]
fn a_failure_shows_expected_and_actual_with_times() {
    let (code, out, err) = pkt("pkt-fail", &[("a.pkt", PASSES), ("b.pkt", FAILS)], &[]);
    assert_eq!((code, err.as_str()), (Some(1), ""));
    let squeezed = out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(squeezed.contains("failed: b.pkt:2: another packet than expected"), "{out}");
    assert!(squeezed.contains("icmp echo_reply id 8 seq 1 icmp echo_reply id 7 seq 1 <--"), "{out}");
    assert!(squeezed.contains("time 0.2 0 <--"), "{out}");
    assert_eq!(out.lines().last(), Some("1 passed, 1 failed, 0 skipped"));
}

#[test]
fn what_cannot_be_parsed_is_told_with_its_place() {
    let (code, out, err) = pkt("pkt-parse", &[("a.pkt", PASSES), ("b.pkt", CANNOT_PARSE)], &[]);
    assert_eq!(code, Some(2));
    assert_eq!(err, "b.pkt:2:19: expected a segment size of 16 bits, found `>`\n");
    assert_eq!(out, "1 passed, 1 failed, 0 skipped\n");
    let missing = ustack(&["pkt", "/no/such/script.pkt"]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&missing.stderr).starts_with("cannot read /no/such/script.pkt: "));
}

#[test]
fn all_skipped_is_no_success() {
    let (code, out, _) = pkt("pkt-skip", &[("a.pkt", SKIPS)], &[]);
    assert_eq!((code, out.lines().last()), (Some(77), Some("0 passed, 0 failed, 1 skipped")));
}

#[test]
fn json_has_every_script() {
    let (code, out, _) = pkt("pkt-json", &[("a.pkt", PASSES), ("b.pkt", FAILS)], &["--json"]);
    let report: serde_json::Value = serde_json::from_str(&out).expect("one JSON object");
    assert_eq!(code, Some(1));
    assert_eq!((&report["passed"], &report["failed"], &report["skipped"]), (&1.into(), &1.into(), &0.into()));
    assert_eq!(
        (&report["scripts"][0]["outcome"], &report["scripts"][1]["file"]),
        (&"passed".into(), &"b.pkt".into())
    );
}

#[test]
fn options_reach_the_stack() {
    let open = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 fcntl(3, F_SETFL, O_NONBLOCK) = 0\n\
                +0 connect(3, ..., ...) = -1 EERROR (x)\n";
    let linux = format!("{open}+0 > S 0:0(0) <mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7>\n");
    let options = ["--profile", "linux", "-D", "EERROR=EINPROGRESS"];
    let (code, out, _) = pkt("pkt-linux", &[("a.pkt", &linux)], &options);
    assert_eq!(code, Some(0), "{out}");
    let v6 = format!("{open}+0 > S 0:0(0) <mss 1460,...>\n")
        .replace(",...", ",sackOK,TS val 1 ecr 0,nop,wscale 10");
    let options = ["--ip-version", "ipv6", "-D", "EERROR=EINPROGRESS", "--set", "tcp.timestamps=on"];
    let (code, out, _) = pkt("pkt-v6", &[("a.pkt", &v6)], &options);
    assert_eq!(code, Some(0), "{out}");
    let late = "0 < udp 5 > 9 (1)\n+0.003 > icmp unreachable port_unreachable\n";
    assert_eq!(pkt("pkt-late", &[("a.pkt", late)], &[]).0, Some(0));
    assert_eq!(pkt("pkt-exact", &[("a.pkt", late)], &["--tolerance-usecs", "0"]).0, Some(1));
    assert!(success(&ustack(&["pkt", "--help"])).contains("77"));
}
