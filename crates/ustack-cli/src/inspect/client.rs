//! The side of the question: which stacks run here, and what one says.

use super::PREFIX;
use super::tables::Table;
use crate::failure::{Failure, Outcome};
use serde_json::Value;
use std::io::{Read, Write};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

/// How long a stack may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The rows of a table of the stack on this device, or of the only one.
pub(super) fn ask(table: Table, device: Option<&str>) -> Outcome<Vec<Value>> {
    let device = match device {
        Some(device) => device.to_owned(),
        None => only(&running())?,
    };
    let failed = |error: std::io::Error| {
        let next = "start it with `ustack serve`, in this network namespace";
        Failure::new(format_args!("ask the stack on {device}"), error, next)
    };
    let answer = exchange(&device, table).map_err(failed)?;
    let mut answer: Value = serde_json::from_str(&answer).map_err(|error| failed(error.into()))?;
    match (answer["rows"].take(), answer["error"].as_str()) {
        (Value::Array(rows), _) => Ok(rows),
        (_, why) => {
            Err(format!("the stack on {device} does not tell: {}", why.unwrap_or("no reason given")).into())
        }
    }
}

fn exchange(device: &str, table: Table) -> std::io::Result<String> {
    let name = SocketAddr::from_abstract_name(format!("{PREFIX}{device}"))?;
    let mut stream = UnixStream::connect_addr(&name)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{}\n", table.word()).as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Devices of the stacks that can be asked in this network namespace.
fn running() -> Vec<String> {
    devices(&std::fs::read_to_string("/proc/self/net/unix").unwrap_or_default())
}

/// Each of them is in the kernel's list once for its listener, and once for each client.
fn devices(list: &str) -> Vec<String> {
    let names = list.lines().filter_map(|line| line.split_whitespace().last()?.strip_prefix('@'));
    let mut devices: Vec<String> =
        names.filter_map(|name| name.strip_prefix(PREFIX)).map(str::to_owned).collect();
    devices.sort();
    devices.dedup();
    devices
}

fn only(devices: &[String]) -> Outcome<String> {
    match devices {
        [device] => Ok(device.clone()),
        [] => Err("no stack runs in this network namespace; start one with `ustack serve`".to_owned().into()),
        several => Err(format!("stacks run on {}; choose one with --device", several.join(", ")).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stacks_are_found_in_the_kernels_list() {
        let list = "Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 11 @ustack/ustack1\n\
            0000000000000000: 00000002 00000000 00000000 0001 03 12 /run/x.sock\n\
            0000000000000000: 00000002 00000000 00000000 0001 03 13\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 14 @ustack/ustack1\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 15 @ustack/ustack0\n";
        assert_eq!(devices(list), ["ustack0", "ustack1"]);
        let told = |devices: &[&str]| match only(&devices.iter().map(|&it| it.to_owned()).collect::<Vec<_>>())
        {
            Ok(device) => device,
            Err(Failure::Told(message)) => message,
            Err(Failure::NobodyListens) => String::new(),
        };
        assert_eq!(told(&["a"]), "a");
        assert!(told(&[]).contains("ustack serve"));
        assert_eq!(told(&["a", "b"]), "stacks run on a, b; choose one with --device");
    }
}
