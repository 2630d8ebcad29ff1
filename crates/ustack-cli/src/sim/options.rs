//! The command line of `ustack sim`, and the simulation that it means.

use crate::failure::Outcome;
use crate::units;
use clap::{Args, ValueEnum};
use link_impair::GilbertElliott;
use stack_core::{EcnFeedback, EcnPolicy};
use stack_testkit::sim::{FlowConfig, Network, SimConfig, Topology};
use std::path::PathBuf;
use std::time::Duration;
use trans_tcp::TcpConfig;
use trans_tcp::congestion::Algorithm;

/// Longest simulation, in seconds of virtual time.
const MAX_SECONDS: f64 = 3600.0;
/// Longest round-trip time that is meant.
const MAX_RTT: Duration = Duration::from_secs(10);
/// By what part of the round-trip time a reordered packet is late, if that is not said.
const REORDER_PART: u32 = 8;

#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  \
    ustack sim                                  one flow, 100 Mbit/s, 50 ms, 30 s\n  \
    ustack sim --cc bbr --loss 1% --plot a.svg  BBR on a lossy line, drawn\n  \
    ustack sim --cc cubic,reno --flows 4        two of each, and how they share\n  \
    ustack sim --rtt 20ms,80ms --json           unequal paths, for a script\n  \
    ustack sim --topology policer --queue 150k  a token bucket, no queue\n  \
    ustack sim --ecn --plot a.svg               marks instead of losses\n  \
    ustack sim --loss ge:0.1%,25% --pcap a.pcapng --events a.jsonl\n\n\
    Lists are handed out to the flows in turn. Data are lost, reordered and queued on their way to the receiver; the way \
    back has the same rate. A receiver compares every byte. The same options give the same files and the same JSON.\n\n\
    Exit status: 0 done; 1 a connection broke or a file could not be written; 2 wrong options.")]
pub(crate) struct SimArgs {
    /// What lies between the hosts
    #[arg(long, value_enum, default_value_t)]
    topology: Shape,

    /// Rate of each bottleneck
    #[arg(long, value_name = "RATE", default_value = "100mbit", value_parser = units::bit_rate)]
    rate: u64,

    /// Round-trip time of each flow's path without queues, such as 50ms; a list for unequal flows
    #[arg(long, value_name = "TIME,…", default_value = "50ms", value_delimiter = ',', value_parser = rtt)]
    rtt: Vec<Duration>,

    /// Bytes that wait for a bottleneck: 500k, or a part of the bandwidth-delay product: 0.5bdp
    #[arg(long, value_name = "SIZE", default_value = "1bdp", value_parser = queue)]
    queue: Queue,

    /// Speak ECN, classic (on) or accurate, and let bottlenecks mark data where their queue is longer than --mark-above
    #[arg(long, value_name = "MODE", num_args = 0..=1, default_value = "off", default_missing_value = "on", value_parser = units::ecn)]
    ecn: EcnPolicy,

    /// Bytes in the queue beyond which data is marked: 100k, or a part of the bandwidth-delay product
    #[arg(long, value_name = "SIZE", default_value = "0.2bdp", value_parser = queue)]
    mark_above: Queue,

    /// Share of data packets that a bottleneck loses, such as 1%, or ge:ENTER,LEAVE[,BAD[,GOOD]]: losses in bursts
    /// (Gilbert–Elliott) by the probabilities to enter and to leave the bad state, and of loss in each (1 and 0)
    #[arg(long, value_name = "LOSS", default_value = "0", value_parser = loss)]
    loss: Loss,

    /// Share of acknowledgements that are lost on their way back
    #[arg(long, value_name = "P", default_value = "0", value_parser = units::share)]
    ack_loss: f64,

    /// Share of data packets that are overtaken, and by how much they are late: 1%,5ms (default: an eighth of the RTT)
    #[arg(long, value_name = "P[,TIME]", default_value = "0", value_parser = reorder)]
    reorder: Reorder,

    /// Congestion control of each flow; a list for different ones
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = algorithm)]
    cc: Vec<Algorithm>,

    /// How many flows; without it as many as the longest list has entries
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
    flows: Option<u16>,

    /// How much later each flow starts than the one before
    #[arg(long, value_name = "TIME", default_value = "0", value_parser = units::duration)]
    stagger: Duration,

    /// Bytes that each flow transfers; without it as many as the time allows
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    bytes: Option<u64>,

    /// Socket buffers of both ends; without it the stack's own defaults
    #[arg(long, value_name = "SIZE", value_parser = units::size)]
    buffer: Option<u64>,

    /// Virtual time that it lasts
    #[arg(long, value_name = "S", default_value_t = 30.0, allow_negative_numbers = true)]
    seconds: f64,

    /// Where all chance comes from
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(super) seed: u64,

    /// Bottlenecks of a parking lot
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=100))]
    hops: u16,

    /// How long Wi-Fi collects acknowledgements before it hands them over
    #[arg(long, value_name = "TIME", default_value = "8ms", value_parser = units::duration)]
    collect: Duration,

    /// Largest IP packet, in bytes
    #[arg(long, value_name = "BYTES", default_value_t = 1500, value_parser = clap::value_parser!(u32).range(576..=65535))]
    mtu: u32,

    /// Print the figures as one JSON object
    #[arg(long)]
    pub(super) json: bool,

    /// Draw windows, round-trip times, bytes in flight, goodput and queues into this SVG
    #[arg(long, value_name = "FILE")]
    pub(super) plot: Option<PathBuf>,

    /// Capture all packets, as the senders see them, into this pcapng
    #[arg(long, value_name = "FILE")]
    pub(super) pcap: Option<PathBuf>,

    /// Write each event and each sample as a line of JSON into this file
    #[arg(long, value_name = "FILE")]
    pub(super) events: Option<PathBuf>,
}

/// The topologies, as they are called on the command line.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, ValueEnum)]
pub(super) enum Shape {
    /// All flows share one bottleneck
    #[default]
    Dumbbell,
    /// Bottlenecks in a row: the first flow crosses all, each other flow one
    ParkingLot,
    /// A token bucket that holds what --queue says, and no queue
    Policer,
    /// One bottleneck, and acknowledgements that come back in bursts
    Wifi,
}

#[derive(Clone, Copy, Debug)]
enum Queue {
    Bytes(u64),
    /// So many bandwidth-delay products of the longest path.
    Products(f64),
}

impl Queue {
    /// Where a bandwidth-delay product is so many bytes.
    fn bytes(self, product: usize) -> usize {
        match self {
            Self::Bytes(bytes) => usize::try_from(bytes).unwrap_or(usize::MAX),
            Self::Products(products) => (product as f64 * products) as usize,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Loss {
    Each(f64),
    Bursts(GilbertElliott),
}

#[derive(Clone, Copy, Debug)]
struct Reorder {
    share: f64,
    delay: Option<Duration>,
}

fn rtt(text: &str) -> Result<Duration, String> {
    let rtt = units::duration(text)?;
    if rtt <= MAX_RTT {
        return Ok(rtt);
    }
    Err(format!("a round-trip time of {text} is too long: give at most 10s, such as 50ms"))
}

fn queue(text: &str) -> Result<Queue, String> {
    if let Some(number) = text.strip_suffix("bdp") {
        let products = number.parse::<f64>().ok().filter(|products| (0.01..=100.0).contains(products));
        return products
            .map(Queue::Products)
            .ok_or_else(|| format!("{text:?} is no queue: write 0.01bdp to 100bdp, or a size such as 500k"));
    }
    match units::size(text)? {
        0 => Err("a queue of 0 bytes takes no packet: give 1500 at least".into()),
        bytes => Ok(Queue::Bytes(bytes)),
    }
}

fn loss(text: &str) -> Result<Loss, String> {
    let Some(model) = text.strip_prefix("ge:") else { return units::share(text).map(Loss::Each) };
    let shares = model.split(',').map(units::share).collect::<Result<Vec<f64>, _>>()?;
    let (enter, leave, loss_bad, loss_good) = match shares[..] {
        [enter, leave] => (enter, leave, 1.0, 0.0),
        [enter, leave, bad] => (enter, leave, bad, 0.0),
        [enter, leave, bad, good] => (enter, leave, bad, good),
        _ => {
            return Err(format!(
                "{text:?} lacks its probabilities: write ge:ENTER,LEAVE, such as ge:0.1%,25%"
            ));
        }
    };
    Ok(Loss::Bursts(GilbertElliott { enter, leave, loss_bad, loss_good }))
}

fn reorder(text: &str) -> Result<Reorder, String> {
    let (share, delay) = match text.split_once(',') {
        Some((share, delay)) => (share, Some(units::duration(delay)?)),
        None => (text, None),
    };
    Ok(Reorder { share: units::share(share)?, delay })
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    name.parse().map_err(|_| {
        format!("there is no congestion control {name:?}: choose from {}", Algorithm::AVAILABLE.join(", "))
    })
}

impl SimArgs {
    /// The simulation that is asked for.
    pub(super) fn config(&self) -> Outcome<SimConfig> {
        if !(0.1..=MAX_SECONDS).contains(&self.seconds) {
            return Err(
                format!("--seconds {} can't be simulated: give 0.1 to {MAX_SECONDS}", self.seconds).into()
            );
        }
        let flows: Vec<_> = (0..self.flow_count()).map(|number| self.flow(number)).collect();
        let duration = Duration::from_secs_f64(self.seconds);
        if let Some(late) = flows.iter().find(|flow| flow.start >= duration) {
            return Err(format!(
                "a flow would start at {}, when all is over: give more --seconds or less --stagger",
                units::time(late.start)
            )
            .into());
        }
        let config = SimConfig { seed: self.seed, duration, mtu: self.mtu, ..SimConfig::new(flows) };
        let network = Network { topology: self.topology(), rate: self.rate, ..Network::default() };
        Ok(self.with_line(SimConfig { network, ..config }))
    }

    /// The same with the bottleneck's queue and chance.
    fn with_line(&self, config: SimConfig) -> SimConfig {
        let product = config.queue_bytes();
        let queue = self.queue.bytes(product);
        let marks = self.ecn.requests != EcnFeedback::None;
        let (loss, burst_loss) = match self.loss {
            Loss::Each(share) => (share, None),
            Loss::Bursts(model) => (0.0, Some(model)),
        };
        let shortest = self.rtt.iter().min().copied().unwrap_or_default();
        let network = Network {
            queue_bytes: Some(queue.max(self.mtu as usize)),
            mark_above: marks.then(|| self.mark_above.bytes(product)),
            loss,
            burst_loss,
            ack_loss: self.ack_loss,
            reorder: self.reorder.share,
            reorder_delay: self.reorder.delay.unwrap_or(shortest / REORDER_PART),
            ..config.network
        };
        SimConfig { network, ..config }
    }

    fn topology(&self) -> Topology {
        match self.topology {
            Shape::Dumbbell => Topology::Dumbbell,
            Shape::ParkingLot => Topology::ParkingLot { hops: self.hops.into() },
            Shape::Policer => Topology::Policer,
            Shape::Wifi => Topology::Wifi { collect: self.collect },
        }
    }

    fn flow_count(&self) -> usize {
        let least = if self.topology == Shape::ParkingLot { usize::from(self.hops) + 1 } else { 1 };
        self.flows.map_or(self.cc.len().max(self.rtt.len()).max(least), usize::from)
    }

    fn flow(&self, number: usize) -> FlowConfig {
        let turn = |count: usize| number % count.max(1);
        let default = TcpConfig { ecn: self.ecn, ..TcpConfig::default() };
        let congestion = self.cc.get(turn(self.cc.len())).copied().unwrap_or(default.congestion);
        let tcp = match self.buffer.and_then(|bytes| usize::try_from(bytes).ok()) {
            None => TcpConfig { congestion, ..default },
            Some(bytes) => TcpConfig {
                congestion,
                receive_buffer: bytes,
                receive_buffer_max: bytes.max(default.receive_buffer_max),
                send_buffer: bytes,
                send_buffer_max: bytes.max(default.send_buffer_max),
                ..default
            },
        };
        FlowConfig {
            tcp,
            rtt: self.rtt.get(turn(self.rtt.len())).copied().unwrap_or_default(),
            start: self.stagger * number as u32,
            bytes: self.bytes,
        }
    }

    /// The network in words, for people.
    pub(super) fn describe(&self, config: &SimConfig) -> String {
        let topology =
            self.topology.to_possible_value().map_or(String::new(), |value| value.get_name().to_owned());
        let network = &config.network;
        let mut parts = vec![
            topology,
            units::rate(network.rate as f64),
            self.rtt.iter().map(|rtt| units::time(*rtt)).collect::<Vec<_>>().join(", "),
            format!("{} queue", units::bytes(config.queue_bytes() as u64)),
        ];
        if let Some(bytes) = network.mark_above {
            parts.push(format!("marks from {} on", units::bytes(bytes as u64)));
        }
        if let Some(model) = network.burst_loss {
            let [enter, leave] = [model.enter, model.leave].map(percent);
            parts.push(format!("losses in bursts ({enter} in, {leave} out)"));
        }
        for (share, what) in
            [(network.loss, "loss"), (network.ack_loss, "ACK loss"), (network.reorder, "reordered")]
        {
            if share > 0.0 {
                parts.push(format!("{} {what}", percent(share)));
            }
        }
        parts.join(" · ")
    }
}

/// `0.5 %`, three places at most.
fn percent(share: f64) -> String {
    format!("{} %", (share * 1e5).round() / 1e3)
}
