//! Multicast DNS between two stacks: a responder of the test's own, and questions of ours.

use crate::{resolver, stacks};
use hickory_proto::op::{Message, OpCode};
use hickory_proto::rr::rdata::{A, AAAA, PTR, SRV};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use svc_dns::LookupError;
use svc_dns::mdns::{Mdns, MdnsConfig};
use tokio::time::Instant;
use ustack::tokio::UdpSocket;
use ustack::{NicId, SocketOption, Stack};

const V4: &str = "224.0.0.251";
const V6: &str = "ff02::fb";
const PORT: u16 = 5353;

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn quick() -> MdnsConfig {
    let (wait, interval) = (Duration::from_millis(700), Duration::from_millis(200));
    MdnsConfig { wait, interval, ..MdnsConfig::default() }
}

/// What a responder has heard, and from where.
type Heard = Arc<Mutex<Vec<(Message, SocketAddr)>>>;

/// Answers each query of this family as RFC 6762 §6.7 says, with what `says` makes of it, from `port`.
async fn respond(stack: &Stack, group: &str, port: u16, says: fn(&Message) -> Vec<Record>) -> Heard {
    let group: IpAddr = group.parse().unwrap();
    let any: IpAddr = if group.is_ipv4() { "0.0.0.0" } else { "::" }.parse().unwrap();
    let alone: &[SocketOption] = if group.is_ipv4() { &[] } else { &[SocketOption::V6Only(true)] };
    let socket = UdpSocket::bind_with(stack, (any, PORT), alone).unwrap();
    socket.set_option(SocketOption::JoinGroup(group, Some(NicId(1)))).unwrap();
    let other = UdpSocket::bind(stack, (any, if port == PORT { 0 } else { port })).await.unwrap();
    let heard = Heard::default();
    let log = Arc::clone(&heard);
    tokio::spawn(async move {
        loop {
            let (packet, from) = socket.recv_bytes().await.unwrap();
            let question = Message::from_vec(&packet).unwrap();
            let mut answer = Message::response(question.id, OpCode::Query);
            answer.add_queries(question.queries.iter().cloned());
            let mut records = says(&question);
            answer.add_additionals(records.split_off(records.len().min(2)));
            answer.add_answers(records);
            log.lock().unwrap().push((question, from));
            let out = if port == PORT { &socket } else { &other };
            out.send_to(&answer.to_vec().unwrap(), from).await.unwrap();
        }
    });
    heard
}

fn host_addresses(question: &Message) -> Vec<Record> {
    let owner = name("printer.local.");
    let wanted =
        |kind| question.queries.iter().any(|query| query.query_type() == kind && *query.name() == owner);
    let v4 = wanted(RecordType::A).then(|| RData::A(A::new(10, 0, 0, 1)));
    let v6 = wanted(RecordType::AAAA).then(|| RData::AAAA(AAAA::new(0xfe80, 0, 0, 0, 0, 0, 0, 1)));
    [v6, v4].into_iter().flatten().map(|data| Record::from_rdata(owner.clone(), 10, data)).collect()
}

// R6762-3-a, R6762-5.1-a, R6762-6.7-a
#[tokio::test]
async fn a_host_of_the_link_is_found_over_each_family() {
    for group in [V4, V6] {
        let (client, server) = stacks();
        let heard = respond(&server, group, PORT, host_addresses).await;
        let found = Mdns::new(&client, quick()).lookup_ip("printer.local").await.unwrap();
        assert_eq!(found, ["[fe80::1%1]:0".parse().unwrap(), "10.0.0.1:0".parse().unwrap()], "{group}");
        let (question, from) = heard.lock().unwrap()[0].clone();
        assert_ne!(from.port(), PORT, "a one-shot query comes from another port");
        assert!(!question.recursion_desired && question.queries.len() == 2, "{question:?}");
    }
}

#[tokio::test]
async fn one_family_is_asked_for_alone() {
    let (client, server) = stacks();
    let heard = respond(&server, V4, PORT, host_addresses).await;
    let mdns = Mdns::new(&client, quick());
    assert_eq!(mdns.lookup_ipv4("printer.local").await.unwrap(), ["10.0.0.1:0".parse().unwrap()]);
    assert_eq!(mdns.lookup_ipv6("printer.local").await.unwrap(), ["[fe80::1%1]:0".parse().unwrap()]);
    let asked = |index: usize| heard.lock().unwrap()[index].0.queries[0].query_type();
    assert_eq!([asked(0), asked(1)], [RecordType::A, RecordType::AAAA]);
}

fn addresses_of(question: &Message, kind: RecordType) -> Vec<Record> {
    host_addresses(question).into_iter().filter(|record| record.record_type() == kind).collect()
}

/// As responders do that tell of each family over itself.
#[tokio::test]
async fn addresses_of_both_families_are_waited_for_a_moment() {
    let (client, server) = stacks();
    respond(&server, V6, PORT, |question| addresses_of(question, RecordType::AAAA)).await;
    let mdns = Mdns::new(&client, quick());
    let start = Instant::now();
    assert_eq!(mdns.lookup_ip("printer.local").await.unwrap(), ["[fe80::1%1]:0".parse().unwrap()]);
    assert!(start.elapsed() < quick().interval, "asked once");
    respond(&server, V4, PORT, |question| addresses_of(question, RecordType::A)).await;
    let mut found = mdns.lookup_ip("printer.local").await.unwrap();
    found.sort();
    assert_eq!(found, ["10.0.0.1:0".parse().unwrap(), "[fe80::1%1]:0".parse().unwrap()]);
}

#[tokio::test]
async fn an_address_is_unique_as_a_host_is() {
    let (client, server) = stacks();
    let named = |question: &Message| {
        let data = RData::PTR(PTR(name("printer.local.")));
        vec![Record::from_rdata(question.queries[0].name().clone(), 10, data)]
    };
    let heard = respond(&server, V4, PORT, named).await;
    let start = Instant::now();
    let mdns = Mdns::new(&client, quick());
    assert_eq!(mdns.lookup_name("10.0.0.1".parse().unwrap()).await.unwrap(), [name("printer.local.")]);
    assert!(start.elapsed() < quick().wait, "the first answer is enough");
    assert_eq!(heard.lock().unwrap()[0].0.queries[0].name().to_string(), "1.0.0.10.in-addr.arpa.");
}

#[tokio::test]
async fn the_resolver_asks_the_link_for_what_is_below_local() {
    let (client, server) = stacks();
    respond(&server, V4, PORT, host_addresses).await;
    let resolver = resolver(&client, &[]);
    for (asked, link) in
        [("printer.local", true), ("169.254.7.7", true), ("fe80::7", true), ("10.0.0.1", false)]
    {
        assert_eq!(resolver.asks_link(asked).unwrap(), link, "{asked}");
    }
    assert_eq!(resolver.lookup_ipv4("printer.local").await.unwrap(), [IpAddr::from([10, 0, 0, 1])]);
}

#[tokio::test]
async fn a_service_is_asked_for_until_the_time_is_over_and_comes_with_what_belongs_to_it() {
    let (client, server) = stacks();
    let instance = |question: &Message| {
        let service = question.queries[0].name().clone();
        let named = |text: &str| Record::from_rdata(service.clone(), 10, RData::PTR(PTR(name(text))));
        let place = RData::SRV(SRV::new(0, 0, 80, name("printer.local.")));
        vec![
            named("one._http._tcp.local."),
            named("two._http._tcp.local."),
            Record::from_rdata(name("one._http._tcp.local."), 10, place),
        ]
    };
    let heard = respond(&server, V4, PORT, instance).await;
    let start = Instant::now();
    let found = Mdns::new(&client, quick()).query("_http._tcp.local", &[RecordType::PTR]).await.unwrap();
    assert!(start.elapsed() >= quick().wait);
    assert_eq!((found.answers.len(), found.additionals.len()), (2, 1), "each once: {found:?}");
    assert_eq!(heard.lock().unwrap().len(), 3, "asked at 0, 200 and 600 ms");
}

// R6762-6-a
#[tokio::test]
async fn what_comes_from_another_port_is_not_heard() {
    let (client, server) = stacks();
    let heard = respond(&server, V4, 9999, host_addresses).await;
    let error = Mdns::new(&client, quick()).lookup_ip("printer.local").await.unwrap_err();
    assert!(matches!(error, LookupError::TimedOut { .. }), "{error:?}");
    assert!(!heard.lock().unwrap().is_empty());
}

#[tokio::test]
async fn nobody_on_the_link_is_a_timeout() {
    let (client, _server) = stacks();
    let error = Mdns::new(&client, quick()).lookup_ip("printer.local").await.unwrap_err();
    assert!(error.to_string().contains("the hosts on the link"), "{error}");
}
