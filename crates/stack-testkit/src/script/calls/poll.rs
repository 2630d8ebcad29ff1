//! Readiness: `poll`, and `epoll` as a level. Edges (`EPOLLET`) skip the script: the stack's readiness has none.

use super::{Answer, Files, Result};
use crate::pkt::{Call, Expr};
use crate::script::Stop;
use crate::script::arguments::{member, number, words};
use crate::script::machine::Machine;
use core::time::Duration;
use stack_core::{Instant, Readiness};

/// An epoll file: what it watches, in the order in which it was told.
#[derive(Clone, Debug, Default)]
pub(super) struct Epoll {
    watched: Vec<Watched>,
}

/// A file that an epoll file watches.
#[derive(Clone, Debug)]
struct Watched {
    fd: i64,
    /// Events in the spelling of `poll`.
    events: Vec<String>,
    /// The member behind `events`: `fd=4`, `u32=7`.
    data: (Option<String>, Expr),
    once: bool,
}

impl Epoll {
    /// A closed file is watched no more.
    pub(super) fn forget(&mut self, fd: i64) {
        self.watched.retain(|watched| watched.fd != fd);
    }
}

impl Files {
    /// `poll([{fd=4, events=POLLIN, revents=POLLIN}], 1, timeout)`: waits while nothing is ready and it has time.
    pub(super) fn poll(&mut self, machine: &mut Machine, args: &[Expr], started: Instant) -> Result<Answer> {
        let Some(Expr::Array(entries)) = args.first() else {
            return Err(Stop::Fail("poll wants a list of files".to_owned()));
        };
        let mut ready = 0;
        let mut wrong = Vec::new();
        for entry in entries {
            let fd = member(entry, "fd").map_or(Ok(-1), number)?;
            let events = member(entry, "events").map_or(Vec::new(), words);
            let found = self.returned(machine, fd, &events)?;
            ready += i64::from(!found.is_empty());
            let mut wanted = member(entry, "revents").map_or(Vec::new(), words);
            wanted.sort_unstable();
            if wanted != found {
                wrong.push(format!("revents are {}, not {}", found.join("|"), wanted.join("|")));
            }
        }
        if ready == 0 && machine.now < deadline(args.get(2), started)? {
            return Ok(Answer::Blocks);
        }
        if wrong.is_empty() { Ok(Answer::Done(ready)) } else { Err(Stop::Fail(wrong.join("; "))) }
    }

    pub(super) fn epoll_create(&mut self, call: &Call) -> Result<Answer> {
        let file = number(&call.result)?;
        self.epolls.insert(file, Epoll::default());
        Ok(Answer::Done(file))
    }

    /// `epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLIN, fd=4})`
    pub(super) fn epoll_ctl(&mut self, args: &[Expr]) -> Result<Answer> {
        let fd = args.get(2).map_or(Ok(-1), number)?;
        self.fd(args.get(2..).unwrap_or_default())?;
        let epoll = self.epoll(args)?;
        let at = epoll.watched.iter().position(|watched| watched.fd == fd);
        match (args.get(1).map_or(Vec::new(), words)[..].first(), at) {
            (Some(&"EPOLL_CTL_ADD"), None) => epoll.watched.push(watch(fd, args.get(3))?),
            (Some(&"EPOLL_CTL_MOD"), Some(at)) => epoll.watched[at] = watch(fd, args.get(3))?,
            (Some(&"EPOLL_CTL_DEL"), Some(_)) => epoll.forget(fd),
            (operation, _) => return Err(Stop::Skip(format!("the failure of epoll_ctl with {operation:?}"))),
        }
        Ok(Answer::Done(0))
    }

    /// `epoll_wait(5, {events=EPOLLIN, fd=4}, 1, timeout)`; several events are a list.
    pub(super) fn epoll_wait(
        &mut self,
        machine: &mut Machine,
        args: &[Expr],
        started: Instant,
    ) -> Result<Answer> {
        let limit = args.get(2).map_or(Ok(1), number)?.max(0) as usize;
        let mut ready = Vec::new();
        for watched in self.epoll(args)?.watched.clone() {
            let events: Vec<&str> = watched.events.iter().map(String::as_str).collect();
            let found =
                if events.is_empty() { Vec::new() } else { self.returned(machine, watched.fd, &events)? };
            if !found.is_empty() && ready.len() < limit {
                ready.push((found, watched));
            }
        }
        if ready.is_empty() && machine.now < deadline(args.get(3), started)? {
            return Ok(Answer::Blocks);
        }
        let wanted = match args.get(1) {
            Some(Expr::Array(entries)) => entries.as_slice(),
            Some(entry) => core::slice::from_ref(entry),
            None => &[],
        };
        for ((found, watched), wanted) in ready.iter().zip(wanted) {
            compare(found, watched, wanted)?;
        }
        for (_, watched) in ready.iter().filter(|(_, watched)| watched.once) {
            self.disarm(args, watched.fd)?;
        }
        Ok(Answer::Done(ready.len() as i64))
    }

    fn epoll(&mut self, args: &[Expr]) -> Result<&mut Epoll> {
        let file = args.first().map_or(Ok(-1), number)?;
        self.epolls.get_mut(&file).ok_or_else(|| Stop::Fail(format!("{file} is no epoll file of the script")))
    }

    /// `EPOLLONESHOT`: nothing more until the next `EPOLL_CTL_MOD`.
    fn disarm(&mut self, args: &[Expr], fd: i64) -> Result<()> {
        let watched = self.epoll(args)?.watched.iter_mut().find(|watched| watched.fd == fd);
        watched.into_iter().for_each(|watched| watched.events.clear());
        Ok(())
    }

    /// The events of a file, sorted, in the spelling of `poll`.
    fn returned(&mut self, machine: &mut Machine, fd: i64, asked: &[&str]) -> Result<Vec<&'static str>> {
        let (protocol, id) = self.fd(&[Expr::Int(fd)])?.endpoint();
        let readiness = machine.endpoints(protocol, |endpoints, _| Ok(endpoints.readiness(id)));
        events(readiness.unwrap_or_default(), asked)
    }
}

/// What is ready of what was asked for; errors and the end of both sides come unasked.
fn events(ready: Readiness, asked: &[&str]) -> Result<Vec<&'static str>> {
    let readable = ready.readable || ready.read_closed || ready.error;
    let known = [
        ("POLLIN", readable, false),
        ("POLLRDNORM", readable, false),
        ("POLLPRI", ready.urgent, false),
        ("POLLOUT", ready.writable, false),
        ("POLLWRNORM", ready.writable, false),
        ("POLLRDHUP", ready.read_closed, false),
        ("POLLERR", ready.error, true),
        ("POLLHUP", ready.read_closed && ready.write_closed, true),
    ];
    if let Some(event) = asked.iter().find(|asked| known.iter().all(|(name, ..)| name != *asked)) {
        return Err(Stop::Skip(format!("the event `{event}`")));
    }
    let found = known.into_iter().filter(|(name, is, always)| *is && (*always || asked.contains(name)));
    let mut found: Vec<&'static str> = found.map(|(name, ..)| name).collect();
    found.sort_unstable();
    Ok(found)
}

fn watch(fd: i64, event: Option<&Expr>) -> Result<Watched> {
    let Some(Expr::Struct(members)) = event else {
        return Err(Stop::Fail("epoll_ctl wants {events=…, fd=…}".to_owned()));
    };
    let events = event.and_then(|event| member(event, "events")).map_or(Vec::new(), words);
    if events.contains(&"EPOLLET") {
        return Err(Stop::Skip("`EPOLLET`: the stack's readiness is a level, not an edge".to_owned()));
    }
    let once = events.contains(&"EPOLLONESHOT");
    let events = events.iter().filter(|event| **event != "EPOLLONESHOT");
    let data = members.iter().find(|(name, _)| name.as_deref() != Some("events"));
    let data = data.cloned().unwrap_or((None, Expr::Ellipsis));
    Ok(Watched { fd, events: events.map(|event| event.replacen("EPOLL", "POLL", 1)).collect(), data, once })
}

fn compare(found: &[&str], watched: &Watched, wanted: &Expr) -> Result<()> {
    let mut events: Vec<String> = member(wanted, "events")
        .map_or(Vec::new(), words)
        .iter()
        .map(|event| event.replacen("EPOLL", "POLL", 1))
        .collect();
    events.sort_unstable();
    if events != found {
        return Err(Stop::Fail(format!("the events are {}, not {}", found.join("|"), events.join("|"))));
    }
    let Expr::Struct(members) = wanted else { return Ok(()) };
    let data = members.iter().find(|(name, _)| name.as_deref() != Some("events"));
    match data {
        Some(data) if *data != watched.data => {
            Err(Stop::Fail(format!("the data of the event are {:?}, not {:?}", watched.data, data)))
        }
        _ => Ok(()),
    }
}

/// When a wait that began at `started` ends: milliseconds, negative for never.
fn deadline(timeout: Option<&Expr>, started: Instant) -> Result<Instant> {
    let millis = timeout.map_or(Ok(0), number)?;
    Ok(u64::try_from(millis)
        .map_or(Instant::FAR_FUTURE, |millis| started + Duration::from_millis(millis.min(1 << 40))))
}
