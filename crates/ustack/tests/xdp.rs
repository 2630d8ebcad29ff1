//! A stack on an AF_XDP socket, with the kernel at the other end of a veth pair. Without the right to make namespaces the
//! test says so and passes; with `USTACK_REQUIRE_DEVICES=1` it fails.
#![cfg(target_os = "linux")]

mod common;

use common::run;
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;
use ustack::link::ethernet::Ethernet;
use ustack::link::xdp::{Xdp, XdpConfig};
use ustack::net::{IcmpSocket, TcpListener};
use ustack::{LinkAddress, NicConfig, Stack};

const STATION: LinkAddress = LinkAddress([2, 0, 0, 0, 0, 2]);
const BYTES: usize = 5_000_000;

/// A namespace of this thread's own with a veth pair; the kernel has `kernel0`, without checksum offload.
fn enter() -> Result<(), String> {
    // SAFETY: a new network namespace concerns only this thread, and leaves its open files as they are.
    unsafe { unshare_unsafe(UnshareFlags::NEWNET) }
        .map_err(|error| format!("a network namespace of our own: {error}"))?;
    run("ip", &["link", "add", "kernel0", "type", "veth", "peer", "name", "ours0"])?;
    run("ethtool", &["-K", "kernel0", "tx", "off"])?;
    run("ip", &["address", "add", "10.9.0.1/24", "dev", "kernel0"])?;
    run("ip", &["-6", "address", "add", "fd09::1/64", "dev", "kernel0", "nodad"])?;
    run("ip", &["link", "set", "kernel0", "up"])?;
    run("ip", &["link", "set", "ours0", "up"])
}

fn stack() -> Stack {
    let link = Xdp::open(&XdpConfig::new("ours0", STATION)).unwrap();
    let nic = NicConfig::new(Ethernet::new(link, STATION).unwrap())
        .address("10.9.0.2/24".parse().unwrap())
        .address("fd09::2/64".parse().unwrap());
    Stack::builder().default_protocols().nic(nic).build().unwrap()
}

/// The kernel sends, and gets back what it has sent.
fn exchange(stack: &Stack, address: &str) {
    let listener = TcpListener::bind(stack, address).unwrap();
    let echo = std::thread::spawn(move || common::echo(listener.accept().unwrap().0));
    let kernel = TcpStream::connect(address).unwrap();
    kernel.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    kernel.set_write_timeout(Some(Duration::from_secs(20))).unwrap();
    let sent = common::noise(7, BYTES);
    let mut got = Vec::new();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            (&kernel).write_all(&sent).unwrap();
            kernel.shutdown(std::net::Shutdown::Write).unwrap();
        });
        (&kernel).read_to_end(&mut got).unwrap();
    });
    assert!(common::hash(&got) == common::hash(&sent), "{address}: {} bytes came back", got.len());
    echo.join().unwrap();
}

#[test]
fn the_kernel_talks_tcp_and_icmp_of_both_families_with_a_stack_on_its_queue() {
    let required = std::env::var_os("USTACK_REQUIRE_DEVICES").is_some_and(|value| value == "1");
    let test = move || match enter() {
        Err(why) if required => panic!("{why}"),
        Err(why) => eprintln!("skipped: {why}"),
        Ok(()) => {
            let stack = stack();
            exchange(&stack, "10.9.0.2:7000");
            exchange(&stack, "[fd09::2]:7000");
            for (any, kernel) in [("0.0.0.0", "10.9.0.1"), ("::", "fd09::1")] {
                let socket = IcmpSocket::bind(&stack, any.parse().unwrap()).unwrap();
                socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                socket.send_to(1, &common::noise(1, 4000), kernel.parse().unwrap()).unwrap();
                socket.recv().unwrap();
            }
        }
    };
    if let Err(panic) = std::thread::spawn(test).join() {
        std::panic::resume_unwind(panic);
    }
}
