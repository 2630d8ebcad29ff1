//! Transparent proxies: a client's connections and datagrams to anywhere end at a stack that was not asked for.

mod common;

use std::io::{ErrorKind, Read, Write};
use std::time::Duration;
use ustack::link::channel::{ChannelConfig, pair};
use ustack::net::{TcpForwarder, TcpStream, UdpForwarder, UdpSocket};
use ustack::{NicConfig, NicId, Stack, TcpForwarderConfig, UdpForwarderConfig};

const ANYWHERE: [(&str, &str); 2] = [("0.0.0.0:0", "93.184.216.34:80"), ("[::]:0", "[2606:2800::1]:80")];

/// A client whose gateway takes whatever it sends.
fn client_and_proxy() -> (Stack, Stack) {
    let (a, b) = pair(ChannelConfig::default());
    let mut nic = NicConfig::new(a);
    for (address, gateway) in [("10.0.0.1/24", "10.0.0.2"), ("fd00::1/64", "fd00::2")] {
        nic = nic.address(address.parse().unwrap()).gateway(gateway.parse().unwrap());
    }
    let client = Stack::builder().default_protocols().nic(nic).build().unwrap();
    let proxy = common::stack(b, &["10.0.0.2/24", "fd00::2/64"]);
    proxy.set_promiscuous_mode(NicId(1), true).unwrap();
    (client, proxy)
}

#[test]
fn a_connection_to_anywhere_is_asked_about_and_accepted() {
    let (client, proxy) = client_and_proxy();
    let forwarder = TcpForwarder::new(&proxy, TcpForwarderConfig::default()).unwrap();
    for (_, there) in ANYWHERE {
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let request = forwarder.next().unwrap();
                assert_eq!(request.original_dst(), there.parse().unwrap());
                common::echo(request.accept().unwrap());
            });
            let stream = TcpStream::connect(&client, there).unwrap();
            let bytes = common::noise(1, 300_000);
            assert_eq!(common::hash(&common::exchange(&stream, &bytes)), common::hash(&bytes));
        });
    }
}

#[test]
fn a_connection_is_refused_by_a_reset_or_never_answered() {
    let (client, proxy) = client_and_proxy();
    let forwarder = TcpForwarder::new(&proxy, TcpForwarderConfig::default()).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| forwarder.next().unwrap().reset());
        let refused: std::io::Error = TcpStream::connect(&client, "93.184.216.34:80").unwrap_err().into();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    });
    std::thread::scope(|scope| {
        scope.spawn(|| drop(forwarder.next().unwrap()));
        let patience = Duration::from_millis(300);
        let lost: std::io::Error =
            TcpStream::connect_timeout(&client, &"93.184.216.34:80".parse().unwrap(), patience)
                .unwrap_err()
                .into();
        assert_eq!(lost.kind(), ErrorKind::TimedOut);
    });
    drop(forwarder);
    let refused: std::io::Error = TcpStream::connect(&client, "93.184.216.34:80").unwrap_err().into();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "as before there was a forwarder");
}

#[test]
fn a_second_forwarder_is_refused() {
    let (_, proxy) = client_and_proxy();
    let first = TcpForwarder::new(&proxy, TcpForwarderConfig::default()).unwrap();
    let error = TcpForwarder::new(&proxy, TcpForwarderConfig::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    first.set_nonblocking(true);
    assert_eq!(first.next().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn datagrams_to_anywhere_are_asked_about() {
    let (client, proxy) = client_and_proxy();
    let forwarder = UdpForwarder::new(&proxy, UdpForwarderConfig::default()).unwrap();
    for (any, there) in ANYWHERE {
        let socket = UdpSocket::bind(&client, any).unwrap();
        socket.connect(there).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.send(b"question").unwrap();
        let request = forwarder.next().unwrap();
        assert_eq!(request.original_dst(), there.parse().unwrap());
        let flow = request.accept().unwrap();
        let mut buffer = [0; 100];
        assert_eq!(flow.recv(&mut buffer).unwrap(), 8);
        flow.send(b"answer").unwrap();
        assert_eq!(socket.recv(&mut buffer).unwrap(), 6);
        assert_eq!(&buffer[..6], b"answer");
    }
}

#[test]
fn who_sends_a_rejected_datagram_is_told_that_nobody_is_there() {
    let (client, proxy) = client_and_proxy();
    let forwarder = UdpForwarder::new(&proxy, UdpForwarderConfig::default()).unwrap();
    for (any, there) in ANYWHERE {
        let socket = UdpSocket::bind(&client, any).unwrap();
        socket.connect(there).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket.send(b"question").unwrap();
        forwarder.next().unwrap().reject();
        let error = socket.recv(&mut [0; 100]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused, "{there}");
    }
}

#[test]
fn async_forwarders_take_both() {
    let (client, proxy) = client_and_proxy();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let tcp = ustack::tokio::TcpForwarder::new(&proxy, TcpForwarderConfig::default()).unwrap();
    let udp = ustack::tokio::UdpForwarder::new(&proxy, UdpForwarderConfig::default()).unwrap();
    let asks = std::thread::spawn(move || {
        let mut stream = TcpStream::connect(&client, "93.184.216.34:80").unwrap();
        stream.write_all(b"ping").unwrap();
        let mut answer = [0; 4];
        stream.read_exact(&mut answer).unwrap();
        let socket = UdpSocket::bind(&client, "0.0.0.0:0").unwrap();
        socket.send_to(b"question", "8.8.8.8:53").unwrap();
        let (len, from) = socket.recv_from(&mut [0; 9]).unwrap();
        (answer, len, from)
    });
    runtime.block_on(async {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = tcp.next().await.unwrap().accept().await.unwrap();
        let mut question = [0; 4];
        stream.read_exact(&mut question).await.unwrap();
        stream.write_all(&question).await.unwrap();
        let flow = udp.next().await.unwrap().accept().unwrap();
        flow.send(b"five!").await.unwrap();
    });
    assert_eq!(asks.join().unwrap(), (*b"ping", 5, "8.8.8.8:53".parse().unwrap()));
}
