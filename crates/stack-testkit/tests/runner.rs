//! The script runner itself: what passes, what fails with which words, what is skipped, and what an update writes.

use stack_testkit::pkt::Script;
use stack_testkit::script::{Options, Outcome, Profile, run, run_with, update};

use proptest::prelude::*;

const ECHO: &str = "0 < icmp echo_request id 7 seq 1 (56)\n";

fn outcome(text: &str) -> Outcome {
    run(&Script::parse("t", text).unwrap())
}

#[track_caller]
fn fails(text: &str, words: &[&str]) {
    let Outcome::Failed(report) = outcome(text) else { panic!("{:?}", outcome(text)) };
    let squeezed = report.split_whitespace().collect::<Vec<_>>().join(" ");
    for words in words {
        assert!(squeezed.contains(words), "no `{words}` in:\n{report}");
    }
}

#[track_caller]
fn skipped(text: &str, reason: &str) {
    assert_eq!(outcome(text), Outcome::Skipped(reason.to_owned()));
}

#[test]
fn what_happens_as_written_passes() {
    assert_eq!(outcome(&format!("{ECHO}+0 > icmp echo_reply id 7 seq 1 (56)")), Outcome::Passed);
    assert_eq!(outcome(&format!("{ECHO}* > icmp echo_reply id 7 seq 1 (56)")), Outcome::Passed);
    assert_eq!(
        outcome(&format!("{ECHO}0~0.1 > [ttl 64, nodf] icmp echo_reply id 7 seq 1 (56)")),
        Outcome::Passed
    );
}

#[test]
fn a_field_that_differs_is_shown_beside_the_expected_one() {
    let text = format!("{ECHO}+0 > [ttl 3] icmp echo_reply id 8 seq 1 (56)");
    fails(
        &text,
        &[
            "t:2: another packet than expected",
            "ttl 3 64 <--",
            "message icmp echo_reply id 8 seq 1 icmp echo_reply id 7 seq 1 <--",
            "0 < icmp echo_request id 7 seq 1 (56)",
        ],
    );
}

#[test]
fn times_are_exact_unless_a_tolerance_is_stated() {
    let late = "0 < udp 5 > 9 (1)\n+0.003 > icmp unreachable port_unreachable\n";
    fails(late, &["time 0.003 0 <--"]);
    assert_eq!(outcome(&format!("--tolerance_usecs=4000\n{late}")), Outcome::Passed);
    fails(&format!("{ECHO}+1~+2 > icmp echo_reply id 7 seq 1 (56)"), &["1~2", "<--"]);
}

#[test]
fn what_no_line_expects_fails_the_script() {
    fails(ECHO, &["t:1: packets that no line expects: 0 > icmp echo_reply id 7 seq 1 (56)"]);
}

#[test]
fn what_does_not_come_fails_the_script() {
    fails("0 > udp (9)", &["t:1: the stack sent nothing until 0 expected: udp (9)"]);
    fails("+1~+2.5 > udp (9)", &["sent nothing until 2.5"]);
}

#[test]
fn the_payload_is_compared_byte_by_byte() {
    let open = "0 socket(..., SOCK_DGRAM, 0) = 3\n+0 connect(3, ..., ...) = 0\n";
    assert_eq!(outcome(&format!("{open}+0 write(3, ..., 9) = 9\n+0 > udp (9)")), Outcome::Passed);
    for line in ["udp (3)", "udp (3) \"abc\""] {
        assert_eq!(outcome(&format!("{open}+0 write(3, \"abc\", 3) = 3\n+0 > {line}")), Outcome::Passed);
    }
    let other = format!("{open}+0 write(3, \"abc\", 3) = 3\n+0 > udp (3) \"abd\"");
    fails(&other, &["payload (3) \"abd\" (3) \"abc\" <--"]);
    let read = format!("{open}+0 < udp (3) \"abc\"\n+0 read(3, \"abd\", 9) = 3");
    fails(&read, &["read gave wrong bytes: the first of 3 that differs is number 2: 0x63 instead of 0x64"]);
}

#[test]
fn calls_return_what_they_return() {
    let open = "0 socket(..., SOCK_DGRAM, 0) = 3\n";
    fails(&format!("{open}+0 bind(7, ..., ...) = 0"), &["t:2: 7 is no open socket of the script"]);
    fails(&format!("{open}+0 listen(3, 1) = 0"), &["listen returned -1 EOPNOTSUPP", "not 0"]);
    fails(
        &format!("{open}+0 bind(3, ..., ...) = -1 EADDRINUSE (x)"),
        &["bind returned 0, not -1 EADDRINUSE"],
    );
}

#[test]
fn a_call_that_blocks_must_return_when_its_line_says() {
    let open = "0 socket(..., SOCK_DGRAM, 0) = 3\n+0 bind(3, ..., ...) = 0\n";
    let arrival = "+0.2 < udp (9)\n";
    assert_eq!(outcome(&format!("{open}+0...0.2 read(3, ..., 9) = 9\n{arrival}")), Outcome::Passed);
    fails(&format!("{open}+0 read(3, ..., 9) = 9"), &["t:3: read blocks; write when it returns"]);
    fails(
        &format!("{open}+0...0.3 read(3, ..., 9) = 9\n{arrival}"),
        &["line 3: it returned 9, 0.1 s too early"],
    );
    fails(
        &format!("{open}+0...0.1 read(3, ..., 9) = 9\n{arrival}"),
        &["the call of line 3: it should have returned at 0.1"],
    );
    fails(
        &format!("{open}+0...0.1 read(3, ..., 9) = 9"),
        &["the call of line 3 has not returned; it must at 0.1"],
    );
}

#[test]
fn poll_reports_readiness_and_ends_with_its_timeout() {
    let open = "0 socket(..., SOCK_DGRAM, 0) = 3\n+0 bind(3, ..., ...) = 0\n";
    let now = "+0 poll([{fd=3, events=POLLIN|POLLOUT, revents=POLLOUT}], 1, 0) = 1";
    assert_eq!(outcome(&format!("{open}{now}")), Outcome::Passed);
    let wait = "+0...0.5 poll([{fd=3, events=POLLIN, revents=POLLIN}], 1, 1000) = 1\n+0.5 < udp (1)";
    assert_eq!(outcome(&format!("{open}{wait}")), Outcome::Passed);
    let end = "+0...0.5 poll([{fd=3, events=POLLIN, revents=0}], 1, 500) = 0\n+1 close(3) = 0";
    assert_eq!(outcome(&format!("{open}{end}")), Outcome::Passed);
    let wrong = "+0 poll([{fd=3, events=POLLIN|POLLOUT, revents=POLLIN}], 1, 0) = 1";
    fails(&format!("{open}{wrong}"), &["revents are POLLOUT, not POLLIN"]);
}

#[test]
fn what_is_not_known_is_skipped_and_never_passed() {
    skipped("0 fork() = 3", "t:1: not supported: the system call `fork`");
    skipped(
        "0 sendfile(4, 5, [0], 9) = 9",
        "t:1: not supported: `sendfile`: the runner has no files and pipes",
    );
    skipped("`./server.sh`", "t: not supported: the command `./server.sh`");
    skipped("--wire_client\n", "t: not supported: line 1: the option --wire_client=");
    let open = "0 socket(..., SOCK_DGRAM, 0) = 3\n";
    skipped(
        &format!("{open}+0 setsockopt(3, SOL_SOCKET, SO_ZEROCOPY, [1], 4) = 0"),
        "t:2: not supported: the socket option `SO_ZEROCOPY`",
    );
    skipped("0 %{ import sys }%", "t:1: not supported: the statement `import sys`");
    skipped(
        "0 %{ assert tcpi_nonsense == 1 }%",
        "t:1: not supported: `tcpi_nonsense` in `tcpi_nonsense == 1`",
    );
}

#[test]
fn assertions_are_judged() {
    assert_eq!(outcome("0 %{ assert TCP_CLOSE == 7, TCP_CLOSE }%"), Outcome::Passed);
    fails("0 %{ assert TCP_CLOSE == 8 }%", &["t:1: line 1: `TCP_CLOSE == 8` does not hold"]);
}

#[test]
fn settings_of_the_caller_win() {
    let script = Script::parse(
        "t",
        &format!("--ip.default_ttl=9\n{ECHO}+0 > [ttl 9] icmp echo_reply id 7 seq 1 (56)"),
    );
    let script = script.unwrap();
    assert_eq!(run(&script), Outcome::Passed);
    assert!(matches!(
        run_with(&script, &Options::with_settings(&[("ip.default_ttl", "10")])),
        Outcome::Failed(_)
    ));
    let unknown = run_with(&script, &Options::with_settings(&[("ip.colour", "blue")]));
    assert_eq!(unknown, Outcome::Failed("t: no setting is called ip.colour=blue\n".to_owned()));
}

#[test]
fn an_event_in_the_past_is_a_mistake_of_the_script() {
    fails(
        "0.2 < udp 5 > 9 (1)\n* > icmp unreachable port_unreachable\n0.1 < udp (1)",
        &["t:3: this is 0.1 s in the past"],
    );
}

fn updated(text: &str) -> String {
    update(&Script::parse("t", text).unwrap()).unwrap()
}

#[test]
fn an_update_writes_what_the_stack_sends_and_leaves_the_rest() {
    let before = "// Why.\n0 < icmp echo_request id 7 seq 1 (56) // in\n+0.1 > icmp echo_reply id 9 seq 1 (5) // out\n";
    let after =
        "// Why.\n0 < icmp echo_request id 7 seq 1 (56) // in\n+0 > icmp echo_reply id 7 seq 1 (56) // out\n";
    assert_eq!(updated(before), after);
    assert_eq!(updated(after), after);
}

#[test]
fn an_update_adds_and_removes_lines_and_keeps_times() {
    let before = "\
0 < udp 5 > 9 (1) // one
+0.2 > udp (7)
+0.3 < udp 5 > 9 (2)
// the end
";
    let after = "\
0 < udp 5 > 9 (1) // one
+0 > icmp unreachable port_unreachable [udp 5 > 9 (1)]
+0.5 < udp 5 > 9 (2)
+0 > icmp unreachable port_unreachable [udp 5 > 9 (2)]
// the end
";
    assert_eq!(updated(before), after);
    let before = "0 < [badsum] udp 5 > 9 (1)\n+0 > udp (7) // gone\n+0.3 < [badsum] udp 5 > 9 (2)\n";
    let after = "0 < [badsum] udp 5 > 9 (1)\n+0.3 < [badsum] udp 5 > 9 (2)\n";
    assert_eq!(updated(before), after);
}

#[test]
fn an_update_never_touches_what_calls_return() {
    let text = "0 socket(..., SOCK_DGRAM, 0) = 3\n+0 bind(3, ..., ...) = -1 EADDRINUSE (x)";
    let report = update(&Script::parse("t", text).unwrap()).unwrap_err();
    assert_eq!(report, "t: cannot be updated: bind returned 0, not -1 EADDRINUSE");
}

/// Lines of scripts, to be put together at random.
const LINES: &[&str] = &[
    "+0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3",
    "+0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3",
    "+0 bind(3, ..., ...) = 0",
    "+0 listen(3, 1) = 0",
    "+0 connect(3, ..., ...) = -1 EINPROGRESS (x)",
    "+0 fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = 0",
    "+0 < S 0:0(0) win 32792 <mss 1000,sackOK,TS val 1 ecr 0,nop,wscale 7>",
    "+0 > S. 0:0(0) ack 1 <...>",
    "* > S 0:0(0) <...>",
    "+.1 < S. 0:0(0) ack 1 win 257 <mss 100>",
    "+.1 < . 1:1(0) ack 1 win 257",
    "+.1 < P. 1:1001(1000) ack 1 win 257 <sack 1:2>",
    "+0~+1 > . 1:1(0) ack 1001 <...>",
    "+0 < F. 1001:1001(0) ack 1 win 0 urg 9",
    "+0 < R. 1001:1001(0) ack 1 win 0",
    "+0...9 accept(3, ..., ...) = 4",
    "+0 write(4, ..., 1000) = 1000",
    "+0...5 read(4, ..., 1000) = 1000",
    "+0 setsockopt(4, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = 0",
    "+0 getsockopt(4, SOL_TCP, TCP_MAXSEG, [1000], [4]) = 0",
    "+0 ioctl(4, SIOCINQ, [0]) = 0",
    "+0 poll([{fd=4, events=POLLIN, revents=0}], 1, 0) = 0",
    "+0 epoll_create(1) = 5",
    "+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4}) = 0",
    "+0...1 epoll_wait(5, {events=EPOLLIN, fd=4}, 1, 1000) = 1",
    "+0 < icmp unreachable frag_needed mtu 600 [1:1001(1000)]",
    "+0 < icmp unreachable host_unreachable",
    "+0 < [ce, cut 30] udp 5 > 9 (100)",
    "+0 < ip frag 7:1480@0+ udp (3000)",
    "+0 %{ assert tcpi_unacked < 3 or x == 1; x = 7 / tcpi_snd_cwnd }%",
    "+0 shutdown(4, SHUT_WR) = 0",
    "+100000 close(4) = 0",
    "`sysctl -q net.ipv4.tcp_timestamps=0`",
];

/// A line with a piece of another one in the place of one of its characters.
fn bent(line: usize, at: usize, from: usize, len: usize) -> String {
    let (line, from) = (LINES[line % LINES.len()], LINES[from % LINES.len()]);
    let at = at % (line.len() * 4);
    let Some((before, after)) = line.split_at_checked(at) else { return line.to_owned() };
    let piece: String = from.chars().skip(at % 17).take(len).collect();
    format!("{before}{piece}{}", after.chars().skip(1).collect::<String>())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 300 } else { 3000 }))]
    #[test]
    fn any_script_comes_to_an_end(lines in prop::collection::vec((0usize..99, any::<usize>(), 0usize..99, 0usize..5), 1..25)) {
        let lines = lines.into_iter().map(|(line, at, from, len)| bent(line, at, from, len));
        let text = lines.collect::<Vec<_>>().join("\n");
        if let Ok(script) = Script::parse("t", &text) {
            let _ = run(&script);
        }
    }
}

#[test]
fn a_script_is_bounded_whatever_times_it_says() {
    let open = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n\
                +0 < S 0:0(0) win 0\n* > S. 0:0(0) ack 1 <...>\n+0 < . 1:1(0) ack 1 win 0\n\
                +0 accept(3, ..., ...) = 4\n+0 write(4, ..., 10) = 10\n";
    assert!(matches!(outcome(&format!("{open}+18446744073709551615 close(3) = 0")), Outcome::Failed(_)));
}

#[test]
fn segments_that_follow_each_other_fit_one_line_unless_the_script_is_strict() {
    let open = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n+0 listen(3, 1) = 0\n\
                +0 < S 0:0(0) win 30000 <mss 1000>\n+0 > S. 0:0(0) ack 1 <mss 1460>\n\
                +0 < . 1:1(0) ack 1 win 30000\n+0 accept(3, ..., ...) = 4\n+0 write(4, ..., 3500) = 3500\n";
    let whole = format!("{open}+0 > P. 1:3501(3500) ack 1");
    assert_eq!(outcome(&whole), Outcome::Passed);
    let parts = format!("{open}+0 > . 1:2001(2000) ack 1\n+0 > P. 2001:3501(1500) ack 1");
    assert_eq!(outcome(&parts), Outcome::Passed);
    fails(&format!("--strict_segments\n{whole}"), &["P. 1:3501(3500) . 1:1001(1000) <--"]);
    fails(&format!("{open}+0 > . 1:2501(2500) ack 1"), &[". 1:2501(2500) . 1:2001(2000) <--"]);
}

#[test]
fn a_tolerance_can_be_a_share_of_the_time_that_passed() {
    let late = "0 < udp 5 > 9 (1)\n* > icmp unreachable port_unreachable\n+1 < udp 5 > 9 (2)\n\
                +0.1 > icmp unreachable port_unreachable\n";
    fails(late, &["time 1.1 1 <--"]);
    fails(&format!("--tolerance_percent=50\n{late}"), &["time 1.1 1 <--"]);
    assert_eq!(outcome(&format!("--tolerance_percent=100\n{late}")), Outcome::Passed);
}

#[test]
fn epoll_tells_what_is_ready_and_with_which_data() {
    let open = "0 socket(..., SOCK_DGRAM, 0) = 3\n+0 bind(3, ..., ...) = 0\n+0 epoll_create(1) = 5\n";
    let watch = format!("{open}+0 epoll_ctl(5, EPOLL_CTL_ADD, 3, {{events=EPOLLIN, u32=7}}) = 0\n");
    let arrival = "+.5 < udp (9)\n";
    let wait = "+0...0.5 epoll_wait(5, {events=EPOLLIN, u32=7}, 1, 1000) = 1\n";
    assert_eq!(outcome(&format!("{watch}{wait}{arrival}")), Outcome::Passed);
    let nothing = "+0 epoll_wait(5, {events=0, ptr=0}, 1, 0) = 0\n";
    assert_eq!(outcome(&format!("{watch}{nothing}")), Outcome::Passed);
    let gone =
        format!("{watch}+0 epoll_ctl(5, EPOLL_CTL_DEL, 3, {{events=0, fd=3}}) = 0\n{arrival}{nothing}");
    assert_eq!(outcome(&gone), Outcome::Passed);
    let other = "+0 epoll_wait(5, {events=EPOLLIN, u32=8}, 1, 0) = 1\n";
    fails(&format!("{watch}{arrival}{other}"), &["the data of the event are"]);
    let edge = "+0 epoll_ctl(5, EPOLL_CTL_ADD, 3, {events=EPOLLIN|EPOLLET, fd=3}) = 0\n";
    skipped(
        &format!("{open}{edge}"),
        "t:4: not supported: `EPOLLET`: the stack's readiness is a level, not an edge",
    );
}

#[test]
fn blocks_of_code_remember_what_they_assigned() {
    assert_eq!(outcome("0 %{ x = 2 * TCP_CLOSE }%\n+0 %{ assert x == 14 }%"), Outcome::Passed);
    fails("0 %{ x = 2 }%\n+0 %{ assert x == 3 }%", &["`x == 3` does not hold: x is 2"]);
}

#[test]
fn options_are_compared_in_order_where_linux_is_the_measure() {
    let open = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 fcntl(3, F_SETFL, O_NONBLOCK) = 0\n\
                +0 connect(3, ..., ...) = -1 EINPROGRESS (x)\n";
    let script = |options: &str| {
        let text = format!("`sysctl -q net.ipv4.tcp_timestamps=0`\n{open}+0 > S 0:0(0) <{options}>");
        Script::parse("t", &text).unwrap()
    };
    let linux = Options { profile: Profile::Linux, ..Options::default() };
    for sack in ["", "nop,nop,sackOK,"] {
        let (ours, theirs) = (format!("{sack}nop,wscale 7,mss 1460"), format!("mss 1460,{sack}nop,wscale 7"));
        if run_with(&script(&theirs), &linux) == Outcome::Passed {
            assert!(matches!(run_with(&script(&ours), &linux), Outcome::Failed(_)));
            return;
        }
    }
    panic!("{:?}", run_with(&script("mss 1460,nop,wscale 7"), &linux));
}

#[test]
fn scripts_run_over_ipv6_and_over_ipv4_in_ipv6_sockets() {
    for (version, mss) in [("ipv4", 1460), ("ipv6", 1440), ("ipv4-mapped-ipv6", 1460)] {
        let text = format!(
            "--ip_version={version}\n0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n+0 bind(3, ..., ...) = 0\n\
             +0 listen(3, 1) = 0\n+0 < S 0:0(0) win 30000 <mss 1000>\n+0 > S. 0:0(0) ack 1 <mss {mss}>\n\
             +0 < [ect0] P. 1:11(10) ack 1 win 30000\n+0 accept(3, ..., ...) = 4\n+0 read(4, ..., 100) = 10\n\
             +0 write(4, ..., 10) = 10\n+0 > [ttl 64] P. 1:11(10) ack 11\n+0 < icmp echo_request id 7 seq 1 (56)\n\
             +0 > icmp echo_reply id 7 seq 1 (56)\n+0 < udp 5 > 9 (1)\n\
             +0 > icmp unreachable port_unreachable [udp 5 > 9 (1)]\n"
        );
        assert_eq!(outcome(&text), Outcome::Passed, "{version}");
    }
}
