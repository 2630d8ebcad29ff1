//! A transfer between two hosts of our stack in memory, the same packets in each run, for a tool that counts instructions:
//! `cargo xtask bench instructions` runs it under callgrind, twice for each row, so that the difference is the packets'.
//!
//! It prints how many packets went from one host to the other, acknowledgements included.
#![forbid(unsafe_code)]

use std::io::Write;
use std::process::ExitCode;

use benches::connected::Connected;
use benches::hosts::{checksumming, offloading};
use bytes::Bytes;
use clap::{Parser, ValueEnum};

/// Packets of 1500 bytes that are written at a time, and super-packets.
const SEGMENTS: usize = 32;
const SUPER_PACKETS: usize = 4;
/// Headers of a segment with timestamps.
const TCP_HEADER: usize = 32;

#[derive(Parser)]
struct Args {
    /// Carry it over IPv6
    #[arg(long)]
    ipv6: bool,

    /// What the link takes
    #[arg(long, value_enum, default_value = "packets")]
    link: Link,

    /// Batches of packets
    #[arg(long, value_name = "N", default_value_t = 100)]
    batches: usize,
}

#[derive(Clone, Copy, ValueEnum)]
enum Link {
    /// 1500 bytes, checksums by the link
    Packets,
    /// 64 KiB, segments by the link
    SuperPackets,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let header = TCP_HEADER + if args.ipv6 { 40 } else { 20 };
    let text = 1500 - header;
    let (capabilities, batch) = match args.link {
        Link::Packets => (checksumming(1500), SEGMENTS * text),
        Link::SuperPackets => (offloading(1500), SUPER_PACKETS * ((65_535 - header) / text * text)),
    };
    let mut pair = if args.ipv6 {
        Connected::between_two_over_ipv6(&capabilities)
    } else {
        Connected::between_two(&capabilities)
    };
    let batch = Bytes::from(vec![0x5a; batch]);
    for _ in 0..args.batches {
        let mut rest = batch.clone();
        while !rest.is_empty() {
            pair.write_bytes(pair.client, &mut rest);
            pair.settle();
            pair.read_bytes(pair.server);
        }
    }
    match writeln!(std::io::stdout(), "{}", pair.packets) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
