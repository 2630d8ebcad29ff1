//! TCP through async sockets: on tokio, and inline on the driver.

mod common;

use common::{hash, noise, two_stacks};
use std::io::ErrorKind;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::time::timeout;
use ustack::link::channel::ChannelConfig;
use ustack::tokio::{TcpListener, TcpStream};
use ustack::{Stack, spawn_inline};

const LONG: Duration = Duration::from_secs(60);

async fn serve_echo(listener: TcpListener, connections: usize) {
    let mut tasks = Vec::new();
    for _ in 0..connections {
        let (stream, _) = listener.accept().await.unwrap();
        tasks.push(tokio::spawn(async move {
            let (mut read, mut write) = stream.into_split();
            copy(&mut read, &mut write).await.unwrap();
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// Sends all and reads it back, at the same time.
async fn exchange(stream: TcpStream, bytes: &[u8]) -> Vec<u8> {
    let (mut read, mut write) = stream.into_split();
    let mut back = Vec::new();
    let send = async {
        write.write_all(bytes).await.unwrap();
        write.shutdown().await.unwrap();
    };
    let (sent, received) = tokio::join!(send, read.read_to_end(&mut back));
    received.unwrap();
    let () = sent;
    back
}

async fn echo_of(a: &Stack, b: &Stack, len: usize, connections: usize) {
    let listener = TcpListener::bind(b, "10.0.0.2:7").await.unwrap();
    let server = tokio::spawn(serve_echo(listener, connections));
    let clients: Vec<_> = (0..connections)
        .map(|n| {
            let a = a.clone();
            tokio::spawn(async move {
                let client = TcpStream::connect(&a, "10.0.0.2:7").await.unwrap();
                let sent = noise(n as u64, len);
                assert_eq!(hash(&exchange(client, &sent).await), hash(&sent));
            })
        })
        .collect();
    for client in clients {
        timeout(LONG, client).await.unwrap().unwrap();
    }
    timeout(LONG, server).await.unwrap().unwrap();
}

#[tokio::test]
async fn megabytes_come_back_as_they_were() {
    let (a, b) = two_stacks(ChannelConfig::default());
    echo_of(&a, &b, 8 << 20, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_connections_at_a_time() {
    let (a, b) = two_stacks(ChannelConfig::default().with_offload());
    echo_of(&a, &b, 64 << 10, 200).await;
}

#[tokio::test]
async fn a_dropped_read_or_accept_loses_nothing() {
    let (a, b) = two_stacks(ChannelConfig::default());
    let listener = TcpListener::bind(&b, "10.0.0.2:7").await.unwrap();
    assert!(timeout(Duration::from_millis(5), listener.accept()).await.is_err());
    let mut client = TcpStream::connect(&a, "10.0.0.2:7").await.unwrap();
    let (mut server, _) = timeout(LONG, listener.accept()).await.unwrap().unwrap();
    for n in 0..50_u8 {
        let mut buffer = [0; 100];
        assert!(timeout(Duration::from_millis(1), server.read(&mut buffer)).await.is_err());
        client.write_all(&[n; 10]).await.unwrap();
        timeout(LONG, server.read_exact(&mut buffer[..10])).await.unwrap().unwrap();
        assert_eq!(buffer[..10], [n; 10]);
    }
}

#[tokio::test]
async fn readiness_and_what_does_not_wait() {
    let (a, b) = two_stacks(ChannelConfig::default());
    let listener = TcpListener::bind(&b, "10.0.0.2:7").await.unwrap();
    let client = TcpStream::connect(&a, "10.0.0.2:7").await.unwrap();
    let (server, _) = listener.accept().await.unwrap();
    assert_eq!(server.try_read(&mut [0; 10]).unwrap_err().kind(), ErrorKind::WouldBlock);
    client.writable().await.unwrap();
    assert_eq!(client.try_write(b"abc").unwrap(), 3);
    timeout(LONG, server.readable()).await.unwrap().unwrap();
    let mut buffer = [0; 10];
    assert_eq!(server.peek(&mut buffer).await.unwrap(), 3);
    assert_eq!(server.try_read(&mut buffer).unwrap(), 3);
    // Fill both buffers, then make room again.
    let mut written = 0;
    while let Ok(Ok(())) = timeout(Duration::from_millis(200), client.writable()).await {
        written += client.try_write(&[7; 60_000]).unwrap();
    }
    let mut read = timeout(LONG, server.read_bytes(1 << 20)).await.unwrap().unwrap().len();
    let mut chunks = Vec::new();
    while read < written {
        read += timeout(LONG, server.read_chunks(1 << 20, &mut chunks)).await.unwrap().unwrap();
    }
    assert_eq!(read, written);
    assert!(chunks.iter().flatten().all(|byte| *byte == 7));
    timeout(LONG, client.writable()).await.unwrap().unwrap();
}

#[tokio::test]
async fn halves_come_apart_and_together() {
    let (a, b) = two_stacks(ChannelConfig::default());
    let listener = TcpListener::bind(&b, "10.0.0.2:7").await.unwrap();
    let client = TcpStream::connect(&a, "10.0.0.2:7").await.unwrap();
    let (mut server, _) = listener.accept().await.unwrap();
    let (read, mut write) = client.into_split();
    write.write_all(b"one").await.unwrap();
    let mut client = read.reunite(write).unwrap();
    {
        let (_, mut write) = client.split();
        write.write_all(b"two").await.unwrap();
    }
    let (_read, write) = client.into_split();
    drop(write);
    let mut all = String::new();
    timeout(LONG, server.read_to_string(&mut all)).await.unwrap().unwrap();
    assert_eq!(all, "onetwo", "dropping the writing half ends our side");
}

#[tokio::test]
async fn a_connect_that_is_given_up_leaves_nothing() {
    let (a, _b) = two_stacks(ChannelConfig::default());
    for _ in 0..20 {
        let connect = TcpStream::connect(&a, "10.0.0.77:7");
        assert!(timeout(Duration::from_millis(2), connect).await.is_err());
    }
    let left = a.with_transport::<ustack::Tcp, _>(|tcp, _| tcp.connections().count());
    assert_eq!(left, Some(0));
}

#[test]
fn a_server_runs_inline_on_the_driver() {
    let (a, b) = two_stacks(ChannelConfig::default());
    let listener = b.run_inline(TcpListener::bind(&b, "10.0.0.2:7")).unwrap();
    let server = std::thread::spawn(move || {
        b.run_inline(async {
            let (done, mut ended) = tokio::sync::mpsc::channel::<()>(1);
            for _ in 0..20 {
                let (mut stream, _) = listener.accept().await.unwrap();
                let done = done.clone();
                spawn_inline(async move {
                    let (mut read, mut write) = stream.split();
                    copy(&mut read, &mut write).await.unwrap();
                    drop(stream);
                    drop(done);
                })
                .unwrap();
            }
            drop(done);
            assert!(ended.recv().await.is_none());
        });
        b
    });
    for n in 0..20_u64 {
        let client = ustack::net::TcpStream::connect(&a, "10.0.0.2:7").unwrap();
        let sent = noise(n, 300_000);
        assert_eq!(hash(&common::exchange(&client, &sent)), hash(&sent));
    }
    drop(server.join().unwrap());
}

#[test]
fn two_inline_runs_of_one_stack_share_a_driver() {
    let stack = Stack::builder().default_protocols().build().unwrap();
    let listener = stack.run_inline(TcpListener::bind(&stack, "127.0.0.1:7")).unwrap();
    std::thread::scope(|scope| {
        let stack = &stack;
        scope.spawn(move || {
            stack.run_inline(async {
                let (mut stream, _) = listener.accept().await.unwrap();
                let (mut read, mut write) = stream.split();
                copy(&mut read, &mut write).await.unwrap();
            });
        });
        let back = stack.run_inline(async {
            let client = TcpStream::connect(stack, "127.0.0.1:7").await.unwrap();
            exchange(client, &noise(1, 1 << 20)).await
        });
        assert_eq!(hash(&back), hash(&noise(1, 1 << 20)));
    });
}
