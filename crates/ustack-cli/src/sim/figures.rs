//! The figures at the end: a table for people, one JSON object for scripts.

use super::options::SimArgs;
use crate::units;
use serde_json::{Value, json};
use stack_testkit::sim::{FlowReport, QueueReport, Report, SimConfig};
use std::time::Duration;

/// The table. `took` is how long the simulation ran.
pub(super) fn table(args: &SimArgs, config: &SimConfig, report: &Report, took: Duration) -> String {
    let speed = config.duration.as_secs_f64() / took.as_secs_f64().max(1e-9);
    let mut lines = vec![
        args.describe(config),
        format!(
            "{} of virtual time in {} ({speed:.0} × real time), seed {}",
            units::time(config.duration),
            units::time(took),
            args.seed
        ),
        String::new(),
        format!(
            "{:>4}  {:<6} {:>9} {:>13} {:>13} {:>17} {:>8} {:>10} {:>10} {:>9}",
            "flow",
            "cc",
            "rtt",
            "goodput",
            "second half",
            "retransmitted",
            "timeouts",
            "srtt",
            "least rtt",
            "cwnd"
        ),
    ];
    lines.extend(report.flows.iter().zip(1..).map(|(flow, number)| row(flow, number)));
    lines.push(String::new());
    if report.flows.len() > 1 {
        let total: f64 = report.flows.iter().map(|flow| flow.goodput_mbit).sum();
        lines.push(format!(
            "all flows    {}; Jain {:.3}, {:.3} in the second half",
            units::rate(total * 1e6),
            report.jain,
            report.jain_second_half
        ));
    }
    lines.push(match report.fill_s {
        Some(seconds) => format!("filled       after {}", units::time(Duration::from_secs_f64(seconds))),
        None => "filled       never: at no time nine tenths of the rate for one round-trip time".to_owned(),
    });
    lines.extend(report.queues.iter().zip(1..).map(|(queue, number)| bottleneck(queue, number)));
    lines.join("\n")
}

fn row(flow: &FlowReport, number: usize) -> String {
    let ms = |ms: f64| units::time(Duration::from_secs_f64(ms / 1e3));
    let share = flow.retransmitted_bytes as f64 * 100.0 / (flow.bytes as f64).max(1.0);
    format!(
        "{number:>4}  {:<6} {:>9} {:>13} {:>13} {:>17} {:>8} {:>10} {:>10} {:>9}",
        flow.cc,
        ms(flow.rtt_ms),
        units::rate(flow.goodput_mbit * 1e6),
        units::rate(flow.goodput_second_half_mbit * 1e6),
        format!("{} ({share:.2} %)", units::bytes(flow.retransmitted_bytes)),
        flow.timeouts,
        ms(flow.srtt_ms),
        ms(flow.min_rtt_ms),
        units::bytes(flow.cwnd_bytes.into()),
    )
}

fn bottleneck(queue: &QueueReport, number: usize) -> String {
    let packets = &queue.packets;
    format!(
        "bottleneck {number} {:.1} % used; queue {} on the average, {} at most; {} packets: {} overflowed, {} lost, {} \
         policed, {} late{}",
        queue.utilization * 100.0,
        units::bytes(queue.mean_bytes as u64),
        units::bytes(queue.max_bytes as u64),
        packets.arrived,
        packets.overflowed,
        packets.lost,
        packets.policed,
        packets.reordered,
        if packets.marked > 0 { format!(", {} marked", packets.marked) } else { String::new() }
    )
}

/// The object.
pub(super) fn json(args: &SimArgs, config: &SimConfig, report: &Report) -> Value {
    let flows: Vec<Value> = report.flows.iter().map(flow).collect();
    json!({
        "network": args.describe(config),
        "seed": args.seed,
        "seconds": config.duration.as_secs_f64(),
        "rate_mbit": config.network.rate as f64 / 1e6,
        "queue_bytes": config.queue_bytes(),
        "flows": flows,
        "goodput_mbit": report.flows.iter().map(|flow| flow.goodput_mbit).sum::<f64>(),
        "jain": report.jain,
        "jain_second_half": report.jain_second_half,
        "fill_s": report.fill_s,
        "queues": report.queues.iter().map(queue).collect::<Vec<Value>>(),
    })
}

fn flow(flow: &FlowReport) -> Value {
    json!({
        "cc": flow.cc,
        "rtt_ms": flow.rtt_ms,
        "start_s": flow.start_s,
        "end_s": flow.end_s,
        "bytes": flow.bytes,
        "goodput_mbit": flow.goodput_mbit,
        "goodput_second_half_mbit": flow.goodput_second_half_mbit,
        "retransmitted_bytes": flow.retransmitted_bytes,
        "retransmits": flow.retransmits,
        "timeouts": flow.timeouts,
        "srtt_ms": flow.srtt_ms,
        "min_rtt_ms": flow.min_rtt_ms,
        "cwnd_bytes": flow.cwnd_bytes,
        "failure": flow.failure,
    })
}

fn queue(queue: &QueueReport) -> Value {
    json!({
        "capacity_bytes": queue.capacity_bytes,
        "mean_bytes": queue.mean_bytes,
        "max_bytes": queue.max_bytes,
        "utilization": queue.utilization,
        "packets": queue.packets.arrived,
        "overflowed": queue.packets.overflowed,
        "lost": queue.packets.lost,
        "marked": queue.packets.marked,
        "policed": queue.packets.policed,
        "reordered": queue.packets.reordered,
    })
}
