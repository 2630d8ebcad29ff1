//! Text that is with its reader before the segment is looked at.

use super::script::Script;
use crate::TcpConfig;
use alloc::format;
use bytes::Bytes;
use stack_core::{DropReason, Error, Shutdown, SocketOption, StreamPosition};

impl Script {
    /// A segment arrives, of whose text the first octets have been placed.
    fn inject_placed(&mut self, line: &str, placed: u32) {
        let mut packet = self.packet(line);
        let header_len = usize::from(packet.data[12] >> 4) * 4;
        let text = packet.data.split_off(header_len);
        packet.more.push(text.slice(placed as usize..));
        packet.data = Bytes::copy_from_slice(&packet.data);
        packet.meta.placed = placed;
        self.node.receive(packet);
        self.flush();
    }

    fn next_text(&mut self) -> Option<StreamPosition> {
        self.node.tcp.next_text(self.id)
    }

    fn take_placed(&mut self) -> usize {
        let placed = self.node.tcp.take_placed();
        self.read += placed as u32;
        placed
    }
}

#[test]
fn what_was_placed_has_been_read() {
    let mut s = Script::established();
    let next = s.next_text().unwrap();
    assert_eq!((next.remote, next.local), (s.peer, "10.0.0.1:80".parse().unwrap()));
    s.inject_placed(". 1:1001 ack 1", 1000);
    s.expect(". 1:1 ack 1001 win 64535"); // RFC 9293 §3.8.6.2.2: the edge moves by whole segments
    s.inject_placed(". 1001:2001 ack 1", 1000);
    s.expect(". 1:1 ack 2001 win 65535");
    assert_eq!((s.read(10), s.take_placed(), s.take_placed()), (Err(Error::WouldBlock), 2000, 0));
    let after = s.next_text().unwrap();
    assert_eq!(after, StreamPosition { seq: next.seq.wrapping_add(2000), ..next });
    s.inject_placed("P. 2001:2011 ack 1", 10);
    assert_eq!((s.take_placed(), s.info().bytes_received, s.counters().direct_copy), (10, 2010, 2010));
    assert!(s.node.drops.is_empty());
}

#[test]
fn what_there_was_no_room_for_waits() {
    let mut s = Script::established();
    s.next_text().unwrap();
    s.inject_placed(". 1:1001 ack 1", 400);
    assert_eq!(s.take_placed(), 400);
    assert_eq!(s.next_text(), None, "something waits");
    assert_eq!(s.read(2000), Ok(600));
    assert!(s.next_text().is_some());
}

#[test]
fn only_what_comes_next_is_taken() {
    let dropped = |s: &Script, count| assert_eq!(s.node.drops, [DropReason::Misplaced].repeat(count));
    let mut s = Script::established();
    s.inject_placed(". 1:1001 ack 1", 1000);
    dropped(&s, 1);
    s.next_text().unwrap();
    s.inject_placed(". 2:1001 ack 1", 999);
    dropped(&s, 2);
    s.inject_placed(". 1:1001 ack 1", 1000);
    // What was sent again begins before what is awaited.
    s.inject_placed(". 501:1501 ack 1", 1000);
    dropped(&s, 3);
    assert_eq!(s.take_placed(), 1000);
    s.inject_placed(". 1001:2001 ack 1", 1000);
    dropped(&s, 4);
    // Text that came otherwise is in front of what would be placed.
    s.next_text().unwrap();
    s.inject(". 1001:2001 ack 1");
    s.inject_placed(". 2001:3001 ack 1", 1000);
    dropped(&s, 5);
    assert_eq!((s.take_placed(), s.read(1000)), (0, Ok(1000)));
    s.inject(". 2001:3001 ack 1");
    assert_eq!(s.read(1000), Ok(1000), "the peer has sent it again");
}

#[test]
fn text_beyond_a_gap_follows_what_fills_it() {
    let mut s = Script::established();
    s.next_text().unwrap();
    s.inject(". 1001:2001 ack 1");
    s.inject_placed(". 1:1001 ack 1", 1000);
    s.inject_placed(". 1001:1501 ack 1", 500);
    s.expect(". 1:1 ack 1");
    s.expect(". 1:1 ack 2001");
    assert_eq!(s.take_placed(), 1000);
    assert_eq!(s.read(5000), Ok(1000));
    assert_eq!(s.node.drops, [DropReason::TcpDuplicate]);
}

#[test]
fn a_fin_ends_what_was_placed() {
    let mut s = Script::established();
    s.next_text().unwrap();
    s.inject_placed(". 1:1001 ack 1", 1000);
    s.inject("F. 1001:1001 ack 1");
    s.expect(". 1:1 ack 1001");
    s.expect(". 1:1 ack 1002");
    assert_eq!((s.take_placed(), s.next_text(), s.read(10)), (1000, None, Ok(0)));
    s.inject_placed(". 1002:1012 ack 1", 10);
    assert_eq!(s.take_placed(), 0);
}

#[test]
fn the_window_bounds_what_was_placed() {
    let mut s = Script::established();
    s.next_text().unwrap();
    s.inject_placed(". 1:60001 ack 1", 60_000);
    s.skip();
    s.inject_placed(". 60001:130001 ack 1", 70_000);
    assert_eq!(s.take_placed(), 60_000 + 65_535, "as far as the window went");
    s.inject_placed(". 130001:130011 ack 1", 10);
    assert_eq!(s.take_placed(), 0);
    let mut s = Script::established();
    s.next_text().unwrap();
    s.inject_placed(". 1:70001 ack 1", 60_000);
    assert_eq!((s.take_placed(), s.read(70_000)), (60_000, Ok(5535)));
}

#[test]
fn the_buffer_grows_for_what_is_read_in_place_and_none_of_it_is_used() {
    let config = TcpConfig { window_scaling: true, receive_buffer: 100_000, ..Script::plain() };
    let mut s = Script::accepted(config, "mss 1000,ws 7");
    let (mut seq, mut round) = (1, 20_000);
    for _ in 0..8 {
        let memory = s.info().receive_memory;
        s.next_text().unwrap();
        s.inject_placed(&format!(". {seq}:{} ack 1", seq + round), round);
        assert_eq!((s.take_placed(), s.info().receive_memory), (round as usize, memory));
        s.advance(10);
        (seq, round) = (seq + round, (round * 2).min(90_000));
    }
    assert!(s.info().receive_buffer > 150_000, "{}", s.info().receive_buffer);
}

#[test]
fn nothing_is_placed_for_readers_who_would_not_take_it() {
    let mut s = Script::established();
    s.node.with(|tcp, cx| tcp.set_option(cx, s.id, SocketOption::ReceiveLowat(2))).unwrap();
    assert_eq!(s.next_text(), None, "it waits for more");
    s.node.with(|tcp, cx| tcp.set_option(cx, s.id, SocketOption::ReceiveLowat(1))).unwrap();
    assert!(s.next_text().is_some());
    s.node.with(|tcp, cx| tcp.shutdown(cx, s.id, Shutdown::Read)).unwrap();
    assert_eq!(s.next_text(), None, "it reads no more");
    let mut listening = Script::listening(Script::plain(), 5);
    assert_eq!(listening.next_text(), None);
}

#[test]
fn readers_of_one_stack_wait_one_at_a_time() {
    let mut s = Script::listening(Script::plain(), 5);
    let mut connect = |port: u16| {
        s.peer.set_port(port);
        s.inject("S 0:0 win 65535 <mss 1000>");
        s.expect("S. 0:0 ack 1");
        s.inject(". 1:1 ack 1 win 65535");
        (s.accept(), s.our_iss)
    };
    let [(first, our_iss), (second, _)] = [connect(5000), connect(5001)];
    for id in [first, second] {
        assert!(s.node.tcp.next_text(id).is_some());
    }
    (s.our_iss, s.peer) = (our_iss, "10.0.0.2:5000".parse().unwrap());
    s.inject_placed(". 1:1001 ack 1", 1000);
    assert_eq!((s.node.drops.pop(), s.take_placed()), (Some(DropReason::Misplaced), 0));
}
