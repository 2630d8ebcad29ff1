//! The script runner itself: what passes, what fails with which words, what is skipped, and what an update writes.

use stack_testkit::pkt::Script;
use stack_testkit::script::{Options, Outcome, run, run_with, update};

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
