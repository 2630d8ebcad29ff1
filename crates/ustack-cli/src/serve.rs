//! `ustack serve`: a host of its own on a TUN device, with things to talk to.

use crate::device::{Device, DeviceArgs, NIC};
use crate::dhcp::Leases;
use crate::failure::{Failure, Outcome, say};
use crate::grant::{self, Pool};
use crate::limit::Limit;
use crate::net::Network;
use crate::{groups, http, inspect, iperf, services, stop};
use clap::Args;
use serde_json::json;
use std::future::pending;
use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How long late packets of connections that were reset are answered.
const GOODBYE: Duration = Duration::from_millis(100);

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    sudo ustack serve                                      then, elsewhere: curl http://10.77.0.2/\n  \
    sudo ustack serve --dir . --pcap serve.pcapng          serve this folder, record every packet\n  \
    sudo ustack serve --tap --address 192.168.9.2/24       Ethernet frames, another subnet\n  \
    sudo ustack serve --packet eth1 --dhcp                 an interface that exists, DHCP's address\n  \
    sudo ustack serve --tap --grant 10.77.0.9-10.77.0.99   addresses for others on the link\n\n\
    Services: HTTP on 80 (/, files, /bytes/N, PUT /upload), iperf3 on 5201, echo on 7, discard on 9, chargen on 19.\n\
    It runs until SIGINT (Ctrl-C), SIGTERM or SIGHUP; then the device is gone, unless it existed before.\n\n\
    Exit status: 0 ended by a signal; 1 it could not start, or its device was removed; 2 wrong options.")]
pub(crate) struct ServeArgs {
    #[command(flatten)]
    device: DeviceArgs,

    /// Get our addresses from the link: of IPv4 from a DHCP server, of IPv6 as with --autoconf and, where a router says so,
    /// from a DHCPv6 server
    #[arg(long)]
    dhcp: bool,

    /// Grant IPv4 addresses of our subnet, from the first to the last, to hosts on the link by DHCP
    #[arg(long, value_name = "FIRST-LAST", conflicts_with = "dhcp")]
    grant: Option<Pool>,

    /// Serve the files of this folder over HTTP
    #[arg(long, value_name = "PATH")]
    dir: Option<PathBuf>,

    /// Receive this multicast group on port 7007, and send back to the group what comes; may be repeated
    #[arg(long, value_name = "GROUP")]
    join: Vec<IpAddr>,

    /// Take data with the SYN of clients that have been here before (TCP Fast Open, RFC 7413), such as `curl --tcp-fastopen`; a
    /// request may then be served twice
    #[arg(long)]
    fast_open: bool,

    /// Connections served at once; more are refused
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    max_connections: u32,

    /// Say what runs as one JSON object, when it runs
    #[arg(long)]
    json: bool,
}

/// Runs until a signal comes or the device goes.
///
/// The services run on this thread, which drives the stack; timers, signals and the web server have a thread of tokio's.
pub(crate) fn run(args: ServeArgs) -> Outcome {
    let root = args.dir.as_deref().map(folder).transpose()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|error| Failure::new("start", error, "see the limits of this shell (ulimit -a)"))?;
    let entered = runtime.enter();
    let mut signals = stop::Signals::new()?;
    let device =
        Device::open(&if args.dhcp { args.device.without_own_addresses()? } else { args.device.clone() })?;
    let stack = device.stack.stack().clone();
    let main = async {
        let mut leases = tokio::select! {
            leases = leases(&args, &device) => leases?,
            () = signals.wait() => return Ok(()),
        };
        let addresses = leases.as_ref().map_or_else(|| device.addresses.clone(), Leases::addresses);
        let about = http::About { addresses };
        let limit = Limit::new(args.max_connections as usize);
        let network = device.stack.clone();
        let network = if args.fast_open { network.with_fast_open() } else { network };
        start(network, &limit, about.clone(), root).await.map_err(|error| error.to_string())?;
        groups::join(&device.stack, &args.join).await?;
        let mut granting = grant::server(device.stack.stack(), NIC, args.grant)?;
        tokio::spawn(inspect::serve(device.stack.stack().clone(), device.name.clone()));
        announce(&device, &about, args.json)?;
        let ended = tokio::select! {
            () = signals.wait() => {
                // Clients in the middle of a transfer are told, and need not wait for a host that is gone.
                device.stack.stack().reset_connections();
                Ok(())
            }
            failure = device.gone() => Err(failure),
            failure = keep(&mut leases) => Err(failure),
            failure = grant::run(&mut granting) => Err(failure),
        };
        if let Some(leases) = leases {
            leases.release().await;
        }
        ended
    };
    let ended = stack.run_inline(main);
    drop(entered);
    // A file that is being read must not keep the program.
    runtime.shutdown_background();
    drop(stack);
    ended?;
    // Who came in the meantime is told too; who lost our reset asks again (RFC 5961 §3.2) or goes on, and is answered.
    device.stack.stack().reset_connections();
    std::thread::sleep(GOODBYE);
    device.finish()
}

/// Addresses from the link, if that was asked for.
async fn leases(args: &ServeArgs, device: &Device) -> Outcome<Option<Leases>> {
    if !args.dhcp {
        return Ok(None);
    }
    Leases::acquire(device.stack.stack(), NIC).await.map(Some)
}

async fn keep(leases: &mut Option<Leases>) -> Failure {
    match leases {
        Some(leases) => leases.keep().await,
        None => pending().await,
    }
}

fn folder(dir: &std::path::Path) -> Outcome<http::Root> {
    let failed = |error| {
        let what = format_args!("serve the files of {}", dir.display()).to_string();
        Failure::new(what, error, "give --dir a folder that exists and can be read")
    };
    http::Root::new(dir).map_err(failed)
}

/// Opens every service; each runs in a task of its own from then on.
async fn start(
    network: impl Network,
    limit: &Limit,
    about: http::About,
    root: Option<http::Root>,
) -> io::Result<()> {
    let gate = |listener, refusal| limit.gate(listener, refusal);
    let echo = gate(network.listen(services::ECHO_PORT).await?, b"");
    let discard = gate(network.listen(services::DISCARD_PORT).await?, b"");
    let chargen = gate(network.listen(services::CHARGEN_PORT).await?, b"");
    let web = gate(network.listen(http::PORT).await?, http::REFUSAL);
    let tests = gate(network.listen(iperf::PORT).await?, iperf::REFUSAL);
    let echo_datagrams = network.datagrams(services::ECHO_PORT).await?;
    let discard_datagrams = network.datagrams(services::DISCARD_PORT).await?;
    let test_datagrams = network.datagrams(iperf::PORT).await?;
    network.spawn(services::serve(network.clone(), echo, "echo", services::echo));
    network.spawn(services::serve(network.clone(), discard, "discard", services::discard));
    network.spawn(services::serve(network.clone(), chargen, "chargen", services::chargen));
    network.spawn(services::echo_datagrams(echo_datagrams));
    network.spawn(services::discard_datagrams(discard_datagrams));
    network.spawn(iperf::serve(network.clone(), tests, test_datagrams));
    tokio::spawn(http::serve(web, about, root));
    Ok(())
}

fn announce(device: &Device, about: &http::About, as_json: bool) -> Outcome {
    let commands = about.commands();
    if as_json {
        return say(json!({
            "device": device.name,
            "made": device.made,
            "offload": device.offload,
            "mtu": device.mtu,
            "addresses": about.addresses,
            "try": commands,
        }));
    }
    let origin = if device.made { "made" } else { "adopted" };
    say(format_args!("device {} ({origin}), MTU {}, {}", device.name, device.mtu, device.offload))?;
    commands.iter().try_for_each(say)?;
    say("ready")
}
