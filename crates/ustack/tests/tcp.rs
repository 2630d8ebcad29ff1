//! TCP through blocking sockets: two stacks over a channel, and one stack with itself.

mod common;

use common::{echo, exchange, hash, noise, two_stacks};
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::Shutdown;
use std::time::{Duration, Instant};
use ustack::link::channel::ChannelConfig;
use ustack::net::{TcpListener, TcpStream};
use ustack::{Congestion, ConnectError, Stack};

fn serve_echo(stack: &Stack, address: &str, connections: usize) -> std::thread::JoinHandle<()> {
    let listener = TcpListener::bind(stack, address).unwrap();
    std::thread::spawn(move || {
        let threads: Vec<_> = (0..connections)
            .map(|_| {
                let (stream, _) = listener.accept().unwrap();
                std::thread::spawn(move || echo(stream))
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    })
}

fn echo_of(config: ChannelConfig, server_address: &str, len: usize) {
    let (a, b) = two_stacks(config);
    let server = serve_echo(&b, server_address, 1);
    let client = TcpStream::connect(&a, server_address).unwrap();
    let sent = noise(7, len);
    let back = exchange(&client, &sent);
    assert_eq!((back.len(), hash(&back)), (sent.len(), hash(&sent)));
    server.join().unwrap();
}

#[test]
fn megabytes_come_back_as_they_were() {
    echo_of(ChannelConfig::default(), "10.0.0.2:7", 8 << 20);
}

#[test]
fn megabytes_come_back_as_they_were_with_super_packets() {
    echo_of(ChannelConfig::default().with_offload(), "10.0.0.2:7", 32 << 20);
}

#[test]
fn megabytes_come_back_as_they_were_over_ipv6() {
    echo_of(ChannelConfig::default(), "[fd00::2]:7", 4 << 20);
}

#[test]
fn a_tiny_queue_between_the_stacks_only_makes_it_slow() {
    echo_of(ChannelConfig::default().with_capacity(2), "10.0.0.2:7", 1 << 20);
}

#[test]
fn a_stack_talks_to_itself_without_any_link() {
    let stack = Stack::builder().default_protocols().build().unwrap();
    for address in ["127.0.0.1:7", "[::1]:7"] {
        let server = serve_echo(&stack, address, 1);
        let client = TcpStream::connect(&stack, address).unwrap();
        let sent = noise(3, 8 << 20);
        let back = exchange(&client, &sent);
        assert_eq!((back.len(), hash(&back)), (sent.len(), hash(&sent)));
        server.join().unwrap();
    }
}

#[test]
fn many_connections_at_a_time() {
    let (a, b) = two_stacks(ChannelConfig::default());
    let server = serve_echo(&b, "10.0.0.2:7", 100);
    let clients: Vec<_> = (0..100_u64)
        .map(|n| {
            let a = a.clone();
            std::thread::spawn(move || {
                let client = TcpStream::connect(&a, "10.0.0.2:7").unwrap();
                let sent = noise(n, 64 * 1024);
                assert_eq!(hash(&exchange(&client, &sent)), hash(&sent));
            })
        })
        .collect();
    clients.into_iter().for_each(|client| client.join().unwrap());
    server.join().unwrap();
}

#[test]
fn many_connections_in_a_row() {
    let (a, b) = two_stacks(ChannelConfig::default());
    let listener = TcpListener::bind(&b, "10.0.0.2:7").unwrap();
    let server = std::thread::spawn(move || {
        for stream in listener.incoming().take(500) {
            echo(stream.unwrap());
        }
    });
    for n in 0..500_u32 {
        let mut client = TcpStream::connect(&a, "10.0.0.2:7").unwrap();
        client.write_all(&n.to_be_bytes()).unwrap();
        let mut back = [0; 4];
        client.read_exact(&mut back).unwrap();
        assert_eq!(u32::from_be_bytes(back), n);
    }
    server.join().unwrap();
}

#[test]
fn each_side_ends_for_itself() {
    let (a, b) = two_stacks(ChannelConfig::default());
    let listener = TcpListener::bind(&b, "10.0.0.2:7").unwrap();
    let mut client = TcpStream::connect(&a, "10.0.0.2:7").unwrap();
    let (mut server, peer) = listener.accept().unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    assert_eq!(server.local_addr().unwrap(), client.peer_addr().unwrap());

    client.write_all(b"question").unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.write(b"more").unwrap_err().kind(), ErrorKind::BrokenPipe);
    let mut question = String::new();
    server.read_to_string(&mut question).unwrap();
    assert_eq!(question, "question");
    server.write_all(b"answer").unwrap();
    drop(server);
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert_eq!(answer, "answer");
}

#[test]
fn nobody_listens_there() {
    let (a, _b) = two_stacks(ChannelConfig::default());
    let error = TcpStream::connect(&a, "10.0.0.2:9").unwrap_err();
    assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
    assert_eq!(std::io::Error::from(error).kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn nobody_is_there() {
    let (a, _b) = two_stacks(ChannelConfig::default());
    let start = Instant::now();
    let remote = "10.0.0.77:7".parse().unwrap();
    let error = TcpStream::connect_timeout(&a, &remote, Duration::from_millis(200)).unwrap_err();
    assert!(matches!(error, ConnectError::TimedOut { .. }), "{error:?}");
    assert!((Duration::from_millis(200)..Duration::from_secs(5)).contains(&start.elapsed()));
    let error = TcpStream::connect(&a, "192.0.2.1:7").unwrap_err();
    assert!(matches!(error, ConnectError::NoRoute { .. }), "{error:?}");
}

#[test]
fn timeouts_and_nonblocking_reads_and_writes() {
    let (a, b) = two_stacks(ChannelConfig::default());
    let listener = TcpListener::bind(&b, "10.0.0.2:7").unwrap();
    let mut client = TcpStream::connect(&a, "10.0.0.2:7").unwrap();
    let (server, _) = listener.accept().unwrap();

    assert!(client.set_read_timeout(Some(Duration::ZERO)).is_err());
    client.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
    let start = Instant::now();
    assert_eq!(client.read(&mut [0; 10]).unwrap_err().kind(), ErrorKind::WouldBlock);
    assert!(start.elapsed() >= Duration::from_millis(50));

    client.set_nonblocking(true).unwrap();
    assert_eq!(client.read(&mut [0; 10]).unwrap_err().kind(), ErrorKind::WouldBlock);
    // Nobody reads: the buffers of both sides fill, and then a write would block.
    let chunk = [0; 50_000];
    let mut written = 0;
    let deadline = Instant::now() + Duration::from_secs(10);
    let full = loop {
        match client.write(&chunk) {
            Ok(len) => written += len,
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                std::thread::sleep(Duration::from_millis(20));
                if let Err(again) = client.write(&chunk) {
                    break again.kind();
                }
                written += chunk.len();
            }
        }
        assert!(written < 200 << 20 && Instant::now() < deadline, "{written} bytes were taken");
    };
    assert_eq!(full, ErrorKind::WouldBlock);
    client.set_nonblocking(false).unwrap();
    client.set_write_timeout(Some(Duration::from_millis(50))).unwrap();
    let error = client.write_all(&vec![0; 64 << 20]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    drop(server);
}

#[test]
fn peeks_leave_and_vectored_writes_gather() {
    let (a, b) = two_stacks(ChannelConfig::default());
    let listener = TcpListener::bind(&b, "10.0.0.2:7").unwrap();
    let mut client = TcpStream::connect(&a, "10.0.0.2:7").unwrap();
    let (mut server, _) = listener.accept().unwrap();
    let written = client.write_vectored(&[IoSlice::new(b"head"), IoSlice::new(b""), IoSlice::new(b"body")]);
    assert_eq!(written.unwrap(), 8);
    let mut peeked = [0; 4];
    assert_eq!(server.peek(&mut peeked).unwrap(), 4);
    assert_eq!(&peeked, b"head");
    let mut all = [0; 8];
    server.read_exact(&mut all).unwrap();
    assert_eq!(&all, b"headbody");
}

#[test]
fn bytes_pass_without_a_copy() {
    let (a, b) = two_stacks(ChannelConfig::default().with_offload());
    let listener = TcpListener::bind(&b, "10.0.0.2:7").unwrap();
    let client = TcpStream::connect(&a, "10.0.0.2:7").unwrap();
    let (server, _) = listener.accept().unwrap();
    let sent = bytes::Bytes::from(noise(5, 4 << 20));
    let writer = std::thread::spawn({
        let sent = sent.clone();
        move || client.write_bytes(sent).unwrap()
    });
    let mut received = Vec::new();
    loop {
        let piece = server.read_bytes(1 << 20).unwrap();
        if piece.is_empty() {
            break;
        }
        received.extend_from_slice(&piece);
    }
    writer.join().unwrap();
    assert_eq!(hash(&received), hash(&sent));
}

#[test]
fn what_waits_is_taken_at_once_in_the_pieces_that_it_lies_in() {
    let (a, b) = two_stacks(ChannelConfig::default());
    let listener = TcpListener::bind(&b, "10.0.0.2:7").unwrap();
    let mut client = TcpStream::connect(&a, "10.0.0.2:7").unwrap();
    let (server, _) = listener.accept().unwrap();
    let sent = noise(6, 100_000);
    client.write_all(&sent).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let (mut chunks, mut calls) = (Vec::new(), Vec::new());
    std::thread::sleep(Duration::from_millis(200));
    loop {
        calls.push(server.read_chunks(60_000, &mut chunks).unwrap());
        if calls.last() == Some(&0) {
            break;
        }
    }
    assert_eq!(calls, [60_000, 40_000, 0]);
    assert!(chunks.len() >= 100_000 / 1460, "{} pieces", chunks.len());
    assert_eq!(chunks.concat(), sent);
}

#[test]
fn several_threads_accept_from_one_listener() {
    let (a, b) = two_stacks(ChannelConfig::default());
    let listener = TcpListener::bind(&b, "10.0.0.2:7").unwrap();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..10).for_each(|_| echo(listener.accept().unwrap().0)));
        }
        for n in 0..40_u64 {
            let client = TcpStream::connect(&a, "10.0.0.2:7").unwrap();
            let sent = noise(n, 2000);
            assert_eq!(exchange(&client, &sent), sent);
        }
    });
}

#[test]
fn two_threads_read_one_connection() {
    let (a, b) = two_stacks(ChannelConfig::default());
    let listener = TcpListener::bind(&b, "10.0.0.2:7").unwrap();
    let mut client = TcpStream::connect(&a, "10.0.0.2:7").unwrap();
    let (server, _) = listener.accept().unwrap();
    let read = std::thread::scope(|scope| {
        let count = || {
            let (mut total, mut buffer) = (0, [0; 100]);
            loop {
                match (&server).read(&mut buffer).unwrap() {
                    0 => return total,
                    len => total += len,
                }
            }
        };
        let readers = [scope.spawn(count), scope.spawn(count)];
        for _ in 0..200 {
            client.write_all(&[1; 50]).unwrap();
        }
        client.shutdown(Shutdown::Write).unwrap();
        readers.into_iter().map(|reader| reader.join().unwrap()).sum::<usize>()
    });
    assert_eq!(read, 10_000);
}

#[test]
fn information_and_settings() {
    let (a, b) = two_stacks(ChannelConfig::default());
    let listener = TcpListener::bind(&b, "[::]:7").unwrap();
    listener.set_congestion("reno".parse().unwrap()).unwrap();
    let mut client = TcpStream::connect(&a, "10.0.0.2:7").unwrap();
    let (mut server, _) = listener.accept().unwrap();
    client.set_congestion("bbr".parse().unwrap()).unwrap();
    assert_eq!((client.info().unwrap().congestion, server.info().unwrap().congestion), ("bbr", "reno"));
    let unknown = "vegas".parse::<Congestion>().unwrap_err();
    assert!(unknown.to_string().contains("there are reno, cubic and bbr"), "{unknown}");
    client.set_nodelay(true).unwrap();
    client.set_ttl(9).unwrap();
    assert!(client.nodelay().unwrap());
    assert_eq!((client.ttl().unwrap(), server.ttl().unwrap()), (9, 64));
    assert!(client.set_ttl(256).is_err());
    client.write_all(&[0; 10_000]).unwrap();
    server.read_exact(&mut [0; 10_000]).unwrap();
    let info = server.info().unwrap();
    assert_eq!(info.bytes_received, 10_000);
    assert!(info.rcv_mss > 1000);
    assert!(client.take_error().unwrap().is_none());
    assert!(TcpListener::bind(&b, "10.0.0.2:7").is_err(), "the port is taken");
}
