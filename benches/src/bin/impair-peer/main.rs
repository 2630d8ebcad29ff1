//! What `cargo xtask impair` runs in its namespaces: the box that carries packets between two TUN devices over an
//! impaired line, and the two ends of a transfer, each over the kernel's sockets or over our stack.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the runner reads the one, people the other")]

mod carry;
mod lateness;
mod sockets;
mod transfer;
mod watch;

use clap::{Args, Parser};
use link_impair::ImpairConfig;
use stack_core::IpNet;
use std::error::Error;
use std::net::{IpAddr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

/// The parts of the impairment box.
#[derive(Parser)]
enum Part {
    /// Carry packets between two TUN devices that it makes, until its input ends; then print what it saw
    Box(BoxArgs),
    /// Write for some time, and then reset the connection
    Send {
        /// The receiver
        to: SocketAddr,
        #[command(flatten)]
        end: End,
    },
    /// Read for some time, and then print how much that was
    Receive {
        /// Where to listen
        on: SocketAddr,
        #[command(flatten)]
        end: End,
    },
}

#[derive(Args)]
struct BoxArgs {
    /// Name of the device at the sender
    #[arg(long)]
    near: String,
    /// Name of the device at the receiver
    #[arg(long)]
    far: String,
    /// Bits a second, in both directions
    #[arg(long)]
    rate: u64,
    /// Microseconds that each direction takes
    #[arg(long)]
    delay_us: u64,
    /// Bytes that wait for the line from the sender to the receiver
    #[arg(long)]
    queue: usize,
    /// Probability that the line to the receiver loses a packet
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// Probability that a packet to the receiver is late
    #[arg(long, default_value_t = 0.0)]
    reorder: f64,
    /// Microseconds that it is late
    #[arg(long, default_value_t = 0)]
    reorder_us: u64,
    /// Bytes of the longest packet that either direction carries; longer ones vanish
    #[arg(long)]
    max_packet: Option<usize>,
    /// Where chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Args)]
struct End {
    /// Congestion control
    #[arg(long)]
    cc: String,
    /// Seconds from the connection's beginning
    #[arg(long)]
    seconds: f64,
    #[command(flatten)]
    stack: Option<Ours>,
}

/// Our stack instead of the kernel's.
#[derive(Args)]
#[group(requires_all = ["device", "address", "gateway"])]
struct Ours {
    /// The TUN device of our stack; it exists and is up
    #[arg(long, required = false)]
    device: String,
    /// Our address
    #[arg(long, required = false)]
    address: IpNet,
    /// The kernel's address, through which everything is reached
    #[arg(long, required = false)]
    gateway: IpAddr,
    /// Socket buffers, in bytes
    #[arg(long, default_value_t = 32 << 20)]
    buffer: usize,
}

impl BoxArgs {
    fn forth(&self) -> ImpairConfig {
        ImpairConfig {
            queue_bytes: self.queue,
            loss: self.loss,
            reorder: self.reorder,
            reorder_delay: Duration::from_micros(self.reorder_us),
            ..self.back()
        }
    }

    fn back(&self) -> ImpairConfig {
        ImpairConfig {
            delay: Duration::from_micros(self.delay_us),
            rate: Some(self.rate),
            queue_packets: usize::MAX,
            max_packet: self.max_packet,
            ..ImpairConfig::default()
        }
    }
}

fn main() -> ExitCode {
    match run(Part::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("impair-peer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(part: Part) -> Result<(), Box<dyn Error>> {
    match part {
        Part::Box(args) => carry::run([&args.near, &args.far], [args.forth(), args.back()], args.seed),
        Part::Send { to, end } => {
            let stream = end.sockets()?.connect(to)?;
            println!("ready");
            transfer::send(stream, Duration::from_secs_f64(end.seconds))
        }
        Part::Receive { on, end } => {
            let listener = end.sockets()?.listen(on)?;
            println!("ready");
            let received = transfer::receive(listener.accept()?, Duration::from_secs_f64(end.seconds))?;
            println!("{received}");
            Ok(())
        }
    }
}
