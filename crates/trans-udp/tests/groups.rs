//! Groups of a socket: joined as a whole or source by source, and what is delivered of them.

mod common;

use common::*;
use core::net::IpAddr;
use stack_core::*;
use trans_udp::UdpConfig;

const G: &str = "239.0.0.1";

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// An operation on a group, in a word.
#[derive(Clone, Copy, Debug)]
enum Op {
    Join,
    Leave,
    Allow(&'static str),
    Drop(&'static str),
    Block(&'static str),
    Unblock(&'static str),
}

fn operate(net: &mut Net, id: EndpointId, op: Op) -> Result<(), Error> {
    let group = ip(G);
    net.set(
        id,
        match op {
            Op::Join => SocketOption::JoinGroup(group, None),
            Op::Leave => SocketOption::LeaveGroup(group, None),
            Op::Allow(source) => SocketOption::JoinSource(group, ip(source), None),
            Op::Drop(source) => SocketOption::LeaveSource(group, ip(source), None),
            Op::Block(source) => SocketOption::BlockSource(group, ip(source), None),
            Op::Unblock(source) => SocketOption::UnblockSource(group, ip(source), None),
        },
    )
}

#[test]
fn groups_are_joined_once_left_once_and_limited() {
    let mut net = Net::new(UdpConfig { max_groups: 2, ..UdpConfig::default() });
    let id = net.create(Families::V4);
    let join = |net: &mut Net, group: &str, nic| net.set(id, SocketOption::JoinGroup(ip(group), nic));
    assert_eq!(join(&mut net, "10.0.0.2", None), Err(Error::InvalidArgument));
    assert_eq!(join(&mut net, "ff02::5", None), Err(Error::AddressFamily));
    assert_eq!(join(&mut net, G, Some(NicId(9))), Err(Error::UnknownNic));
    assert_eq!(join(&mut net, G, None), Ok(()));
    assert_eq!(join(&mut net, G, None), Err(Error::DuplicateAddress));
    assert_eq!(join(&mut net, G, Some(NicId(2))), Ok(()));
    assert_eq!(join(&mut net, "239.0.0.2", None), Err(Error::LimitReached));
    assert_eq!(net.host.groups.len(), 2);
    assert_eq!(operate(&mut net, id, Op::Leave), Ok(()));
    assert_eq!(operate(&mut net, id, Op::Leave), Err(Error::BadLocalAddress));
    assert_eq!(net.host.groups.keys().collect::<Vec<_>>(), [&(ip(G), NicId(2))], "left where it was joined");
}

/// RFC 3678 §4.1.3.
#[test]
fn sequences_of_operations() {
    use Op::{Allow, Block, Drop, Join, Leave, Unblock};
    let (bad, gone, twice) =
        (Err(Error::InvalidArgument), Err(Error::BadLocalAddress), Err(Error::DuplicateAddress));
    let (a, b) = ("10.0.0.2", "10.0.0.3");
    let include =
        |sources: &[&str]| Some(SourceFilter::new(FilterMode::Include, sources.iter().map(|s| ip(s))));
    let exclude =
        |sources: &[&str]| Some(SourceFilter::new(FilterMode::Exclude, sources.iter().map(|s| ip(s))));
    for (steps, want) in [
        (&[(Join, Ok(()))][..], exclude(&[])),
        (&[(Join, Ok(())), (Block(a), Ok(())), (Block(b), Ok(()))], exclude(&[a, b])),
        (&[(Join, Ok(())), (Block(a), Ok(())), (Block(a), gone)], exclude(&[a])),
        (&[(Join, Ok(())), (Block(a), Ok(())), (Unblock(a), Ok(())), (Unblock(a), gone)], exclude(&[])),
        (&[(Join, Ok(())), (Allow(a), bad), (Drop(a), bad)], exclude(&[])),
        (&[(Allow(a), Ok(())), (Allow(b), Ok(()))], include(&[a, b])),
        (&[(Allow(a), Ok(())), (Allow(a), gone), (Drop(b), gone)], include(&[a])),
        (&[(Allow(a), Ok(())), (Drop(a), Ok(())), (Drop(a), bad)], None),
        (&[(Allow(a), Ok(())), (Join, twice), (Block(b), bad), (Unblock(a), bad)], include(&[a])),
        (&[(Allow(a), Ok(())), (Leave, Ok(())), (Join, Ok(()))], exclude(&[])),
        (&[(Block(a), bad), (Unblock(a), bad), (Leave, gone)], None),
        (&[(Allow("224.0.0.1"), bad), (Allow("0.0.0.0"), bad)], None),
        (&[(Allow("fd00::1"), Err(Error::AddressFamily))], None),
        (&[(Allow("::ffff:10.0.0.2"), Ok(()))], include(&[a])),
    ] {
        let mut net = Net::default();
        let id = net.create(Families::Dual);
        for (op, outcome) in steps {
            assert_eq!(operate(&mut net, id, *op), *outcome, "{op:?} of {steps:?}");
        }
        assert_eq!(net.host.groups.get(&(ip(G), NicId(1))).cloned(), want, "{steps:?}");
        net.close(id);
        assert!(net.host.groups.is_empty(), "{steps:?}: closing leaves");
    }
}

#[test]
fn sources_are_limited() {
    let mut net = Net::new(UdpConfig { max_sources: 2, ..UdpConfig::default() });
    let id = net.create(Families::V4);
    operate(&mut net, id, Op::Allow("10.0.0.2")).unwrap();
    operate(&mut net, id, Op::Allow("10.0.0.3")).unwrap();
    assert_eq!(operate(&mut net, id, Op::Allow("10.0.0.4")), Err(Error::LimitReached));
    operate(&mut net, id, Op::Drop("10.0.0.3")).unwrap();
    operate(&mut net, id, Op::Allow("10.0.0.4")).unwrap();
}

// R9776-3.1-a, R9777-4.1-a
#[test]
fn only_wanted_sources_are_delivered() {
    let to = "239.0.0.1:53";
    let from = |net: &mut Net, id, source: &str| net.deliver(id, datagram(source, to, b"x"));
    let filtered = Err(DropReason::SourceFiltered);
    for (steps, two, three) in [
        (&[][..], Ok(()), Ok(())),
        (&[Op::Join], Ok(()), Ok(())),
        (&[Op::Join, Op::Block("10.0.0.2")], filtered, Ok(())),
        (&[Op::Allow("10.0.0.2")], Ok(()), filtered),
    ] {
        let mut net = Net::default();
        let id = net.bound("0.0.0.0:53");
        steps.iter().for_each(|op| operate(&mut net, id, *op).unwrap());
        assert_eq!(from(&mut net, id, "10.0.0.2:9"), two, "{steps:?}");
        assert_eq!(from(&mut net, id, "10.0.0.3:9"), three, "{steps:?}");
        assert_eq!(net.deliver(id, datagram("10.0.0.2:9", "239.0.0.2:53", b"x")), Ok(()), "another group");
        assert_eq!(net.deliver(id, datagram("10.0.0.3:9", "10.0.0.1:53", b"x")), Ok(()), "no group");
    }
}

#[test]
fn a_membership_is_of_its_interface_alone() {
    let mut net = Net::default();
    let id = net.bound("0.0.0.0:53");
    net.set(id, SocketOption::JoinGroup(ip(G), Some(NicId(2)))).unwrap();
    let arrive = |net: &mut Net, nic| {
        let mut packet = datagram("10.0.0.2:9", "239.0.0.1:53", b"x");
        packet.meta.nic = NicId(nic);
        net.deliver(id, packet)
    };
    assert_eq!(arrive(&mut net, 1), Err(DropReason::SourceFiltered));
    assert_eq!(arrive(&mut net, 2), Ok(()));
    net.set(id, SocketOption::JoinSource(ip(G), ip("10.0.0.9"), Some(NicId(1)))).unwrap();
    assert_eq!(arrive(&mut net, 1), Err(DropReason::SourceFiltered), "another source there");
    net.set(id, SocketOption::JoinSource(ip(G), ip("10.0.0.2"), Some(NicId(1)))).unwrap();
    assert_eq!((arrive(&mut net, 1), arrive(&mut net, 2)), (Ok(()), Ok(())));
}
