//! How sockets come to be and to their peers.

use super::{Answer, Fd, Files, Result, answer, failed};
use crate::pkt::{Call, Expr};
use crate::script::arguments::{address, number, words};
use crate::script::machine::Machine;
use crate::script::{ICMP, ICMPV6, Stop, TCP, UDP};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use stack_core::{Error, Families};

impl Files {
    pub(super) fn socket(&mut self, machine: &mut Machine, call: &Call) -> Result<Answer> {
        let kinds: Vec<&str> = call.arguments.iter().flat_map(words).collect();
        let is = |word: &str| kinds.contains(&word);
        let protocol = match () {
            () if is("IPPROTO_MPTCP") => return Err(Stop::Skip("Multipath TCP".to_owned())),
            () if is("SOCK_STREAM") => TCP,
            () if is("SOCK_DGRAM") && is("IPPROTO_ICMP") => ICMP,
            () if is("SOCK_DGRAM") && is("IPPROTO_ICMPV6") => ICMPV6,
            () if is("SOCK_DGRAM") => UDP,
            () => return Err(Stop::Skip(format!("a socket of {}", kinds.join(", ")))),
        };
        let families = match call.arguments.first() {
            Some(Expr::Word(word)) if word == "AF_INET" => Families::V4,
            Some(Expr::Word(word)) if word == "AF_INET6" && machine.families == Families::V6 => Families::V6,
            Some(Expr::Word(word)) if word == "AF_INET6" => Families::Dual,
            Some(Expr::Ellipsis) => machine.families,
            other => return Err(Stop::Skip(format!("a socket of the family {other:?}"))),
        };
        let number = number(&call.result)?;
        let made = machine.endpoints(protocol, |endpoints, cx| endpoints.create(cx, families));
        Ok(match made {
            Ok(id) => {
                let nonblocking = is("SOCK_NONBLOCK");
                self.insert(number, Fd { nonblocking, ..Fd::new(protocol, id) })
            }
            Err(error) => Answer::Failed(error),
        })
    }

    /// `bind(3, ..., ...)`: any address, and the port of `--bind_port`.
    pub(super) fn bind(&mut self, machine: &mut Machine, args: &[Expr]) -> Result<Answer> {
        let fd = *self.fd(args)?;
        let any = match machine.families {
            Families::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Families::V6 | Families::Dual => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let default = SocketAddr::new(any, machine.conversation.bind_port);
        let local = address(args.get(1))?.unwrap_or(default);
        Ok(answer(machine.endpoints(fd.protocol, |endpoints, cx| endpoints.bind(cx, fd.id, local))))
    }

    pub(super) fn listen(&mut self, machine: &mut Machine, args: &[Expr]) -> Result<Answer> {
        let fd = *self.fd(args)?;
        let backlog = args.get(1).map_or(Ok(1), number)?.max(0) as usize;
        Ok(answer(machine.endpoints(fd.protocol, |endpoints, cx| endpoints.listen(cx, fd.id, backlog))))
    }

    pub(super) fn accept(&mut self, machine: &mut Machine, call: &Call) -> Result<Answer> {
        let fd = *self.fd(&call.arguments)?;
        let id = match machine.endpoints(fd.protocol, |endpoints, cx| endpoints.accept(cx, fd.id)) {
            Ok(id) => id,
            Err(error) => return Ok(failed(error)),
        };
        let nonblocking = call.arguments.iter().flat_map(words).any(|word| word == "SOCK_NONBLOCK");
        machine.take_up(fd.protocol, id);
        let wanted = address(call.arguments.get(1))?;
        let found = machine.remote(fd.protocol, id);
        if let Some(wanted) = wanted.filter(|wanted| found != Some(*wanted)) {
            return Err(Stop::Fail(format!("the peer is {found:?}, not {wanted}")));
        }
        Ok(self.insert(number(&call.result)?, Fd { nonblocking, ..Fd::new(fd.protocol, id) }))
    }

    /// `connect(3, ..., ...)`: the peer at the port of `--connect_port`.
    pub(super) fn connect(&mut self, machine: &mut Machine, args: &[Expr], again: bool) -> Result<Answer> {
        if args.get(1).is_some_and(|to| words(to).contains(&"AF_UNSPEC")) {
            return Err(Stop::Skip(
                "a connect to AF_UNSPEC: the stack can't take a connection apart".to_owned(),
            ));
        }
        let default = (machine.conversation.remote_ip, machine.conversation.connect_port);
        let fd = self.fd(args)?;
        let remote = address(args.get(1))?.unwrap_or(default.into());
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
}

/// What a connect that was begun has come to.
pub(super) fn connected(machine: &mut Machine, fd: &mut Fd) -> Answer {
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
