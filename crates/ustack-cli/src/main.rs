//! `ustack`: a demo that needs no root, services on a TUN device, and clients from our own stack.
//!
//! | file | answers |
//! | --- | --- |
//! | `demo/` | two stacks over a bad simulated line, drawn and recorded |
//! | `sim/` | flows that share bottlenecks, in virtual time |
//! | `chart.rs` | how curves are drawn |
//! | `serve.rs`, `http/`, `iperf/`, `services.rs`, `groups.rs` | what the host on the device offers |
//! | `ping/`, `traceroute/`, `nc.rs`, `get/`; `echoes.rs` | what goes out from our stack |
//! | `resolve.rs` | names that our stack looks up itself |
//! | `inspect/` | what a running stack knows: addresses, routes, neighbours |
//! | `device/`, `dhcp.rs` | how the device comes to be, and its address |
//! | `grant.rs` | how others get theirs |
//! | `pkt.rs` | packet scripts against a fresh stack |
//! | `net.rs`, `ours.rs`, `limit.rs` | what services need of a network, and how many are served |
//! | `failure.rs`, `stop.rs`, `host.rs`, `units.rs` | errors, signals, names of hosts, numbers with units |
#![forbid(unsafe_code)]

mod chart;
mod demo;
mod device;
mod dhcp;
mod echoes;
mod failure;
mod get;
mod grant;
mod groups;
mod host;
mod http;
mod inspect;
mod iperf;
mod limit;
mod nc;
mod net;
mod ours;
mod ping;
mod pkt;
mod resolve;
mod serve;
mod services;
mod sim;
mod stop;
mod traceroute;
mod units;

use clap::{ArgAction, Parser, Subcommand};
use failure::{Failure, Outcome};
use inspect::Table;
use std::io::IsTerminal;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

#[derive(Parser)]
#[command(
    name = "ustack",
    version,
    about = "A TCP/IP stack in user space: try it, serve with it, reach out from it",
    after_help = "Examples:\n  \
        ustack demo                     no root, no device: two stacks over a simulated lossy link\n  \
        sudo ustack serve               a host at 10.77.0.2 that answers curl, ping, iperf3, nc\n  \
        sudo ustack ping 10.77.0.1      echo requests from our stack\n  \
        ustack pkt script.pkt           packets in, packets out: a script against a fresh stack\n\n\
        Exit status: 0 done; 1 it could not be done, and a line on standard error says why; 2 wrong usage.\n\
        NO_COLOR is respected; RUST_LOG chooses what is logged in more detail than -v does."
)]
struct Cli {
    /// Log more to standard error: -v events, -vv details
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,

    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Watch two stacks talk over a simulated lossy line: no root, no device
    Demo(demo::DemoArgs),
    /// Simulate flows over shared bottlenecks in virtual time, with plots, captures and figures
    Sim(Box<sim::SimArgs>),
    /// Serve HTTP, iperf3, echo and more from our stack on a TUN device
    Serve(serve::ServeArgs),
    /// Send echo requests from our stack
    Ping(ping::PingArgs),
    /// Show the routers on the way from our stack to a host
    Traceroute(traceroute::TracerouteArgs),
    /// Connect standard input and output to a TCP connection of our stack
    Nc(nc::NcArgs),
    /// Fetch a resource over HTTP from our stack
    Get(get::GetArgs),
    /// Look a name up with our stack: at name servers, or on the link
    Resolve(resolve::ResolveArgs),
    /// Show interfaces and addresses of a stack that `serve` runs
    Addr(inspect::InspectArgs),
    /// Show its routes
    Route(inspect::InspectArgs),
    /// Show its neighbours
    Neigh(inspect::InspectArgs),
    /// Run packet scripts in packetdrill's language against a fresh stack, in virtual time
    Pkt(pkt::PktArgs),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return failure::misused(&error),
    };
    log(cli.verbose);
    match run(cli.command, cli.verbose > 0) {
        Ok(code) => code,
        Err(failure) => failure.report(),
    }
}

fn run(command: Command, verbose: bool) -> Outcome<ExitCode> {
    let success = |()| ExitCode::SUCCESS;
    match command {
        Command::Demo(args) => demo::run(&args).map(success),
        Command::Sim(args) => sim::run(&args).map(success),
        Command::Serve(args) => serve::run(args).map(success),
        Command::Ping(args) => wait(ping::run(args)),
        Command::Traceroute(args) => wait(traceroute::run(args)),
        Command::Nc(args) => wait(nc::run(args)).map(success),
        Command::Get(args) => wait(get::run(args)).map(success),
        Command::Resolve(args) => wait(resolve::run(args)),
        Command::Addr(args) => inspect::run(Table::Addresses, &args).map(success),
        Command::Route(args) => inspect::run(Table::Routes, &args).map(success),
        Command::Neigh(args) => inspect::run(Table::Neighbors, &args).map(success),
        Command::Pkt(args) => pkt::run(&args, verbose),
    }
}

/// Runs a command's future on this thread; the stack's driver has one of its own.
fn wait<T>(command: impl Future<Output = Outcome<T>>) -> Outcome<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new("start", error, "see the limits of this shell (ulimit -a)"))?;
    let done = runtime.block_on(command);
    // A file that is being read must not keep the program.
    runtime.shutdown_background();
    done
}

/// Warnings always, more on demand, in colour only for people.
fn log(verbose: u8) {
    let default = match verbose {
        0 => "warn",
        1 => "info",
        _ => "debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let colour =
        std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colour)
        .with_target(false)
        .without_time()
        .init();
}
