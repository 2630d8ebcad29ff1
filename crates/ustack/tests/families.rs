//! The same tests over IPv4, IPv6, IPv4 in the form of IPv6, and to sockets of both families.

mod common;

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use ustack::link::channel::ChannelConfig;
use ustack::net::{TcpListener, TcpStream, UdpSocket};
use ustack::{SocketOption, Stack};

/// A way to name a server and its clients.
struct Family {
    name: &'static str,
    /// Where the server binds.
    bound: &'static str,
    /// What clients call it.
    called: &'static str,
    /// What a client is called by the server.
    client: &'static str,
}

const FAMILIES: [Family; 5] = [
    Family { name: "v4", bound: "10.0.0.2", called: "10.0.0.2", client: "10.0.0.1" },
    Family { name: "v6", bound: "fd00::2", called: "fd00::2", client: "fd00::1" },
    Family { name: "mapped", bound: "::ffff:10.0.0.2", called: "::ffff:10.0.0.2", client: "::ffff:10.0.0.1" },
    Family { name: "dual, called by v4", bound: "::", called: "10.0.0.2", client: "::ffff:10.0.0.1" },
    Family { name: "dual, called by v6", bound: "::", called: "fd00::2", client: "fd00::1" },
];

const PATIENCE: Duration = Duration::from_secs(10);

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// Runs a test for each family, on stacks of its own.
#[expect(clippy::print_stdout, reason = "names the family of a test that fails")]
fn each(test: impl Fn(&Family, &Stack, &Stack)) {
    for family in &FAMILIES {
        let (client, server) = common::two_stacks(ChannelConfig::default());
        println!("{}", family.name);
        test(family, &client, &server);
    }
}

fn listener(family: &Family, server: &Stack) -> TcpListener {
    TcpListener::bind(server, (ip(family.bound), 7)).unwrap()
}

fn datagrams(family: &Family, server: &Stack) -> UdpSocket {
    let socket = UdpSocket::bind(server, (ip(family.bound), 7)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// A socket that can talk to the server.
fn caller(family: &Family, client: &Stack) -> UdpSocket {
    let any = match ip(family.called) {
        IpAddr::V4(_) => "0.0.0.0:0",
        IpAddr::V6(_) => "[::]:0",
    };
    let socket = UdpSocket::bind(client, any).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

#[test]
fn streams_carry_bytes_both_ways() {
    each(|family, client, server| {
        let listener = listener(family, server);
        let echo = std::thread::spawn(move || common::echo(listener.accept().unwrap().0));
        let stream = TcpStream::connect(client, (ip(family.called), 7)).unwrap();
        let bytes = common::noise(3, 1_000_000);
        assert_eq!(common::hash(&common::exchange(&stream, &bytes)), common::hash(&bytes));
        echo.join().unwrap();
    });
}

#[test]
fn both_ends_are_named_in_the_form_of_their_sockets() {
    each(|family, client, server| {
        let listener = listener(family, server);
        assert_eq!(listener.local_addr().unwrap(), SocketAddr::new(ip(family.bound), 7));
        let stream = TcpStream::connect(client, (ip(family.called), 7)).unwrap();
        let (accepted, from) = listener.accept().unwrap();
        assert_eq!(stream.peer_addr().unwrap(), SocketAddr::new(ip(family.called), 7));
        assert_eq!(from.ip(), ip(family.client));
        assert_eq!((accepted.peer_addr().unwrap(), from.port()), (from, stream.local_addr().unwrap().port()));
        assert_eq!(accepted.local_addr().unwrap().ip().to_canonical(), ip(family.called).to_canonical());
    });
}

#[test]
fn datagrams_come_with_the_name_of_their_sender() {
    each(|family, client, server| {
        let (socket, caller) = (datagrams(family, server), caller(family, client));
        caller.send_to(b"question", (ip(family.called), 7)).unwrap();
        let mut buffer = [0; 20];
        let (len, from) = socket.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..len], from.ip()), (&b"question"[..], ip(family.client)));
        socket.send_to(b"answer", from).unwrap();
        let (len, from) = caller.recv_from(&mut buffer).unwrap();
        assert_eq!((&buffer[..len], from), (&b"answer"[..], SocketAddr::new(ip(family.called), 7)));
    });
}

#[test]
fn large_datagrams_go_in_fragments() {
    each(|family, client, server| {
        let (socket, caller) = (datagrams(family, server), caller(family, client));
        let sent = common::noise(5, 20_000);
        caller.send_to(&sent, (ip(family.called), 7)).unwrap();
        let mut buffer = vec![0; 30_000];
        let (len, _) = socket.recv_from(&mut buffer).unwrap();
        assert!(buffer[..len] == sent);
    });
}

#[test]
fn where_nobody_listens_both_transports_are_refused() {
    each(|family, client, _| {
        let refused: std::io::Error = TcpStream::connect(client, (ip(family.called), 9)).unwrap_err().into();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        let caller = caller(family, client);
        caller.connect((ip(family.called), 9)).unwrap();
        caller.send(b"anybody?").unwrap();
        assert_eq!(caller.recv(&mut [0; 9]).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn a_port_that_is_taken_is_taken_for_all_that_its_socket_covers() {
    each(|family, _, server| {
        let _listener = listener(family, server);
        let again = TcpListener::bind(server, (ip(family.bound), 7)).unwrap_err();
        assert_eq!(again.kind(), ErrorKind::AddrInUse);
        let called = TcpListener::bind(server, (ip(family.called), 7)).unwrap_err();
        assert_eq!(called.kind(), ErrorKind::AddrInUse);
    });
}

#[test]
fn a_socket_of_ipv6_alone_leaves_ipv4_to_others() {
    let (client, server) = common::two_stacks(ChannelConfig::default());
    let only = [SocketOption::V6Only(true)];
    let _six = TcpListener::bind_with(&server, "[::]:7", &only).unwrap();
    let _four = TcpListener::bind(&server, "0.0.0.0:7").unwrap();
    let refused: std::io::Error = TcpStream::connect(&client, "10.0.0.2:8").unwrap_err().into();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    TcpStream::connect(&client, "10.0.0.2:7").unwrap();
    TcpStream::connect(&client, "[fd00::2]:7").unwrap();
    let _six = UdpSocket::bind_with(&server, "[::]:7", &only).unwrap();
    let _four = UdpSocket::bind(&server, "0.0.0.0:7").unwrap();
    let mapped = UdpSocket::bind_with(&server, "[::ffff:10.0.0.2]:8", &only).unwrap_err();
    assert!(mapped.to_string().contains("family"), "{mapped}");
    let late =
        TcpListener::bind(&server, "[::]:9").unwrap().set_option(SocketOption::V6Only(true)).unwrap_err();
    assert_eq!(late.kind(), ErrorKind::InvalidInput, "{late}");
}
