//! Settings of TCP sockets, blocking and async, and connects that bring data.

mod common;

use common::two_stacks;
use std::io::{Read, Write};
use std::time::Duration;
use ustack::link::channel::ChannelConfig;
use ustack::net::{TcpListener, TcpStream};
use ustack::{Congestion, EcnFeedback, EcnPolicy, FastOpen, MtuProbing, SocketOption, Stack};

fn pair(a: &Stack, b: &Stack) -> (TcpListener, TcpStream, TcpStream) {
    let listener = TcpListener::bind(b, "10.0.0.2:7").unwrap();
    let client = TcpStream::connect(a, "10.0.0.2:7").unwrap();
    let (server, _) = listener.accept().unwrap();
    (listener, client, server)
}

#[test]
fn what_is_set_is_what_is_read() {
    let (a, b) = two_stacks(ChannelConfig::default());
    let (_listener, client, _server) = pair(&a, &b);
    let seconds = Duration::from_secs;
    macro_rules! check {
        ($($get:ident, $set:ident: $default:expr => $value:expr;)+) => {
            $(
                assert_eq!(client.$get().unwrap(), $default, stringify!($get));
                client.$set($value).unwrap();
                assert_eq!(client.$get().unwrap(), $value, stringify!($get));
            )+
        };
    }
    check! {
        nodelay, set_nodelay: false => true;
        cork, set_cork: false => true;
        linger, set_linger: None => Some(seconds(3));
        fin_wait_2, set_fin_wait_2: seconds(60) => seconds(5);
        keepalive, set_keepalive: false => true;
        keepalive_time, set_keepalive_time: seconds(7200) => seconds(60);
        keepalive_interval, set_keepalive_interval: seconds(75) => seconds(10);
        keepalive_retries, set_keepalive_retries: 9 => 3;
        tcp_user_timeout, set_tcp_user_timeout: None => Some(seconds(9));
        recv_buffer_size, set_recv_buffer_size: 1 << 20 => 100_000;
        send_buffer_size, set_send_buffer_size: 1 << 20 => 50_000;
        tcp_window_clamp, set_tcp_window_clamp: 0 => 30_000;
        tcp_notsent_lowat, set_tcp_notsent_lowat: u32::MAX => 16_384;
        recv_lowat, set_recv_lowat: 1 => 100;
        tos, set_tos: 0 => 0x28;
        mark, set_mark: 0 => 7;
        mtu_probing, set_mtu_probing: MtuProbing::OnBlackHole => MtuProbing::Always;
        ecn, set_ecn: EcnPolicy::PASSIVE => EcnPolicy::ACCURATE;
        quickack, set_quickack: true => false;
    }
    client.set_mss(1000).unwrap();
    assert_eq!(client.mss().unwrap(), 988, "the one in use: timestamps take twelve bytes");
    client.set_congestion(Congestion::Bbr).unwrap();
    assert_eq!(client.congestion().unwrap(), "bbr");
    assert!(client.set_keepalive_retries(0).is_err());
}

#[test]
fn connections_begin_with_what_the_listener_has_set() {
    let (a, b) = two_stacks(ChannelConfig::default());
    let listener = TcpListener::bind(&b, "10.0.0.2:7").unwrap();
    listener.set_nodelay(true).unwrap();
    listener.set_recv_buffer_size(70_000).unwrap();
    listener.set_defer_accept(Duration::from_secs(1)).unwrap();
    assert_eq!(listener.defer_accept().unwrap(), Duration::from_secs(1));
    let options = [SocketOption::SynRetries(2), SocketOption::MaxSegment(1000)];
    let mut client = TcpStream::connect_with(&a, "10.0.0.2:7", &options).unwrap();
    client.write_all(b"data, as the listener wants it").unwrap();
    let (server, _) = listener.accept().unwrap();
    assert!(server.nodelay().unwrap());
    assert_eq!((server.recv_buffer_size().unwrap(), server.info().unwrap().peer_mss), (70_000, 1000));
}

// R3168-6.1.1-a, R9768-3.1.1-b
#[test]
fn ecn_is_used_as_both_ends_are_set() {
    let (a, b) = two_stacks(ChannelConfig::default());
    let listener = TcpListener::bind(&b, "10.0.0.2:7").unwrap();
    let used = |policy| {
        let client = TcpStream::connect_with(&a, "10.0.0.2:7", &[SocketOption::Ecn(policy)]).unwrap();
        let (server, _) = listener.accept().unwrap();
        (client.info().unwrap().ecn, server.info().unwrap().ecn)
    };
    let both = |feedback| (feedback, feedback);
    assert_eq!(used(EcnPolicy::PASSIVE), both(EcnFeedback::None));
    assert_eq!(used(EcnPolicy::ON), both(EcnFeedback::Classic));
    assert_eq!(used(EcnPolicy::ACCURATE), both(EcnFeedback::Classic));
    listener.set_ecn(EcnPolicy::ACCURATE).unwrap();
    assert_eq!(used(EcnPolicy::ACCURATE), both(EcnFeedback::Accurate));
    listener.set_ecn(EcnPolicy::OFF).unwrap();
    assert_eq!(used(EcnPolicy::ON), both(EcnFeedback::None));
}

#[test]
fn the_second_connect_brings_its_data_in_the_syn() {
    let (a, b) = two_stacks(ChannelConfig::default());
    let listener = TcpListener::bind(&b, "10.0.0.2:7").unwrap();
    listener.set_fast_open(16).unwrap();
    let question = vec![7; 100_000];
    for (there, back) in [(FastOpen::Requested, FastOpen::Off), (FastOpen::Accepted, FastOpen::Served)] {
        let client = TcpStream::connect_with_data(&a, "10.0.0.2:7", &question[..1000]).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        server.read_exact(&mut [0; 1000]).unwrap();
        server.write_all(b"answer").unwrap();
        (&client).read_exact(&mut [0; 6]).unwrap();
        assert_eq!(client.info().unwrap().fast_open, there);
        drop(client);
        assert_eq!(server.read(&mut [0; 1]).unwrap(), 0);
        assert_eq!(
            server.info().unwrap().fast_open,
            back,
            "the end of the stream came behind the handshake's"
        );
    }
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        listener.accept().unwrap().0.read_to_end(&mut all).unwrap();
        all.len()
    });
    drop(TcpStream::connect_with_data(&a, "10.0.0.2:7", &question).unwrap());
    assert_eq!(reader.join().unwrap(), question.len(), "more than a SYN carries");
}

#[cfg(feature = "tokio")]
#[tokio::test(flavor = "multi_thread")]
async fn async_sockets_have_them_as_well() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let (a, b) = two_stacks(ChannelConfig::default());
    let listener = ustack::tokio::TcpListener::bind(&b, "10.0.0.2:7").await.unwrap();
    listener.set_fast_open(16).unwrap();
    for expected in [FastOpen::Requested, FastOpen::Accepted] {
        let client =
            ustack::tokio::TcpStream::connect_with_data(&a, "10.0.0.2:7", b"question").await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        server.read_exact(&mut [0; 8]).await.unwrap();
        server.write_all(b"answer").await.unwrap();
        assert_eq!(client.info().unwrap().fast_open, expected);
        client.set_tcp_notsent_lowat(1000).unwrap();
        assert_eq!(client.tcp_notsent_lowat().unwrap(), 1000);
    }
}
