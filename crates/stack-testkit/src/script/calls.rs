//! System calls on the stack's sockets, by way of [`Endpoints`](stack_core::Endpoints): a script works for every
//! transport protocol.

use super::arguments::{address, latin1, length, number, words};
use super::conversation::PORT;
use super::errno::{errno, same_errno};
use super::machine::Machine;
use super::options::{self, OptionCall};
use super::{ICMP, Stop, TCP, UDP};
use crate::pkt::{Call, Expr};
use core::net::Ipv4Addr;
use core::time::Duration;
use stack_core::{EndpointId, Error, Families, Instant, Readiness, Shutdown};
use std::collections::BTreeMap;

/// What a call gives back.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Answer {
    /// It returned this.
    Done(i64),
    /// It failed with this error.
    Failed(Error),
    /// It waits.
    Blocks,
}

/// An open file of the script.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fd {
    pub(super) protocol: u8,
    pub(super) id: EndpointId,
    pub(super) nonblocking: bool,
    /// Bytes written to and read from the stream, for the pattern.
    written: u32,
    read: u32,
    connecting: bool,
}

/// The open files of a script.
#[derive(Default)]
pub(super) struct Files {
    pub(super) open: BTreeMap<i64, Fd>,
}

/// A call that waits for its end.
pub(super) struct Pending {
    pub(super) call: Call,
    /// When it was first made: a connect is not made again, and a poll ends.
    pub(super) started: Option<Instant>,
}

type Result<T> = core::result::Result<T, Stop>;

impl Files {
    /// The last TCP socket that was opened and is still open: the one that assertions are about.
    pub(super) fn last_tcp(&self) -> Option<EndpointId> {
        self.open.values().rev().find(|fd| fd.protocol == TCP).map(|fd| fd.id)
    }

    /// Makes a call, or tries a waiting one again.
    pub(super) fn call(&mut self, machine: &mut Machine, pending: &mut Pending) -> Result<Answer> {
        let again = pending.started.is_some();
        let started = *pending.started.get_or_insert(machine.now);
        let call = &pending.call;
        let args = &call.arguments[..];
        match call.name.as_str() {
            "socket" => self.socket(machine, call),
            "bind" => self.bind(machine, args),
            "listen" => self.listen(machine, args),
            "accept" | "accept4" => self.accept(machine, call),
            "connect" => self.connect(machine, args, again),
            "read" | "recv" | "recvfrom" | "readv" | "recvmsg" => self.read(machine, call),
            "write" | "send" | "sendto" | "writev" | "sendmsg" => self.write(machine, call),
            "close" => self.close(machine, args),
            "shutdown" => self.shutdown(machine, args),
            "fcntl" => self.fcntl(args),
            "setsockopt" => self.set_option(machine, args),
            "getsockopt" => self.option(machine, args),
            "ioctl" => self.ioctl(machine, args),
            "poll" => self.poll(machine, args, started),
            name => Err(Stop::Skip(format!("the system call `{name}`"))),
        }
    }

    /// Whether a call on this file may wait.
    pub(super) fn may_block(&self, call: &Call) -> bool {
        let fd = call.arguments.first().and_then(|fd| number(fd).ok()).and_then(|fd| self.open.get(&fd));
        let flags = call.arguments.get(3).map_or(Vec::new(), words);
        call.name == "poll" || !(fd.is_some_and(|fd| fd.nonblocking) || flags.contains(&"MSG_DONTWAIT"))
    }

    fn fd(&mut self, args: &[Expr]) -> Result<&mut Fd> {
        let number = number(args.first().ok_or_else(|| Stop::Fail("the call names no file".to_owned()))?)?;
        self.open
            .get_mut(&number)
            .ok_or_else(|| Stop::Fail(format!("{number} is no open file of the script")))
    }

    fn socket(&mut self, machine: &mut Machine, call: &Call) -> Result<Answer> {
        let kinds: Vec<&str> = call.arguments.iter().flat_map(words).collect();
        let protocol = if kinds.contains(&"SOCK_STREAM") {
            TCP
        } else if kinds.contains(&"SOCK_DGRAM") {
            if kinds.contains(&"IPPROTO_ICMP") { ICMP } else { UDP }
        } else {
            return Err(Stop::Skip(format!("a socket of {}", kinds.join(", "))));
        };
        if kinds.contains(&"AF_INET6") {
            return Err(Stop::Skip("IPv6".to_owned()));
        }
        if kinds.contains(&"IPPROTO_MPTCP") {
            return Err(Stop::Skip("MPTCP".to_owned()));
        }
        let number = number(&call.result)?;
        let made = machine.endpoints(protocol, |endpoints, cx| endpoints.create(cx, Families::V4));
        Ok(match made {
            Ok(id) => {
                let nonblocking = kinds.contains(&"SOCK_NONBLOCK");
                self.insert(number, Fd { nonblocking, ..Fd::new(protocol, id) })
            }
            Err(error) => Answer::Failed(error),
        })
    }

    fn insert(&mut self, number: i64, fd: Fd) -> Answer {
        self.open.insert(number, fd);
        Answer::Done(number)
    }

    fn bind(&mut self, machine: &mut Machine, args: &[Expr]) -> Result<Answer> {
        let fd = *self.fd(args)?;
        let local = address(args.get(1))?.unwrap_or((Ipv4Addr::UNSPECIFIED, PORT).into());
        Ok(answer(machine.endpoints(fd.protocol, |endpoints, cx| endpoints.bind(cx, fd.id, local))))
    }

    fn listen(&mut self, machine: &mut Machine, args: &[Expr]) -> Result<Answer> {
        let fd = *self.fd(args)?;
        let backlog = args.get(1).map_or(Ok(1), number)?.max(0) as usize;
        Ok(answer(machine.endpoints(fd.protocol, |endpoints, cx| endpoints.listen(cx, fd.id, backlog))))
    }

    fn accept(&mut self, machine: &mut Machine, call: &Call) -> Result<Answer> {
        let fd = *self.fd(&call.arguments)?;
        let id = match machine.endpoints(fd.protocol, |endpoints, cx| endpoints.accept(cx, fd.id)) {
            Ok(id) => id,
            Err(error) => return Ok(failed(error)),
        };
        let nonblocking = call.arguments.iter().flat_map(words).any(|word| word == "SOCK_NONBLOCK");
        machine.take_up(fd.protocol, id);
        Ok(self.insert(number(&call.result)?, Fd { nonblocking, ..Fd::new(fd.protocol, id) }))
    }

    fn connect(&mut self, machine: &mut Machine, args: &[Expr], again: bool) -> Result<Answer> {
        let remote_ip = machine.conversation.remote_ip;
        let fd = self.fd(args)?;
        let remote = address(args.get(1))?.unwrap_or((remote_ip, PORT).into());
        let (id, protocol) = (fd.id, fd.protocol);
        if again && fd.connecting {
            return Ok(connected(machine, fd));
        }
        let result = machine.endpoints(protocol, |endpoints, cx| endpoints.connect(cx, id, remote));
        machine.take_up_towards(protocol, id, remote);
        Ok(match result {
            Ok(()) => Answer::Done(0),
            Err(Error::ConnectStarted) if !fd.nonblocking => {
                fd.connecting = true;
                Answer::Blocks
            }
            Err(error) => Answer::Failed(error),
        })
    }

    fn read(&mut self, machine: &mut Machine, call: &Call) -> Result<Answer> {
        let args = &call.arguments[..];
        let flags: Vec<&str> =
            if call.name == "recvmsg" { args.get(2) } else { args.get(3) }.map_or(Vec::new(), words);
        if let Some(flag) = flags.iter().find(|flag| !["MSG_DONTWAIT", "MSG_NOSIGNAL"].contains(flag)) {
            return Err(Stop::Skip(format!("the flag `{flag}` of `{}`", call.name)));
        }
        let len = length(call)?;
        let fd = self.fd(args)?;
        let mut buffer = vec![0; len];
        let id = fd.id;
        let (count, _) =
            match machine.endpoints(fd.protocol, |endpoints, cx| endpoints.read(cx, id, &mut buffer)) {
                Ok(read) => read,
                Err(Error::ClosedForReceive) => return Ok(Answer::Done(0)),
                Err(error) => return Ok(failed(error)),
            };
        let position = if fd.protocol == TCP { fd.read.wrapping_add(1) } else { 0 };
        fd.read = fd.read.wrapping_add(count as u32);
        let given =
            if let Some(Expr::Text(text)) = args.get(1) { Some(text.as_bytes().to_vec()) } else { None };
        let wanted = given.unwrap_or_else(|| machine.received(fd.protocol, id, position, count));
        if buffer.get(..count) != wanted.get(..count) {
            let at = buffer.iter().zip(&wanted).position(|(a, b)| a != b).unwrap_or(0);
            return Err(Stop::Fail(format!(
                "{} gave wrong bytes: the first of {count} that differs is number {at}: {:#04x} instead of {:#04x}",
                call.name,
                buffer.get(at).copied().unwrap_or_default(),
                wanted.get(at).copied().unwrap_or_default()
            )));
        }
        Ok(Answer::Done(count as i64))
    }

    fn write(&mut self, machine: &mut Machine, call: &Call) -> Result<Answer> {
        let args = &call.arguments[..];
        let flags: Vec<&str> =
            if call.name == "sendmsg" { args.get(2) } else { args.get(3) }.map_or(Vec::new(), words);
        if let Some(flag) = flags.iter().find(|flag| !["MSG_DONTWAIT", "MSG_NOSIGNAL"].contains(flag)) {
            return Err(Stop::Skip(format!("the flag `{flag}` of `{}`", call.name)));
        }
        let remote_ip = machine.conversation.remote_ip;
        let to = match call.name.as_str() {
            "sendto" => Some(address(args.get(4))?.unwrap_or((remote_ip, PORT).into())),
            _ => None,
        };
        let fd = self.fd(args)?;
        let (id, protocol) = (fd.id, fd.protocol);
        let position = if protocol == TCP { fd.written.wrapping_add(1) } else { 0 };
        let bytes = match args.get(1) {
            Some(Expr::Text(text)) => latin1(text),
            _ => machine.bytes_to_send(protocol, id, position, length(call)?),
        };
        // A connected datagram socket sends to its peer.
        let to = to.filter(|_| protocol != TCP && machine.remote(protocol, id).is_none());
        let result = machine.endpoints(protocol, |endpoints, cx| endpoints.write(cx, id, &bytes, to));
        let count = match result {
            Ok(count) => count,
            Err(error) => return Ok(failed(error)),
        };
        fd.written = fd.written.wrapping_add(count as u32);
        if protocol != TCP || matches!(args.get(1), Some(Expr::Text(_))) {
            machine.give(protocol, id, to, position, bytes.get(..count).unwrap_or_default());
        }
        Ok(Answer::Done(count as i64))
    }

    fn close(&mut self, machine: &mut Machine, args: &[Expr]) -> Result<Answer> {
        let fd = *self.fd(args)?;
        if machine.faults.ignore_close {
            return Ok(Answer::Done(0));
        }
        let closed = machine.endpoints(fd.protocol, |endpoints, cx| {
            endpoints.close(cx, fd.id);
            Ok(())
        });
        self.open.retain(|_, open| open.id != fd.id || open.protocol != fd.protocol);
        Ok(answer(closed))
    }

    fn shutdown(&mut self, machine: &mut Machine, args: &[Expr]) -> Result<Answer> {
        let fd = *self.fd(args)?;
        let how = match args.get(1) {
            Some(Expr::Word(word)) if word == "SHUT_RD" => Shutdown::Read,
            Some(Expr::Word(word)) if word == "SHUT_WR" => Shutdown::Write,
            Some(Expr::Word(word)) if word == "SHUT_RDWR" => Shutdown::Both,
            _ => return Err(Stop::Fail("shutdown wants SHUT_RD, SHUT_WR or SHUT_RDWR".to_owned())),
        };
        if machine.faults.ignore_close {
            return Ok(Answer::Done(0));
        }
        Ok(answer(machine.endpoints(fd.protocol, |endpoints, cx| endpoints.shutdown(cx, fd.id, how))))
    }

    fn fcntl(&mut self, args: &[Expr]) -> Result<Answer> {
        const O_RDWR: i64 = 2;
        const O_NONBLOCK: i64 = 0o4000;
        let fd = self.fd(args)?;
        match args.get(1).map_or(Vec::new(), words)[..] {
            ["F_GETFL"] => Ok(Answer::Done(O_RDWR | if fd.nonblocking { O_NONBLOCK } else { 0 })),
            ["F_SETFL"] => {
                fd.nonblocking = args.get(2).is_some_and(|flags| words(flags).contains(&"O_NONBLOCK"));
                Ok(Answer::Done(0))
            }
            _ => Err(Stop::Skip("this command of fcntl".to_owned())),
        }
    }

    fn set_option(&mut self, machine: &mut Machine, args: &[Expr]) -> Result<Answer> {
        let fd = *self.fd(args)?;
        match options::parse(args)? {
            OptionCall::Nothing => Ok(Answer::Done(0)),
            OptionCall::Set(_) if machine.faults.ignore_options => Ok(Answer::Done(0)),
            OptionCall::Set(option) => Ok(answer(
                machine.endpoints(fd.protocol, |endpoints, cx| endpoints.set_option(cx, fd.id, option)),
            )),
        }
    }

    fn option(&mut self, machine: &mut Machine, args: &[Expr]) -> Result<Answer> {
        let fd = *self.fd(args)?;
        let Some(Expr::Word(name)) = args.get(2) else {
            return Err(Stop::Fail("getsockopt names no option".to_owned()));
        };
        let wanted = args.get(3);
        if name != "SO_ERROR" {
            return Err(Stop::Skip(format!("getsockopt of `{name}`")));
        }
        let error = machine.endpoints(fd.protocol, |endpoints, _| Ok(endpoints.take_error(fd.id)));
        let found = match error {
            Ok(error) => error.map(errno),
            Err(error) => return Ok(Answer::Failed(error)),
        };
        let wanted = match wanted {
            Some(Expr::Array(values)) => values.first().cloned(),
            other => other.cloned(),
        };
        let holds = match (&wanted, found) {
            (None | Some(Expr::Ellipsis), _) | (Some(Expr::Int(0)), None) => true,
            (Some(Expr::Word(word)), Some(found)) => same_errno(word, found),
            _ => false,
        };
        if holds {
            Ok(Answer::Done(0))
        } else {
            Err(Stop::Fail(format!("SO_ERROR is {}, not {wanted:?}", found.unwrap_or("0"))))
        }
    }

    fn ioctl(&mut self, machine: &mut Machine, args: &[Expr]) -> Result<Answer> {
        let fd = *self.fd(args)?;
        let request = args.get(1).map_or(Vec::new(), words).join("|");
        let Some(found) = machine.queued(fd.protocol, fd.id, &request) else {
            return Err(Stop::Skip(format!("ioctl of `{request}`")));
        };
        match args.get(2) {
            Some(Expr::Array(values)) if values.first().map(number).transpose()? != Some(found) => {
                Err(Stop::Fail(format!("{request} is {found}, not {values:?}")))
            }
            _ => Ok(Answer::Done(0)),
        }
    }

    /// `poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, timeout)`: waits while nothing is ready and it has time.
    fn poll(&mut self, machine: &mut Machine, args: &[Expr], started: Instant) -> Result<Answer> {
        let Some(Expr::Array(entries)) = args.first() else {
            return Err(Stop::Fail("poll wants a list of files".to_owned()));
        };
        let timeout = args.get(2).map_or(Ok(0), number)?;
        let mut ready = 0;
        let mut wrong = Vec::new();
        for entry in entries {
            let Expr::Struct(members) = entry else {
                return Err(Stop::Fail("poll wants {fd=…}".to_owned()));
            };
            let member =
                |name: &str| members.iter().find(|(n, _)| n.as_deref() == Some(name)).map(|(_, value)| value);
            let fd = *self.fd(&[member("fd").cloned().unwrap_or(Expr::Ellipsis)])?;
            let events = member("events").map_or(Vec::new(), words);
            let readiness = machine
                .endpoints(fd.protocol, |endpoints, _| Ok(endpoints.readiness(fd.id)))
                .unwrap_or_default();
            let found = returned(readiness, &events);
            ready += i64::from(!found.is_empty());
            let mut wanted = member("revents").map_or(Vec::new(), words);
            wanted.sort_unstable();
            if wanted != found {
                wrong.push(format!("revents are {}, not {}", found.join("|"), wanted.join("|")));
            }
        }
        let end =
            u64::try_from(timeout).map_or(Instant::FAR_FUTURE, |ms| started + Duration::from_millis(ms));
        if ready == 0 && machine.now < end {
            return Ok(Answer::Blocks);
        }
        if wrong.is_empty() { Ok(Answer::Done(ready)) } else { Err(Stop::Fail(wrong.join("; "))) }
    }
}

impl Fd {
    fn new(protocol: u8, id: EndpointId) -> Self {
        Self { protocol, id, nonblocking: false, written: 0, read: 0, connecting: false }
    }
}

/// What a connect that was begun has come to.
fn connected(machine: &mut Machine, fd: &mut Fd) -> Answer {
    let id = fd.id;
    let state = machine.endpoints(fd.protocol, |endpoints, _| {
        let ready = endpoints.readiness(id);
        Ok(if ready.writable || ready.error || ready.write_closed {
            Some(endpoints.take_error(id))
        } else {
            None
        })
    });
    match state {
        Ok(None) => Answer::Blocks,
        Ok(Some(outcome)) => {
            fd.connecting = false;
            outcome.map_or(Answer::Done(0), Answer::Failed)
        }
        Err(error) => Answer::Failed(error),
    }
}

/// The events that poll would return, sorted.
fn returned(ready: Readiness, asked: &[&str]) -> Vec<&'static str> {
    let mut events: Vec<&'static str> = [
        ("POLLIN", ready.readable || ready.read_closed || ready.error, false),
        ("POLLPRI", ready.urgent, false),
        ("POLLOUT", ready.writable, false),
        ("POLLRDHUP", ready.read_closed, false),
        ("POLLERR", ready.error, true),
        ("POLLHUP", ready.read_closed && ready.write_closed, true),
    ]
    .into_iter()
    .filter(|(name, is, always)| *is && (*always || asked.contains(name)))
    .map(|(name, ..)| name)
    .collect();
    events.sort_unstable();
    events
}

fn answer(result: core::result::Result<(), Error>) -> Answer {
    result.map_or_else(Answer::Failed, |()| Answer::Done(0))
}

fn failed(error: Error) -> Answer {
    if error == Error::WouldBlock { Answer::Blocks } else { Answer::Failed(error) }
}
