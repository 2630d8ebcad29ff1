//! Loads on kernel sockets, and reference peers that answer them: kernel sockets
//! again, a null responder on a TUN device, and a copier between two such devices.
//!
//! Each load prints one line of JSON when its time is up. The ports are those
//! of `README.md`.
#![deny(unsafe_code)]

mod forward;
mod load;
mod null;
mod packet;
mod serve;
mod sys;

use std::env;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use load::Sources;

pub const SINK: u16 = 5001;
pub const SOURCE: u16 = 5002;
pub const ECHO: u16 = 5003;
pub const UDP_SINK: u16 = 5004;
pub const UDP_ECHO: u16 = 5005;
pub const HOLD: u16 = 5006;
/// The question that the UDP sink answers with its counts.
pub const QUESTION: &[u8] = b"STAT?";

const USAGE: &str = "usage:
  wire-bench send ADDRESS SECONDS STREAMS
  wire-bench recv ADDRESS SECONDS STREAMS
  wire-bench rr ADDRESS SECONDS CONNECTIONS
  wire-bench crr ADDRESS SECONDS THREADS [SOURCE-PREFIX COUNT]
  wire-bench udp ADDRESS SECONDS SIZE
  wire-bench idle ADDRESS COUNT [SOURCE-PREFIX COUNT]
  wire-bench serve
  wire-bench null DEVICE vnet|plain MSS
  wire-bench forward DEVICE vnet|plain NAMESPACE";

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    sys::raise_descriptor_limit();
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("wire-bench: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &[String]) -> Result<(), String> {
    let words = Words(args);
    let text = |error: std::io::Error| error.to_string();
    match words.0.first().map(String::as_str) {
        Some("send") => {
            load::bulk::run(words.address()?, words.seconds()?, words.parse(3)?, SINK).map_err(text)
        }
        Some("recv") => {
            load::bulk::run(words.address()?, words.seconds()?, words.parse(3)?, SOURCE).map_err(text)
        }
        Some("rr") => load::request::run(words.address()?, words.seconds()?, words.parse(3)?).map_err(text),
        Some("crr") => {
            load::connect::run(words.address()?, words.seconds()?, words.parse(3)?, words.sources(4)?);
            Ok(())
        }
        Some("udp") => load::datagram::run(words.address()?, words.seconds()?, words.parse(3)?).map_err(text),
        Some("idle") => {
            load::idle::run(words.address()?, words.parse(2)?, words.sources(3)?);
            Ok(())
        }
        Some("serve") => serve::run().map_err(text),
        Some("null") => null::run(words.word(1)?, words.word(2)? == "vnet", words.parse(3)?).map_err(text),
        Some("forward") => {
            forward::run(words.word(1)?, words.word(3)?, words.word(2)? == "vnet").map_err(text)
        }
        _ => Err(USAGE.to_owned()),
    }
}

/// The command line, by position.
struct Words<'a>(&'a [String]);

impl Words<'_> {
    fn word(&self, at: usize) -> Result<&str, String> {
        self.0.get(at).map(String::as_str).ok_or_else(|| USAGE.to_owned())
    }

    fn parse<T: FromStr>(&self, at: usize) -> Result<T, String> {
        let word = self.word(at)?;
        word.parse().map_err(|_| format!("`{word}` is not what belongs there\n{USAGE}"))
    }

    fn address(&self) -> Result<Ipv4Addr, String> {
        self.parse(1)
    }

    fn seconds(&self) -> Result<Duration, String> {
        Duration::try_from_secs_f64(self.parse(2)?).map_err(|error| error.to_string())
    }

    fn sources(&self, at: usize) -> Result<Sources, String> {
        if self.0.len() <= at {
            return Ok(Sources::any());
        }
        let prefix = self.word(at)?;
        let count: u32 = self.parse(at + 1)?;
        let addresses = (1..=count).map(|last| format!("{prefix}.{last}").parse());
        let addresses =
            addresses.collect::<Result<_, _>>().map_err(|_| format!("`{prefix}` is no address prefix"))?;
        Ok(Sources::new(addresses))
    }
}
