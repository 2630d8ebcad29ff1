//! Two stacks that speak nothing but our two protocols, over an Ethernet in memory.

use own_protocols::{Courier, Parcel};
use std::net::Ipv4Addr;
use std::time::Duration;
use ustack::link::channel::{ChannelConfig, ChannelLink, pair};
use ustack::link::ethernet::Ethernet;
use ustack::{NicConfig, Stack};

const LEFT: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
const RIGHT: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 2);

fn stack(link: ChannelLink, address: Ipv4Addr) -> Stack {
    let link = Ethernet::with_link_address_of(link).unwrap();
    Stack::builder()
        .network(Courier)
        .transport(Parcel::default())
        .nic(NicConfig::new(link).address(format!("{address}/24").parse().unwrap()))
        .build()
        .unwrap()
}

fn stacks() -> (Stack, Stack) {
    let config = ChannelConfig::ethernet(Courier::link_address(LEFT), Courier::link_address(RIGHT));
    let (left, right) = pair(config);
    (stack(left, LEFT), stack(right, RIGHT))
}

/// Asks until there is an answer.
fn wait<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    for _ in 0..5_000 {
        if let Some(answer) = ask() {
            return answer;
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
    panic!("no answer in five seconds");
}

#[test]
fn messages_pass_in_both_directions() {
    let (left, right) = stacks();
    let open =
        |stack: &Stack, port| stack.with_transport(|parcel: &mut Parcel, cx| parcel.open(cx, port)).unwrap();
    let (ours, theirs) = (open(&left, 0).unwrap(), open(&right, 7).unwrap());
    for number in 0..100u16 {
        let text = format!("message {number}");
        left.with_transport(|parcel: &mut Parcel, _| parcel.send(ours, (RIGHT, 7).into(), text.as_bytes()))
            .unwrap()
            .unwrap();
        let message = wait(|| {
            right.with_transport(|parcel: &mut Parcel, _| parcel.receive_message(theirs).ok()).unwrap()
        });
        assert_eq!((message.number, message.bytes.as_slice()), (number, text.as_bytes()));
        assert_eq!(message.from.ip(), LEFT);
        right
            .with_transport(|parcel: &mut Parcel, _| parcel.send(theirs, message.from, b"thank you"))
            .unwrap()
            .unwrap();
        let answer =
            wait(|| left.with_transport(|parcel: &mut Parcel, _| parcel.receive_message(ours).ok()).unwrap());
        assert_eq!((answer.from, answer.bytes.as_slice()), ((RIGHT, 7).into(), &b"thank you"[..]));
    }
}

#[test]
fn a_port_is_opened_once() {
    let (left, _right) = stacks();
    let open = |port| left.with_transport(|parcel: &mut Parcel, cx| parcel.open(cx, port)).unwrap();
    assert!(open(7).is_ok());
    assert!(open(7).is_err());
}

#[test]
fn a_message_to_nobody_is_counted_and_harms_nothing() {
    let (left, right) = stacks();
    let ours = left.with_transport(|parcel: &mut Parcel, cx| parcel.open(cx, 0)).unwrap().unwrap();
    left.with_transport(|parcel: &mut Parcel, _| parcel.send(ours, (RIGHT, 99).into(), b"hello?"))
        .unwrap()
        .unwrap();
    wait(|| {
        right
            .counters()
            .drops
            .iter()
            .any(|(reason, count)| reason.as_str() == "no-endpoint" && count > 0)
            .then_some(())
    });
}

#[test]
fn a_protocol_registered_twice_is_refused_with_its_names() {
    let error = Stack::builder().network(Courier).network(Courier).build().unwrap_err();
    assert!(error.to_string().contains("Courier and Courier"), "{error}");
}
