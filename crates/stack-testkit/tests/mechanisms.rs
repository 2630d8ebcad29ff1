//! Scripts fail when what they are about is switched off, and when any packet that they expect does not come: a
//! script that can't fail would be worse than none.
//!
//! `cargo run -p stack-testkit --example pkt -- --set tcp.no_delay=on testdata/scripts/tcp/data/nagle.pkt` shows one.

use stack_testkit::pkt::Script;
use stack_testkit::script::{Outcome, run, run_with, scripts};
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/scripts")
}

fn load(path: &Path) -> Script {
    let name = path.display().to_string();
    Script::parse(&name, &std::fs::read_to_string(path).unwrap()).unwrap()
}

/// A script, and settings with each of which alone it must fail.
const SWITCHES: &[(&str, &[(&str, &str)])] = &[
    ("arp/answer", &[("fault.no_arp", "on")]),
    ("arp/defend", &[("arp.conflict", "defend-always")]),
    ("arp/gateway", &[("fault.no_arp", "on")]),
    ("arp/not-for-us", &[("fault.no_arp", "on")]),
    ("arp/probe", &[("fault.no_timers", "on")]),
    ("arp/probe-conflict", &[("fault.no_arp", "on"), ("fault.no_timers", "on")]),
    ("arp/resolve", &[("fault.no_arp", "on")]),
    ("arp/retry-and-give-up", &[("fault.no_timers", "on")]),
    ("arp/update", &[("fault.no_arp", "on")]),
    ("icmp/bad-packets", &[("fault.ignore_icmp", "on")]),
    ("icmp/broadcast-echo", &[("ip.echo_broadcast", "on")]),
    ("icmp/echo", &[("fault.ignore_icmp", "on")]),
    ("icmp/never-answer", &[("fault.no_icmp", "on")]),
    ("icmp/ping-socket", &[("fault.no_icmp", "on")]),
    ("icmp/port-unreachable", &[("fault.no_icmp", "on")]),
    ("icmp/protocol-unreachable", &[("fault.no_icmp", "on")]),
    ("icmp/rate-limit", &[("fault.no_icmp", "on")]),
    ("icmp/udp-error-to-socket", &[("fault.ignore_icmp", "on")]),
    ("ip-forward/forward", &[("forwarding", "off")]),
    ("ip-forward/fragment", &[("forwarding", "off"), ("mtu", "1500")]),
    ("ip-forward/not-forwarded", &[("fault.no_icmp", "on")]),
    ("ip-forward/off", &[("forwarding", "on")]),
    ("ip-forward/record-route", &[("forwarding", "off")]),
    ("ip-forward/too-big", &[("forwarding", "off"), ("mtu", "1500")]),
    ("ip-forward/ttl", &[("forwarding", "off"), ("fault.no_icmp", "on")]),
    ("ip-fragment/by-source", &[("ip.reassembly_high", "0")]),
    ("ip-fragment/echo", &[("ip.reassembly_high", "0"), ("mtu", "9000")]),
    ("ip-fragment/impossible", &[("ip.reassembly_high", "0")]),
    ("ip-fragment/overlap", &[("ip.reassembly_high", "0")]),
    ("ip-fragment/reassemble", &[("ip.reassembly_high", "0")]),
    ("ip-fragment/send", &[("mtu", "9000")]),
    ("ip-fragment/timeout", &[("ip.reassembly_timeout", "30s"), ("fault.no_timers", "on")]),
    ("tcp/close/active", &[("fault.ignore_close", "on"), ("fault.ignore_fins", "on")]),
    ("tcp/close/before-established", &[("fault.ignore_close", "on")]),
    ("tcp/close/close-wait-out-of-window", &[("fault.no_acks", "on"), ("fault.ignore_fins", "on")]),
    ("tcp/close/data-after-close", &[("fault.no_resets", "on")]),
    ("tcp/close/data-then-fin", &[("fault.ignore_close", "on"), ("fault.ignore_fins", "on")]),
    ("tcp/close/fin-retransmit", &[("fault.no_timers", "on")]),
    ("tcp/close/fin-wait-2-timeout", &[("tcp.fin_wait_2", "30s")]),
    ("tcp/close/fin-waits-for-window", &[("fault.open_window", "on")]),
    ("tcp/close/half-close", &[("fault.ignore_close", "on"), ("fault.ignore_fins", "on")]),
    ("tcp/close/listener", &[("fault.ignore_close", "on")]),
    ("tcp/close/passive", &[("fault.ignore_fins", "on")]),
    ("tcp/close/simultaneous", &[("fault.ignore_close", "on"), ("fault.ignore_fins", "on")]),
    ("tcp/data/ack-beyond", &[("fault.no_acks", "on")]),
    ("tcp/data/ack-too-old", &[("fault.no_acks", "on")]),
    ("tcp/data/full-segment-not-delayed", &[("fault.strip_options", "on")]),
    ("tcp/data/in-order", &[("tcp.delayed_ack", "0"), ("fault.no_timers", "on")]),
    ("tcp/data/initial-window", &[("tcp.initial_window", "4")]),
    ("tcp/data/nagle", &[("tcp.no_delay", "on")]),
    ("tcp/data/no-delay", &[("fault.ignore_options", "on")]),
    ("tcp/data/path-mtu", &[("fault.ignore_icmp", "on")]),
    ("tcp/data/path-mtu-floor", &[("fault.ignore_icmp", "on")]),
    ("tcp/data/piggyback", &[("tcp.delayed_ack", "0")]),
    ("tcp/data/second-segment", &[("tcp.delayed_ack", "0"), ("tcp.receive_buffer", "4096")]),
    ("tcp/data/segmentation", &[("fault.strip_options", "on")]),
    ("tcp/data/timestamps-echo", &[("tcp.timestamps", "off")]),
    ("tcp/data/urgent", &[("fault.ignore_urgent", "on")]),
    ("tcp/data/write-before-established", &[("fault.ignore_syns", "on")]),
    ("tcp/keepalive/answered", &[("fault.ignore_options", "on"), ("fault.no_timers", "on")]),
    ("tcp/keepalive/data-resets-idle", &[("fault.ignore_options", "on")]),
    ("tcp/keepalive/dead-peer", &[("fault.ignore_options", "on"), ("fault.no_timers", "on")]),
    ("tcp/keepalive/default-idle", &[("tcp.keep_alive_idle", "3600s")]),
    ("tcp/keepalive/off", &[("fault.no_timers", "on")]),
    ("tcp/keepalive/user-timeout", &[("fault.ignore_options", "on")]),
    ("tcp/open/active", &[("tcp.timestamps", "off"), ("tcp.window_scaling", "off")]),
    ("tcp/open/active-blocking", &[("fault.ignore_syns", "on")]),
    ("tcp/open/backlog", &[("tcp.max_half_open", "0")]),
    ("tcp/open/broadcast", &[("fault.ignore_syns", "on")]),
    ("tcp/open/data-in-syn", &[("tcp.delayed_ack", "0"), ("fault.no_timers", "on")]),
    ("tcp/open/duplicate-syn", &[("tcp.max_half_open", "0")]),
    ("tcp/open/ecn-syn", &[("fault.ignore_syns", "on")]),
    ("tcp/open/max-segment", &[("fault.ignore_options", "on")]),
    ("tcp/open/no-mss", &[("fault.ignore_syns", "on")]),
    ("tcp/open/passive", &[("tcp.receive_buffer", "4096")]),
    ("tcp/open/passive-options", &[("tcp.timestamps", "off"), ("tcp.window_scaling", "off")]),
    ("tcp/open/refused", &[("fault.ignore_resets", "on")]),
    ("tcp/open/self-connect", &[("fault.ignore_syns", "on")]),
    ("tcp/open/simultaneous", &[("fault.ignore_syns", "on")]),
    ("tcp/open/small-mss", &[("fault.strip_options", "on")]),
    ("tcp/open/syn-ack-retry", &[("tcp.syn_ack_retries", "3"), ("fault.no_timers", "on")]),
    ("tcp/open/syn-retry", &[("tcp.syn_retries", "7"), ("tcp.initial_rto", "2s")]),
    ("tcp/open/syn-sent-bad-ack", &[("fault.no_resets", "on")]),
    ("tcp/open/third-ack-lost", &[("fault.no_timers", "on")]),
    ("tcp/open/third-ack-without-timestamp", &[("tcp.timestamps", "off")]),
    ("tcp/open/unreachable", &[("fault.ignore_icmp", "on")]),
    ("tcp/reassembly/duplicate", &[("fault.no_acks", "on")]),
    ("tcp/reassembly/fin-behind-a-hole", &[("fault.in_order_only", "on")]),
    ("tcp/reassembly/hole", &[("fault.in_order_only", "on")]),
    ("tcp/reassembly/overlap", &[("fault.in_order_only", "on")]),
    ("tcp/reassembly/partly-old", &[("fault.no_acks", "on")]),
    ("tcp/reassembly/two-holes", &[("fault.in_order_only", "on")]),
    ("tcp/reassembly/wrap", &[("fault.in_order_only", "on")]),
    ("tcp/reset/bad-checksum", &[("fault.trust_checksums", "on")]),
    ("tcp/reset/challenge-limit", &[("tcp.challenge_interval", "0")]),
    ("tcp/reset/close-wait", &[("fault.ignore_resets", "on")]),
    ("tcp/reset/close-with-unread-data", &[("fault.no_resets", "on")]),
    ("tcp/reset/closed-port", &[("fault.no_resets", "on")]),
    ("tcp/reset/established", &[("fault.ignore_resets", "on")]),
    ("tcp/reset/half-open", &[("fault.ignore_resets", "on")]),
    ("tcp/reset/half-open-bad-ack", &[("fault.no_resets", "on")]),
    ("tcp/reset/in-window", &[("fault.ignore_resets", "on")]),
    ("tcp/reset/linger-zero", &[("fault.ignore_options", "on")]),
    ("tcp/reset/listen", &[("fault.no_resets", "on")]),
    ("tcp/reset/syn-in-window", &[("fault.ignore_syns", "on"), ("fault.no_acks", "on")]),
    ("tcp/rto/cwnd", &[("fault.no_timers", "on")]),
    ("tcp/rto/exit-of-recovery", &[("fault.ignore_duplicate_acks", "on")]),
    ("tcp/rto/fast-retransmit", &[("fault.ignore_duplicate_acks", "on")]),
    ("tcp/rto/first", &[("tcp.min_rto", "1s"), ("fault.no_timers", "on")]),
    ("tcp/rto/gives-up", &[("tcp.data_retries", "5")]),
    ("tcp/rto/idle-restart", &[("tcp.initial_window", "4")]),
    ("tcp/rto/karn", &[("fault.no_timers", "on"), ("tcp.min_rto", "1s")]),
    ("tcp/rto/maximum", &[("tcp.max_rto", "400s")]),
    ("tcp/rto/minimum", &[("tcp.min_rto", "1s")]),
    ("tcp/rto/not-duplicates", &[("fault.open_window", "on")]),
    ("tcp/rto/partial-ack", &[("fault.ignore_duplicate_acks", "on")]),
    ("tcp/rto/restarted-by-ack", &[("fault.no_timers", "on"), ("tcp.min_rto", "1s")]),
    ("tcp/rto/syn-lost", &[("tcp.initial_rto", "2s")]),
    ("tcp/time-wait/duration", &[("tcp.time_wait", "30s"), ("tcp.max_time_wait", "0")]),
    ("tcp/time-wait/fin-again", &[("tcp.time_wait", "30s")]),
    ("tcp/time-wait/new-connection", &[("tcp.max_time_wait", "0")]),
    ("tcp/time-wait/old-syn", &[("tcp.max_time_wait", "0")]),
    ("tcp/time-wait/port-kept", &[("tcp.max_time_wait", "0")]),
    ("tcp/time-wait/reset-ignored", &[("tcp.reset_ends_time_wait", "on")]),
    ("tcp/time-wait/reuse-address", &[("fault.ignore_options", "on")]),
    ("tcp/time-wait/unacceptable", &[("tcp.max_time_wait", "0")]),
    ("tcp/window/beyond", &[("fault.in_order_only", "on")]),
    ("tcp/window/old-update", &[("fault.open_window", "on")]),
    ("tcp/window/peer-limits", &[("fault.open_window", "on")]),
    ("tcp/window/receiver-sws", &[("tcp.receive_buffer", "8192")]),
    ("tcp/window/right-edge", &[("tcp.receive_buffer", "4096")]),
    ("tcp/window/scale-too-large", &[("tcp.window_scaling", "off"), ("fault.strip_options", "on")]),
    ("tcp/window/scaled", &[("tcp.window_scaling", "off")]),
    ("tcp/window/sender-sws", &[("fault.open_window", "on")]),
    ("tcp/window/shrinks", &[("fault.open_window", "on")]),
    ("tcp/window/zero-window-gives-up", &[("tcp.data_retries", "3"), ("fault.open_window", "on")]),
    ("tcp/window/zero-window-probe", &[("fault.no_timers", "on"), ("fault.open_window", "on")]),
    ("udp/broadcast", &[("fault.ignore_options", "on")]),
    ("udp/checksum", &[("fault.trust_checksums", "on")]),
    ("udp/connected", &[("fault.no_icmp", "on")]),
    ("udp/echo", &[("fault.ignore_datagrams", "on")]),
    ("udp/truncated", &[("fault.ignore_datagrams", "on")]),
    ("udp/ttl-and-tos", &[("fault.ignore_options", "on"), ("ip.default_ttl", "32")]),
];

/// What can't be switched off: the length field of UDP has 16 bits.
const WITHOUT_SWITCH: &[&str] = &["udp/too-large"];

#[test]
fn scripts_fail_without_their_mechanism() {
    for (name, switches) in SWITCHES {
        let script = load(&root().join(name).with_extension("pkt"));
        assert_eq!(run(&script), Outcome::Passed, "{name}");
        for switch in *switches {
            let outcome = run_with(&script, &[*switch]);
            assert!(matches!(outcome, Outcome::Failed(_)), "{name} with {switch:?}: {outcome:?}");
        }
    }
}

#[test]
fn every_script_has_a_mechanism_to_switch_off() {
    let root = root();
    for path in scripts(&root).unwrap() {
        let name = path.strip_prefix(&root).unwrap().with_extension("");
        let known = SWITCHES.iter().map(|(name, _)| name).chain(WITHOUT_SWITCH);
        assert!(known.map(Path::new).any(|known| known == name), "{} has no switch", name.display());
    }
}

#[test]
fn scripts_fail_when_any_packet_of_the_stack_is_lost() {
    use stack_testkit::pkt::Action;
    for path in scripts(&root()).unwrap() {
        let script = load(&path);
        let expected =
            script.events.iter().filter(|event| matches!(event.action, Action::Outbound(_))).count();
        for number in 1..=expected {
            let outcome = run_with(&script, &[("fault.drop_sent", &number.to_string())]);
            assert!(
                matches!(outcome, Outcome::Failed(_)),
                "{} without packet {number}: {outcome:?}",
                path.display()
            );
        }
    }
}
