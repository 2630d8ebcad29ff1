//! Questions and answers, and what is done without a good answer.

use crate::server::{Over, Server, knows, of_kind, response};
use crate::{config, resolver, stacks};
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::{CNAME, PTR, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use std::net::IpAddr;
use std::time::Duration;
use svc_dns::{LookupError, Resolver};
use tokio::time::Instant;

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

#[tokio::test]
async fn a_name_has_addresses_of_both_families_in_the_order_to_try_them() {
    let (client, server) = stacks();
    let desk = Server::start(
        &server,
        "10.0.0.1",
        knows("host.test.", &["10.0.0.9", "2001:db9::9", "2001:db8::9"], 60),
    )
    .await;
    let resolver = resolver(&client, &["10.0.0.1"]);
    let found = resolver.lookup_ip("host.test").await.unwrap();
    assert_eq!(found, ips(&["2001:db8::9", "10.0.0.9", "2001:db9::9"]), "what can't be reached is last");
    assert_eq!(desk.asked(), ["host.test. A over Udp", "host.test. AAAA over Udp"]);
    assert_eq!(resolver.lookup_ipv4("host.test.").await.unwrap(), ips(&["10.0.0.9"]));
    assert_eq!(resolver.lookup_ipv6("host.test.").await.unwrap(), ips(&["2001:db8::9", "2001:db9::9"]));
    assert!(desk.asked().is_empty(), "it was remembered");
}

#[tokio::test]
async fn servers_are_asked_over_ipv6_too() {
    let (client, server) = stacks();
    let _desk = Server::start(&server, "2001:db8::1", knows("host.test.", &["10.0.0.9"], 60)).await;
    assert_eq!(resolver(&client, &["2001:db8::1"]).lookup_ip("host.test").await.unwrap(), ips(&["10.0.0.9"]));
}

#[tokio::test]
async fn addresses_and_localhost_are_known_without_a_server() {
    let (client, _server) = stacks();
    let resolver = resolver(&client, &[]);
    assert_eq!(resolver.lookup_ip("192.0.2.1").await.unwrap(), ips(&["192.0.2.1"]));
    assert_eq!(resolver.lookup_ip("localhost").await.unwrap(), ips(&["::1", "127.0.0.1"]));
    let nobody = resolver.lookup_ip("host.test").await.unwrap_err();
    assert!(matches!(nobody, LookupError::NoServers { .. }), "{nobody:?}");
    for bad in ["", "..", "a..b", &"x".repeat(64)] {
        let refused = resolver.lookup_ip(bad).await.unwrap_err();
        assert!(matches!(refused, LookupError::BadName { .. }), "{bad:?}: {refused:?}");
    }
}

#[tokio::test]
async fn what_is_not_to_be_remembered_is_asked_again() {
    let (client, server) = stacks();
    let desk = Server::start(&server, "10.0.0.1", knows("host.test.", &["10.0.0.9"], 0)).await;
    let resolver = resolver(&client, &["10.0.0.1"]);
    for _ in 0..2 {
        resolver.lookup_ipv4("host.test.").await.unwrap();
        assert_eq!(desk.asked(), ["host.test. A over Udp"]);
    }
}

#[tokio::test]
async fn an_answer_that_is_cut_off_is_asked_for_over_tcp() {
    let (client, server) = stacks();
    let many: Vec<IpAddr> = (0..200).map(|last| IpAddr::from([10, 9, 0, last])).collect();
    let desk = Server::start(&server, "10.0.0.1", move |question, over| {
        let mut message = response(question, ResponseCode::NoError);
        match over {
            Over::Udp => message.metadata.truncation = true,
            Over::Tcp => drop(message.add_answers(of_kind(&question.queries[0], &many, 60))),
        }
        Some(message.to_vec().unwrap())
    })
    .await;
    let found = resolver(&client, &["10.0.0.1"]).lookup_ipv4("host.test.").await.unwrap();
    assert_eq!(found.len(), 200);
    assert_eq!(desk.asked(), ["host.test. A over Tcp", "host.test. A over Udp"]);
}

#[tokio::test]
async fn no_name_and_no_record_are_answers() {
    let (client, server) = stacks();
    let first = Server::start(&server, "10.0.0.1", knows("host.test.", &["10.0.0.9"], 60)).await;
    let second = Server::start(&server, "10.0.0.3", knows("other.test.", &["10.0.0.9"], 60)).await;
    let resolver = resolver(&client, &["10.0.0.1", "10.0.0.3"]);
    let error = resolver.lookup_ip("other.test.").await.unwrap_err();
    assert!(matches!(error, LookupError::NoSuchName { .. }), "{error:?}");
    let error = resolver.lookup_ipv6("host.test.").await.unwrap_err();
    assert!(matches!(&error, LookupError::NoRecords { wanted, .. } if wanted == "AAAA record"), "{error:?}");
    assert!(!first.asked().is_empty() && second.asked().is_empty(), "no other server is asked then");
}

#[tokio::test]
async fn a_silent_server_costs_its_time_and_the_next_is_asked() {
    let (client, server) = stacks();
    let silent = Server::start(&server, "10.0.0.1", |_, _| None).await;
    let _desk = Server::start(&server, "10.0.0.3", knows("host.test.", &["10.0.0.9"], 60)).await;
    let resolver = resolver(&client, &["10.0.0.1", "10.0.0.3"]);
    let start = Instant::now();
    assert_eq!(resolver.lookup_ipv4("host.test.").await.unwrap(), ips(&["10.0.0.9"]));
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?}", start.elapsed());
    assert!(silent.asked().len() >= 2, "a question that may be lost is sent again");
}

#[tokio::test]
async fn when_all_are_silent_the_error_says_who_was_asked() {
    let (client, server) = stacks();
    let _silent = Server::start(&server, "10.0.0.1", |_, _| None).await;
    let error = resolver(&client, &["10.0.0.1"]).lookup_ipv4("host.test.").await.unwrap_err();
    assert!(matches!(&error, LookupError::TimedOut { asked, .. } if asked == "10.0.0.1:53"), "{error:?}");
    assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::TimedOut);
}

#[tokio::test]
async fn a_host_without_a_server_is_passed_over_at_once() {
    let (client, server) = stacks();
    let _desk = Server::start(&server, "10.0.0.3", knows("host.test.", &["10.0.0.9"], 60)).await;
    let mut config = config(&["10.0.0.1", "10.0.0.3"]);
    config.timeout = Duration::from_secs(20);
    let start = Instant::now();
    Resolver::new(&client, config).unwrap().lookup_ipv4("host.test.").await.unwrap();
    assert!(start.elapsed() < Duration::from_secs(5), "the port is unreachable: {:?}", start.elapsed());
}

#[tokio::test]
async fn a_server_that_fails_or_talks_nonsense_is_passed_over() {
    type Says = fn(&hickory_proto::op::Message) -> Vec<u8>;
    let failing: Says = |question| response(question, ResponseCode::ServFail).to_vec().unwrap();
    let refusing: Says = |question| response(question, ResponseCode::Refused).to_vec().unwrap();
    let nonsense: Says =
        |question| [&question.id.to_be_bytes()[..], &[0x81, 0x80, 0, 1, 0, 9, 0, 0, 0, 0, 0xc0]].concat();
    for (what, says) in [("SERVFAIL", failing), ("REFUSED", refusing), ("nonsense", nonsense)] {
        let (client, server) = stacks();
        let _bad = Server::start(&server, "10.0.0.1", move |question, _| Some(says(question))).await;
        let desk = Server::start(&server, "10.0.0.3", knows("host.test.", &["10.0.0.9"], 60)).await;
        let found = resolver(&client, &["10.0.0.1", "10.0.0.3"]).lookup_ipv4("host.test.").await;
        assert_eq!(found.unwrap(), ips(&["10.0.0.9"]), "{what}");
        assert_eq!(desk.asked().len(), 1, "{what}");
        let error = resolver(&client, &["10.0.0.1"]).lookup_ipv4("host.test.").await.unwrap_err();
        match what {
            "nonsense" => assert!(matches!(error, LookupError::Unreachable { .. }), "{error:?}"),
            _ => assert!(matches!(error, LookupError::ServerFailure { .. }), "{error:?}"),
        }
    }
}

#[tokio::test]
async fn damaged_answers_end_in_an_error_or_in_records() {
    let (client, server) = stacks();
    let turn = std::sync::atomic::AtomicUsize::new(0);
    let good = knows("host.test.", &["10.0.0.9", "10.0.0.8"], 0);
    let _desk = Server::start(&server, "10.0.0.1", move |question, over| {
        let turn = turn.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let mut packet = good(question, over)?;
        // Everything behind the id, byte after byte, and cut off in the middle of each.
        let at = 2 + turn % (packet.len() - 2);
        match turn % 3 {
            0 => packet[at] = 0xff,
            1 => packet[at] = 0xc0,
            _ => packet.truncate(at),
        }
        Some(packet)
    })
    .await;
    let mut config = config(&["10.0.0.1"]);
    (config.timeout, config.attempts, config.cache_entries) = (Duration::from_millis(60), 1, 0);
    let resolver = Resolver::new(&client, config).unwrap();
    let mut outcomes = [0, 0];
    for _ in 0..120 {
        outcomes[usize::from(resolver.lookup_ipv4("host.test.").await.is_ok())] += 1;
    }
    assert!(outcomes[0] > 20, "{outcomes:?}");
}

#[tokio::test]
async fn names_with_few_dots_are_searched_for() {
    let (client, server) = stacks();
    let desk = Server::start(&server, "10.0.0.1", knows("host.b.test.", &["10.0.0.9"], 60)).await;
    let mut config = config(&["10.0.0.1"]);
    config.search = vec!["a.test".to_owned(), "b.test.".to_owned()];
    let resolver = Resolver::new(&client, config.clone()).unwrap();
    assert_eq!(resolver.search_domains(), ["a.test", "b.test"]);
    assert_eq!(resolver.lookup_ipv4("host").await.unwrap(), ips(&["10.0.0.9"]));
    assert_eq!(desk.asked(), ["host.a.test. A over Udp", "host.b.test. A over Udp"]);
    assert!(resolver.lookup_ipv4("host.").await.is_err(), "a dot at the end forbids it");
    assert_eq!(desk.asked(), ["host. A over Udp"]);
    // With ndots 2 a name with one dot is searched for first.
    config.ndots = 2;
    config.search = vec!["test".to_owned()];
    Resolver::new(&client, config.clone()).unwrap().lookup_ipv4("host.b").await.unwrap();
    assert_eq!(desk.asked(), ["host.b.test. A over Udp"]);
    config.search = vec!["a..b".to_owned()];
    assert!(Resolver::new(&client, config).unwrap_err().to_string().contains("a..b"));
}

#[tokio::test]
async fn aliases_reverse_names_and_other_records_are_found() {
    let (client, server) = stacks();
    let name = |text: &str| Name::from_ascii(text).unwrap();
    let _desk = Server::start(&server, "10.0.0.1", move |question, _| {
        let query = &question.queries[0];
        let mut message = response(question, ResponseCode::NoError);
        match query.query_type() {
            RecordType::PTR => {
                assert_eq!(query.name().to_string(), "9.0.0.10.in-addr.arpa.");
                let data = RData::PTR(PTR(name("host.test.")));
                message.add_answer(Record::from_rdata(query.name().clone(), 60, data));
            }
            RecordType::TXT => {
                let data = RData::TXT(TXT::new(vec!["hello".to_owned()]));
                message.add_answer(Record::from_rdata(query.name().clone(), 60, data));
            }
            _ => {
                let data = RData::CNAME(CNAME(name("host.test.")));
                message.add_answer(Record::from_rdata(query.name().clone(), 60, data));
                let mut target = query.clone();
                target.set_name(name("host.test."));
                message.add_answers(of_kind(&target, &ips(&["10.0.0.9"]), 60));
            }
        }
        Some(message.to_vec().unwrap())
    })
    .await;
    let resolver = resolver(&client, &["10.0.0.1"]);
    assert_eq!(resolver.lookup_ipv4("alias.test").await.unwrap(), ips(&["10.0.0.9"]));
    assert_eq!(resolver.lookup_name("10.0.0.9".parse().unwrap()).await.unwrap(), [name("host.test.")]);
    let text = resolver.lookup("host.test", RecordType::TXT).await.unwrap();
    assert!(matches!(&text[0].data, RData::TXT(text) if text.to_string() == "hello"), "{text:?}");
}

#[test]
fn threads_have_a_resolver_that_blocks() {
    let (client, server) = stacks();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    let _desk = runtime.block_on(Server::start(&server, "10.0.0.1", knows("host.test.", &["10.0.0.9"], 60)));
    let blocking = svc_dns::blocking::Resolver::new(resolver(&client, &["10.0.0.1"])).unwrap();
    assert_eq!(blocking.lookup_ip("host.test").unwrap(), ips(&["10.0.0.9"]));
    assert!(blocking.lookup("host.test", RecordType::TXT).is_err());
    assert_eq!(blocking.get_ref().servers(), ["10.0.0.1:53".parse().unwrap()]);
}
