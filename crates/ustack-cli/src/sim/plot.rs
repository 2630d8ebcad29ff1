//! The curves of a simulation: windows, round-trip times, bytes in flight, goodput and queues, one colour a flow.

use super::options::SimArgs;
use super::recorder::Recorder;
use crate::chart::{Chart, Marks, Panel, Series, Shape, thin};
use crate::units;
use stack_testkit::sim::{FlowSample, Report, SimConfig};

/// Colours that differ also for those who see fewer of them; then they are used again.
const COLORS: [&str; 8] =
    ["#1b5fa8", "#d9772b", "#2f7d32", "#a03fa0", "#c0392b", "#0e8c8c", "#8a6d1c", "#5b6770"];
const BOUND: &str = "#8b8b8b";
/// Points of a goodput curve.
const GOODPUT_POINTS: usize = 200;
/// Names that a legend has room for.
const NAMED: usize = 7;

/// The drawing.
pub(super) fn chart(args: &SimArgs, config: &SimConfig, report: &Report, recorder: &Recorder) -> Chart {
    let plot = Plot { config, report, recorder };
    Chart {
        title: plot.title(),
        subtitle: format!("{} · seed {}", args.describe(config), args.seed),
        panels: vec![
            Panel { marks: plot.marks(), ..plot.of_flows("congestion window (kB)", |flow| kilo(flow.cwnd)) },
            plot.of_flows("in flight (kB)", |flow| kilo(flow.in_flight)),
            plot.of_flows("smoothed round-trip time (ms)", |flow| flow.srtt_ms),
            plot.goodput(),
            plot.queues(),
        ],
    }
}

struct Plot<'a> {
    config: &'a SimConfig,
    report: &'a Report,
    recorder: &'a Recorder,
}

impl Plot<'_> {
    fn title(&self) -> String {
        let mut names: Vec<&str> = Vec::new();
        for flow in self.report.flows.iter().filter(|flow| !flow.cc.is_empty()) {
            if !names.contains(&flow.cc) {
                names.push(flow.cc);
            }
        }
        let total: f64 = self.report.flows.iter().map(|flow| flow.goodput_mbit).sum();
        match self.report.flows.len() {
            1 => format!("{}: {}", names.join(", "), units::rate(total * 1e6)),
            count => format!(
                "{count} flows, {}: {} in all, Jain {:.3}",
                names.join(" and "),
                units::rate(total * 1e6),
                self.report.jain_second_half
            ),
        }
    }

    fn end(&self) -> f64 {
        self.config.duration.as_secs_f64()
    }

    fn name(&self, flow: usize) -> String {
        let report = &self.report.flows[flow];
        if self.report.flows.len() == 1 {
            report.cc.to_owned()
        } else {
            format!("{} {}", flow + 1, report.cc)
        }
    }

    /// A panel with a curve for each flow.
    fn of_flows(&self, label: &'static str, value: impl Fn(&FlowSample) -> f64) -> Panel {
        let series = self.recorder.flows.iter().enumerate().map(|(number, samples)| {
            let points = self.recorder.times.iter().zip(samples).map(|(at, sample)| (*at, value(sample)));
            // Before it starts there is nothing to see.
            let points: Vec<_> = points.filter(|point| point.1 > 0.0).collect();
            Series {
                name: self.name(number),
                color: COLORS[number % COLORS.len()],
                shape: Shape::Line,
                points: thin(&points, self.end(), false),
            }
        });
        Panel { label, series: series.collect(), marks: Vec::new() }
    }

    fn marks(&self) -> Vec<Marks> {
        let times = |timeout: bool| {
            let wanted = self.recorder.retransmits.iter().filter(|(_, why)| *why == timeout);
            let points: Vec<_> = wanted.map(|(at, _)| (*at, 0.0)).collect();
            thin(&points, self.end(), false).into_iter().map(|(at, _)| at).collect()
        };
        let names_fit = self.report.flows.len() < NAMED;
        let name = |name| if names_fit { name } else { "" };
        vec![
            Marks { name: name("retransmission"), color: "#e0a96d", times: times(false) },
            Marks { name: name("after a timeout"), color: "#c62828", times: times(true) },
        ]
    }

    fn goodput(&self) -> Panel {
        let times = &self.recorder.times;
        let step = times.len().div_ceil(GOODPUT_POINTS).max(1);
        let curve = |(number, samples): (usize, &Vec<FlowSample>)| {
            let ends: Vec<_> = times.iter().zip(samples).step_by(step).collect();
            let rates = ends.windows(2).map(|pair| {
                let [(from, before), (to, after)] = [pair[0], pair[1]];
                (*to, (after.delivered - before.delivered) as f64 * 8e-6 / (to - from))
            });
            let color = COLORS[number % COLORS.len()];
            Series { name: self.name(number), color, shape: Shape::Line, points: rates.collect() }
        };
        let mut series = vec![self.bound("rate", self.config.network.rate as f64 / 1e6)];
        series.extend(self.recorder.flows.iter().enumerate().map(curve));
        Panel { label: "goodput (Mbit/s)", series, marks: Vec::new() }
    }

    fn queues(&self) -> Panel {
        let mut series = vec![self.bound("capacity", self.config.queue_bytes() as f64 / 1e3)];
        let many = self.recorder.queues.len() > 1;
        series.extend(self.recorder.queues.iter().enumerate().map(|(number, samples)| {
            let points =
                self.recorder.times.iter().zip(samples).map(|(at, bytes)| (*at, *bytes as f64 / 1e3));
            let points: Vec<_> = points.collect();
            let name = if many { format!("bottleneck {}", number + 1) } else { "bottleneck".to_owned() };
            Series {
                name,
                color: COLORS[(COLORS.len() - 1 - number % COLORS.len()) % COLORS.len()],
                shape: Shape::Area,
                points: thin(&points, self.end(), false),
            }
        }));
        Panel { label: "queue (kB)", series, marks: Vec::new() }
    }

    fn bound(&self, name: &str, value: f64) -> Series {
        let points = vec![(0.0, value), (self.end(), value)];
        Series { name: name.to_owned(), color: BOUND, shape: Shape::Dashes, points }
    }
}

fn kilo(bytes: u32) -> f64 {
    f64::from(bytes) / 1e3
}
