//! `ustack addr`, `route` and `neigh`: what a stack that is running knows, asked of the `ustack serve` that runs it.
//!
//! | file | answers |
//! | --- | --- |
//! | `tables.rs` | what a stack's tables are in JSON |
//! | `server.rs` | how a running stack is asked |
//! | `client.rs` | which one is asked, and what it said |
//! | `print.rs` | what people see |
//!
//! They talk through a Unix socket in the abstract namespace, which belongs to the network namespace as devices do: a
//! question under `ip netns exec` reaches the stack there. Only the user that runs the stack, and root, are answered.

mod client;
mod print;
mod server;
mod tables;

use crate::failure::{Outcome, say};
use clap::Args;

pub(crate) use server::serve;
pub(crate) use tables::Table;

/// What the name of each socket begins with; the device's follows.
const PREFIX: &str = "ustack/";

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    sudo ustack addr                    interfaces and their addresses\n  \
    sudo ustack route -6                the routes of one family\n  \
    sudo ustack neigh --json            for a script\n\n\
    It asks a `ustack serve` that runs in the same network namespace, of the same user or as root.\n\n\
    Exit status: 0 it answered; 1 none runs here, or it may not be asked; 2 wrong options.")]
pub(crate) struct InspectArgs {
    /// Device of the stack to ask, where several run
    #[arg(long, value_name = "NAME")]
    device: Option<String>,

    /// Only IPv4
    #[arg(short = '4', long = "ipv4", conflicts_with = "v6")]
    v4: bool,

    /// Only IPv6
    #[arg(short = '6', long = "ipv6")]
    v6: bool,

    /// Print one JSON array
    #[arg(long)]
    json: bool,
}

/// Asks for a table and prints it.
pub(crate) fn run(table: Table, args: &InspectArgs) -> Outcome {
    let admits = |address: &str| if address.contains(':') { !args.v4 } else { !args.v6 };
    let rows = table.select(client::ask(table, args.device.as_deref())?, admits);
    if args.json {
        return say(serde_json::Value::from(rows));
    }
    rows.iter().try_for_each(|row| say(print::text(table, row)))
}
