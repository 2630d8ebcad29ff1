//! The figures at the end of a run: goodputs, fairness, queues, and how long it took to fill the bottleneck.

use crate::sim::report::{FlowReport, QueueReport, Report, jain};
use crate::sim::run::Simulation;
use core::time::Duration;
use stack_core::Instant;

/// Share of the rate that counts as filled.
const FILLED: f64 = 0.9;
/// IPv4 and TCP headers with timestamps, in bytes: what of each packet is no data.
const HEADERS: u32 = 52;

impl Simulation<'_> {
    /// What it has come to.
    pub(super) fn report(&self) -> Report {
        let flows: Vec<_> = (0..self.flows.len()).map(|number| self.flow_report(number)).collect();
        let goodputs = flows.iter().map(|flow| flow.goodput_mbit);
        let second = flows.iter().map(|flow| flow.goodput_second_half_mbit);
        let (jain, jain_second_half) = (jain(goodputs), jain(second));
        let queues = self.lines.bottlenecks.iter().zip(&self.queued);
        let queues = queues.map(|(&line, &queued)| self.queue_report(line, queued)).collect();
        Report { jain, jain_second_half, fill_s: self.fill_s(), queues, flows }
    }

    fn flow_report(&self, number: usize) -> FlowReport {
        let (flow, config) = (&self.flows[number], &self.config.flows[number]);
        let info = flow.writer.info(&flow.sender);
        let finished = flow.reader.finished.map(|at| at.saturating_since(Instant::ZERO));
        let (end, half) = (finished.unwrap_or(self.config.duration), self.config.duration / 2);
        let at_half = self.delivered.get(self.delivered.len() / 2).map_or(0, |flows| flows[number]);
        let ms = |time: Option<Duration>| time.unwrap_or_default().as_secs_f64() * 1e3;
        FlowReport {
            cc: flow.cc(),
            rtt_ms: config.rtt.as_secs_f64() * 1e3,
            start_s: config.start.as_secs_f64(),
            end_s: finished.map(|at| at.as_secs_f64()),
            bytes: flow.reader.read,
            goodput_mbit: mbit(flow.reader.read, end.saturating_sub(config.start)),
            goodput_second_half_mbit: mbit(
                flow.reader.read - at_half,
                end.saturating_sub(half.max(config.start)),
            ),
            retransmitted_bytes: flow.on_wire.retransmitted,
            retransmits: flow.on_wire.segments,
            timeouts: flow.sender.tcp_ref().map_or(0, |tcp| tcp.counters().timeouts),
            srtt_ms: ms(info.as_ref().and_then(|info| info.srtt)),
            min_rtt_ms: ms(info.as_ref().and_then(|info| info.min_rtt)),
            cwnd_bytes: info.as_ref().map_or(0, |info| info.cwnd),
            failure: flow.writer.failure.map(|reason| reason.to_string()),
        }
    }

    fn queue_report(&self, line: usize, queued: u64) -> QueueReport {
        let (carried, max_bytes) = self.carried[line];
        let capacity = self.config.network.rate as f64 / 8.0 * self.config.duration.as_secs_f64();
        QueueReport {
            capacity_bytes: self.config.queue_bytes(),
            mean_bytes: queued as f64 / self.delivered.len().max(1) as f64,
            max_bytes,
            utilization: carried as f64 / capacity.max(1.0),
            packets: self.lines.lines[line].counters().statistics(),
        }
    }

    /// When all flows together first filled the bottleneck for a round-trip time.
    fn fill_s(&self) -> Option<f64> {
        let longest = self.config.flows.iter().map(|flow| flow.rtt).max().unwrap_or_default();
        let every = self.config.sample_every.as_secs_f64();
        let span = (longest.as_secs_f64() / every).ceil().max(1.0) as usize;
        let efficiency = f64::from(self.config.mtu - HEADERS) / f64::from(self.config.mtu);
        let enough = FILLED * efficiency * self.config.network.rate as f64 / 8.0 * span as f64 * every;
        let sums: Vec<u64> = self.delivered.iter().map(|flows| flows.iter().sum()).collect();
        let filled = sums.windows(span + 1).position(|window| (window[span] - window[0]) as f64 >= enough);
        filled.map(|at| (at + span) as f64 * every)
    }
}

fn mbit(bytes: u64, time: Duration) -> f64 {
    let seconds = time.as_secs_f64();
    if seconds > 0.0 { bytes as f64 * 8e-6 / seconds } else { 0.0 }
}
