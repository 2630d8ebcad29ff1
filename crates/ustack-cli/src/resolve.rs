//! `ustack resolve`: a name looked up by our stack, at name servers or on the link itself.
//!
//! The servers are those given, or those that routers on the link advertise (RFC 8106). The other commands ask the
//! system's resolver (`host.rs`).

use crate::device::{Device, DeviceArgs};
use crate::failure::{Failure, Outcome, say};
use crate::host::FamilyArgs;
use crate::{stop, units};
use clap::Args;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::process::ExitCode;
use std::time::Duration;
use svc_dns::mdns::{Mdns, MdnsConfig};
use svc_dns::{LookupError, Name, RecordType, Resolver, ResolverConfig};
use tokio::time::{Instant, sleep, timeout};
use ustack::{AddressState, Stack};

/// How long a router may take to name a server: three solicitations (RFC 4861 §10) and the delay of an answer.
const ROUTERS: Duration = Duration::from_secs(12);
/// Between two looks at what routers have said.
const LOOK: Duration = Duration::from_millis(20);

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    sudo ustack resolve --server 10.77.0.1 example.com          addresses, the best first\n  \
    sudo ustack resolve -6 --server fd77::1 --json example.com  for a script\n  \
    sudo ustack resolve --server 10.77.0.1 192.0.2.1            the names of an address\n  \
    sudo ustack resolve --tap --mdns printer.local              a host on the link\n  \
    sudo ustack resolve --tap --autoconf example.com            at servers that a router names\n\n\
    Only this command asks by itself: ping, traceroute, nc and get use the system's resolver.\n\n\
    Exit status: 0 there was an answer; 1 there was none, or it could not start; 2 wrong options.")]
pub(crate) struct ResolveArgs {
    /// Name to look up, or address to find the names of
    name: String,

    #[command(flatten)]
    family: FamilyArgs,

    /// Address of a name server; may be given several times, in the order in which to ask [default: those that routers
    /// on the link advertise]
    #[arg(long, value_name = "ADDRESS", conflicts_with = "mdns")]
    server: Vec<IpAddr>,

    /// Ask the hosts on the link by multicast DNS, whatever the name ends with
    #[arg(long)]
    mdns: bool,

    /// How long one server may take before the next is asked, in seconds
    #[arg(short = 'W', long, value_name = "S", default_value = "5", value_parser = units::duration)]
    wait: Duration,

    /// Print one JSON object instead of lines
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    device: DeviceArgs,
}

/// Looks the name up, unless a signal comes first.
pub(crate) async fn run(args: ResolveArgs) -> Outcome<ExitCode> {
    let mut signals = stop::Signals::new()?;
    let mut config = ResolverConfig::with_servers(args.server.iter().copied());
    config.timeout = args.wait;
    let device = Device::open(&args.device)?;
    let resolver = Resolver::new(device.stack.stack(), config).map_err(|error| error.to_string())?;
    let start = Instant::now();
    let found = tokio::select! {
        found = look_up(&args, &resolver) => found?,
        () = signals.wait() => return Ok(ExitCode::FAILURE),
        failure = device.gone() => return Err(failure),
    };
    show(&args, &resolver, &found, start.elapsed())?;
    device.finish()?;
    Ok(ExitCode::SUCCESS)
}

/// What was found.
enum Found {
    Addresses(Vec<IpAddr>),
    Names(Vec<String>),
}

impl Found {
    fn names(names: &[Name]) -> Self {
        Self::Names(names.iter().map(ToString::to_string).collect())
    }
}

async fn look_up(args: &ResolveArgs, resolver: &Resolver) -> Outcome<Found> {
    let found = if args.mdns {
        on_link(args, resolver.stack()).await
    } else {
        if resolver.servers().is_empty() && !resolver.asks_link(&args.name).map_err(told)? {
            learn(resolver).await?;
        }
        anywhere(args, resolver).await
    };
    found.map_err(told)
}

fn told(error: LookupError) -> Failure {
    error.to_string().into()
}

/// At the name servers, or on the link what belongs there.
async fn anywhere(args: &ResolveArgs, resolver: &Resolver) -> Result<Found, LookupError> {
    let name = &args.name;
    if let Ok(address) = name.parse() {
        return resolver.lookup_name(address).await.map(|names| Found::names(&names));
    }
    let found = match args.family.only() {
        Some(RecordType::A) => resolver.lookup_ipv4(name).await,
        Some(_) => resolver.lookup_ipv6(name).await,
        None => resolver.lookup_ip(name).await,
    };
    found.map(Found::Addresses)
}

/// On the link, whatever the name.
async fn on_link(args: &ResolveArgs, stack: &Stack) -> Result<Found, LookupError> {
    let (name, mdns) =
        (&args.name, Mdns::new(stack, MdnsConfig { wait: args.wait, ..MdnsConfig::default() }));
    if let Ok(address) = name.parse() {
        return mdns.lookup_name(address).await.map(|names| Found::names(&names));
    }
    let found = match args.family.only() {
        Some(RecordType::A) => mdns.lookup_ipv4(name).await,
        Some(_) => mdns.lookup_ipv6(name).await,
        None => mdns.lookup_ip(name).await,
    };
    let mut addresses: Vec<IpAddr> = found?.iter().map(|address| address.ip()).collect();
    stack.order_destinations(&mut addresses);
    Ok(Found::Addresses(addresses))
}

/// Waits until a router has named a server, and we have an address to ask it from.
async fn learn(resolver: &Resolver) -> Outcome {
    let stack = resolver.stack();
    let learned = timeout(ROUTERS, async {
        loop {
            for event in stack.network_events() {
                resolver.handle_event(&event);
            }
            let nics = stack.nics();
            let mut addresses = nics.iter().flat_map(|nic| &nic.addresses);
            if !resolver.servers().is_empty() && !addresses.any(|own| own.state == AddressState::Tentative) {
                break;
            }
            sleep(LOOK).await;
        }
    });
    learned.await.map_err(|_| {
        "no router on the link names a name server; give one with --server, or --tap and --autoconf on a link with \
         such a router"
            .to_owned()
            .into()
    })
}

fn show(args: &ResolveArgs, resolver: &Resolver, found: &Found, took: Duration) -> Outcome {
    let lines: Vec<String> = match found {
        Found::Addresses(addresses) => addresses.iter().map(ToString::to_string).collect(),
        Found::Names(names) => names.clone(),
    };
    if !args.json {
        return lines.iter().try_for_each(say);
    }
    let servers: Vec<String> = resolver.servers().iter().map(|server| server.ip().to_string()).collect();
    let (key, ms) =
        (if matches!(found, Found::Names(_)) { "names" } else { "addresses" }, took.as_secs_f64() * 1e3);
    let mut told: Value = json!({ "name": args.name, "servers": servers, "ms": ms });
    told[key] = lines.into();
    say(told)
}
