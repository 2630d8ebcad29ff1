//! What a ping has measured.

use crate::units;
use serde_json::{Value, json};
use std::time::Duration;

/// Requests that are listed one by one in JSON.
const LISTED: usize = 10_000;

#[derive(Default)]
pub(super) struct Statistics {
    sent: u64,
    received: u64,
    errors: u64,
    least: Option<Duration>,
    most: Duration,
    /// Sums of milliseconds and of their squares.
    sum: f64,
    squares: f64,
    list: Vec<Value>,
}

impl Statistics {
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    pub(super) fn received(&self) -> u64 {
        self.received
    }

    pub(super) fn count_sent(&mut self) {
        self.sent += 1;
    }

    pub(super) fn count_reply(&mut self, number: u64, time: Duration, ttl: u8) {
        self.received += 1;
        self.least = Some(self.least.map_or(time, |least| least.min(time)));
        self.most = self.most.max(time);
        let ms = time.as_secs_f64() * 1e3;
        self.sum += ms;
        self.squares += ms * ms;
        self.list(json!({ "seq": number, "ms": ms, "ttl": ttl }));
    }

    pub(super) fn count_error(&mut self, number: u64, what: String) {
        self.errors += 1;
        self.list(json!({ "seq": number, "error": what }));
    }

    fn list(&mut self, entry: Value) {
        if self.list.len() < LISTED {
            self.list.push(entry);
        }
    }

    /// Average and mean deviation, in milliseconds.
    fn average(&self) -> (f64, f64) {
        let count = self.received.max(1) as f64;
        let average = self.sum / count;
        (average, (self.squares / count - average * average).max(0.0).sqrt())
    }

    fn loss(&self) -> f64 {
        if self.sent == 0 {
            0.0
        } else {
            (self.sent - self.received.min(self.sent)) as f64 * 100.0 / self.sent as f64
        }
    }

    /// Two lines, or one if nothing came.
    pub(super) fn summary(&self, elapsed: Duration) -> String {
        let Self { sent, received, errors, .. } = self;
        let loss = (self.loss() * 100.0).round() / 100.0;
        let errors = if *errors > 0 { format!(", +{errors} errors") } else { String::new() };
        let time = units::time(elapsed);
        let counts = format!(
            "{sent} packets transmitted, {received} received{errors}, {loss}% packet loss, time {time}"
        );
        let Some(least) = self.least else { return counts };
        let (average, deviation) = self.average();
        let (least, most) = (least.as_secs_f64() * 1e3, self.most.as_secs_f64() * 1e3);
        format!("{counts}\nrtt min/avg/max/mdev = {least:.3}/{average:.3}/{most:.3}/{deviation:.3} ms")
    }

    /// `head` with everything that was measured.
    pub(super) fn json(&self, mut head: Value) -> Value {
        let (average, deviation) = self.average();
        let rtt = self.least.map(|least| {
            json!({
                "min": least.as_secs_f64() * 1e3,
                "avg": average,
                "max": self.most.as_secs_f64() * 1e3,
                "mdev": deviation,
            })
        });
        head["transmitted"] = self.sent.into();
        head["received"] = self.received.into();
        head["errors"] = self.errors.into();
        head["loss_percent"] = self.loss().into();
        head["rtt_ms"] = rtt.into();
        head["replies"] = self.list.clone().into();
        head
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_three_replies_to_four_requests() {
        let mut statistics = Statistics::default();
        for number in 1..=4 {
            statistics.count_sent();
            if number < 4 {
                statistics.count_reply(number, Duration::from_millis(number), 64);
            }
        }
        let text = statistics.summary(Duration::from_secs(3));
        assert_eq!(
            text,
            "4 packets transmitted, 3 received, 25% packet loss, time 3.00 s\n\
             rtt min/avg/max/mdev = 1.000/2.000/3.000/0.816 ms"
        );
        let json = statistics.json(json!({}));
        assert_eq!((&json["received"], &json["rtt_ms"]["avg"]), (&3.into(), &2.0.into()));
        assert_eq!(json["replies"].as_array().unwrap().len(), 3);
    }

    #[test]
    fn without_replies_there_are_no_times() {
        let mut statistics = Statistics::default();
        statistics.count_sent();
        assert_eq!(
            statistics.summary(Duration::from_secs(1)),
            "1 packets transmitted, 0 received, 100% packet loss, time 1.00 s"
        );
        assert_eq!(statistics.json(json!({}))["rtt_ms"], Value::Null);
    }
}
