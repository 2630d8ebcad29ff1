//! The peer that the yardstick loads: our stack behind a device that exists already, with the services of
//! `benches/wire/README.md` on 10.9.0.2. Prints `ready` when it answers; runs until it is killed.
#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the runner reads the one, people the other")]

mod blocking;
mod device;
mod looping;
mod ready;
mod router;
mod services;
mod stacks;
mod tasks;

use clap::{Parser, ValueEnum};
use device::{Attach, Device};
use link_tun::{Tun, TunConfig};
use std::error::Error;
use std::process::ExitCode;

/// Our stack behind the services of the yardstick.
#[derive(Parser)]
struct Args {
    /// The device; it exists and is up
    device: String,
    /// What it is
    #[arg(long, value_enum, default_value = "tun")]
    attach: Attach,
    /// How the services use the stack
    #[arg(long, value_enum, required_unless_present = "forward")]
    sockets: Option<Sockets>,
    /// No services: route to a device of the same name in this namespace, and to 10.9.0.2 behind it
    #[arg(long, value_name = "NAMESPACE", conflicts_with = "sockets")]
    forward: Option<String>,
    /// Frames in one system call, of an interface
    #[arg(long, default_value_t = 32)]
    batch: usize,
    /// Without the virtio-net header: packets of one MTU, checksums in software
    #[arg(long)]
    no_offload: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Sockets {
    /// A caller's own loop on the host: one thread, sockets served in it, nothing copied
    Loop,
    /// Async sockets on the thread that drives the stack, nothing copied
    Inline,
    /// Sockets as std has them, with a thread for each connection
    Blocking,
    /// The same, nothing copied
    BlockingBytes,
    /// Sockets as tokio has them, with a task for each connection
    Tokio,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("wire-peer: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    let open = || Device::open(&args.device, args.attach, args.batch, !args.no_offload);
    match (&args.forward, args.sockets) {
        (Some(namespace), _) => {
            let config = TunConfig::tun().with_name(&args.device).with_offload(!args.no_offload);
            router::run(Tun::create(config)?, &args.device, namespace, !args.no_offload)
        }
        (None, Some(Sockets::Loop)) => looping::run(open()?),
        (None, Some(Sockets::Inline)) => tasks::run_inline(open()?),
        (None, Some(Sockets::Blocking)) => blocking::run(&stacks::stack(open()?)?, blocking::copying),
        (None, Some(Sockets::BlockingBytes)) => {
            blocking::run(&stacks::stack(open()?)?, blocking::by_reference)
        }
        (None, Some(Sockets::Tokio)) => tasks::run_tokio(open()?),
        (None, None) => Err("give --sockets or --forward".into()),
    }
}
