//! The client against answers that are made by hand, in virtual time.

use super::machine::{ClientConfig, Machine, Mode, Output};
use super::{Lease, message};
use crate::retry::testing::Seeded;
use dhcproto::v6::{
    Decodable, Decoder, DhcpOption, DhcpOptions, Encodable, IAAddr, IANA, Message, MessageType, OptionCode,
    Status, StatusCode, UnknownOption,
};
use proptest::prelude::*;
use stack_core::{Instant, LinkAddress};
use std::net::Ipv6Addr;
use std::time::Duration;

const START: Instant = Instant::from_secs(1000);
const ADDRESS: &str = "2001:db8::77";

fn client(config: ClientConfig) -> Machine {
    let config = ClientConfig { link_address: Some(LinkAddress([2, 0, 0, 0, 0, 1])), ..config };
    Machine::new(START, config, Box::new(Seeded(3)))
}

/// The client, and its first message, when it goes.
fn first(config: ClientConfig) -> (Machine, Message, Instant) {
    let mut client = client(config);
    let now = client.deadline();
    let message = sent(&mut client, now);
    (client, message, now)
}

#[track_caller]
fn sent(client: &mut Machine, now: Instant) -> Message {
    match client.poll(now) {
        Some(Output::Send { message, to: () }) => Message::decode(&mut Decoder::new(&message)).unwrap(),
        other => panic!("expected a message, got {other:?}"),
    }
}

fn address(preferred: u32, valid: u32) -> IAAddr {
    let addr = ADDRESS.parse().unwrap();
    IAAddr { addr, preferred_life: preferred, valid_life: valid, opts: DhcpOptions::new() }
}

/// An answer to a message, from a server, with an association that holds this.
fn answer(question: &Message, kind: MessageType, server: u8, inside: Vec<DhcpOption>) -> Message {
    let mut answer = Message::new_with_id(kind, question.xid());
    let options = answer.opts_mut();
    options.insert(question.opts().get(OptionCode::ClientId).unwrap().clone());
    options.insert(DhcpOption::ServerId(vec![0, 3, 0, 1, server]));
    let mut opts = DhcpOptions::new();
    inside.into_iter().for_each(|option| opts.insert(option));
    options.insert(DhcpOption::IANA(IANA { id: 1, t1: 100, t2: 160, opts }));
    options.insert(DhcpOption::DomainNameServers(vec!["2001:db8::53".parse().unwrap()]));
    answer
}

fn granting(question: &Message, kind: MessageType, server: u8) -> Message {
    answer(question, kind, server, vec![DhcpOption::IAAddr(address(200, 400))])
}

fn give(client: &mut Machine, now: Instant, message: &Message) -> Option<Output> {
    client.receive(now, &message.to_vec().unwrap())
}

/// A client that has a lease.
fn bound() -> (Machine, Lease, Instant) {
    let (mut client, solicit, now) = first(ClientConfig::default());
    give(&mut client, now, &granting(&solicit, MessageType::Advertise, 1));
    let then = client.deadline();
    let request = sent(&mut client, then);
    let Some(Output::Configured(lease)) = give(&mut client, then, &granting(&request, MessageType::Reply, 1))
    else {
        panic!("no lease")
    };
    (client, lease, then)
}

// R8415-18.2.1-a
#[test]
fn four_messages_make_a_lease() {
    let (mut client, solicit, now) = first(ClientConfig::default());
    assert_eq!(solicit.msg_type(), MessageType::Solicit);
    let Some(DhcpOption::IANA(wanted)) = solicit.opts().get(OptionCode::IANA) else {
        panic!("asks for nothing")
    };
    assert_eq!(wanted.id, 1);
    assert_eq!(give(&mut client, now, &granting(&solicit, MessageType::Advertise, 1)), None);
    assert_eq!(client.poll(now), None, "others may answer too");
    let then = client.deadline();
    assert!(then.saturating_since(now) >= Duration::from_secs(1));
    let request = sent(&mut client, then);
    assert_eq!(request.msg_type(), MessageType::Request);
    assert_ne!(request.xid(), solicit.xid());
    let reply = granting(&request, MessageType::Reply, 1);
    let Some(Output::Configured(lease)) = give(&mut client, then, &reply) else { panic!("no lease") };
    assert_eq!(lease.address, Some(ADDRESS.parse().unwrap()));
    assert_eq!(lease.dns_servers, ["2001:db8::53".parse::<Ipv6Addr>().unwrap()]);
    let after = |time: Instant| time.saturating_since(then).as_secs();
    assert_eq!((after(lease.renew), after(lease.rebind), after(lease.expires)), (100, 160, 400));
    assert_eq!((client.deadline(), client.lease()), (lease.renew, Some(&lease)));
}

// R8415-18.2.9-a
#[test]
fn the_highest_preference_wins_and_255_at_once() {
    let prefer = |mut message: Message, preference| {
        message.opts_mut().insert(DhcpOption::Preference(preference));
        message
    };
    let (mut client, solicit, now) = first(ClientConfig::default());
    for (server, preference) in [(1, 5), (2, 9), (3, 7)] {
        give(&mut client, now, &prefer(granting(&solicit, MessageType::Advertise, server), preference));
    }
    let then = client.deadline();
    let chosen = sent(&mut client, then);
    assert_eq!(chosen.opts().get(OptionCode::ServerId), Some(&DhcpOption::ServerId(vec![0, 3, 0, 1, 2])));
    let (mut client, solicit, now) = first(ClientConfig::default());
    give(&mut client, now, &prefer(granting(&solicit, MessageType::Advertise, 4), 255));
    assert_eq!(sent(&mut client, now).msg_type(), MessageType::Request);
}

#[test]
fn a_late_advertisement_is_taken_at_once() {
    let (mut client, _, _) = first(ClientConfig::default());
    let now = client.deadline();
    let again = sent(&mut client, now);
    assert_eq!(again.msg_type(), MessageType::Solicit);
    let Some(DhcpOption::ElapsedTime(elapsed)) = again.opts().get(OptionCode::ElapsedTime) else {
        panic!("no time")
    };
    assert!(*elapsed >= 100, "{elapsed} hundredths");
    give(&mut client, now, &granting(&again, MessageType::Advertise, 1));
    assert_eq!(sent(&mut client, now).msg_type(), MessageType::Request);
}

#[test]
fn a_rapid_commit_needs_two_messages_and_our_consent() {
    for consent in [true, false] {
        let (mut client, solicit, now) =
            first(ClientConfig { rapid_commit: consent, ..ClientConfig::default() });
        assert_eq!(solicit.opts().get(OptionCode::RapidCommit).is_some(), consent);
        let mut reply = granting(&solicit, MessageType::Reply, 1);
        reply.opts_mut().insert(DhcpOption::RapidCommit);
        let configured = matches!(give(&mut client, now, &reply), Some(Output::Configured(_)));
        assert_eq!(configured, consent);
    }
}

// R8415-18.2.4-a
#[test]
fn a_lease_is_renewed_by_its_server_then_by_any_and_then_lost() {
    let (mut client, lease, _) = bound();
    let renew = sent(&mut client, lease.renew);
    assert_eq!(renew.msg_type(), MessageType::Renew);
    assert!(renew.opts().get(OptionCode::ServerId).is_some());
    let Some(Output::Configured(longer)) =
        give(&mut client, lease.renew, &granting(&renew, MessageType::Reply, 1))
    else {
        panic!("not renewed")
    };
    assert_eq!(longer.expires, lease.renew + Duration::from_secs(400));
    sent(&mut client, longer.renew);
    let mut now = longer.renew;
    let mut kinds = Vec::new();
    let lost = loop {
        now = client.deadline().max(now);
        match client.poll(now) {
            Some(Output::Send { message, .. }) => kinds.push(message[0]),
            Some(Output::Lost(lost)) => break lost,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((now, lost), (longer.expires, longer));
    assert!(kinds.contains(&5) && kinds.contains(&6), "renew and rebind: {kinds:?}");
    assert!(kinds.is_sorted(), "{kinds:?}");
    let then = client.deadline();
    assert_eq!(sent(&mut client, then).msg_type(), MessageType::Solicit);
}

// R8415-18.2.10.1-a
#[test]
fn a_server_that_has_forgotten_us_is_asked_anew() {
    let (mut client, lease, _) = bound();
    let renew = sent(&mut client, lease.renew);
    let forgotten = StatusCode { status: Status::NoBinding, msg: String::new() };
    let reply = answer(&renew, MessageType::Reply, 1, vec![DhcpOption::StatusCode(forgotten)]);
    assert_eq!(give(&mut client, lease.renew, &reply), None);
    let request = sent(&mut client, lease.renew);
    assert_eq!(request.msg_type(), MessageType::Request);
    let Some(DhcpOption::IANA(wanted)) = request.opts().get(OptionCode::IANA) else {
        panic!("asks for nothing")
    };
    let Some(DhcpOption::IAAddr(hint)) = wanted.opts.get(OptionCode::IAAddr) else {
        panic!("without the address")
    };
    assert_eq!(Some(hint.addr), lease.address);
}

#[test]
fn requests_that_nobody_answers_end_in_a_new_search() {
    let (mut client, solicit, now) = first(ClientConfig::default());
    give(&mut client, now, &granting(&solicit, MessageType::Advertise, 1));
    let mut kinds = Vec::new();
    while kinds.len() < 11 {
        let now = client.deadline();
        if let Some(Output::Send { message, .. }) = client.poll(now) {
            kinds.push(Message::decode(&mut Decoder::new(&message)).unwrap().msg_type());
        }
    }
    assert_eq!(kinds[..10], [MessageType::Request; 10]);
    assert_eq!(kinds[10], MessageType::Solicit);
}

// R8415-18.2.6-a
#[test]
fn without_state_only_information_is_asked_for() {
    let (mut client, question, now) =
        first(ClientConfig { mode: Mode::Stateless, ..ClientConfig::default() });
    assert_eq!(question.msg_type(), MessageType::InformationRequest);
    assert!(question.opts().get(OptionCode::IANA).is_none());
    let mut reply = granting(&question, MessageType::Reply, 1);
    reply.opts_mut().insert(DhcpOption::InformationRefreshTime(1200));
    let Some(Output::Configured(told)) = give(&mut client, now, &reply) else { panic!("not told") };
    assert_eq!((told.address, told.dns_servers.len()), (None, 1));
    assert_eq!(told.renew, now + Duration::from_secs(1200));
    let then = client.poll(told.renew).map_or_else(|| client.deadline(), |output| panic!("{output:?}"));
    assert_eq!(sent(&mut client, then).msg_type(), MessageType::InformationRequest);
    assert_eq!(client.lease(), Some(&told), "what was told holds meanwhile");
}

// R8415-18.2.8-a
#[test]
fn giving_back_and_declining() {
    let (mut client, lease, now) = bound();
    let Some(Output::Send { message, .. }) = client.decline(now) else { panic!("nothing to decline") };
    assert_eq!(message[0], 9);
    assert_eq!(client.deadline(), now + Duration::from_secs(10));
    let (mut client, ..) = bound();
    let Some(Output::Send { message, .. }) = client.release(now) else { panic!("nothing to release") };
    let release = Message::decode(&mut Decoder::new(&message)).unwrap();
    let Some(DhcpOption::IANA(given)) = release.opts().get(OptionCode::IANA) else {
        panic!("gives nothing back")
    };
    let Some(DhcpOption::IAAddr(given)) = given.opts.get(OptionCode::IAAddr) else {
        panic!("gives nothing back")
    };
    assert_eq!((release.msg_type(), Some(given.addr)), (MessageType::Release, lease.address));
    assert_eq!(client.deadline(), Instant::FAR_FUTURE);
}

// R8415-16-a
#[test]
fn answers_that_are_not_for_us_or_make_no_sense_change_nothing() {
    let (mut client, solicit, now) = first(ClientConfig::default());
    let good = granting(&solicit, MessageType::Advertise, 1);
    let with = |inside| answer(&solicit, MessageType::Advertise, 1, inside);
    let status = |status| DhcpOption::StatusCode(StatusCode { status, msg: String::new() });
    let changed = |change: fn(&mut Message)| {
        let mut message = good.clone();
        change(&mut message);
        message
    };
    let cases = [
        changed(|message| {
            message.set_xid([9, 9, 9]);
        }),
        changed(|message| drop(message.opts_mut().remove(OptionCode::ServerId))),
        changed(|message| {
            message.opts_mut().remove(OptionCode::ClientId);
            message.opts_mut().insert(DhcpOption::ClientId(vec![1]));
        }),
        changed(|message| {
            message.set_msg_type(MessageType::Reply);
        }),
        with(vec![]),
        with(vec![status(Status::NoAddrsAvail)]),
        with(vec![DhcpOption::IAAddr(address(500, 400))]),
        with(vec![DhcpOption::IAAddr(address(0, 0))]),
    ];
    for message in cases {
        assert_eq!(give(&mut client, now, &message), None);
    }
    let then = client.deadline();
    assert_eq!(sent(&mut client, then).msg_type(), MessageType::Solicit, "nobody has offered anything");
}

// R8415-21.24-a
#[test]
fn a_server_may_ask_for_more_patience() {
    let (mut client, solicit, now) = first(ClientConfig::default());
    let mut busy = answer(&solicit, MessageType::Advertise, 1, vec![]);
    let longest = UnknownOption::new(OptionCode::SolMaxRt, 60u32.to_be_bytes().to_vec());
    busy.opts_mut().insert(DhcpOption::Unknown(longest));
    give(&mut client, now, &busy);
    let mut waits = Vec::new();
    for _ in 0..12 {
        let now = client.deadline();
        sent(&mut client, now);
        waits.push(client.deadline().saturating_since(now).as_secs());
    }
    assert!(waits.iter().all(|wait| *wait <= 66) && waits.last() >= Some(&54), "{waits:?}");
}

#[test]
fn times_that_the_server_leaves_to_us() {
    let (mut client, solicit, now) = first(ClientConfig { rapid_commit: true, ..ClientConfig::default() });
    let mut reply = granting(&solicit, MessageType::Reply, 1);
    reply.opts_mut().remove(OptionCode::IANA);
    let mut opts = DhcpOptions::new();
    opts.insert(DhcpOption::IAAddr(address(1000, 2000)));
    reply.opts_mut().insert(DhcpOption::IANA(IANA { id: 1, t1: 0, t2: 0, opts }));
    reply.opts_mut().insert(DhcpOption::RapidCommit);
    let Some(Output::Configured(lease)) = give(&mut client, now, &reply) else { panic!("no lease") };
    let after = |time: Instant| time.saturating_since(now).as_secs();
    assert_eq!((after(lease.renew), after(lease.rebind), after(lease.expires)), (500, 800, 2000));
}

#[test]
fn options_as_deep_as_a_peer_likes_are_cut_off() {
    let mut inside: Vec<u8> = Vec::new();
    for _ in 0..3000 {
        let mut option = vec![0, 3];
        option.extend((inside.len() as u16 + 12).to_be_bytes());
        option.extend([0; 12]);
        option.extend(&inside);
        inside = option;
    }
    let bytes = [&[7, 0, 0, 0][..], &inside].concat();
    let read = message::decode(&bytes).unwrap();
    assert_eq!(read.opts().iter().count(), 1);
}

/// A length that is wrong for its option takes this option along and nothing else.
#[test]
fn options_of_a_wrong_length_are_not_read() {
    let preference: [u8; 5] = [0, 7, 0, 1, 9];
    for wrong in
        [&[0, 13, 0, 0][..], &[0, 13, 0, 1, 0], &[0, 7, 0, 0], &[0, 7, 0, 2, 1, 1], &[0, 14, 0, 1, 0]]
    {
        let bytes = [&[2, 1, 2, 3][..], wrong, &preference].concat();
        let message = message::decode(&bytes).unwrap();
        let read: Vec<&DhcpOption> = message.opts().iter().collect();
        assert_eq!(read, [&DhcpOption::Preference(9)], "{wrong:?}");
    }
}

proptest! {
    #[test]
    fn any_options_are_survived(
        kind in 0..14u8,
        options in proptest::collection::vec((0..90u16, proptest::collection::vec(any::<u8>(), 0..40)), 0..12),
    ) {
        let (mut client, solicit, now) = first(ClientConfig::default());
        let mut bytes = vec![kind];
        bytes.extend(solicit.xid());
        for (code, value) in options {
            bytes.extend(code.to_be_bytes());
            bytes.extend((value.len() as u16).to_be_bytes());
            bytes.extend(value);
        }
        client.receive(now, &bytes);
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let (mut client, _, now) = first(ClientConfig::default());
        client.receive(now, &bytes);
    }
}
