//! Small datagrams at full rate to the counting sink.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};
use std::thread;
use std::time::{Duration, Instant};

use crate::{QUESTION, UDP_SINK, sys};

/// Datagrams of one system call.
const BATCH: usize = 32;
const ATTEMPTS: usize = 15;
/// Time for what is under way to be counted.
const SETTLE: Duration = Duration::from_millis(150);

/// Prints datagrams per second, sent and received.
pub fn run(address: Ipv4Addr, time: Duration, size: usize) -> io::Result<()> {
    let (asking, sending) = (socket(address)?, socket(address)?);
    asking.set_read_timeout(Some(Duration::from_millis(200)))?;
    let payload = vec![0; size];
    let before = datagrams_counted(&asking);
    let began = Instant::now();
    let mut sent = 0;
    while began.elapsed() < time {
        sent += sys::send_many(&sending, &payload, BATCH);
    }
    let seconds = began.elapsed().as_secs_f64();
    thread::sleep(SETTLE);
    let after = datagrams_counted(&asking);
    let (Some(before), Some(after)) = (before, after) else {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "the sink does not tell its counts"));
    };
    let got = after.saturating_sub(before);
    let (sent_rate, got_rate) = (sent as f64 / seconds, got as f64 / seconds);
    println!(r#"{{"sent_pps":{sent_rate:.0},"recv_pps":{got_rate:.0},"sent":{sent},"got":{got}}}"#);
    Ok(())
}

fn socket(address: Ipv4Addr) -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((address, UDP_SINK))?;
    Ok(socket)
}

fn datagrams_counted(socket: &UdpSocket) -> Option<u64> {
    let mut answer = [0; 16];
    for _ in 0..ATTEMPTS {
        let asked = socket.send(QUESTION).is_ok();
        if asked && socket.recv(&mut answer).is_ok_and(|count| count == answer.len()) {
            return answer.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        }
    }
    None
}
