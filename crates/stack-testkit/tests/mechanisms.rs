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
    ("tcp/autotune/receive-grows", &[("tcp.autotune", "off")]),
    ("tcp/autotune/receive-set", &[("fault.ignore_options", "on")]),
    ("tcp/autotune/receive-slow-reader", &[("tcp.receive_buffer", "131072")]),
    ("tcp/autotune/receive-under-pressure", &[("tcp.memory_pressure", "1000000000")]),
    ("tcp/autotune/send-grows", &[("tcp.autotune", "off")]),
    ("tcp/autotune/send-set", &[("fault.ignore_options", "on")]),
    ("tcp/close/active", &[("fault.ignore_close", "on"), ("fault.ignore_fins", "on")]),
    ("tcp/close/data-after-close", &[("fault.no_resets", "on")]),
    ("tcp/close/fin-retransmit", &[("fault.no_timers", "on")]),
    ("tcp/close/fin-wait-2-timeout", &[("tcp.fin_wait_2", "30s")]),
    ("tcp/close/fin-waits-for-window", &[("fault.open_window", "on")]),
    ("tcp/close/passive", &[("fault.ignore_fins", "on")]),
    ("tcp/cork/asked", &[("fault.ignore_options", "on")]),
    ("tcp/cork/at-most-200-ms", &[("fault.no_timers", "on")]),
    ("tcp/cork/close-sends", &[("fault.ignore_options", "on")]),
    ("tcp/cork/collects", &[("fault.ignore_options", "on")]),
    ("tcp/cork/pulled", &[("fault.ignore_options", "on")]),
    ("tcp/cork/stronger-than-nodelay", &[("fault.ignore_options", "on")]),
    ("tcp/data/in-order", &[("tcp.delayed_ack", "0"), ("fault.no_timers", "on")]),
    ("tcp/data/initial-window", &[("tcp.initial_window", "4")]),
    ("tcp/data/nagle", &[("tcp.no_delay", "on")]),
    ("tcp/data/no-delay", &[("fault.ignore_options", "on")]),
    ("tcp/data/path-mtu", &[("fault.ignore_icmp", "on")]),
    ("tcp/data/timestamps-echo", &[("tcp.timestamps", "off")]),
    ("tcp/defer-accept/data-completes", &[("fault.ignore_options", "on")]),
    ("tcp/defer-accept/end-completes", &[("fault.ignore_options", "on")]),
    ("tcp/defer-accept/last-chance", &[("fault.ignore_options", "on"), ("fault.no_timers", "on")]),
    ("tcp/defer-accept/rounded", &[("fault.ignore_options", "on")]),
    ("tcp/defer-accept/silent-peer", &[("fault.ignore_options", "on")]),
    ("tcp/defer-accept/unconfirmed", &[("fault.ignore_options", "on")]),
    ("tcp/fastopen/client", &[("fault.strip_options", "on")]),
    ("tcp/fastopen/client-full", &[("fault.strip_options", "on")]),
    ("tcp/fastopen/client-refused", &[("fault.strip_options", "on")]),
    ("tcp/fastopen/client-syn-lost", &[("fault.strip_options", "on"), ("fault.no_timers", "on")]),
    ("tcp/fastopen/server-bad-cookie", &[("fault.ignore_options", "on")]),
    ("tcp/fastopen/server-cookie", &[("fault.ignore_options", "on"), ("tcp.fast_open_key", "2")]),
    ("tcp/fastopen/server-data", &[("fault.ignore_options", "on"), ("tcp.fast_open_key", "2")]),
    ("tcp/fastopen/server-forged", &[("fault.ignore_options", "on")]),
    ("tcp/fastopen/server-queue", &[("fault.ignore_options", "on")]),
    ("tcp/fastopen/server-syn-ack-lost", &[("fault.ignore_options", "on"), ("fault.no_timers", "on")]),
    ("tcp/keepalive/answered", &[("fault.ignore_options", "on"), ("fault.no_timers", "on")]),
    ("tcp/keepalive/data-resets-idle", &[("fault.ignore_options", "on")]),
    ("tcp/keepalive/dead-peer", &[("fault.ignore_options", "on"), ("fault.no_timers", "on")]),
    ("tcp/keepalive/default-idle", &[("tcp.keep_alive_idle", "3600s")]),
    ("tcp/keepalive/user-timeout", &[("fault.ignore_options", "on")]),
    ("tcp/lowat/asked", &[("fault.ignore_options", "on")]),
    ("tcp/lowat/not-sent", &[("fault.ignore_options", "on")]),
    ("tcp/lowat/not-sent-blocks", &[("fault.ignore_options", "on")]),
    ("tcp/lowat/not-sent-writable", &[("fault.ignore_options", "on")]),
    ("tcp/lowat/receive", &[("fault.ignore_options", "on")]),
    ("tcp/lowat/receive-beyond-buffer", &[("fault.ignore_options", "on")]),
    ("tcp/lowat/receive-end", &[("fault.ignore_options", "on")]),
    ("tcp/memory/ahead-refused", &[("tcp.memory_high", "1000000000")]),
    ("tcp/memory/in-order-dropped", &[("tcp.memory_high", "1000000000")]),
    ("tcp/memory/pressure-ends", &[("tcp.memory_pressure", "1000000000")]),
    ("tcp/memory/pruned", &[("tcp.memory_high", "1000000000")]),
    ("tcp/memory/window-stops", &[("tcp.memory_pressure", "1000000000")]),
    ("tcp/memory/writes-refused", &[("tcp.memory_high", "1000000000")]),
    ("tcp/open/active", &[("tcp.timestamps", "off"), ("tcp.window_scaling", "off")]),
    ("tcp/open/passive-options", &[("tcp.timestamps", "off"), ("tcp.window_scaling", "off")]),
    ("tcp/open/refused", &[("fault.ignore_resets", "on")]),
    ("tcp/open/simultaneous", &[("fault.ignore_syns", "on")]),
    ("tcp/open/syn-ack-retry", &[("tcp.syn_ack_retries", "3"), ("fault.no_timers", "on")]),
    ("tcp/open/syn-retry", &[("tcp.syn_retries", "7"), ("tcp.initial_rto", "2s")]),
    ("tcp/open/unreachable", &[("fault.ignore_icmp", "on")]),
    ("tcp/options/asked", &[("fault.ignore_options", "on")]),
    ("tcp/options/congestion", &[("fault.ignore_options", "on")]),
    ("tcp/options/linger2", &[("fault.ignore_options", "on")]),
    ("tcp/options/linger2-none", &[("fault.ignore_options", "on")]),
    ("tcp/options/max-segment", &[("fault.ignore_options", "on")]),
    ("tcp/options/syn-count", &[("fault.ignore_options", "on")]),
    ("tcp/options/tos-and-ttl", &[("fault.ignore_options", "on")]),
    ("tcp/options/window-clamp", &[("fault.ignore_options", "on")]),
    ("tcp/quickack/answers-end-it", &[("fault.ignore_options", "on")]),
    ("tcp/quickack/asked", &[("fault.ignore_options", "on")]),
    ("tcp/quickack/off", &[("fault.ignore_options", "on")]),
    ("tcp/quickack/pending", &[("fault.ignore_options", "on")]),
    ("tcp/quickack/small-segments", &[("fault.ignore_options", "on")]),
    ("tcp/reassembly/fin-behind-a-hole", &[("fault.in_order_only", "on")]),
    ("tcp/reassembly/hole", &[("fault.in_order_only", "on")]),
    ("tcp/reassembly/overlap", &[("fault.in_order_only", "on")]),
    ("tcp/reassembly/two-holes", &[("fault.in_order_only", "on")]),
    ("tcp/reassembly/wrap", &[("fault.in_order_only", "on")]),
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
    ("tcp/syn-cookie/data-brings-it", &[("tcp.syn_cookies", "off")]),
    ("tcp/syn-cookie/forged", &[("tcp.syn_cookies", "off")]),
    ("tcp/syn-cookie/mss", &[("tcp.syn_cookies", "off")]),
    ("tcp/syn-cookie/options-in-timestamp", &[("tcp.syn_cookies", "off")]),
    ("tcp/syn-cookie/queue-full", &[("tcp.syn_cookies", "off")]),
    ("tcp/syn-cookie/too-old", &[("tcp.syn_cookies", "off")]),
    ("tcp/syn-cookie/without-timestamps", &[("tcp.syn_cookies", "off")]),
    ("tcp/time-wait/duration", &[("tcp.time_wait", "30s"), ("tcp.max_time_wait", "0")]),
    ("tcp/time-wait/fin-again", &[("tcp.time_wait", "30s")]),
    ("tcp/time-wait/new-connection", &[("tcp.max_time_wait", "0")]),
    ("tcp/time-wait/newer-timestamp", &[("tcp.timestamps", "off")]),
    ("tcp/time-wait/old-syn", &[("tcp.max_time_wait", "0")]),
    ("tcp/time-wait/older-timestamp", &[("tcp.timestamps", "off")]),
    ("tcp/time-wait/reset-ignored", &[("tcp.reset_ends_time_wait", "on")]),
    ("tcp/window/old-update", &[("fault.open_window", "on")]),
    ("tcp/window/peer-limits", &[("fault.open_window", "on")]),
    ("tcp/window/receiver-sws", &[("tcp.receive_buffer", "8192")]),
    ("tcp/window/scaled", &[("tcp.window_scaling", "off")]),
    ("tcp/window/sender-sws", &[("fault.open_window", "on")]),
    ("tcp/window/shrinks", &[("fault.open_window", "on")]),
    ("tcp/window/zero-window-probe", &[("fault.no_timers", "on"), ("fault.open_window", "on")]),
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
