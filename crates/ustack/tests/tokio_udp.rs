//! UDP through async sockets: on tokio, and inline on the driver.
#![cfg(feature = "tokio")]

use std::time::Duration;
use tokio::time::timeout;
use ustack::link::channel::{ChannelConfig, ChannelLink, pair};
use ustack::tokio::UdpSocket;
use ustack::{NicConfig, Stack, spawn_inline};

fn stack(link: ChannelLink, address: &str) -> Stack {
    let nic = NicConfig::new(link).address(address.parse().unwrap());
    Stack::builder().default_protocols().nic(nic).build().unwrap()
}

fn two_stacks() -> (Stack, Stack) {
    let (a, b) = pair(ChannelConfig::default());
    (stack(a, "10.0.0.1/24"), stack(b, "10.0.0.2/24"))
}

async fn echo(socket: UdpSocket, count: usize) {
    let mut buffer = [0; 2000];
    for _ in 0..count {
        let (len, from) = socket.recv_from(&mut buffer).await.unwrap();
        socket.send_to(&buffer[..len], from).await.unwrap();
    }
}

async fn ask(socket: &UdpSocket, count: usize) {
    for n in 0..count {
        let question = vec![n as u8; n % 1400];
        socket.send(&question).await.unwrap();
        let mut answer = [0; 2000];
        let len = socket.recv(&mut answer).await.unwrap();
        assert_eq!(&answer[..len], question);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn datagrams_cross_between_two_stacks() {
    let (a, b) = two_stacks();
    let server = UdpSocket::bind(&b, "10.0.0.2:7").await.unwrap();
    let task = tokio::spawn(echo(server, 500));
    let client = UdpSocket::bind(&a, "0.0.0.0:0").await.unwrap();
    client.connect("10.0.0.2:7").await.unwrap();
    timeout(Duration::from_secs(20), ask(&client, 500)).await.unwrap();
    task.await.unwrap();
}

#[tokio::test]
async fn a_dropped_receive_loses_no_datagram() {
    let (a, b) = two_stacks();
    let server = UdpSocket::bind(&b, "10.0.0.2:7").await.unwrap();
    let client = UdpSocket::bind(&a, "0.0.0.0:0").await.unwrap();
    for n in 0..50_u8 {
        let given_up = timeout(Duration::from_millis(1), server.recv_from(&mut [0; 10])).await;
        assert!(given_up.is_err());
        client.send_to(&[n], "10.0.0.2:7").await.unwrap();
        let mut buffer = [0; 10];
        let (len, _) =
            timeout(Duration::from_secs(10), server.recv_from(&mut buffer)).await.unwrap().unwrap();
        assert_eq!(&buffer[..len], [n]);
    }
}

#[test]
fn an_application_runs_inline_on_the_driver() {
    let (a, b) = two_stacks();
    let socket = b.run_inline(UdpSocket::bind(&b, "10.0.0.2:7")).unwrap();
    let server = std::thread::spawn(move || {
        b.run_inline(async {
            let (done, wait) = tokio::sync::oneshot::channel();
            spawn_inline(async move {
                echo(socket, 500).await;
                done.send(()).unwrap();
            })
            .unwrap();
            wait.await.unwrap();
        });
        // The stack's own thread drives again: what was written last still goes out.
        std::thread::sleep(Duration::from_millis(50));
    });
    a.run_inline(async {
        let client = UdpSocket::bind(&a, "0.0.0.0:0").await.unwrap();
        client.connect("10.0.0.2:7").await.unwrap();
        ask(&client, 500).await;
    });
    server.join().unwrap();
}
