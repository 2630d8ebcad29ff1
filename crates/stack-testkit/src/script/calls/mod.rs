//! System calls on the stack's sockets, by way of [`Endpoints`](stack_core::Endpoints): a script works for every
//! transport protocol.
//!
//! | file | calls |
//! | --- | --- |
//! | `open.rs` | socket, bind, listen, accept, accept4, connect |
//! | `data.rs` | read, readv, recv, recvfrom, recvmsg, write, writev, send, sendto, sendmsg |
//! | `control.rs` | close, shutdown, fcntl, ioctl, setsockopt, getsockopt |
//! | `poll.rs` | poll, epoll_create, epoll_ctl, epoll_wait |
//!
//! A call that the stack has nothing for skips the script.

mod control;
mod data;
mod open;
mod poll;

use super::arguments::{number, words};
use super::machine::Machine;
use super::{Stop, TCP};
use crate::pkt::{Call, Expr};
use poll::Epoll;
use stack_core::{EndpointId, Error, Instant};
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

/// An open socket of the script.
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

impl Fd {
    fn new(protocol: u8, id: EndpointId) -> Self {
        Self { protocol, id, nonblocking: false, written: 0, read: 0, connecting: false }
    }
}

/// The open files of a script.
#[derive(Default)]
pub(super) struct Files {
    open: BTreeMap<i64, Fd>,
    epolls: BTreeMap<i64, Epoll>,
}

/// A call that waits for its end.
pub(super) struct Pending {
    pub(super) call: Call,
    /// When it was first made: a connect is not made again, and a poll ends.
    pub(super) started: Option<Instant>,
    /// Bytes that a blocking write has written so far.
    progress: usize,
}

impl Pending {
    pub(super) fn new(call: Call) -> Self {
        Self { call, started: None, progress: 0 }
    }
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
            "write" | "send" | "sendto" | "writev" | "sendmsg" => self.write(machine, pending),
            "close" => self.close(machine, args),
            "shutdown" => self.shutdown(machine, args),
            "fcntl" => self.fcntl(args),
            "setsockopt" => self.set_option(machine, args),
            "getsockopt" => self.option(machine, args),
            "ioctl" => self.ioctl(machine, args),
            "poll" => self.poll(machine, args, started),
            "epoll_create" | "epoll_create1" => self.epoll_create(call),
            "epoll_ctl" => self.epoll_ctl(args),
            "epoll_wait" => self.epoll_wait(machine, args, started),
            name @ ("sendfile" | "splice" | "pipe" | "open") => {
                Err(Stop::Skip(format!("`{name}`: the runner has no files and pipes")))
            }
            name => Err(Stop::Skip(format!("the system call `{name}`"))),
        }
    }

    /// Whether a call on this file may wait.
    pub(super) fn may_block(&self, call: &Call) -> bool {
        let waits = ["poll", "epoll_wait"].contains(&call.name.as_str());
        let fd = call.arguments.first().and_then(|fd| number(fd).ok()).and_then(|fd| self.open.get(&fd));
        let flags = call.arguments.get(3).map_or(Vec::new(), words);
        waits || !(fd.is_some_and(|fd| fd.nonblocking) || flags.contains(&"MSG_DONTWAIT"))
    }

    fn fd(&mut self, args: &[Expr]) -> Result<&mut Fd> {
        let number = number(args.first().ok_or_else(|| Stop::Fail("the call names no file".to_owned()))?)?;
        self.open
            .get_mut(&number)
            .ok_or_else(|| Stop::Fail(format!("{number} is no open socket of the script")))
    }

    fn insert(&mut self, number: i64, fd: Fd) -> Answer {
        self.open.insert(number, fd);
        Answer::Done(number)
    }
}

fn answer(result: core::result::Result<(), Error>) -> Answer {
    result.map_or_else(Answer::Failed, |()| Answer::Done(0))
}

fn failed(error: Error) -> Answer {
    if error == Error::WouldBlock { Answer::Blocks } else { Answer::Failed(error) }
}
