//! The events of a script, one after the other.

use super::arguments::number;
use super::calls::{Answer, Files, Pending};
use super::compare::Order;
use super::errno::same_errno;
use super::machine::Machine;
use super::setup::{START, Setup};
use super::{Options, Outcome, Stop, info};
use crate::pkt::{Action, Call, Event, Expr, Packet, Script, Seconds, Statement, Term, Value, When};
use core::fmt::Write;
use core::time::Duration;
use stack_core::Instant;
use std::collections::BTreeMap;

/// How long a packet at any time (`*`) may take.
const ANY_LIMIT: Duration = Duration::from_secs(24 * 3600);
/// Things that may happen in a script: probes of a window that never opens would go on for as long as a script says.
const MAX_TICKS: u32 = 1_000_000;

/// Runs a script against a fresh host with our own defaults and exact times.
pub fn run(script: &Script) -> Outcome {
    run_with(script, &Options::default())
}

/// Runs a script against a fresh host.
pub fn run_with(script: &Script, options: &Options<'_>) -> Outcome {
    let setup = match Setup::new(script, options) {
        Ok(setup) => setup,
        Err(stop) => return stop.outcome(script, 0, ""),
    };
    let mut runner = Runner::new(script, &setup);
    for event in &script.events {
        if let Err(stop) = runner.event(event) {
            return stop.outcome(script, event.line, &runner.log());
        }
    }
    match runner.end() {
        Ok(()) => Outcome::Passed,
        Err(stop) => stop.outcome(script, script.events.last().map_or(0, |event| event.line), &runner.log()),
    }
}

impl Stop {
    fn outcome(self, script: &Script, line: u32, log: &str) -> Outcome {
        let place = if line == 0 { script.name.clone() } else { format!("{}:{line}", script.name) };
        match self {
            Self::Fail(message) => Outcome::Failed(format!("{place}: {message}\n{log}")),
            Self::Skip(reason) => Outcome::Skipped(format!("{place}: not supported: {reason}")),
        }
    }
}

/// A call that has not returned yet.
struct Waiting {
    pending: Pending,
    line: u32,
    /// When it must return.
    until: Instant,
}

pub(super) struct Runner<'a> {
    pub(super) script: &'a Script,
    pub(super) machine: Machine,
    files: Files,
    waiting: Vec<Waiting>,
    /// What blocks of code have assigned.
    variables: BTreeMap<String, Value>,
    pub(super) tolerance: Duration,
    pub(super) tolerance_percent: f64,
    pub(super) order: Order,
    pub(super) strict_segments: bool,
    ticks: u32,
    /// When the last event happened.
    pub(super) last: Instant,
    /// What has happened, for the report.
    pub(super) history: Vec<(Instant, String)>,
}

impl<'a> Runner<'a> {
    pub(super) fn new(script: &'a Script, setup: &Setup) -> Self {
        let machine = Machine::new(setup);
        Self {
            script,
            machine,
            files: Files::default(),
            waiting: Vec::new(),
            variables: BTreeMap::new(),
            tolerance: setup.tolerance,
            tolerance_percent: setup.tolerance_percent,
            order: if setup.exact_options { Order::Exact } else { Order::Free },
            strict_segments: setup.strict_segments,
            ticks: 0,
            last: START,
            history: Vec::new(),
        }
    }

    /// The span of time in which an event happens.
    pub(super) fn span(&self, when: When) -> (Instant, Instant) {
        match when {
            When::At(at) => (START + at, START + at),
            When::After(after) => (self.last + after, self.last + after),
            When::AtBetween(from, to) => (START + from, START + to),
            When::AfterBetween(from, to) => (self.last + from, self.last + to),
            When::Any => (START, self.last + ANY_LIMIT),
        }
    }

    fn event(&mut self, event: &Event) -> Result<(), Stop> {
        let (from, to) = self.span(event.when);
        match &event.action {
            Action::Outbound(expected) => self.expect(event, expected, from, to),
            _ => {
                if from + self.tolerance < self.machine.now {
                    let late = self.machine.now - from;
                    return Err(Stop::Fail(format!("this is {} s in the past", Seconds(late))));
                }
                self.live_until(from)?;
                let base = self.last;
                self.last = from;
                self.act(event, base)
            }
        }
    }

    /// Everything but a packet of the stack.
    pub(super) fn act(&mut self, event: &Event, base: Instant) -> Result<(), Stop> {
        match &event.action {
            Action::Inbound(packet) => self.inject(packet),
            Action::Call(call) => {
                let until = event.until.map(|until| match event.when {
                    When::At(_) | When::AtBetween(..) => START + until,
                    _ => base + until,
                });
                self.call(call, event.line, until)
            }
            Action::Code(statements) => self.check(statements),
            // Settings were taken before the host was made.
            Action::Command(_) | Action::Outbound(_) => Ok(()),
        }
    }

    fn inject(&mut self, packet: &Packet) -> Result<(), Stop> {
        let frame = self.machine.conversation.inbound(packet)?;
        self.machine.conversation.inbound_log.push((packet.clone(), frame.bytes.clone()));
        self.history.push((self.machine.now, format!("< {packet}")));
        self.machine.receive(frame);
        self.settle()
    }

    fn call(&mut self, call: &Call, line: u32, until: Option<Instant>) -> Result<(), Stop> {
        self.history.push((self.machine.now, format!("  {}", signature(call))));
        let mut pending = Pending::new(call.clone());
        let answer = self.files.call(&mut self.machine, &mut pending)?;
        self.settle()?;
        match (answer, until) {
            (Answer::Blocks, Some(until)) if self.files.may_block(call) => {
                self.waiting.push(Waiting { pending, line, until });
                Ok(())
            }
            (Answer::Blocks, None) if self.files.may_block(call) && call.errno.is_none() => {
                // What the call caused may end it at once.
                match self.files.call(&mut self.machine, &mut pending)? {
                    Answer::Blocks => Err(Stop::Fail(format!(
                        "{} blocks; write when it returns: +0...0.1 {}",
                        call.name,
                        signature(call)
                    ))),
                    answer => judge(call, &answer),
                }
            }
            (answer, Some(until)) if self.machine.now + self.tolerance < until => {
                let early = Seconds(until - self.machine.now);
                Err(Stop::Fail(format!(
                    "{} returned {} at once, {early} s too early",
                    call.name,
                    shown(&answer)
                )))
            }
            (answer, _) => judge(call, &answer),
        }?;
        self.settle()
    }

    /// Lets the stack send, and waiting calls go on, until nothing more happens at this instant.
    fn settle(&mut self) -> Result<(), Stop> {
        loop {
            self.machine.flush()?;
            if !self.retry()? {
                return Ok(());
            }
        }
    }

    /// Tries the waiting calls again. Returns whether one has ended.
    fn retry(&mut self) -> Result<bool, Stop> {
        let mut ended = false;
        let mut waiting = core::mem::take(&mut self.waiting);
        let mut index = 0;
        while index < waiting.len() {
            let now = self.machine.now;
            let item = &mut waiting[index];
            let answer = self.files.call(&mut self.machine, &mut item.pending);
            let wrong = |message: String| Stop::Fail(format!("the call of line {}: {message}", item.line));
            match answer? {
                Answer::Blocks if now > item.until + self.tolerance => {
                    return Err(wrong(format!("it should have returned at {}", since_start(item.until))));
                }
                Answer::Blocks => index += 1,
                answer => {
                    if now + self.tolerance < item.until {
                        let early = Seconds(item.until - now);
                        return Err(wrong(format!("it returned {}, {early} s too early", shown(&answer))));
                    }
                    judge(&item.pending.call, &answer).map_err(|stop| match stop {
                        Stop::Fail(message) => wrong(message),
                        skip => skip,
                    })?;
                    self.history.push((now, format!("  {} returns", item.pending.call.name)));
                    waiting.remove(index);
                    ended = true;
                }
            }
        }
        self.waiting.append(&mut waiting);
        Ok(ended)
    }

    /// Lives up to a time, timers included that are due then.
    pub(super) fn live_until(&mut self, limit: Instant) -> Result<(), Stop> {
        while self.tick(limit)? {}
        Ok(())
    }

    /// Goes to the next thing that happens up to `limit`. Returns whether there was one; if not, it is `limit` now.
    pub(super) fn tick(&mut self, limit: Instant) -> Result<bool, Stop> {
        self.ticks += 1;
        if self.ticks > MAX_TICKS {
            return Err(Stop::Fail(format!("more than {MAX_TICKS} things happened")));
        }
        let ends = self.waiting.iter().map(|waiting| waiting.until).filter(|until| *until > self.machine.now);
        let next = self.machine.next_deadline().into_iter().chain(ends).min();
        let more = next.is_some_and(|next| next <= limit);
        let to = next.filter(|_| more).unwrap_or(limit);
        self.machine.now = self.machine.now.max(to);
        let due = self.machine.poll();
        self.settle()?;
        Ok(more || due)
    }

    fn check(&mut self, statements: &[Statement]) -> Result<(), Stop> {
        for statement in statements {
            match statement {
                Statement::Nothing => {}
                Statement::Unknown(text) => return Err(Stop::Skip(format!("the statement `{text}`"))),
                Statement::Assign { name, value } => {
                    let value = self.value(value, &format!("{name} = …"))?;
                    self.variables.insert(name.clone(), value);
                }
                Statement::Assert { line, condition, text } => {
                    if !self.value(condition, text)?.is_true() {
                        let known = condition
                            .names()
                            .into_iter()
                            .filter_map(|name| self.lookup(name).map(|value| format!("{name} is {value}")));
                        let known = known.collect::<Vec<_>>().join(", ");
                        return Err(Stop::Fail(format!("line {line}: `{text}` does not hold: {known}")));
                    }
                }
            }
        }
        Ok(())
    }

    fn lookup(&self, name: &str) -> Option<Value> {
        let last = self.files.last_tcp();
        let field = || info::field(&self.machine.host, self.machine.now, last, name).map(Value::Number);
        self.variables.get(name).cloned().or_else(field)
    }

    fn value(&self, term: &Term, text: &str) -> Result<Value, Stop> {
        term.value(&|name| self.lookup(name)).map_err(|reason| Stop::Skip(format!("{reason} in `{text}`")))
    }

    /// Nothing may be left.
    pub(super) fn end(&mut self) -> Result<(), Stop> {
        self.settle()?;
        let mut left: Vec<String> = Vec::new();
        while let Some(sent) = self.machine.sent.pop_front() {
            let line = self.machine.conversation.outbound(&sent, None);
            left.push(format!("    {} > {}", since_start(sent.at), bare(&line)));
        }
        if !left.is_empty() {
            return Err(Stop::Fail(format!("packets that no line expects:\n{}", left.join("\n"))));
        }
        match self.waiting.first() {
            Some(waiting) => {
                let until = since_start(waiting.until);
                Err(Stop::Fail(format!(
                    "the call of line {} has not returned; it must at {until}",
                    waiting.line
                )))
            }
            None => Ok(()),
        }
    }

    /// What has happened so far.
    fn log(&mut self) -> String {
        let mut log = String::from("    what happened before:\n");
        for (at, text) in &self.history {
            let _ = writeln!(log, "    {:>12}  {text}", since_start(*at));
        }
        log
    }
}

/// A rendered line with what lines usually say: no IP header.
pub(super) fn bare(line: &Packet) -> Packet {
    Packet { ip: crate::pkt::IpInfo::default(), ..line.clone() }
}

/// Seconds since the start of the script.
pub(super) fn since_start(at: Instant) -> String {
    Seconds(at - START).to_string()
}

fn judge(call: &Call, answer: &Answer) -> Result<(), Stop> {
    let wanted = match &call.result {
        Expr::Ellipsis => None,
        result => Some(number(result)?),
    };
    let holds = match (answer, &call.errno) {
        (Answer::Done(value), None) => wanted.is_none_or(|wanted| wanted == *value),
        (Answer::Failed(error), Some(errno)) => same_errno(errno, Machine::error_name(*error)),
        (Answer::Failed(_), None) => wanted == Some(-1),
        (Answer::Blocks, Some(errno)) => same_errno(errno, "EAGAIN"),
        _ => false,
    };
    if holds {
        return Ok(());
    }
    let errno = call.errno.as_ref().map_or(String::new(), |errno| format!(" {errno}"));
    let wanted = wanted.map_or("anything".to_owned(), |wanted| wanted.to_string());
    Err(Stop::Fail(format!("{} returned {}, not {wanted}{errno}", call.name, shown(answer))))
}

fn shown(answer: &Answer) -> String {
    match answer {
        Answer::Done(value) => value.to_string(),
        Answer::Failed(error) => format!("-1 {} ({error})", Machine::error_name(*error)),
        Answer::Blocks => "-1 EAGAIN".to_owned(),
    }
}

fn signature(call: &Call) -> String {
    let first = call.arguments.first().map_or(String::new(), |first| match first {
        Expr::Int(fd) => fd.to_string(),
        _ => "...".to_owned(),
    });
    format!("{}({first}, ...)", call.name)
}
