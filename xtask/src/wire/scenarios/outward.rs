//! `ustack ping`, `nc` and `get`: connections that our stack opens, the kernel's
//! programs at the other end.

use std::fs;
use std::time::Duration;

use super::http::{make_blob, sha256};
use crate::wire::family::with_port;
use crate::wire::lab::Lab;
use crate::wire::process::{Input, Process};
use crate::wire::serve::{DEVICE, nothing_left};
use crate::wire::{Outcome, capture, ensure};

const SIZE: usize = 4_000_000;
const LIMIT: Duration = Duration::from_secs(20);
const PORT: u16 = 4000;

/// Each command once, its packets checked by tshark.
pub(crate) fn all(lab: &Lab) -> Outcome {
    let sum = make_blob(lab, SIZE)?;
    ping(lab)?;
    nc(lab, &sum, &[])?;
    get(lab, &sum, &[])
}

fn ping(lab: &Lab) -> Outcome {
    let text =
        ustack(lab, &["ping", "-c", "3", "-i", "0.2", "-s", "65507", lab.family.kernels()], Input::End)?;
    ensure!(text.contains(" 3 received"), "ustack ping: `{}`", text.trim());
    Ok(())
}

/// What goes into our end comes out at the kernel's, to the last byte.
pub(super) fn nc(lab: &Lab, sum: &str, extra: &[&str]) -> Outcome {
    let listener = listen(lab, "nc \"$2\" -l -N \"$0\" > \"$1\"", &lab.path("up"))?;
    let blob = fs::read(lab.path("blob")).map_err(|error| error.to_string())?;
    ustack(lab, &[&["nc", lab.family.kernels(), &PORT.to_string()], extra].concat(), Input::Bytes(blob))?;
    listener.wait(LIMIT)?.success()?;
    let got = sha256(lab, "up")?;
    ensure!(got == sum, "ustack nc: the kernel got SHA-256 {got}, expected {sum}");
    Ok(())
}

/// A web server of one answer, which ends its stream as old ones do.
pub(super) fn get(lab: &Lab, sum: &str, extra: &[&str]) -> Outcome {
    let answer = "{ printf 'HTTP/1.0 200 OK\\r\\n\\r\\n'; cat \"$1\"; } | nc \"$2\" -l -N \"$0\"";
    let server = listen(lab, answer, &lab.path("blob"))?;
    let to = lab.path("got");
    let from = format!("http://{}/", with_port(lab.family.kernels(), PORT));
    ustack(lab, &[&["get", &from, "--output", &to], extra].concat(), Input::End)?;
    server.wait(LIMIT)?.success()?;
    let got = sha256(lab, "got")?;
    ensure!(got == sum, "ustack get: got SHA-256 {got}, expected {sum}");
    Ok(())
}

/// Runs a shell line with a port, a path and the flag of the family, and waits until the port is open.
fn listen(lab: &Lab, line: &str, path: &str) -> Outcome<Process> {
    let process = lab.spawn("sh", &["-c", line, &PORT.to_string(), path, lab.family.flag()], Input::End)?;
    let port = format!(":{PORT} ");
    lab.eventually("a program to listen", || {
        lab.run("ss", &["-Htln"], LIMIT).is_ok_and(|ended| ended.text().contains(&port))
    })?;
    Ok(process)
}

/// Runs a command of ours to its end; it leaves nothing but a capture without fault.
fn ustack(lab: &Lab, command: &[&str], input: Input) -> Outcome<String> {
    let (name, rest) = command.split_first().ok_or("no command")?;
    let capture = lab.path("outward.pcapng");
    let ours = lab.family.in_subnet(lab.ours());
    let mut args = vec![*name, "--tun", DEVICE, "--address", &ours, "--pcap", &capture];
    args.extend(lab.mode.flags());
    args.extend(rest);
    let program = lab.program()?.to_string_lossy().into_owned();
    let ended = lab.spawn(&program, &args, input)?.wait(LIMIT)?.success()?;
    nothing_left(lab)?;
    capture::check(lab, &capture)?;
    Ok(ended.text())
}
