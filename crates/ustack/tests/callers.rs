//! Callers that drive: threads that wait in a socket move the packets themselves.

mod common;

use common::{echo, exchange, hash, noise};
use std::io::{ErrorKind, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use ustack::link::channel::{ChannelConfig, ChannelLink, pair};
use ustack::net::{TcpListener, TcpStream, UdpSocket};
use ustack::{NicConfig, Stack, StackBuilder};

fn stack(link: ChannelLink, address: &str, how: fn(StackBuilder) -> StackBuilder) -> Stack {
    let nic = NicConfig::new(link).address(address.parse().unwrap());
    how(Stack::builder()).default_protocols().nic(nic).build().unwrap()
}

fn two_stacks(how: fn(StackBuilder) -> StackBuilder) -> (Stack, Stack) {
    let (a, b) = pair(ChannelConfig::default());
    (stack(a, "10.0.0.1/24", how), stack(b, "10.0.0.2/24", how))
}

/// Sends one byte and waits for it, again and again.
fn ping_pong(a: &Stack, b: &Stack, rounds: usize) {
    let listener = TcpListener::bind(b, "10.0.0.2:7").unwrap();
    let server = std::thread::spawn(move || echo(listener.accept().unwrap().0));
    let mut client = TcpStream::connect(a, "10.0.0.2:7").unwrap();
    client.set_nodelay(true).unwrap();
    for n in 0..rounds {
        client.write_all(&[n as u8]).unwrap();
        let mut back = [0];
        client.read_exact(&mut back).unwrap();
        assert_eq!(back, [n as u8]);
    }
    drop(client);
    server.join().unwrap();
}

#[test]
fn requests_are_answered_by_a_thread_that_drives() {
    let (a, b) = two_stacks(std::convert::identity);
    ping_pong(&a, &b, 5000);
}

#[test]
fn without_any_thread_of_the_stacks() {
    let (a, b) = two_stacks(StackBuilder::without_thread);
    ping_pong(&a, &b, 5000);
}

#[test]
fn many_connections_beside_the_thread() {
    many_connections(std::convert::identity);
}

#[test]
fn many_connections_without_any_thread_of_the_stacks() {
    many_connections(StackBuilder::without_thread);
}

fn many_connections(how: fn(StackBuilder) -> StackBuilder) {
    let (a, b) = two_stacks(how);
    let listener = TcpListener::bind(&b, "10.0.0.2:7").unwrap();
    let server = std::thread::spawn(move || {
        let threads: Vec<_> = (0..30)
            .map(|_| {
                let (stream, _) = listener.accept().unwrap();
                std::thread::spawn(move || echo(stream))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
    let clients: Vec<_> = (0..30_u64)
        .map(|n| {
            let a = a.clone();
            std::thread::spawn(move || {
                let client = TcpStream::connect(&a, "10.0.0.2:7").unwrap();
                let sent = noise(n, 200_000);
                assert_eq!(hash(&exchange(&client, &sent)), hash(&sent));
            })
        })
        .collect();
    // Somebody always waits in each stack: where there is no thread, what is still to be sent would stay there.
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for stack in [&a, &b] {
            let done = &done;
            scope.spawn(move || {
                let idle = UdpSocket::bind(stack, "0.0.0.0:9").unwrap();
                idle.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
                while !done.load(Ordering::SeqCst) {
                    assert!(idle.recv(&mut [0; 10]).is_err());
                }
            });
        }
        clients.into_iter().for_each(|client| client.join().unwrap());
        server.join().unwrap();
        done.store(true, Ordering::SeqCst);
    });
}

/// A future takes the place of a thread that drives, which then waits like any other.
#[test]
fn a_future_runs_inline_although_a_thread_drives() {
    let (a, b) = two_stacks(std::convert::identity);
    let running = std::thread::spawn({
        let (a, b) = (a.clone(), b.clone());
        move || ping_pong(&a, &b, 3000)
    });
    std::thread::sleep(Duration::from_millis(20));
    for _ in 0..20 {
        let mut yielded = false;
        a.run_inline(std::future::poll_fn(|cx| {
            let first = !std::mem::replace(&mut yielded, true);
            cx.waker().wake_by_ref();
            if first { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
        }));
    }
    running.join().unwrap();
}

#[test]
fn the_thread_stands_in_when_all_callers_compute() {
    let (a, b) = two_stacks(std::convert::identity);
    let server = UdpSocket::bind(&b, "10.0.0.2:9").unwrap();
    server.set_nonblocking(true).unwrap();
    let client = UdpSocket::bind(&a, "0.0.0.0:0").unwrap();
    for n in 0..20_u8 {
        client.send_to(&[n], "10.0.0.2:9").unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        // Nobody waits in a socket, and yet the datagram comes.
        while let Err(error) = server.recv(&mut [0; 10]) {
            assert_eq!(error.kind(), ErrorKind::WouldBlock);
            assert!(Instant::now() < deadline, "nobody drives");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn a_leader_keeps_its_timeout_and_hears_of_other_threads() {
    let (a, _b) = two_stacks(std::convert::identity);
    let socket = UdpSocket::bind(&a, "10.0.0.1:9").unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let start = Instant::now();
    assert_eq!(socket.recv(&mut [0; 10]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!((Duration::from_millis(100)..Duration::from_secs(5)).contains(&start.elapsed()));

    // What wakes it comes from another thread of the same stack, and from no device.
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let other = std::thread::spawn({
        let a = a.clone();
        move || {
            std::thread::sleep(Duration::from_millis(50));
            UdpSocket::bind(&a, "0.0.0.0:0").unwrap().send_to(b"hello", "10.0.0.1:9").unwrap();
        }
    });
    assert_eq!(socket.recv(&mut [0; 10]).unwrap(), 5);
    other.join().unwrap();
}

#[test]
fn an_accepting_thread_leaves_the_lead_to_those_that_work() {
    let (a, b) = two_stacks(std::convert::identity);
    let idle = TcpListener::bind(&b, "10.0.0.2:8").unwrap();
    let waiting = std::thread::spawn(move || drop(idle.accept().unwrap()));
    ping_pong(&a, &b, 1000);
    TcpStream::connect(&a, "10.0.0.2:8").unwrap();
    waiting.join().unwrap();
}

#[test]
fn a_stack_without_a_thread_is_shut_down_by_whoever_waits_for_that() {
    let (a, b) = two_stacks(StackBuilder::without_thread);
    let listener = TcpListener::bind(&b, "10.0.0.2:7").unwrap();
    let sent = noise(9, 3_000_000);
    let text = sent.clone();
    let reader = std::thread::spawn(move || {
        let mut got = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut got).unwrap();
        assert_eq!(hash(&got), hash(&text));
        drop(listener);
        assert!(b.shutdown(Duration::from_secs(20)));
    });
    let mut stream = TcpStream::connect(&a, "10.0.0.2:7").unwrap();
    stream.write_all(&sent).unwrap();
    drop(stream);
    assert!(a.shutdown(Duration::from_secs(20)));
    reader.join().unwrap();
}
