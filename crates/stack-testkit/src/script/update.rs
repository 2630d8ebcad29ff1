//! A script rewritten to expect what the stack does: packets of the stack with their times. Everything else stays,
//! comments included, at the times that it had.

use super::compare::{Comparison, Order};
use super::conversation::Outgoing;
use super::runner::{Runner, bare};
use super::setup::{START, Setup};
use super::{Options as RunOptions, Outcome, Stop};
use crate::pkt::{
    Action, Arp, Body, Event, Icmp, IcmpContent, IpInfo, Options, Packet, Script, Seconds, Tcp, When,
};
use core::ops::Range;
use stack_core::Instant;

/// The script as it would have to be to pass, as far as that is a matter of packets.
///
/// # Errors
/// A report: a call gives something else than its line says, or the script can't be run at all.
pub fn update(script: &Script) -> Result<String, String> {
    let report = |stop: Stop| match stop {
        Stop::Fail(message) => format!("{}: cannot be updated: {message}", script.name),
        Stop::Skip(reason) => format!("{}: cannot be updated: not supported: {reason}", script.name),
    };
    let setup = Setup::new(script, &RunOptions::default()).map_err(report)?;
    let mut update =
        Update { script, runner: Runner::new(script, &setup), edits: Vec::new(), written: START };
    update.run().map_err(report)?;
    let text = update.apply();
    let parsed = Script::parse(&script.name, &text).map_err(|error| error.to_string())?;
    match super::run(&parsed) {
        Outcome::Passed => Ok(text),
        Outcome::Failed(report) | Outcome::Skipped(report) => {
            Err(format!("still wrong after the update: {report}"))
        }
    }
}

struct Update<'a> {
    script: &'a Script,
    runner: Runner<'a>,
    /// Places in the text and what comes there; an empty text takes the whole line away.
    edits: Vec<(Range<usize>, String)>,
    /// The time from which the next relative time of the new text counts.
    written: Instant,
}

impl Update<'_> {
    fn run(&mut self) -> Result<(), Stop> {
        let times = self.schedule();
        let events = &self.script.events;
        let mut next = 0;
        while next < events.len() {
            let is_outbound = |event: &&Event| matches!(event.action, Action::Outbound(_));
            let count = events[next..].iter().take_while(is_outbound).count();
            let (lines, after) = (&events[next..next + count], next + count);
            let horizon = times.get(after).or(times.last()).copied().unwrap_or(START);
            self.runner.live_until(horizon.max(self.runner.machine.now))?;
            self.rewrite(lines, next, after);
            if let Some(event) = events.get(after) {
                self.keep(event, times[after]);
                let base = self.runner.last;
                self.runner.last = times[after];
                self.runner.act(event, base)?;
            }
            next = after + 1;
        }
        // What the last call or packet caused at once.
        self.rewrite(&[], events.len(), events.len());
        Ok(())
    }

    /// When each event happens according to the script as it is.
    fn schedule(&mut self) -> Vec<Instant> {
        let mut times = Vec::new();
        for event in &self.script.events {
            let at = match event.when {
                When::Any => self.runner.last,
                when => self.runner.span(when).1,
            };
            self.runner.last = at;
            times.push(at);
        }
        self.runner.last = START;
        times
    }

    /// Replaces lines that expect packets by lines for the packets that came.
    fn rewrite(&mut self, lines: &[Event], first: usize, after: usize) {
        let mut extra = String::new();
        let mut index = 0;
        while let Some(sent) = self.runner.machine.sent.pop_front() {
            match lines.get(index) {
                Some(event) => self.replace(event, &sent),
                None => {
                    let line = self.runner.machine.conversation.outbound(&sent, None);
                    extra += &format!("\n{} > {}", self.relative(sent.at), bare(&line));
                    self.written = sent.at;
                }
            }
            index += 1;
        }
        for missing in lines.iter().skip(index) {
            self.edits.push((missing.span.clone(), String::new()));
        }
        if !extra.is_empty() {
            self.insert(&extra, first.max(after.saturating_sub(1)));
        }
    }

    /// Puts lines behind the last expected one, or behind the event before.
    fn insert(&mut self, lines: &str, behind: usize) {
        let events = &self.script.events;
        let is_outbound = events.get(behind).is_some_and(|event| matches!(event.action, Action::Outbound(_)));
        let anchor =
            if is_outbound { events.get(behind) } else { behind.checked_sub(1).and_then(|i| events.get(i)) };
        let end = anchor.map_or(0, |event| event.span.end);
        // Behind the comment on the same line.
        let end = self.script.text[end..].find('\n').map_or(self.script.text.len(), |newline| end + newline);
        self.edits.push((end..end, lines.to_owned()));
    }

    fn replace(&mut self, event: &Event, sent: &Outgoing) {
        let Action::Outbound(expected) = &event.action else { return };
        let actual = self.runner.machine.conversation.outbound(sent, Some(expected));
        let holds = Comparison::new(expected, &actual, &sent.decoded, Order::Free).holds();
        let in_time = match event.when {
            When::Any => true,
            When::At(at) => START + at == sent.at,
            When::AtBetween(from, to) => (START + from..=START + to).contains(&sent.at),
            When::After(after) => self.written + after == sent.at,
            When::AfterBetween(from, to) => (self.written + from..=self.written + to).contains(&sent.at),
        };
        let when = if in_time { event.when.to_string() } else { self.relative(sent.at) };
        let packet = if holds { expected.clone() } else { masked(&actual, expected) };
        if !(holds && in_time) {
            self.edits.push((event.span.clone(), format!("{when} > {packet}")));
        }
        self.written = sent.at;
    }

    /// Keeps an event at its time, although the events before it have moved.
    fn keep(&mut self, event: &Event, at: Instant) {
        if let When::After(after) = event.when {
            if self.written + after != at {
                let text = &self.script.text[event.span.clone()];
                let action = text
                    .trim_start_matches(['+', '.'])
                    .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
                self.edits
                    .push((event.span.clone(), format!("{} {}", self.relative(at), action.trim_start())));
            }
        }
        self.written = at;
    }

    fn relative(&self, at: Instant) -> String {
        format!("+{}", Seconds(at - self.written))
    }

    fn apply(mut self) -> String {
        let mut text = self.script.text.clone();
        self.edits.sort_by_key(|(range, _)| (range.start, range.end));
        for (range, new) in self.edits.iter().rev() {
            if new.is_empty() {
                let start = text[..range.start].rfind('\n').map_or(0, |newline| newline + 1);
                let end = text[range.end..].find('\n').map_or(text.len(), |newline| range.end + newline + 1);
                text.replace_range(start..end, "");
            } else {
                text.replace_range(range.clone(), new);
            }
        }
        text
    }
}

/// The actual packet, saying as much as the expected one does.
fn masked(actual: &Packet, expected: &Packet) -> Packet {
    let (wanted, found) = (&expected.ip, &actual.ip);
    let ip = IpInfo {
        ecn: wanted.ecn.and(found.ecn),
        tos: wanted.tos.and(found.tos),
        flow_label: wanted.flow_label.and(found.flow_label),
        ttl: wanted.ttl.and(found.ttl),
        dont_fragment: wanted.dont_fragment.and(found.dont_fragment),
        ident: wanted.ident.and(found.ident),
        src: wanted.src.and(found.src),
        dst: wanted.dst.and(found.dst),
        via: found.via,
        cast: None,
        options: wanted.options.as_ref().and(found.options.clone()),
        extensions: wanted.extensions.as_ref().and(found.extensions.clone()),
        defects: Vec::new(),
    };
    let body = match (&actual.body, &expected.body) {
        (Body::Tcp(found), Body::Tcp(wanted)) => Body::Tcp(Tcp {
            window: wanted.window.and(found.window),
            options: if wanted.options == Options::Any { Options::Any } else { found.options.clone() },
            ..found.clone()
        }),
        (Body::Nd(found), Body::Nd(wanted)) => Body::Nd(found.as_wanted(wanted)),
        (Body::Group(found), Body::Group(wanted)) => Body::Group(found.as_wanted(wanted)),
        (Body::Arp(found), Body::Arp(wanted)) => {
            Body::Arp(Arp { to: wanted.to.and(found.to), ..found.clone() })
        }
        (Body::Icmp(found), Body::Icmp(wanted)) if wanted.content == IcmpContent::Last => {
            Body::Icmp(Icmp { content: IcmpContent::Last, ..found.clone() })
        }
        (found, _) => found.clone(),
    };
    Packet { ip, ports: actual.ports, body }
}
