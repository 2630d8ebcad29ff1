//! Groups through the sockets of the facade, of both families; and a stack that forwards to them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;
use ustack::link::channel::{ChannelConfig, ChannelLink, pair};
use ustack::net::UdpSocket;
use ustack::{MulticastOutput, MulticastRoute, NetworkEvent, NicConfig, NicId, Stack};

const WAIT: Option<Duration> = Some(Duration::from_secs(10));
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 1, 1, 1);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff15, 0, 0, 0, 0, 0, 0, 1);

fn stack(link: ChannelLink, addresses: &[&str]) -> Stack {
    let nic =
        addresses.iter().fold(NicConfig::new(link), |nic, address| nic.address(address.parse().unwrap()));
    Stack::builder().default_protocols().nic(nic).build().unwrap()
}

/// A sender with two addresses of each family, and a receiver.
fn two_stacks() -> (Stack, Stack) {
    let (a, b) = pair(ChannelConfig::default());
    let sender = stack(a, &["10.0.0.1/24", "10.0.0.3/24", "fd00::1/64", "fd00::3/64"]);
    (sender, stack(b, &["10.0.0.2/24", "fd00::2/64"]))
}

fn sender(stack: &Stack, local: &str) -> UdpSocket {
    UdpSocket::bind(stack, format!("{local}:0").as_str()).unwrap()
}

fn receive(socket: &UdpSocket) -> (String, IpAddr) {
    let (bytes, from) = socket.recv_bytes().unwrap();
    (String::from_utf8(bytes.to_vec()).unwrap(), from.ip())
}

#[test]
fn a_socket_hears_the_sources_that_it_joined() {
    let (a, b) = two_stacks();
    for (any, wanted, other, group) in [
        ("0.0.0.0:5000", "10.0.0.1", "10.0.0.3", IpAddr::from(GROUP)),
        ("[::]:5001", "[fd00::1]", "[fd00::3]", IpAddr::from(GROUP_V6)),
    ] {
        let socket = UdpSocket::bind(&b, any).unwrap();
        socket.set_read_timeout(WAIT).unwrap();
        let source = sender(&a, wanted).local_addr().unwrap().ip();
        match (source, group) {
            (IpAddr::V4(source), IpAddr::V4(group)) => {
                socket.join_ssm_v4(&source, &group, &Ipv4Addr::UNSPECIFIED).unwrap();
            }
            (IpAddr::V6(source), IpAddr::V6(group)) => socket.join_ssm_v6(&source, &group, 0).unwrap(),
            _ => unreachable!("both are of one family"),
        }
        let to = SocketAddr::new(group, socket.local_addr().unwrap().port());
        sender(&a, other).send_to(b"unwanted", to).unwrap();
        sender(&a, wanted).send_to(b"wanted", to).unwrap();
        assert_eq!(receive(&socket), ("wanted".to_owned(), source));
    }
}

#[test]
fn a_blocked_source_is_not_heard_until_it_is_unblocked() {
    let (a, b) = two_stacks();
    let socket = UdpSocket::bind(&b, "0.0.0.0:5000").unwrap();
    socket.set_read_timeout(WAIT).unwrap();
    socket.join_multicast_v4(&GROUP, &"10.0.0.2".parse().unwrap()).unwrap();
    socket.join_multicast_v4(&GROUP, &"10.0.0.2".parse().unwrap()).unwrap_err();
    let (one, three) = (sender(&a, "10.0.0.1"), sender(&a, "10.0.0.3"));
    let (source, nic) = (IpAddr::from([10, 0, 0, 1]), b.check_local_address(None, [10, 0, 0, 2].into()));
    socket.block_source(source, GROUP.into(), nic).unwrap();
    one.send_to(b"blocked", (GROUP, 5000)).unwrap();
    three.send_to(b"heard", (GROUP, 5000)).unwrap();
    assert_eq!(receive(&socket).0, "heard");
    socket.unblock_source(source, GROUP.into(), nic).unwrap();
    one.send_to(b"again", (GROUP, 5000)).unwrap();
    assert_eq!(receive(&socket), ("again".to_owned(), source));
}

#[test]
fn what_is_sent_to_a_group_comes_back_unless_told_otherwise() {
    let (_a, b) = two_stacks();
    for (any, group) in [("0.0.0.0:5000", IpAddr::from(GROUP)), ("[::]:5001", IpAddr::from(GROUP_V6))] {
        let socket = UdpSocket::bind(&b, any).unwrap();
        socket.set_read_timeout(WAIT).unwrap();
        match group {
            IpAddr::V4(group) => socket.join_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED).unwrap(),
            IpAddr::V6(group) => socket.join_multicast_v6(&group, 0).unwrap(),
        }
        let to = SocketAddr::new(group, socket.local_addr().unwrap().port());
        assert!(socket.multicast_loop_v4().unwrap() && socket.multicast_ttl_v4().unwrap() == 1);
        socket.send_to(b"to ourselves", to).unwrap();
        assert_eq!(receive(&socket).0, "to ourselves");
        socket.set_multicast_loop_v6(false).unwrap();
        socket.set_multicast_ttl_v4(9).unwrap();
        socket.set_multicast_ttl_v4(256).unwrap_err();
        socket.send_to(b"to others only", to).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
        assert!(socket.recv_bytes().is_err());
        assert!(!socket.multicast_loop_v6().unwrap() && socket.multicast_ttl_v4().unwrap() == 9);
    }
}

#[test]
fn a_router_forwards_to_groups_by_its_routes() {
    let (near, here) = pair(ChannelConfig::default());
    let (there, far) = pair(ChannelConfig::default());
    let source = stack(near, &["10.0.0.1/24"]);
    let router = stack(here, &["10.0.0.254/24"]);
    let input = router.check_local_address(None, [10, 0, 0, 254].into()).unwrap();
    let output = router.create_nic(NicConfig::new(there).address("10.0.1.254/24".parse().unwrap())).unwrap();
    let member = stack(far, &["10.0.1.1/24"]);
    for nic in [input, output] {
        router.set_forwarding(nic, true).unwrap();
    }
    router.set_multicast_forwarding(true);
    let socket = UdpSocket::bind(&member, "0.0.0.0:5000").unwrap();
    socket.set_read_timeout(WAIT).unwrap();
    socket.join_multicast_v4(&GROUP, &Ipv4Addr::UNSPECIFIED).unwrap();
    let sender = sender(&source, "10.0.0.1");
    sender.set_multicast_ttl_v4(2).unwrap();
    sender.send_to(b"without a route", (GROUP, 5000)).unwrap();
    let missing = || {
        let wanted =
            NetworkEvent::NoMulticastRoute { nic: input, source: [10, 0, 0, 1].into(), group: GROUP.into() };
        router.network_events().contains(&wanted)
    };
    let start = std::time::Instant::now();
    while !missing() {
        assert!(start.elapsed() < Duration::from_secs(10), "nobody told of the missing route");
        std::thread::sleep(Duration::from_millis(5));
    }
    let outputs = vec![MulticastOutput { nic: output, threshold: 1 }];
    let route = MulticastRoute { source: None, group: GROUP.into(), input, outputs };
    let wrong = MulticastRoute { input: NicId(99), ..route.clone() };
    assert!(router.add_multicast_route(wrong).is_err());
    router.add_multicast_route(route).unwrap();
    sender.send_to(b"with a route", (GROUP, 5000)).unwrap();
    assert_eq!(receive(&socket), ("with a route".to_owned(), [10, 0, 0, 1].into()));
    assert_eq!(router.multicast_routes().first().map(|row| row.packets), Some(1));
    router.remove_multicast_route(None, GROUP.into()).unwrap();
    router.remove_multicast_route(None, GROUP.into()).unwrap_err();
}

#[cfg(feature = "tokio")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn async_sockets_join_sources_too() {
    let (a, b) = two_stacks();
    let socket = ustack::tokio::UdpSocket::bind(&b, "0.0.0.0:5000").await.unwrap();
    let source = Ipv4Addr::new(10, 0, 0, 1);
    socket.join_ssm_v4(&source, &GROUP, &Ipv4Addr::UNSPECIFIED).unwrap();
    sender(&a, "10.0.0.3").send_to(b"unwanted", (GROUP, 5000)).unwrap();
    sender(&a, "10.0.0.1").send_to(b"wanted", (GROUP, 5000)).unwrap();
    let received = tokio::time::timeout(Duration::from_secs(10), socket.recv_bytes()).await.unwrap().unwrap();
    assert_eq!(&received.0[..], b"wanted");
    socket.leave_ssm_v4(&source, &GROUP, &Ipv4Addr::UNSPECIFIED).unwrap();
    socket.leave_ssm_v4(&source, &GROUP, &Ipv4Addr::UNSPECIFIED).unwrap_err();
}
