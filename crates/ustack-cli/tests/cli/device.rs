//! With root: our stack on a device in a network namespace of the test's own, the kernel as the peer.

use crate::common::{Folder, Running, failure, success, ustack};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use serde_json::Value;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::thread;

/// Runs a test on a thread of its own in a network namespace of its own, where that is possible. Programs that it
/// starts are in the same.
#[expect(clippy::print_stdout, reason = "a test that is skipped says why")]
fn in_namespace(test: impl FnOnce() + Send + 'static) {
    let required = std::env::var_os("USTACK_REQUIRE_DEVICES").is_some_and(|value| value == "1");
    let result = thread::spawn(move || match enter() {
        Ok(()) => test(),
        Err(why) if required => panic!("{why}"),
        Err(why) => println!("skipped: {why}"),
    })
    .join();
    if let Err(panic) = result {
        std::panic::resume_unwind(panic);
    }
}

fn enter() -> Result<(), String> {
    let tun = std::fs::File::options().read(true).write(true).open("/dev/net/tun");
    tun.map_err(|error| format!("/dev/net/tun: {error}"))?;
    // SAFETY: a new network namespace concerns only this thread, and leaves its open files as they are.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }
        .map_err(|error| format!("a network namespace of our own: {error}"))?;
    ip(&["link", "set", "lo", "up"]).map(drop)
}

/// Runs `ip` in this thread's namespace.
fn ip(arguments: &[&str]) -> Result<String, String> {
    let output =
        Command::new("ip").args(arguments).output().map_err(|error| format!("the command `ip`: {error}"))?;
    let (text, error) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(text.into_owned()) } else { Err(format!("ip {arguments:?}: {error}")) }
}

/// Bytes that differ from place to place.
fn pattern(length: u32) -> Vec<u8> {
    (0..length).map(|index| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

#[test]
fn ping_the_kernel() {
    in_namespace(|| {
        let text = success(&ustack(&["ping", "-c", "2", "-i", "0.1", "-s", "5000", "10.77.0.1"]));
        assert!(text.contains("5008 bytes from 10.77.0.1: icmp_seq=2 ttl=64"), "{text}");
        assert!(text.contains("2 packets transmitted, 2 received, 0% packet loss"), "{text}");

        let both = ["--tap", "--address", "10.77.0.2/24", "--address", "fd77::2/64"];
        let args = [&["ping", "-c", "1", "--json"][..], &both, &["fd77::1"]].concat();
        let json: Value = serde_json::from_str(&success(&ustack(&args))).unwrap();
        assert_eq!((&json["received"], &json["loss_percent"]), (&1.into(), &0.0.into()), "{json}");

        let silence = ustack(&["ping", "-c", "1", "-W", "0.2", "10.77.0.99"]);
        assert_eq!(silence.status.code(), Some(1));
        assert!(String::from_utf8_lossy(&silence.stdout).contains("1 packets transmitted, 0 received"));
        assert!(!ip(&["link"]).unwrap().contains("ustack"), "a device is left behind");
    });
}

#[test]
fn netcat_to_the_kernel_and_from_it() {
    in_namespace(|| {
        let sent = pattern(3_000_000);
        let listener = TcpListener::bind("0.0.0.0:9000").unwrap();
        let mut nc = Running::start(&["nc", "10.77.0.1", "9000"]);
        nc.feed(&sent);
        let (mut peer, _) = listener.accept().unwrap();
        let mut got = Vec::new();
        peer.read_to_end(&mut got).unwrap();
        assert!(got == sent, "{} of {} bytes, or other ones, arrived", got.len(), sent.len());
        peer.write_all(b"thanks").unwrap();
        drop(peer);
        assert_eq!(nc.end(), b"thanks");

        let mut nc = Running::start(&["nc", "-l", "9001"]);
        nc.wait_for_error_line("listening on 10.77.0.2:9001");
        let mut peer = TcpStream::connect("10.77.0.2:9001").unwrap();
        nc.feed(b"welcome");
        // From a thread: what nc prints has to be read meanwhile, for buffers and the pipe need not hold it all.
        let (mut writer, bytes) = (peer.try_clone().unwrap(), sent.clone());
        let written = thread::spawn(move || {
            writer.write_all(&bytes)?;
            writer.shutdown(Shutdown::Write)
        });
        let got = nc.end();
        written.join().unwrap().unwrap();
        let mut welcome = Vec::new();
        peer.read_to_end(&mut welcome).unwrap();
        assert_eq!(welcome, b"welcome");
        assert!(got == sent, "{} of {} bytes, or other ones, arrived", got.len(), sent.len());

        assert!(failure(&ustack(&["nc", "10.77.0.1", "9002"])).contains("refused the connection"));
    });
}

#[test]
fn get_from_a_server_of_the_kernel() {
    in_namespace(|| {
        let content = pattern(2_000_000);
        let body = content.clone();
        let listener = TcpListener::bind("0.0.0.0:8000").unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let count = stream.read(&mut [0; 1000]).unwrap();
                assert!(count > 0);
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
                stream.write_all(&[head.as_bytes(), &body].concat()).unwrap();
            }
        });
        let folder = Folder::new("get");
        let (file, capture) = (folder.path("file"), folder.path("get.pcapng"));
        let output = ["-o", &file, "--json", "--pcap", &capture];
        let text = success(&ustack(&[&["get", "http://10.77.0.1:8000/x"][..], &output].concat()));
        let json: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&json["status"], &json["bytes"]), (&200.into(), &2_000_000.into()));
        assert!(std::fs::read(&file).unwrap() == content, "the file has other bytes");
        assert!(std::fs::metadata(&capture).unwrap().len() > 2_000_000);

        let whole = ustack(&["get", "10.77.0.1:8000/x", "--no-offload"]);
        assert!(whole.status.success() && whole.stdout == content);
    });
}

#[test]
fn serve_comes_goes_and_shares_nothing() {
    in_namespace(|| {
        let mut serve = Running::start(&["serve", "--json"]);
        let json: Value = serde_json::from_str(&serve.wait_for_line("ustack0")).unwrap();
        assert_eq!((&json["made"], &json["addresses"][0]), (&true.into(), &"10.77.0.2".into()));
        let mut echo = TcpStream::connect("10.77.0.2:7").unwrap();
        echo.write_all(b"hello").unwrap();
        let mut back = [0; 5];
        echo.read_exact(&mut back).unwrap();
        assert_eq!(&back, b"hello");
        let second = failure(&ustack(&["serve"]));
        assert!(second.contains("10.77.0.1 on another device (ustack0)"), "{second}");
        let busy = failure(&ustack(&["serve", "--tun", "ustack0"]));
        assert!(busy.contains("another program uses it"), "{busy}");
        serve.terminate();
        assert!(!ip(&["link"]).unwrap().contains("ustack"), "the device is left behind");
    });
}

#[test]
fn an_adopted_device_stays_as_it_was() {
    in_namespace(|| {
        ip(&["tuntap", "add", "dev", "mine", "mode", "tun"]).unwrap();
        ip(&["address", "add", "10.9.0.1/24", "dev", "mine"]).unwrap();
        ip(&["link", "set", "mine", "up", "mtu", "1400"]).unwrap();
        let args = ["ping", "--tun", "mine", "--address", "10.9.0.2/24", "-c", "1", "10.9.0.1"];
        assert!(success(&ustack(&args)).contains("1 received"));
        let elsewhere =
            ["ping", "--tun", "mine", "--address", "10.8.0.2/24", "-c", "1", "-W", "0.1", "10.8.0.1"];
        let warning = String::from_utf8(ustack(&elsewhere).stderr).unwrap();
        assert!(warning.contains("`ip address add 10.8.0.1/24 dev mine`"), "{warning}");
        let after = ip(&["address", "show", "dev", "mine"]).unwrap();
        assert!(after.contains("10.9.0.1/24") && after.contains("mtu 1400"), "{after}");
    });
}
