//! Scripts fail when what they are about is switched off, and when any packet that they expect does not come: a
//! script that can't fail would be worse than none.
//!
//! `ustack pkt --set tcp.no_delay=on testdata/scripts/tcp/data/nagle.pkt` shows one.

use stack_testkit::pkt::Script;
use stack_testkit::script::{Options, Outcome, run, run_with, scripts};
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
    ("arp/probe", &[("fault.no_timers", "on")]),
    ("arp/resolve", &[("fault.no_arp", "on")]),
    ("arp/retry-and-give-up", &[("fault.no_timers", "on")]),
    ("icmp/bad-packets", &[("fault.ignore_icmp", "on")]),
    ("icmp/broadcast-echo", &[("ip.echo_broadcast", "on")]),
    ("icmp/echo", &[("fault.ignore_icmp", "on")]),
    ("icmp/port-unreachable", &[("fault.no_icmp", "on")]),
    ("icmp/udp-error-to-socket", &[("fault.ignore_icmp", "on")]),
    ("ip-forward/forward", &[("forwarding", "off")]),
    ("ip-forward/fragment", &[("forwarding", "off"), ("mtu", "1500")]),
    ("ip-forward/off", &[("forwarding", "on")]),
    ("ip-forward/too-big", &[("forwarding", "off"), ("mtu", "1500")]),
    ("ip-forward/ttl", &[("forwarding", "off"), ("fault.no_icmp", "on")]),
    ("ip-fragment/echo", &[("ip.reassembly_high", "0"), ("mtu", "9000")]),
    ("ip-fragment/overlap", &[("ip.reassembly_high", "0")]),
    ("ip-fragment/reassemble", &[("ip.reassembly_high", "0")]),
    ("ip-fragment/send", &[("mtu", "9000")]),
    ("ip-fragment/timeout", &[("ip.reassembly_timeout", "30s"), ("fault.no_timers", "on")]),
    ("tcp/challenge-ack/loop", &[("tcp.challenge_interval", "0")]),
    ("tcp/challenge-ack/reset-that-answers", &[("fault.ignore_resets", "on")]),
    ("tcp/challenge-ack/reset-with-text", &[("fault.ignore_resets", "on")]),
    ("tcp/challenge-ack/syn-ack", &[("fault.ignore_syns", "on"), ("fault.no_acks", "on")]),
    ("tcp/close/active", &[("fault.ignore_close", "on"), ("fault.ignore_fins", "on")]),
    ("tcp/close/data-after-close", &[("fault.no_resets", "on")]),
    ("tcp/close/fin-retransmit", &[("fault.no_timers", "on")]),
    ("tcp/close/fin-wait-2-timeout", &[("tcp.fin_wait_2", "30s")]),
    ("tcp/close/fin-waits-for-window", &[("fault.open_window", "on")]),
    ("tcp/close/passive", &[("fault.ignore_fins", "on")]),
    ("tcp/closed/ack", &[("fault.no_resets", "on")]),
    ("tcp/closed/bad-checksum", &[("fault.trust_checksums", "on")]),
    ("tcp/closed/data", &[("fault.no_resets", "on")]),
    ("tcp/closed/syn", &[("fault.no_resets", "on")]),
    ("tcp/data/in-order", &[("tcp.delayed_ack", "0"), ("fault.no_timers", "on")]),
    ("tcp/data/initial-window", &[("tcp.initial_window", "4")]),
    ("tcp/data/nagle", &[("tcp.no_delay", "on")]),
    ("tcp/data/no-delay", &[("fault.ignore_options", "on")]),
    ("tcp/data/path-mtu", &[("fault.ignore_icmp", "on")]),
    ("tcp/data/timestamps-echo", &[("tcp.timestamps", "off")]),
    ("tcp/delayed-ack/alone", &[("tcp.delayed_ack", "0"), ("fault.no_timers", "on")]),
    ("tcp/delayed-ack/every-second-full", &[("tcp.delayed_ack", "0"), ("fault.no_acks", "on")]),
    ("tcp/delayed-ack/gap", &[("fault.in_order_only", "on")]),
    ("tcp/delayed-ack/once", &[("tcp.delayed_ack", "10ms"), ("tcp.delayed_ack", "200ms")]),
    ("tcp/icmp-errors/host-unreachable-connecting", &[("fault.ignore_icmp", "on")]),
    ("tcp/icmp-errors/path-mtu-twice", &[("fault.ignore_icmp", "on")]),
    ("tcp/icmp-errors/port-unreachable-connecting", &[("fault.ignore_icmp", "on")]),
    ("tcp/icmp-errors/soft-error-at-the-end", &[("fault.ignore_icmp", "on")]),
    ("tcp/keepalive/answered", &[("fault.ignore_options", "on"), ("fault.no_timers", "on")]),
    ("tcp/keepalive/data-resets-idle", &[("fault.ignore_options", "on")]),
    ("tcp/keepalive/dead-peer", &[("fault.ignore_options", "on"), ("fault.no_timers", "on")]),
    ("tcp/keepalive/default-idle", &[("tcp.keep_alive_idle", "3600s")]),
    ("tcp/keepalive/user-timeout", &[("fault.ignore_options", "on")]),
    ("tcp/linger/from-listener", &[("fault.ignore_options", "on")]),
    ("tcp/linger/zero-close-wait", &[("fault.ignore_options", "on")]),
    ("tcp/linger/zero-idle", &[("fault.ignore_options", "on")]),
    ("tcp/linger/zero-unsent", &[("fault.ignore_options", "on"), ("fault.open_window", "on")]),
    ("tcp/listen/ack", &[("fault.no_resets", "on")]),
    ("tcp/listen/closed-while-half-open", &[("fault.ignore_close", "on")]),
    ("tcp/listen/fin-before-accept", &[("fault.ignore_fins", "on")]),
    ("tcp/listen/many", &[("fault.ignore_syns", "on")]),
    ("tcp/nagle/close", &[("tcp.no_delay", "on"), ("fault.ignore_close", "on")]),
    ("tcp/nagle/collects", &[("tcp.no_delay", "on")]),
    ("tcp/nagle/switched-off-later", &[("fault.ignore_options", "on"), ("tcp.no_delay", "on")]),
    ("tcp/nagle/tail", &[("tcp.no_delay", "on")]),
    ("tcp/open/active", &[("tcp.timestamps", "off"), ("tcp.window_scaling", "off")]),
    ("tcp/open/passive-options", &[("tcp.timestamps", "off"), ("tcp.window_scaling", "off")]),
    ("tcp/open/refused", &[("fault.ignore_resets", "on")]),
    ("tcp/open/simultaneous", &[("fault.ignore_syns", "on")]),
    ("tcp/open/syn-ack-retry", &[("tcp.syn_ack_retries", "3"), ("fault.no_timers", "on")]),
    ("tcp/open/syn-retry", &[("tcp.syn_retries", "7"), ("tcp.initial_rto", "2s")]),
    ("tcp/open/unreachable", &[("fault.ignore_icmp", "on")]),
    ("tcp/options/hop-limit", &[("fault.ignore_options", "on")]),
    ("tcp/options/mss-of-a-small-link", &[("mtu", "1500")]),
    ("tcp/options/timestamps-take-room", &[("tcp.timestamps", "off")]),
    ("tcp/options/traffic-class", &[("fault.ignore_options", "on")]),
    ("tcp/overlap/beyond-the-window", &[("tcp.receive_buffer", "8192")]),
    ("tcp/overlap/bridge", &[("fault.in_order_only", "on")]),
    ("tcp/overlap/fin-with-old-text-only", &[("fault.ignore_fins", "on")]),
    ("tcp/overlap/one-byte-each", &[("fault.in_order_only", "on")]),
    ("tcp/paws/ahead-of-a-hole", &[("tcp.timestamps", "off")]),
    ("tcp/paws/missing", &[("tcp.timestamps", "off")]),
    ("tcp/paws/old-data", &[("fault.strip_options", "on")]),
    ("tcp/paws/retransmission-measured", &[("tcp.timestamps", "off"), ("fault.strip_options", "on")]),
    ("tcp/reassembly/fin-behind-a-hole", &[("fault.in_order_only", "on")]),
    ("tcp/reassembly/hole", &[("fault.in_order_only", "on")]),
    ("tcp/reassembly/overlap", &[("fault.in_order_only", "on")]),
    ("tcp/reassembly/two-holes", &[("fault.in_order_only", "on")]),
    ("tcp/reassembly/wrap", &[("fault.in_order_only", "on")]),
    ("tcp/reorder/21345", &[("fault.in_order_only", "on")]),
    ("tcp/reorder/23451", &[("fault.in_order_only", "on")]),
    ("tcp/reorder/43215", &[("fault.in_order_only", "on")]),
    ("tcp/reorder/54321", &[("fault.in_order_only", "on")]),
    ("tcp/reset/bad-checksum", &[("fault.trust_checksums", "on")]),
    ("tcp/reset/challenge-limit", &[("tcp.challenge_interval", "0")]),
    ("tcp/reset/closed-port", &[("fault.no_resets", "on")]),
    ("tcp/reset/established", &[("fault.ignore_resets", "on")]),
    ("tcp/reset/half-open", &[("fault.ignore_resets", "on")]),
    ("tcp/reset/linger-zero", &[("fault.ignore_options", "on")]),
    ("tcp/rto/cwnd", &[("fault.no_timers", "on")]),
    ("tcp/rto/fast-retransmit", &[("fault.ignore_duplicate_acks", "on")]),
    ("tcp/rto/first", &[("tcp.min_rto", "1s"), ("fault.no_timers", "on")]),
    ("tcp/rto/gives-up", &[("tcp.data_retries", "5")]),
    ("tcp/rto/not-duplicates", &[("fault.open_window", "on")]),
    ("tcp/rto/partial-ack", &[("fault.ignore_duplicate_acks", "on")]),
    ("tcp/rto/syn-lost", &[("tcp.initial_rto", "2s")]),
    ("tcp/states/close-wait-rst-next", &[("fault.ignore_resets", "on")]),
    ("tcp/states/established-fin-next", &[("fault.ignore_fins", "on")]),
    ("tcp/states/fin-wait-1-ack-next", &[("fault.ignore_close", "on")]),
    ("tcp/states/time-wait-syn-next", &[("tcp.max_time_wait", "0")]),
    ("tcp/syn-sent/reset", &[("fault.ignore_resets", "on")]),
    ("tcp/syn-sent/simultaneous-options", &[("tcp.window_scaling", "off")]),
    ("tcp/syn-sent/simultaneous-syn-ack", &[("fault.ignore_syns", "on")]),
    ("tcp/syn-sent/syn-ack", &[("fault.ignore_syns", "on")]),
    ("tcp/time-wait/duration", &[("tcp.time_wait", "30s"), ("tcp.max_time_wait", "0")]),
    ("tcp/time-wait/fin-again", &[("tcp.time_wait", "30s")]),
    ("tcp/time-wait/new-connection", &[("tcp.max_time_wait", "0")]),
    ("tcp/time-wait/old-syn", &[("tcp.max_time_wait", "0")]),
    ("tcp/time-wait/reset-ignored", &[("tcp.reset_ends_time_wait", "on")]),
    ("tcp/urgent/advances", &[("fault.drop_sent", "2")]),
    ("tcp/urgent/ahead", &[("fault.no_acks", "on")]),
    ("tcp/urgent/pointer", &[("fault.no_timers", "on")]),
    ("tcp/urgent/zero-window", &[("tcp.receive_buffer", "8192")]),
    (
        "tcp/user-timeout/before-the-first-timeout",
        &[("fault.ignore_options", "on"), ("fault.no_timers", "on")],
    ),
    ("tcp/user-timeout/close", &[("fault.ignore_options", "on")]),
    ("tcp/user-timeout/progress", &[("fault.no_timers", "on")]),
    ("tcp/user-timeout/zero-window", &[("fault.ignore_options", "on"), ("fault.open_window", "on")]),
    ("tcp/window/old-update", &[("fault.open_window", "on")]),
    ("tcp/window/peer-limits", &[("fault.open_window", "on")]),
    ("tcp/window/receiver-sws", &[("tcp.receive_buffer", "8192")]),
    ("tcp/window/scaled", &[("tcp.window_scaling", "off")]),
    ("tcp/window/sender-sws", &[("fault.open_window", "on")]),
    ("tcp/window/shrinks", &[("fault.open_window", "on")]),
    ("tcp/window/zero-window-probe", &[("fault.no_timers", "on"), ("fault.open_window", "on")]),
    ("tcp/wrap/fin", &[("fault.ignore_fins", "on")]),
    ("tcp/wrap/hole", &[("fault.in_order_only", "on")]),
    ("tcp/wrap/time-wait", &[("tcp.max_time_wait", "0")]),
    ("tcp/wrap/window", &[("fault.ignore_resets", "on")]),
    ("udp/broadcast", &[("fault.ignore_options", "on")]),
    ("udp/checksum", &[("fault.trust_checksums", "on")]),
    ("udp/connected", &[("fault.no_icmp", "on")]),
    ("udp/ttl-and-tos", &[("fault.ignore_options", "on"), ("ip.default_ttl", "32")]),
];

#[test]
fn scripts_fail_without_their_mechanism() {
    for (name, switches) in SWITCHES {
        let script = load(&root().join(name).with_extension("pkt"));
        assert_eq!(run(&script), Outcome::Passed, "{name}");
        for switch in *switches {
            let outcome = run_with(&script, &Options::with_settings(&[*switch]));
            assert!(matches!(outcome, Outcome::Failed(_)), "{name} with {switch:?}: {outcome:?}");
        }
    }
}

#[test]
fn every_folder_has_a_mechanism_to_switch_off() {
    let root = root();
    for path in scripts(&root).unwrap() {
        let folder = path.parent().unwrap().strip_prefix(&root).unwrap();
        let known = SWITCHES.iter().filter(|(name, _)| Path::new(name).parent() == Some(folder)).count();
        assert!(known >= 4, "{} has only {known} scripts with a switch", folder.display());
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
            let outcome =
                run_with(&script, &Options::with_settings(&[("fault.drop_sent", &number.to_string())]));
            assert!(
                matches!(outcome, Outcome::Failed(_)),
                "{} without packet {number}: {outcome:?}",
                path.display()
            );
        }
    }
}
