//! A connection from a name.

use crate::server::{Server, knows};
use crate::{resolver, stacks};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use svc_dns::{ConnectError, LookupError, connect};
use tokio::time::Instant;
use ustack::tokio::TcpListener;

// R8305-x-a
#[tokio::test]
async fn a_family_that_is_silent_costs_a_quarter_of_a_second() {
    let (client, server) = stacks();
    let _desk =
        Server::start(&server, "10.0.0.1", knows("host.test.", &["2001:db8::99", "10.0.0.1"], 60)).await;
    let listener = TcpListener::bind(&server, "10.0.0.1:80").await.unwrap();
    let resolver = resolver(&client, &["10.0.0.1"]);
    let start = Instant::now();
    let (stream, accepted) = tokio::join!(connect(&resolver, "host.test", 80), listener.accept());
    let stream = stream.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), "10.0.0.1:80".parse().unwrap());
    assert_eq!(accepted.unwrap().1, stream.local_addr().unwrap());
    assert!(start.elapsed() >= Duration::from_millis(250), "IPv6 goes first: {:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[tokio::test]
async fn where_both_work_ipv6_wins() {
    let (client, server) = stacks();
    let _desk =
        Server::start(&server, "10.0.0.1", knows("host.test.", &["2001:db8::1", "10.0.0.1"], 60)).await;
    let _v4 = TcpListener::bind(&server, "10.0.0.1:80").await.unwrap();
    let _v6 = TcpListener::bind(&server, "[2001:db8::1]:80").await.unwrap();
    let stream = connect(&resolver(&client, &["10.0.0.1"]), "host.test", 80).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), "[2001:db8::1]:80".parse().unwrap());
}

#[tokio::test]
async fn an_address_is_connected_to_as_it_is() {
    let (client, server) = stacks();
    let _listener = TcpListener::bind(&server, "10.0.0.1:80").await.unwrap();
    let stream = connect(&resolver(&client, &[]), "10.0.0.1", 80).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap().ip(), IpAddr::from([10, 0, 0, 1]));
}

#[tokio::test]
async fn failures_say_what_each_address_said() {
    let (client, server) = stacks();
    let _desk =
        Server::start(&server, "10.0.0.1", knows("host.test.", &["2001:db8::1", "10.0.0.1"], 60)).await;
    let resolver = resolver(&client, &["10.0.0.1"]);
    let error = connect(&resolver, "host.test", 81).await.unwrap_err();
    let ConnectError::Refused { attempts, .. } = &error else { panic!("{error:?}") };
    let tried: Vec<SocketAddr> = attempts.iter().map(|(address, _)| *address).collect();
    assert_eq!(tried, ["[2001:db8::1]:81".parse().unwrap(), "10.0.0.1:81".parse().unwrap()]);
    assert!(error.to_string().contains("10.0.0.1:81 refused the connection"), "{error}");
    assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::ConnectionRefused);
    let error = connect(&resolver, "other.test", 80).await.unwrap_err();
    assert!(matches!(error, ConnectError::Lookup(LookupError::NoSuchName { .. })), "{error:?}");
}
