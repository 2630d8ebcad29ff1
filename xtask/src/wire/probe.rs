//! Small clients that no ready-made program offers, run inside a namespace as
//! `xtask probe …`: exact datagram sizes, many connections, byte-exact echoes.
//!
//! Each prints one line when all went well and fails with a message otherwise.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, Shutdown, SocketAddr, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

use clap::Subcommand;

use super::namespace::Namespace;
use super::{Outcome, ensure};

const TIMEOUT: Duration = Duration::from_secs(5);
/// Attempts for a datagram: UDP may lose one, a stack that works doesn't lose many.
const ATTEMPTS: usize = 3;

#[derive(Subcommand)]
pub(crate) enum Probe {
    /// Send datagrams of these sizes to an echo service and compare the answers
    UdpEcho { address: SocketAddr, sizes: Vec<usize> },
    /// Join a group and send to an echo service in it, which answers to the group
    GroupEcho { group: SocketAddr },
    /// Connect, exchange a line, close; again and again
    Connect { address: SocketAddr, count: usize },
    /// Many connections at once, each sending bytes to an echo service and comparing
    Parallel { address: SocketAddr, connections: usize, bytes: usize },
    /// Make a namespace, say so and wait: for the test of the clean-up
    Hold,
}

impl Probe {
    /// Does the probe's work.
    pub(crate) fn run(self) -> Outcome {
        match self {
            Self::UdpEcho { address, sizes } => {
                sizes.into_iter().try_for_each(|size| udp_echo(address, size))
            }
            Self::GroupEcho { group } => group_echo(group),
            Self::Connect { address, count } => {
                (0..count).try_for_each(|number| exchange_line(address, number))
            }
            Self::Parallel { address, connections, bytes } => parallel(address, connections, bytes),
            Self::Hold => hold(),
        }
    }
}

fn udp_echo(address: SocketAddr, size: usize) -> Outcome {
    let context = |error| format!("udp echo of {size} bytes: {error}");
    let socket = UdpSocket::bind((unspecified(address), 0)).map_err(context)?;
    socket.connect(address).map_err(context)?;
    socket.set_read_timeout(Some(TIMEOUT / 5)).map_err(context)?;
    let sent = pattern(size, size as u64);
    let mut buffer = vec![0; 1 << 16];
    for _ in 0..ATTEMPTS {
        socket.send(&sent).map_err(context)?;
        if let Ok(count) = socket.recv(&mut buffer) {
            ensure!(buffer[..count] == sent, "udp echo of {size} bytes: {count} other bytes came back");
            println!("udp echo of {size} bytes: same bytes back");
            return Ok(());
        }
    }
    Err(format!("udp echo of {size} bytes: no answer in {ATTEMPTS} attempts"))
}

/// Receives on the port that it sends from, since the answer goes to the group there.
fn group_echo(group: SocketAddr) -> Outcome {
    let context = |error| format!("echo in {group}: {error}");
    let socket = UdpSocket::bind((unspecified(group), 0)).map_err(context)?;
    match group.ip() {
        IpAddr::V4(group) => socket.join_multicast_v4(&group, &Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(group) => socket.join_multicast_v6(&group, 0),
    }
    .map_err(context)?;
    socket.set_read_timeout(Some(TIMEOUT / 5)).map_err(context)?;
    let sent = pattern(1000, 3);
    let mut buffer = vec![0; 2000];
    for _ in 0..ATTEMPTS {
        socket.send_to(&sent, group).map_err(context)?;
        if let Ok((count, from)) = socket.recv_from(&mut buffer) {
            ensure!(buffer[..count] == sent, "echo in {group}: {count} other bytes from {from}");
            println!("echo in {group}: same bytes back, from {from}");
            return Ok(());
        }
    }
    Err(format!("echo in {group}: no answer in {ATTEMPTS} attempts"))
}

/// The address that stands for all of its family.
fn unspecified(address: SocketAddr) -> IpAddr {
    match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

fn exchange_line(address: SocketAddr, number: usize) -> Outcome {
    let context = |error| format!("connection {number}: {error}");
    let line = format!("line {number}\n");
    let mut stream = TcpStream::connect_timeout(&address, TIMEOUT).map_err(context)?;
    stream.set_read_timeout(Some(TIMEOUT)).map_err(context)?;
    stream.write_all(line.as_bytes()).map_err(context)?;
    stream.shutdown(Shutdown::Write).map_err(context)?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(context)?;
    ensure!(answer == line, "connection {number}: sent {line:?}, got {answer:?}");
    Ok(())
}

fn parallel(address: SocketAddr, connections: usize, bytes: usize) -> Outcome {
    let mut streams = Vec::new();
    for number in 0..connections {
        let stream = TcpStream::connect_timeout(&address, TIMEOUT);
        streams.push(stream.map_err(|error| format!("connection {number} of {connections}: {error}"))?);
    }
    // All are open at the same time before the first byte moves.
    let threads: Vec<_> = streams
        .into_iter()
        .zip(0_u64..)
        .map(|(stream, seed)| thread::spawn(move || echo_bytes(stream, pattern(bytes, seed))))
        .collect();
    for (thread, number) in threads.into_iter().zip(0_usize..) {
        let outcome = thread.join().map_err(|_| format!("connection {number}: thread panicked"))?;
        outcome.map_err(|error| format!("connection {number}: {error}"))?;
    }
    println!("{connections} connections echoed {bytes} bytes each");
    Ok(())
}

fn echo_bytes(mut stream: TcpStream, sent: Vec<u8>) -> Outcome {
    let text = |error: std::io::Error| error.to_string();
    stream.set_read_timeout(Some(4 * TIMEOUT)).map_err(text)?;
    let mut writer = stream.try_clone().map_err(text)?;
    let copy = sent.clone();
    let writing =
        thread::spawn(move || writer.write_all(&copy).and_then(|()| writer.shutdown(Shutdown::Write)));
    let mut back = Vec::with_capacity(sent.len());
    stream.read_to_end(&mut back).map_err(text)?;
    writing.join().map_err(|_| "writer panicked".to_owned())?.map_err(text)?;
    ensure!(back.len() == sent.len(), "sent {} bytes, {} came back", sent.len(), back.len());
    ensure!(back == sent, "the bytes that came back differ");
    Ok(())
}

fn hold() -> Outcome {
    let reaper = super::reaper::Reaper::start()?;
    let namespace = Namespace::new()?;
    println!("holding {}", namespace.name());
    thread::sleep(12 * TIMEOUT);
    drop(namespace);
    reaper.finish(false);
    Ok(())
}

/// Bytes that differ from place to place and from seed to seed (xorshift).
pub(crate) fn pattern(count: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}
