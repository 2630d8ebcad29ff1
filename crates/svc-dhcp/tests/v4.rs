//! Client and server on two stacks with an Ethernet cable between them.

use std::time::Duration;
use svc_dhcp::v4::{Client, ClientConfig, Event, Server, ServerConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;
use ustack::link::channel::{ChannelConfig, ChannelLink, pair};
use ustack::tokio::{TcpListener, TcpStream};
use ustack::{LinkAddress, NicConfig, NicId, Stack};

const NIC: NicId = NicId(1);
const PATIENCE: Duration = Duration::from_secs(20);

fn stack(link: ChannelLink, address: Option<&str>) -> Stack {
    let mut nic = NicConfig::new(link).id(NIC);
    if let Some(address) = address {
        nic = nic.address(address.parse().unwrap());
    }
    Stack::builder().default_protocols().nic(nic).build().unwrap()
}

fn two_stacks() -> (Stack, Stack) {
    let station = |last| LinkAddress([2, 0, 0, 0, 0, last]);
    let (a, b) = pair(ChannelConfig::ethernet(station(1), station(2)));
    (stack(a, Some("10.0.0.1/24")), stack(b, None))
}

fn config() -> ServerConfig {
    let mut config = ServerConfig::new(
        "10.0.0.1/24".parse().unwrap(),
        "10.0.0.10".parse().unwrap(),
        "10.0.0.20".parse().unwrap(),
    );
    config.routers = vec!["10.0.0.1".parse().unwrap()];
    config
}

/// Without nine seconds of asking on the link.
fn at_once() -> ClientConfig {
    ClientConfig { probe: false, ..ClientConfig::default() }
}

fn addresses(stack: &Stack) -> Vec<String> {
    let nics = stack.nics();
    let nic = nics.iter().find(|nic| nic.id == NIC).unwrap();
    nic.addresses.iter().map(|address| address.net.to_string()).filter(|net| !net.contains(':')).collect()
}

#[tokio::test]
async fn a_stack_without_an_address_gets_one_and_talks() {
    let (a, b) = two_stacks();
    let mut server = Server::new(&a, NIC, config()).unwrap();
    let mut client = Client::new(&b, NIC, at_once()).unwrap();
    let event = tokio::select! {
        ended = server.run() => panic!("the server ended: {ended:?}"),
        event = timeout(PATIENCE, client.next()) => event.unwrap().unwrap(),
    };
    let Event::Configured(lease) = event else { panic!("{event:?}") };
    assert_eq!(addresses(&b), ["10.0.0.10/24"]);
    assert_eq!(client.lease(), Some(&lease));
    let default = b.route_table().into_iter().find(|route| route.destination.prefix_len() == 0).unwrap();
    assert_eq!(default.gateway, Some("10.0.0.1".parse().unwrap()));

    let listener = TcpListener::bind(&a, "10.0.0.1:7").await.unwrap();
    let (accepted, connected) = tokio::join!(
        timeout(PATIENCE, listener.accept()),
        timeout(PATIENCE, TcpStream::connect(&b, "10.0.0.1:7"))
    );
    let ((mut one, from), mut other) = (accepted.unwrap().unwrap(), connected.unwrap().unwrap());
    assert_eq!(from.ip(), lease.address.addr());
    other.write_all(b"hello").await.unwrap();
    let mut bytes = [0; 5];
    one.read_exact(&mut bytes).await.unwrap();

    assert_eq!(server.leases().granted().count(), 1);
    client.release().await.unwrap();
    assert!(addresses(&b).is_empty() && b.route_table().is_empty());
    let _ = timeout(Duration::from_millis(300), server.run()).await;
    assert_eq!(server.leases().granted().count(), 0);
}

/// A station that has the address in spite of the server: it is declined, and the next one is taken.
#[tokio::test]
async fn an_address_of_another_station_is_declined() {
    let (a, b) = two_stacks();
    a.add_address(NIC, "10.0.0.10/24".parse().unwrap()).unwrap();
    let mut server = Server::new(&a, NIC, config()).unwrap();
    let mut client = Client::new(&b, NIC, ClientConfig::default()).unwrap();
    let event = tokio::select! {
        ended = server.run() => panic!("the server ended: {ended:?}"),
        event = timeout(Duration::from_secs(50), client.next()) => event.unwrap().unwrap(),
    };
    let Event::Configured(lease) = event else { panic!("{event:?}") };
    assert_eq!(lease.address, "10.0.0.11/24".parse().unwrap());
    assert_eq!(addresses(&b), ["10.0.0.11/24"]);
}

#[tokio::test]
async fn a_second_client_on_an_interface_is_refused() {
    let (_a, b) = two_stacks();
    let _first = Client::new(&b, NIC, ClientConfig::default()).unwrap();
    let error = Client::new(&b, NIC, ClientConfig::default()).unwrap_err();
    assert!(error.to_string().contains("only one client"), "{error}");
    let error = Client::new(&b, NicId(9), ClientConfig::default()).unwrap_err();
    assert!(error.to_string().contains("create the interface"), "{error}");
}
