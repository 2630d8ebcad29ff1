//! Packets that the stack must send: waited for, joined where a line means several, compared.

use super::Stop;
use super::compare::Comparison;
use super::conversation::Outgoing;
use super::runner::{Runner, since_start};
use crate::pkt::{Body, Event, Packet, When};
use core::time::Duration;
use stack_core::Instant;

impl Runner<'_> {
    /// How far off the time of an event may be.
    fn tolerance(&self, to: Instant) -> Duration {
        let ahead = to.saturating_since(self.last);
        self.tolerance.max(ahead.mul_f64(self.tolerance_percent / 100.0))
    }

    /// The next packet of the stack must be this one, between these times.
    pub(super) fn expect(
        &mut self,
        event: &Event,
        expected: &Packet,
        from: Instant,
        to: Instant,
    ) -> Result<(), Stop> {
        let tolerance = self.tolerance(to);
        let limit = to + tolerance;
        let Some(mut sent) = self.next_sent(limit)? else {
            let until = since_start(limit.max(self.machine.now));
            return Err(Stop::Fail(format!(
                "the stack sent nothing until {until}\n    expected: {expected}"
            )));
        };
        if !self.strict_segments {
            self.join(&mut sent, expected, limit)?;
        }
        let actual = self.machine.conversation.outbound(&sent, Some(expected));
        let mut comparison = Comparison::new(expected, &actual, &sent.decoded, self.order);
        let (early, late) = (sent.at + tolerance < from, sent.at > limit);
        if event.when != When::Any {
            let expected = if from == to {
                since_start(from)
            } else {
                format!("{}~{}", since_start(from), since_start(to))
            };
            comparison.row("time", expected, since_start(sent.at), early || late);
        }
        if !comparison.holds() {
            let line = &self.script.text[event.span.clone()];
            return Err(Stop::Fail(format!("another packet than expected\n    {line}\n\n{comparison}")));
        }
        self.history.push((sent.at, format!("> {expected}")));
        self.last = if from == to { from } else { sent.at };
        Ok(())
    }

    /// The next packet of the stack, waiting for it up to a time.
    fn next_sent(&mut self, limit: Instant) -> Result<Option<Outgoing>, Stop> {
        self.machine.flush()?;
        while self.machine.sent.is_empty() && self.machine.now < limit {
            self.tick(limit)?;
        }
        Ok(self.machine.sent.pop_front())
    }

    /// Joins segments that follow a segment until they are as long as the line says: packetdrill compares bytes, and a
    /// line may mean what a device with segmentation offload is handed at once.
    fn join(&mut self, sent: &mut Outgoing, expected: &Packet, limit: Instant) -> Result<(), Stop> {
        let Body::Tcp(wanted) = &expected.body else { return Ok(()) };
        while sent.text_len().is_some_and(|len| len > 0 && len < wanted.payload.len) {
            let Some(next) = self.next_sent(limit)? else { return Ok(()) };
            if !sent.absorb(&next, wanted.payload.len) {
                self.machine.sent.push_front(next);
                return Ok(());
            }
        }
        Ok(())
    }
}
