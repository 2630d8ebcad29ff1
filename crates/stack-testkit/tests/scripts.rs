//! All packet scripts, one test for each folder. `UPDATE_EXPECT=1 cargo test -p stack-testkit --test scripts` rewrites
//! what scripts expect the stack to send.
#![expect(clippy::print_stdout, reason = "the summary of each folder")]

use stack_testkit::script::{Summary, run_folder, scripts};
use std::path::PathBuf;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../testdata/scripts").canonicalize().unwrap()
}

/// Fewest scripts that a folder holds.
const AT_LEAST: usize = 5;

#[track_caller]
fn folder(name: &str) {
    let summary: Summary = run_folder(&root().join(name)).unwrap();
    println!("{name}: {summary}");
    assert!(summary.failed.is_empty(), "{name}: {summary}");
    assert!(summary.skipped.is_empty(), "our own scripts are never skipped: {summary}");
    let count = summary.passed + summary.updated;
    assert!(count >= AT_LEAST, "{name} has only {count} scripts");
}

macro_rules! folders {
    ($($test:ident: $folder:literal,)+) => {
        const FOLDERS: &[&str] = &[$($folder),+];
        $(#[test] fn $test() { folder($folder); })+
    };
}

folders! {
    arp: "arp",
    dad: "dad",
    icmp: "icmp",
    icmp6: "icmp6",
    igmp: "igmp",
    ip6_extension: "ip6-extension",
    ip6_fragment: "ip6-fragment",
    ip6_header: "ip6-header",
    ip6_pmtu: "ip6-pmtu",
    ip_forward: "ip-forward",
    ip_fragment: "ip-fragment",
    mld: "mld",
    multicast_forward: "multicast-forward",
    nd: "nd",
    redirect: "redirect",
    router_discovery: "router-discovery",
    slaac: "slaac",
    source_address: "source-address",
    tcp_accurate_ecn: "tcp/accurate-ecn",
    tcp_autotune: "tcp/autotune",
    tcp_challenge_ack: "tcp/challenge-ack",
    tcp_close: "tcp/close",
    tcp_closed: "tcp/closed",
    tcp_cork: "tcp/cork",
    tcp_data: "tcp/data",
    tcp_defer_accept: "tcp/defer-accept",
    tcp_delayed_ack: "tcp/delayed-ack",
    tcp_dsack: "tcp/dsack",
    tcp_ecn: "tcp/ecn",
    tcp_fastopen: "tcp/fastopen",
    tcp_frto: "tcp/frto",
    tcp_icmp_errors: "tcp/icmp-errors",
    tcp_ipv6: "tcp/ipv6",
    tcp_keepalive: "tcp/keepalive",
    tcp_linger: "tcp/linger",
    tcp_listen: "tcp/listen",
    tcp_lowat: "tcp/lowat",
    tcp_memory: "tcp/memory",
    tcp_nagle: "tcp/nagle",
    tcp_newreno: "tcp/newreno",
    tcp_open: "tcp/open",
    tcp_options: "tcp/options",
    tcp_overlap: "tcp/overlap",
    tcp_path_mtu: "tcp/path-mtu",
    tcp_paws: "tcp/paws",
    tcp_prr: "tcp/prr",
    tcp_quickack: "tcp/quickack",
    tcp_rack: "tcp/rack",
    tcp_reassembly: "tcp/reassembly",
    tcp_reorder: "tcp/reorder",
    tcp_reset: "tcp/reset",
    tcp_rto: "tcp/rto",
    tcp_sack: "tcp/sack",
    tcp_states: "tcp/states",
    tcp_syn_cookie: "tcp/syn-cookie",
    tcp_syn_sent: "tcp/syn-sent",
    tcp_time_wait: "tcp/time-wait",
    tcp_tlp: "tcp/tlp",
    tcp_undo: "tcp/undo",
    tcp_urgent: "tcp/urgent",
    tcp_user_timeout: "tcp/user-timeout",
    tcp_window: "tcp/window",
    tcp_wrap: "tcp/wrap",
    udp: "udp",
}

#[test]
fn every_script_is_in_a_folder_with_a_test() {
    let root = root();
    for path in scripts(&root).unwrap() {
        let folder = path.parent().unwrap().strip_prefix(&root).unwrap().display().to_string();
        assert!(FOLDERS.contains(&folder.as_str()), "{} has no test: add its folder", path.display());
    }
}
