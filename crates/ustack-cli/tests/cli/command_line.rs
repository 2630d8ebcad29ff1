//! The command line: help with examples, and mistakes told so that a person knows what to do.

use crate::common::{Folder, failure, success, ustack};

#[test]
fn every_help_has_examples_and_exit_codes() {
    for command in ["", "demo", "sim", "serve", "ping", "nc", "get", "resolve", "pkt"] {
        let args: Vec<&str> = [command, "--help"].into_iter().filter(|arg| !arg.is_empty()).collect();
        let help = success(&ustack(&args));
        for part in ["Usage:", "Examples:", "Exit status:"] {
            assert!(help.contains(part), "`ustack {command} --help` lacks {part}");
        }
        let example = |line: &&str| line.starts_with("  ") && line.contains(&format!("ustack {command}"));
        let after = help.lines().skip_while(|line| *line != "Examples:").skip(1);
        let examples: Vec<&str> = after.take_while(|line| !line.is_empty()).collect();
        assert!(examples.len() >= 2, "`ustack {command} --help` lacks examples:\n{help}");
        assert!(examples.iter().all(example), "an example of `ustack {command}` is broken up:\n{help}");
    }
    assert!(success(&ustack(&["--version"])).starts_with("ustack 0."));
}

#[test]
fn no_colours_where_nobody_sees_them() {
    assert!(!success(&ustack(&["serve", "--help"])).contains('\x1b'));
    assert!(!failure(&ustack(&["serve", "--nonsense"])).contains('\x1b'));
}

/// What a person at a terminal sees is the command's own.
#[test]
fn a_terminal_gets_the_table_and_no_complaint_of_a_library() {
    let folder = Folder::new("terminal");
    let program = env!("CARGO_BIN_EXE_ustack");
    let line = format!("{program} demo --bytes 100k --out {}", folder.path("out"));
    let output = std::process::Command::new("script").args(["-qec", &line, "/dev/null"]).output();
    let screen = output.expect("script of util-linux runs").stdout;
    let screen = String::from_utf8_lossy(&screen);
    assert!(screen.contains("retransmissions"), "{screen}");
    assert!(!screen.contains("tracing"), "{screen}");
}

#[test]
fn wrong_options_name_what_is_right() {
    let cases: [(&[&str], &str); 19] = [
        (&["serve", "--address", "10.77.0.2"], "such as 10.77.0.2/24"),
        (&["serve", "--address", "300.1.1.1/24"], "such as 10.77.0.2/24"),
        (&["serve", "--gateway", "router"], "such as 10.77.0.1"),
        (&["serve", "--nonsense"], "for more information, try '--help'"),
        (&["ping"], "usage: ustack ping <HOST>"),
        (&["pong"], "'ping'"),
        (&["serve", "--address", "10.1.0.0/24"], "cannot be the address of a host"),
        (&["serve", "--host-address", "10.9.9.9/24"], "in one subnet"),
        (&["serve", "--mtu", "10"], "68..=65535"),
        (&["serve", "--mtu", "1000", "--address", "fd00::2/64"], "1280"),
        (&["serve", "--dir", "/no/such/folder"], "give --dir a folder that exists"),
        (&["get", "https://10.77.0.1/"], "TLS"),
        (&["get", "http://10.77.0.1/", "--json"], "--output"),
        (&["nc", "10.77.0.1"], "HOST and PORT"),
        (&["nc", "-l", "10.77.0.1", "80"], "nc -l 9000"),
        (&["nc", "10.77.0.1", "99999"], "1 to 65535"),
        (&["ping", "-i", "0", "10.77.0.1"], "-i 0.001"),
        (&["resolve", "--server", "ns.example", "x"], "invalid IP address"),
        (&["resolve", "--mdns", "--server", "10.77.0.1", "x"], "cannot be used with"),
    ];
    for (args, part) in cases {
        let message = failure(&ustack(args));
        assert!(message.contains(part), "{args:?}: {message}");
    }
}
