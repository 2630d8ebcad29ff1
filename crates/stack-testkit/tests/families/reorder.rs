//! Five segments in each of the 120 orders: one that does not come next is kept and answered at once with a duplicate
//! ACK (R9293-SHLD-31, R5681-3.2-a), one that fills a hole with an ACK for all that is there (R5681-3.2-b), and the bytes
//! come out in order, once.

use super::Family;
use std::fmt::Write;

const SIZE: u32 = 1000;

pub(crate) fn family() -> Family {
    let mut orders = Vec::new();
    permute(&mut vec![1, 2, 3, 4, 5], 0, &mut orders);
    orders.iter().map(|order| (name(order), script(order))).collect()
}

fn permute(items: &mut Vec<u32>, from: usize, into: &mut Vec<Vec<u32>>) {
    if from == items.len() {
        into.push(items.clone());
    }
    for other in from..items.len() {
        items.swap(from, other);
        permute(items, from + 1, into);
        items.swap(from, other);
    }
}

fn name(order: &[u32]) -> String {
    order.iter().map(u32::to_string).collect::<String>() + ".pkt"
}

fn script(order: &[u32]) -> String {
    let arrivals: Vec<String> = order.iter().map(u32::to_string).collect();
    let mut text = format!(
        "// Segments of one stream arrive in the order {}: each is acknowledged at once, with what is there without a hole;\n\
         // all is delivered in order (R9293-SHLD-31, R5681-3.2-a, R5681-3.2-b, R9293-MUST-59).\n",
        arrivals.join(" ")
    );
    text += "\
0    socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
+0   bind(3, ..., ...) = 0
+0   listen(3, 1) = 0
+0   < S 0:0(0) win 65535 <mss 1000>
+0   > S. 0:0(0) ack 1 <...>
+0.1 < . 1:1(0) ack 1 win 65535
+0   accept(3, ..., ...) = 4

";
    let mut arrived = Vec::new();
    for segment in order {
        arrived.push(*segment);
        let first = (segment - 1) * SIZE + 1;
        let next = (1..=5).take_while(|wanted| arrived.contains(wanted)).last().unwrap_or(0) * SIZE + 1;
        let _ = writeln!(text, "+0.01 < . {first}:{}({SIZE}) ack 1 win 65535", first + SIZE);
        let _ = writeln!(text, "+0   > . 1:1(0) ack {next}");
    }
    text + "+0   read(4, ..., 9000) = 5000\n"
}
