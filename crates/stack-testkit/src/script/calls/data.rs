//! Reading and writing, in all the forms that the calls have. Every byte is compared.

use super::open::connected;
use super::{Answer, Fd, Files, Pending, Result, failed};
use crate::pkt::{Call, Expr};
use crate::script::arguments::{address, latin1, length, member, words};
use crate::script::flow::pattern_from;
use crate::script::machine::Machine;
use crate::script::{OUTBOUND_SALT, Stop, TCP};
use stack_core::{EndpointId, Error};

impl Files {
    pub(super) fn read(&mut self, machine: &mut Machine, call: &Call) -> Result<Answer> {
        let args = &call.arguments[..];
        known_flags(call, "recvmsg")?;
        let len = length(call)?;
        let fd = self.fd(args)?;
        let mut buffer = vec![0; len];
        let id = fd.id;
        let read = machine.endpoints(fd.protocol, |endpoints, cx| endpoints.read(cx, id, &mut buffer));
        let (count, from) = match read {
            Ok(read) => read,
            Err(Error::ClosedForReceive) => return Ok(Answer::Done(0)),
            Err(error) => return Ok(failed(error)),
        };
        let position = if fd.protocol == TCP { fd.read.wrapping_add(1) } else { 0 };
        fd.read = fd.read.wrapping_add(count as u32);
        let given =
            if let Some(Expr::Text(text)) = args.get(1) { Some(text.as_bytes().to_vec()) } else { None };
        let wanted = given.unwrap_or_else(|| machine.received(fd.protocol, id, position, count));
        same_bytes(&call.name, &buffer[..count], &wanted)?;
        let sender = if call.name == "recvfrom" { address(args.get(4))? } else { None };
        if let Some(sender) = sender.filter(|sender| *sender != from) {
            return Err(Stop::Fail(format!("the sender is {from}, not {sender}")));
        }
        Ok(Answer::Done(count as i64))
    }

    /// A write that connects, or after a connect that could not bring anything (`MSG_FASTOPEN`).
    fn write_early(&mut self, machine: &mut Machine, pending: &mut Pending) -> Result<Answer> {
        let args = &pending.call.arguments[..];
        let may_block = self.may_block(&pending.call);
        let default = (machine.conversation.remote_ip, machine.conversation.connect_port);
        let remote = address(args.get(4))?.unwrap_or(default.into());
        let fd = self.fd(args)?;
        if fd.connecting {
            return match connected(machine, fd) {
                Answer::Done(_) => self.write_now(machine, pending),
                answer => Ok(answer),
            };
        }
        let (id, protocol) = (fd.id, fd.protocol);
        let bytes = match args.get(1) {
            Some(Expr::Text(text)) => latin1(text),
            _ => pattern_from(OUTBOUND_SALT, 1, length(&pending.call)?),
        };
        let sent =
            machine.endpoints(protocol, |endpoints, cx| endpoints.connect_with_data(cx, id, remote, &bytes));
        machine.take_up_towards(protocol, id, remote);
        Ok(match sent {
            Ok(count) => {
                fd.written = count as u32;
                machine.give(protocol, id, Some(remote), 1, &bytes[..count]);
                Answer::Done(count as i64)
            }
            Err(Error::ConnectStarted) if may_block => {
                fd.connecting = true;
                Answer::Blocks
            }
            Err(error) => Answer::Failed(error),
        })
    }

    pub(super) fn write(&mut self, machine: &mut Machine, pending: &mut Pending) -> Result<Answer> {
        let call = &pending.call;
        let is_fast_open = call.arguments.get(3).map_or(Vec::new(), words).contains(&"MSG_FASTOPEN");
        let fd = *self.fd(&call.arguments)?;
        let connects = fd.connecting || machine.remote(fd.protocol, fd.id).is_none();
        if fd.protocol == TCP && call.name == "sendto" && is_fast_open && connects {
            return self.write_early(machine, pending);
        }
        self.write_now(machine, pending)
    }

    fn write_now(&mut self, machine: &mut Machine, pending: &mut Pending) -> Result<Answer> {
        let call = &pending.call;
        let args = &call.arguments[..];
        known_flags(call, "sendmsg")?;
        let may_block = self.may_block(call);
        let default = (machine.conversation.remote_ip, machine.conversation.connect_port);
        let to = match call.name.as_str() {
            "sendto" => Some(address(args.get(4))?.unwrap_or(default.into())),
            _ => None,
        };
        let fd = self.fd(args)?;
        let (id, protocol) = (fd.id, fd.protocol);
        let position = if protocol == TCP { fd.written.wrapping_add(1) } else { 0 };
        let bytes = match args.get(1) {
            Some(Expr::Text(text)) => latin1(text).split_off(pending.progress),
            _ => machine.bytes_to_send(protocol, id, position, length(call)? - pending.progress),
        };
        // A connected datagram socket sends to its peer.
        let to = to.filter(|_| protocol != TCP && machine.remote(protocol, id).is_none());
        let result = machine.endpoints(protocol, |endpoints, cx| endpoints.write(cx, id, &bytes, to));
        let count = match result {
            Ok(count) => count,
            // What was written before counts.
            Err(error) if pending.progress > 0 && error != Error::WouldBlock => {
                return Ok(Answer::Done(pending.progress as i64));
            }
            Err(error) => return Ok(failed(error)),
        };
        fd.written = fd.written.wrapping_add(count as u32);
        if protocol != TCP || matches!(args.get(1), Some(Expr::Text(_))) {
            machine.give(protocol, id, to, position, bytes.get(..count).unwrap_or_default());
        }
        pending.progress += count;
        // A write that may wait comes back when all is written.
        let is_done = count == bytes.len() || protocol != TCP || !may_block;
        Ok(if is_done { Answer::Done(pending.progress as i64) } else { Answer::Blocks })
    }
}

/// Flags that mean here what they mean elsewhere; any other skips the script.
fn known_flags(call: &Call, in_third: &str) -> Result<()> {
    const KNOWN: [&str; 3] = ["MSG_DONTWAIT", "MSG_NOSIGNAL", "MSG_FASTOPEN"];
    const WITH_FLAGS: [&str; 6] = ["recv", "recvfrom", "send", "sendto", "recvmsg", "sendmsg"];
    if !WITH_FLAGS.contains(&call.name.as_str()) {
        return Ok(());
    }
    let at = if call.name == in_third { 2 } else { 3 };
    let flags = call.arguments.get(at).map_or(Vec::new(), words);
    if let Some(flag) = flags.iter().find(|flag| !KNOWN.contains(flag)) {
        return Err(Stop::Skip(format!("the flag `{flag}` of `{}`", call.name)));
    }
    let control = call.arguments.get(1).and_then(|message| member(message, "msg_control"));
    match control {
        Some(Expr::Array(items)) if !items.is_empty() => {
            Err(Stop::Skip(format!("control messages of `{}`", call.name)))
        }
        _ => Ok(()),
    }
}

fn same_bytes(name: &str, found: &[u8], wanted: &[u8]) -> Result<()> {
    if Some(found) == wanted.get(..found.len()) {
        return Ok(());
    }
    let at = found.iter().zip(wanted).position(|(a, b)| a != b).unwrap_or(wanted.len());
    let byte = |bytes: &[u8]| bytes.get(at).map_or("nothing".to_owned(), |byte| format!("{byte:#04x}"));
    Err(Stop::Fail(format!(
        "{name} gave wrong bytes: the first of {} that differs is number {at}: {} instead of {}",
        found.len(),
        byte(found),
        byte(wanted)
    )))
}

impl Fd {
    /// Its protocol and name.
    pub(super) fn endpoint(&self) -> (u8, EndpointId) {
        (self.protocol, self.id)
    }
}
