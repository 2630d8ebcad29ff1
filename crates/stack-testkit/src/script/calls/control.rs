//! Ending, and everything that is set and asked.

use super::{Answer, Files, Result, answer};
use crate::pkt::Expr;
use crate::script::arguments::{first, number, words};
use crate::script::errno::{errno, same_errno};
use crate::script::machine::Machine;
use crate::script::options::{self, OptionCall, Question};
use crate::script::{Stop, info};
use stack_core::Shutdown;

impl Files {
    pub(super) fn close(&mut self, machine: &mut Machine, args: &[Expr]) -> Result<Answer> {
        let number = args.first().map_or(Ok(-1), number)?;
        if self.epolls.remove(&number).is_some() {
            return Ok(Answer::Done(0));
        }
        let fd = *self.fd(args)?;
        if machine.faults.ignore_close {
            return Ok(Answer::Done(0));
        }
        let closed = machine.endpoints(fd.protocol, |endpoints, cx| {
            endpoints.close(cx, fd.id);
            Ok(())
        });
        self.open.remove(&number);
        self.epolls.values_mut().for_each(|epoll| epoll.forget(number));
        Ok(answer(closed))
    }

    pub(super) fn shutdown(&mut self, machine: &mut Machine, args: &[Expr]) -> Result<Answer> {
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

    pub(super) fn fcntl(&mut self, args: &[Expr]) -> Result<Answer> {
        const O_RDWR: i64 = 2;
        const O_NONBLOCK: i64 = 0o4000;
        let fd = self.fd(args)?;
        match args.get(1).map_or(Vec::new(), words)[..] {
            ["F_GETFL"] => Ok(Answer::Done(O_RDWR | if fd.nonblocking { O_NONBLOCK } else { 0 })),
            ["F_SETFL"] => {
                fd.nonblocking = args.get(2).is_some_and(|flags| words(flags).contains(&"O_NONBLOCK"));
                Ok(Answer::Done(0))
            }
            ["F_GETFD" | "F_SETFD"] => Ok(Answer::Done(0)),
            _ => Err(Stop::Skip("this command of fcntl".to_owned())),
        }
    }

    pub(super) fn set_option(&mut self, machine: &mut Machine, args: &[Expr]) -> Result<Answer> {
        let fd = *self.fd(args)?;
        match options::parse(args)? {
            OptionCall::Nothing => Ok(Answer::Done(0)),
            OptionCall::Set(_) if machine.faults.ignore_options => Ok(Answer::Done(0)),
            OptionCall::Set(option) => Ok(answer(
                machine.endpoints(fd.protocol, |endpoints, cx| endpoints.set_option(cx, fd.id, option)),
            )),
        }
    }

    pub(super) fn option(&mut self, machine: &mut Machine, args: &[Expr]) -> Result<Answer> {
        let (protocol, id) = self.fd(args)?.endpoint();
        let Some(Expr::Word(name)) = args.get(2) else {
            return Err(Stop::Fail("getsockopt names no option".to_owned()));
        };
        let wanted = first(args.get(3));
        let found = match options::question(name, protocol)? {
            Question::Error => return self.error(machine, args, wanted.as_ref()),
            Question::Any => return Ok(Answer::Done(0)),
            Question::Number(number) => Expr::Int(number),
            Question::Name(name) => Expr::Word(name.to_owned()),
            Question::Value(name) => {
                match machine.endpoints(protocol, |endpoints, _| endpoints.option(id, name)) {
                    Ok(option) => options::shown(option).unwrap_or(Expr::Ellipsis),
                    Err(error) => return Ok(Answer::Failed(error)),
                }
            }
            Question::Info(ask) => match info::info(&machine.host, id) {
                Some(info) => ask(&info),
                None => return Err(Stop::Skip(format!("getsockopt of `{name}` without a connection"))),
            },
        };
        match wanted {
            None | Some(Expr::Ellipsis) => Ok(Answer::Done(0)),
            Some(wanted) if wanted == found => Ok(Answer::Done(0)),
            Some(wanted) => Err(Stop::Fail(format!("{name} is {found:?}, not {wanted:?}"))),
        }
    }

    fn error(&mut self, machine: &mut Machine, args: &[Expr], wanted: Option<&Expr>) -> Result<Answer> {
        let (protocol, id) = self.fd(args)?.endpoint();
        let error = machine.endpoints(protocol, |endpoints, _| Ok(endpoints.take_error(id)));
        let found = match error {
            Ok(error) => error.map(errno),
            Err(error) => return Ok(Answer::Failed(error)),
        };
        let holds = match (wanted, found) {
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

    pub(super) fn ioctl(&mut self, machine: &mut Machine, args: &[Expr]) -> Result<Answer> {
        let request = args.get(1).map_or(Vec::new(), words).join("|");
        let value = first(args.get(2));
        let fd = self.fd(args)?;
        if request == "FIONBIO" {
            fd.nonblocking = value.as_ref().map_or(Ok(0), number)? != 0;
            return Ok(Answer::Done(0));
        }
        let (protocol, id) = fd.endpoint();
        let Some(found) = machine.queued(protocol, id, &request) else {
            return Err(Stop::Skip(format!("ioctl of `{request}`")));
        };
        match value {
            None | Some(Expr::Ellipsis) => Ok(Answer::Done(0)),
            Some(wanted) if number(&wanted)? == found => Ok(Answer::Done(0)),
            Some(wanted) => Err(Stop::Fail(format!("{request} is {found}, not {wanted:?}"))),
        }
    }
}
