//! Data in both directions: RFC 9293 §3.7, §3.8.6.3, §3.10.7.4, RFC 5681 §4.2, RFC 896.

use super::script::Script;
use crate::{State, TcpConfig};
use alloc::format;
use stack_core::{DropReason, Error, SocketOption};

#[test]
fn a_small_segment_is_acknowledged_after_forty_milliseconds() {
    let mut s = Script::established();
    s.inject("P. 1:11 ack 1");
    s.quiet();
    s.expect_at(40, ". 1:1 ack 11");
    assert_eq!(s.counters().delayed_acks, 1);
}

#[test]
fn an_answer_carries_the_ack() {
    let mut s = Script::established();
    s.inject("P. 1:11 ack 1");
    s.write(5).unwrap();
    s.expect("P. 1:6 ack 11");
    s.inject(". 11:11 ack 6");
    s.advance(100);
    s.quiet();
    assert_eq!(s.counters().delayed_acks, 0);
}

#[test]
fn every_second_full_segment_is_acknowledged_at_once() {
    let mut s = Script::established();
    s.inject("P. 1:11 ack 1");
    s.write(1).unwrap(); // a conversation: no quick ACKs any more
    s.skip();
    s.inject(". 11:1471 ack 2");
    s.quiet();
    s.inject(". 1471:2931 ack 2");
    s.expect(". 2:2 ack 2931");
}

#[test]
fn a_batch_gets_one_ack() {
    let mut s = Script::established();
    let lines: alloc::vec::Vec<_> =
        (0..10u32).map(|i| alloc::format!(". {}:{} ack 1", 1 + i * 1460, 1461 + i * 1460)).collect();
    let lines: alloc::vec::Vec<&str> = lines.iter().map(|line| line.as_str()).collect();
    s.inject_batch(&lines);
    s.expect(". 1:1 ack 14601");
    s.quiet();
}

#[test]
fn a_super_packet_is_one_segment_and_gets_one_ack() {
    let mut s = Script::established();
    s.inject_super("P. 1:14601 ack 1", 1460);
    s.expect(". 1:1 ack 14601");
    s.quiet();
    assert_eq!(s.info().segs_in, 1 + 10, "the third ACK and ten segments");
    assert_eq!(s.read(20_000), Ok(14_600));
}

#[test]
fn segments_ahead_get_duplicates_and_a_filled_gap_an_ack_for_all() {
    let mut s = Script::established();
    s.inject(". 1001:2001 ack 1");
    s.expect(". 1:1 ack 1");
    s.inject("P. 2001:3001 ack 1");
    s.expect(". 1:1 ack 1");
    assert_eq!(s.read(10), Err(Error::WouldBlock));
    s.inject(". 1:1001 ack 1");
    s.expect(". 1:1 ack 3001");
    assert_eq!((s.read(5000), s.counters().ofo_queue), (Ok(3000), 2));
}

#[test]
fn a_small_gap_is_acknowledged_as_soon_as_it_is_filled() {
    let mut s = Script::established();
    s.inject("P. 11:21 ack 1");
    s.expect(". 1:1 ack 1");
    s.inject("P. 1:11 ack 1");
    s.expect(". 1:1 ack 21");
}

#[test]
fn a_batch_ahead_gets_three_duplicates_for_the_fast_retransmit_of_a_peer_without_sack() {
    let mut s = Script::established();
    s.inject_batch(&[". 1001:2001 ack 1", ". 2001:3001 ack 1", ". 3001:4001 ack 1", ". 4001:5001 ack 1"]);
    assert_eq!(s.skip(), 3);
}

#[test]
fn old_data_is_acknowledged_and_not_delivered_twice() {
    let mut s = Script::established();
    s.inject("P. 1:101 ack 1");
    s.advance(50);
    s.skip();
    for _ in 0..3 {
        s.inject("P. 1:101 ack 1");
        s.expect(". 1:1 ack 101"); // each time: the peer misses our ACK
    }
    s.inject("P. 51:151 ack 1");
    assert_eq!(s.read(1000), Ok(150), "what overlaps is cut off");
    s.inject("FP. 101:161 ack 1");
    assert_eq!((s.read(1000), s.state()), (Ok(10), State::CloseWait));
}

#[test]
fn text_in_pieces_is_cut_at_the_window_like_any_other() {
    let mut s = Script::established();
    s.option(SocketOption::ReceiveBuffer(4096));
    let mut seq = 1;
    while s.info().rcv_wnd > 1500 {
        s.inject(&format!(". {seq}:{} ack 1", seq + 500));
        seq += 500;
    }
    let room = s.info().rcv_wnd;
    let mut packet = s.packet(&format!(". {seq}:{} ack 1", seq + 2000));
    let mut text = packet.data.split_off(packet.data.len() - 2000);
    while !text.is_empty() {
        packet.more.push(text.split_to(text.len().min(400)));
    }
    s.node.receive(packet);
    s.flush();
    assert_eq!(s.info().bytes_received, u64::from(seq - 1 + room));
    assert_eq!(s.info().rcv_wnd, 0);
}

#[test]
fn what_lies_beyond_the_window_is_refused_or_cut() {
    let mut s = Script::established();
    s.inject("P. 70001:70011 ack 1");
    s.expect(". 1:1 ack 1");
    assert_eq!(s.node.drops, [DropReason::TcpOutOfWindow]);
    s.inject_super("FP. 1:66001 ack 1", 1460);
    assert_eq!(s.read(100_000), Ok(65_535), "cut at the right edge, and the FIN with it");
    assert_eq!(s.state(), State::Established);
}

#[test]
fn a_fin_that_comes_early_waits() {
    let mut s = Script::established();
    s.inject("FP. 11:21 ack 1");
    s.expect(". 1:1 ack 1");
    assert_eq!(s.state(), State::Established);
    s.inject("P. 1:11 ack 1");
    s.expect(". 1:1 ack 22");
    assert_eq!((s.state(), s.read(100), s.read(100)), (State::CloseWait, Ok(20), Ok(0)));
}

#[test]
fn nagle_holds_the_second_small_segment() {
    let mut s = Script::established();
    s.write(10).unwrap();
    s.expect("P. 1:11 ack 1");
    s.write(10).unwrap();
    s.write(10).unwrap();
    s.quiet();
    s.write(1000).unwrap();
    s.expect(". 11:1011 ack 1");
    s.quiet();
    s.inject(". 1:1 ack 11");
    s.expect("P. 1011:1031 ack 1");
}

#[test]
fn no_delay_lets_small_segments_go() {
    let mut s = Script::established();
    s.write(10).unwrap();
    s.write(10).unwrap();
    s.expect("P. 1:11");
    s.quiet();
    s.option(SocketOption::NoDelay(true));
    s.expect("P. 11:21");
    s.write(10).unwrap();
    s.expect("P. 21:31");
}

#[test]
fn a_large_write_is_cut_into_full_segments_and_its_tail_is_pushed() {
    let mut s = Script::established();
    s.write(3200).unwrap();
    for line in [". 1:1001 ack 1", ". 1001:2001 ack 1", ". 2001:3001 ack 1", "P. 3001:3201 ack 1"] {
        s.expect(line);
    }
    s.quiet();
}

#[test]
fn a_super_packet_is_built_of_whole_segments() {
    let mut s = Script::established();
    s.node.services.max_gso = 65_535;
    s.node.services.generation += 1;
    s.write(3200).unwrap();
    s.expect_super("P. 1:3201 ack 1", 1000);
    s.inject(". 1:1 ack 3201 win 65535");
    s.write(50_000).unwrap();
    s.expect_super("P. 3201:13201", 1000); // as much as the window lets go
    s.quiet();
}

#[test]
fn pieces_by_reference_arrive_as_written() {
    let mut s = Script::established();
    for len in [10, 700, 2000, 1, 513] {
        s.write_bytes(len).unwrap();
    }
    s.inject(". 1:1 ack 11");
    s.inject(". 1:1 ack 3225");
    assert_eq!(s.info().bytes_acked, 3224);
}

#[test]
fn many_small_pieces_fill_whole_segments() {
    let mut s = Script::established();
    for _ in 0..20 {
        s.write(1000).unwrap();
    }
    assert_eq!(s.skip(), 10, "the initial window");
    for _ in 0..40 {
        s.write_bytes(600).unwrap();
    }
    s.inject(". 1:1 ack 10001");
    assert_eq!(s.skip(), 20);
    assert_eq!(
        (s.info().unacked, s.info().data_segs_out),
        (20_000, 30),
        "not one of them smaller than the MSS"
    );
}

#[test]
fn a_full_send_buffer_says_so_and_tells_when_there_is_room() {
    let mut s = Script::established();
    s.option(SocketOption::SendBuffer(5000));
    assert_eq!(s.write(8000), Ok(5000));
    assert_eq!(s.write(1), Err(Error::WouldBlock));
    assert!(!s.node.tcp.readiness(s.id).writable);
    let id = s.id;
    s.node.tcp.register(id, stack_core::Interest::Writable, core::task::Waker::noop());
    s.inject(". 1:1 ack 1001");
    assert!(s.node.wakes.is_empty() && s.write(100) == Ok(100), "room, but not worth a wake");
    s.inject(". 1:1 ack 4001");
    assert_eq!(s.node.wakes.len(), 1);
    assert!(s.node.tcp.readiness(s.id).writable);
}

#[test]
fn peek_leaves_what_it_shows() {
    let mut s = Script::established();
    s.inject("P. 1:11 ack 1");
    let id = s.id;
    let mut buffer = [0; 4];
    assert_eq!(s.node.with(|tcp, cx| tcp.peek(cx, id, &mut buffer)), Ok(4));
    assert_eq!(buffer, super::script::text(0, 4)[..]);
    let bytes = s.node.with(|tcp, cx| tcp.read_bytes(cx, id, 6)).unwrap();
    assert_eq!(bytes, super::script::text(0, 6));
    assert_eq!(s.info().receive_queue, 4);
}

#[test]
fn a_connection_without_memory_for_it_still_takes_what_is_in_order() {
    let mut s = Script::established();
    let mut seq = 1001;
    while s.counters().ofo_drop == 0 && seq < 65_000 {
        s.inject(&alloc::format!(". {seq}:{} ack 1", seq + 1));
        seq += 2;
    }
    let held = s.info().receive_memory;
    s.skip();
    assert!(held <= (1 << 20) * 3 / 4, "{held} bytes");
    s.inject(". 1:1001 ack 1");
    s.expect(". 1:1 ack 1002");
}

#[test]
fn a_flood_of_one_byte_pieces_is_bounded() {
    let config = TcpConfig { receive_buffer: 65_536, ..Script::plain() };
    let mut s = Script::accepted(config, "mss 1000");
    for seq in (3..60_000).step_by(2) {
        s.inject(&alloc::format!(". {seq}:{} ack 1", seq + 1));
    }
    assert!(s.info().receive_memory <= 65_536 / 4 * 3);
    assert!(s.counters().ofo_drop > 20_000);
    s.inject("P. 1:3 ack 1");
    assert_eq!(s.read(10), Ok(3));
}

#[test]
fn data_after_close_is_answered_with_a_reset() {
    let mut s = Script::established();
    s.close();
    s.expect("F. 1:1 ack 1");
    s.inject("P. 1:11 ack 2");
    s.expect("R. 2:2");
    assert_eq!((s.counters().abort_on_data, s.node.tcp.table_sizes().0), (1, 1));
}

#[test]
fn after_the_end_of_reading_data_is_taken_and_dropped() {
    let mut s = Script::established();
    let id = s.id;
    s.node.with(|tcp, cx| tcp.shutdown(cx, id, stack_core::Shutdown::Read)).unwrap();
    s.inject("P. 1:1001 ack 1");
    s.inject(". 2001:3001 ack 1");
    s.inject(". 1001:2001 ack 1");
    s.skip();
    assert_eq!((s.read(10), s.info().receive_memory, s.info().bytes_received), (Ok(0), 0, 3000));
    assert_eq!(s.info().rcv_wnd, 65_535);
}

#[test]
fn a_bad_checksum_is_dropped_in_silence() {
    let mut s = Script::established();
    let mut packet = s.packet("P. 1:11 ack 1");
    packet.meta.checksum = stack_core::Checksum::Unverified;
    s.node.receive(packet);
    s.flush();
    s.quiet();
    assert_eq!(
        (s.node.drops.pop(), s.counters().in_csum_errors),
        (Some(DropReason::BadTransportChecksum), 1)
    );
}

#[test]
fn settings_reach_the_packet() {
    let mut s = Script::established();
    s.option(SocketOption::HopLimit(7));
    s.option(SocketOption::TrafficClass(0xff));
    s.option(SocketOption::Mark(5));
    s.node.with(|tcp, cx| tcp.write(cx, s.id, b"x")).unwrap();
    let packet = s.node.transmit(32).remove(0);
    assert_eq!((packet.ip.hop_limit, packet.ip.traffic_class, packet.mark), (7, 0xfc, 5));
    assert!(packet.ip.dont_fragment && packet.hash != 0);
}
