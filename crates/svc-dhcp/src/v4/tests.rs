//! Client and server against each other, and against messages made by hand, in virtual time.

use super::leases::{Leases, Reply, ServerConfig};
use super::machine::{ClientConfig, Machine, Output, To};
use super::{CLIENT_PORT, Lease};
use crate::retry::testing::Seeded;
use dhcproto::v4::{Decodable, Decoder, DhcpOption, Encodable, Message, MessageType, OptionCode};
use proptest::prelude::*;
use stack_core::{Instant, LinkAddress};
use std::net::Ipv4Addr;
use std::time::Duration;

const START: Instant = Instant::from_secs(1000);

fn link(last: u8) -> LinkAddress {
    LinkAddress([2, 0, 0, 0, 0, last])
}

fn client(last: u8) -> Machine {
    client_with(last, ClientConfig::default())
}

fn client_with(last: u8, config: ClientConfig) -> Machine {
    let config = ClientConfig { link_address: Some(link(last)), ..config };
    Machine::new(START, config, Box::new(Seeded(last.into())))
}

fn pool(last: &str) -> ServerConfig {
    let mut config = ServerConfig::new(
        "10.0.0.1/24".parse().unwrap(),
        "10.0.0.10".parse().unwrap(),
        last.parse().unwrap(),
    );
    config.routers = vec!["10.0.0.1".parse().unwrap()];
    config.dns_servers = vec!["10.0.0.53".parse().unwrap()];
    config.domain = Some("example.net".into());
    config.mtu = Some(1400);
    config
}

fn server(last: &str) -> Leases {
    Leases::new(pool(last)).unwrap()
}

fn message(bytes: &[u8]) -> Message {
    Message::decode(&mut Decoder::new(bytes)).unwrap()
}

fn kind(bytes: &[u8]) -> MessageType {
    message(bytes).opts().msg_type().unwrap()
}

/// The next message of a client at this time.
#[track_caller]
fn sent(client: &mut Machine, now: Instant) -> (Vec<u8>, To) {
    match client.poll(now) {
        Some(Output::Send { message, to }) => (message, to),
        other => panic!("expected a message, got {other:?}"),
    }
}

/// The client talks to the server until it has what it wants.
#[track_caller]
fn lease(client: &mut Machine, server: &mut Leases, now: Instant) -> Lease {
    for _ in 0..4 {
        let (question, to) = sent(client, now);
        assert_eq!(to, To::Everyone);
        let answer = server.receive(now, &question).expect("an answer");
        if let Some(Output::Configured(lease)) = client.receive(now, &answer.message) {
            return lease;
        }
    }
    panic!("no lease");
}

// R2131-4.4-a, R2131-4.1-a
#[test]
fn four_messages_make_a_lease() {
    let (mut client, mut server) = (client(1), server("10.0.0.20"));
    let (discover, to) = sent(&mut client, START);
    assert_eq!((kind(&discover), to, discover.len() >= 300), (MessageType::Discover, To::Everyone, true));
    assert!(message(&discover).flags().broadcast(), "without an address it hears only broadcasts");
    assert_eq!(client.poll(START), None);
    let offer = server.receive(START, &discover).unwrap();
    assert_eq!(
        (kind(&offer.message), *offer.to.ip(), offer.link),
        (MessageType::Offer, Ipv4Addr::BROADCAST, None)
    );
    assert_eq!(client.receive(START, &offer.message), None);
    let (request, to) = sent(&mut client, START);
    assert_eq!((kind(&request), to), (MessageType::Request, To::Everyone));
    assert_eq!(message(&request).xid(), message(&discover).xid());
    let ack = server.receive(START, &request).unwrap();
    let Some(Output::Configured(lease)) = client.receive(START, &ack.message) else { panic!("no lease") };
    assert_eq!(lease.address, "10.0.0.10/24".parse().unwrap());
    assert_eq!(lease.routers, ["10.0.0.1".parse::<Ipv4Addr>().unwrap()]);
    assert_eq!(lease.dns_servers, ["10.0.0.53".parse::<Ipv4Addr>().unwrap()]);
    assert_eq!((lease.domain.as_deref(), lease.mtu), (Some("example.net"), Some(1400)));
    let after = |time: Instant| time.saturating_since(START).as_secs();
    assert_eq!((after(lease.renew), after(lease.rebind), after(lease.expires)), (1800, 3150, 3600));
    assert_eq!(client.deadline(), lease.renew);
    assert_eq!(server.granted().collect::<Vec<_>>(), [("10.0.0.10".parse().unwrap(), lease.expires)]);
}

// R2131-4.1-b
#[test]
fn without_an_answer_it_asks_again_ever_more_rarely() {
    let mut client = client(1);
    let mut now = START;
    let mut last = None;
    let mut waits = Vec::new();
    for _ in 0..8 {
        let (message, _) = sent(&mut client, now);
        assert_eq!(kind(&message), MessageType::Discover);
        waits.extend(last.map(|last: Instant| now.saturating_since(last).as_secs_f64()));
        last = Some(now);
        now = client.deadline();
    }
    for (wait, wanted) in waits.iter().zip([4.0, 8.0, 16.0, 32.0, 64.0, 64.0, 64.0]) {
        assert!((wait - wanted).abs() <= 1.0, "{waits:?}");
    }
}

// R2131-4.4-a, R2131-4.4.5-a
#[test]
fn a_lease_is_renewed_by_its_server_then_by_any_and_then_lost() {
    let (mut client, mut server) = (client(1), server("10.0.0.20"));
    let lease = lease(&mut client, &mut server, START);
    let (renewal, to) = sent(&mut client, lease.renew);
    assert_eq!((kind(&renewal), to), (MessageType::Request, To::Server(lease.server)));
    assert_eq!(message(&renewal).ciaddr(), lease.address.addr());
    assert!(!message(&renewal).opts().contains(OptionCode::ServerIdentifier));
    assert_eq!(client.deadline().saturating_since(lease.renew).as_secs(), 675, "half of what is left to T2");
    let mut now = client.deadline();
    while now < lease.rebind {
        assert_eq!(sent(&mut client, now).1, To::Server(lease.server));
        now = client.deadline();
    }
    let (rebinding, to) = sent(&mut client, lease.rebind);
    assert_eq!((kind(&rebinding), to), (MessageType::Request, To::Everyone));
    let ack = server.receive(lease.rebind, &rebinding).unwrap();
    assert_eq!(*ack.to.ip(), lease.address.addr());
    let Some(Output::Configured(longer)) = client.receive(lease.rebind, &ack.message) else {
        panic!("not renewed")
    };
    assert_eq!(longer.expires, lease.rebind + Duration::from_secs(3600));
    let mut now = longer.renew;
    let lost = loop {
        match client.poll(now) {
            Some(Output::Lost(lost)) => break lost,
            Some(_) => {}
            None => now = client.deadline(),
        }
    };
    assert_eq!((now, lost), (longer.expires, longer));
    assert_eq!(kind(&sent(&mut client, now).0), MessageType::Discover);
}

// R2131-4.4-a
#[test]
fn a_refusal_begins_again() {
    let (mut client, mut server) = (client(1), server("10.0.0.20"));
    let lease = lease(&mut client, &mut server, START);
    let (renewal, _) = sent(&mut client, lease.renew);
    let mut forgetful = self::server("10.0.0.20");
    let nak = forgetful.receive(lease.renew, &renewal).unwrap();
    assert_eq!((kind(&nak.message), *nak.to.ip()), (MessageType::Nak, Ipv4Addr::BROADCAST));
    assert_eq!(client.receive(lease.renew, &nak.message), Some(Output::Lost(lease.clone())));
    assert_eq!(client.poll(lease.renew), None, "not at once");
    let then = client.deadline();
    assert_eq!(kind(&sent(&mut client, then).0), MessageType::Discover);
}

// R2131-4.3.2-a
#[test]
fn an_address_of_old_is_asked_for_first() {
    let mut server = server("10.0.0.20");
    let mut before = client(1);
    let lease = lease(&mut before, &mut server, START);
    let again = ClientConfig { previous: Some(lease.address.addr()), ..ClientConfig::default() };
    let mut client = client_with(1, again.clone());
    let (request, _) = sent(&mut client, START);
    assert_eq!(kind(&request), MessageType::Request);
    let ack = server.receive(START, &request).unwrap();
    assert!(matches!(client.receive(START, &ack.message), Some(Output::Configured(_))));
    let stranger = ClientConfig { previous: Some("192.168.7.7".parse().unwrap()), ..ClientConfig::default() };
    let mut client = client_with(2, stranger);
    let (request, _) = sent(&mut client, START);
    assert_eq!(kind(&server.receive(START, &request).unwrap().message), MessageType::Nak, "not of this link");
    let mut unknown = client_with(3, again);
    let (request, _) = sent(&mut unknown, START);
    assert_eq!(server.receive(START, &request), None, "another server may know it");
    let mut now = START;
    let kinds: Vec<MessageType> = std::iter::from_fn(|| {
        now = unknown.deadline();
        Some(kind(&sent(&mut unknown, now).0))
    })
    .take(4)
    .collect();
    let again = MessageType::Request;
    assert_eq!(kinds, [again, again, again, MessageType::Discover]);
}

// R2131-3.1-a
#[test]
fn an_address_of_another_station_is_declined_and_left_alone() {
    let (mut client, mut server) = (client(1), server("10.0.0.11"));
    let first = lease(&mut client, &mut server, START);
    let Some(Output::Send { message: decline, to }) = client.decline(START) else {
        panic!("nothing to decline")
    };
    assert_eq!((kind(&decline), to), (MessageType::Decline, To::Everyone));
    assert_eq!(server.receive(START, &decline), None);
    assert_eq!(client.deadline(), START + Duration::from_secs(10));
    let then = client.deadline();
    let second = lease(&mut client, &mut server, then);
    assert_ne!(second.address, first.address);
    let mut third = self::client(3);
    let (discover, _) = sent(&mut third, START);
    assert_eq!(server.receive(START, &discover), None, "the pool is empty");
    let later = START + Duration::from_secs(3700);
    assert!(server.receive(later, &discover).is_some());
}

// R2131-4.3.1-a
#[test]
fn a_released_address_comes_back_to_its_client_unless_somebody_needs_it() {
    let (mut one, mut server) = (client(1), server("10.0.0.10"));
    let first = lease(&mut one, &mut server, START);
    let Some(Output::Send { message: release, to }) = one.release(START) else {
        panic!("nothing to release")
    };
    assert_eq!((kind(&release), to), (MessageType::Release, To::Server(first.server)));
    assert_eq!(one.poll(START + Duration::from_secs(99_999)), None, "it rests");
    server.receive(START, &release);
    assert_eq!(server.granted().count(), 0);
    let mut again = client(1);
    assert_eq!(lease(&mut again, &mut server, START).address, first.address);
    again.release(START).map(|output| match output {
        Output::Send { message, .. } => server.receive(START, &message),
        other => panic!("{other:?}"),
    });
    assert_eq!(lease(&mut client(2), &mut server, START).address, first.address);
}

#[test]
fn an_offer_holds_an_address_for_a_minute() {
    let mut server = server("10.0.0.10");
    let (mut one, mut two) = (client(1), client(2));
    let discover = sent(&mut one, START).0;
    assert!(server.receive(START, &discover).is_some());
    let other = sent(&mut two, START).0;
    assert_eq!(server.receive(START, &other), None);
    let minute = START + Duration::from_secs(60);
    assert!(server.receive(minute, &other).is_some());
}

#[test]
fn who_chooses_another_server_frees_the_offer() {
    let mut server = server("10.0.0.10");
    let mut one = client(1);
    let discover = sent(&mut one, START).0;
    let offer = server.receive(START, &discover).unwrap().message;
    one.receive(START, &offer);
    let mut request = message(&sent(&mut one, START).0);
    request.opts_mut().insert(DhcpOption::ServerIdentifier("10.0.0.99".parse().unwrap()));
    assert_eq!(server.receive(START, &request.to_vec().unwrap()), None);
    let mut two = client(2);
    let other = sent(&mut two, START).0;
    assert!(server.receive(START, &other).is_some());
}

#[test]
fn reserved_addresses_are_for_their_stations() {
    let mut config = pool("10.0.0.10");
    config.reservations =
        vec![(link(7), "10.0.0.200".parse().unwrap()), (link(8), "10.0.0.10".parse().unwrap())];
    let mut server = Leases::new(config).unwrap();
    assert_eq!(
        lease(&mut client(7), &mut server, START).address.addr(),
        "10.0.0.200".parse::<Ipv4Addr>().unwrap()
    );
    let (discover, _) = sent(&mut client(1), START);
    assert_eq!(server.receive(START, &discover), None, "the only address of the pool is reserved");
    assert_eq!(
        lease(&mut client(8), &mut server, START).address.addr(),
        "10.0.0.10".parse::<Ipv4Addr>().unwrap()
    );
}

// R2131-4.1-a, R2131-4.3.5-a
#[test]
fn answers_go_where_the_client_can_hear_them() {
    let mut server = server("10.0.0.20");
    let mut discover = message(&sent(&mut client(1), START).0);
    let mut answer =
        |message: &Message| -> Reply { server.receive(START, &message.to_vec().unwrap()).unwrap() };
    discover.set_flags(dhcproto::v4::Flags::default());
    let direct = answer(&discover);
    assert_eq!((*direct.to.ip(), direct.link), ("10.0.0.10".parse().unwrap(), Some(link(1))));
    discover.set_giaddr("10.9.0.1".parse::<Ipv4Addr>().unwrap());
    let relayed = answer(&discover);
    assert_eq!((relayed.to, relayed.link), ("10.9.0.1:67".parse().unwrap(), None));
    let mut inform = discover.clone();
    inform.set_giaddr(Ipv4Addr::UNSPECIFIED).set_ciaddr("10.0.0.77".parse::<Ipv4Addr>().unwrap());
    inform.opts_mut().insert(DhcpOption::MessageType(MessageType::Inform));
    let informed = answer(&inform);
    assert_eq!((*informed.to.ip(), informed.to.port()), ("10.0.0.77".parse().unwrap(), CLIENT_PORT));
    let told = message(&informed.message);
    assert!(told.yiaddr().is_unspecified() && !told.opts().contains(OptionCode::AddressLeaseTime));
}

#[test]
fn answers_that_are_not_for_us_change_nothing() {
    let (mut client, mut server) = (client(1), server("10.0.0.20"));
    let discover = sent(&mut client, START).0;
    let offer = server.receive(START, &discover).unwrap().message;
    let change: [fn(&mut Message); 4] = [
        |message| {
            message.set_xid(message.xid() ^ 1);
        },
        |message| {
            message.set_chaddr(&link(9).0);
        },
        |message| {
            message.set_opcode(dhcproto::v4::Opcode::BootRequest);
        },
        |message| drop(message.opts_mut().remove(OptionCode::ServerIdentifier)),
    ];
    for change in change {
        let mut other = message(&offer);
        change(&mut other);
        client.receive(START, &other.to_vec().unwrap());
        assert_eq!(client.poll(START), None, "{other:?}");
    }
    client.receive(START, &offer);
    let request = sent(&mut client, START).0;
    let mut ack = message(&server.receive(START, &request).unwrap().message);
    for (option, what) in [
        (DhcpOption::ServerIdentifier("10.0.0.99".parse().unwrap()), "another server"),
        (DhcpOption::AddressLeaseTime(0), "no time"),
        (DhcpOption::SubnetMask("255.0.255.0".parse().unwrap()), "no mask"),
        (DhcpOption::SubnetMask("255.255.255.248".parse().unwrap()), "not a host's"),
    ] {
        let mut other = ack.clone();
        other.set_yiaddr("10.0.0.15".parse::<Ipv4Addr>().unwrap());
        other.opts_mut().insert(option);
        assert_eq!(client.receive(START, &other.to_vec().unwrap()), None, "{what}");
    }
    ack.opts_mut().insert(DhcpOption::Renewal(5000));
    ack.opts_mut().insert(DhcpOption::Rebinding(100));
    let Some(Output::Configured(lease)) = client.receive(START, &ack.to_vec().unwrap()) else {
        panic!("no lease")
    };
    assert_eq!(
        lease.renew,
        START + Duration::from_secs(1800),
        "times that contradict themselves are not believed"
    );
}

#[test]
fn a_lease_without_end_is_never_renewed() {
    let mut config = pool("10.0.0.20");
    config.lease = Duration::from_secs(u32::MAX.into());
    let mut server = Leases::new(config).unwrap();
    let mut client = client(1);
    let lease = lease(&mut client, &mut server, START);
    assert_eq!((lease.expires, client.deadline()), (Instant::FAR_FUTURE, Instant::FAR_FUTURE));
}

#[test]
fn pools_outside_of_the_subnet_are_refused() {
    for last in ["10.0.1.20", "10.0.0.9"] {
        let error = Leases::new(pool(last)).unwrap_err().to_string();
        assert!(error.contains(last) && error.contains("10.0.0.1/24"), "{error}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        survived(&bytes);
    }

    /// A header without fault, and options of any kind and length.
    #[test]
    fn any_options_are_survived(
        reply: bool,
        kind in 1..9u8,
        options in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..20)), 0..12),
    ) {
        let mut bytes = sent(&mut client(1), START).0;
        bytes.truncate(240);
        bytes[0] = if reply { 2 } else { 1 };
        bytes.extend([53, 1, kind]);
        for (code, value) in options {
            bytes.extend([code, value.len() as u8]);
            bytes.extend(value);
        }
        survived(&bytes);
    }
}

fn survived(bytes: &[u8]) {
    let mut client = client(1);
    sent(&mut client, START);
    client.receive(START, bytes);
    server("10.0.0.20").receive(START, bytes);
}
