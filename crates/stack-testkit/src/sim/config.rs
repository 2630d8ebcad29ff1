//! What a simulation is to be: flows, the network between them, how long.

use core::time::Duration;
use link_impair::GilbertElliott;
use trans_tcp::TcpConfig;

/// A simulation.
#[derive(Clone, Debug)]
pub struct SimConfig {
    /// Where all chance comes from.
    pub seed: u64,
    /// Virtual time that it lasts. Default: 30 s.
    pub duration: Duration,
    /// Largest IP packet, in bytes. Default: 1,500.
    pub mtu: u32,
    /// How often samples are taken. Default: each 10 ms.
    pub sample_every: Duration,
    /// What lies between the hosts.
    pub network: Network,
    /// The flows; each has two hosts of its own.
    pub flows: Vec<FlowConfig>,
}

impl SimConfig {
    /// These flows over the default network.
    pub fn new(flows: Vec<FlowConfig>) -> Self {
        Self {
            seed: 1,
            duration: Duration::from_secs(30),
            mtu: 1500,
            sample_every: Duration::from_millis(10),
            network: Network::default(),
            flows,
        }
    }

    /// Bytes that a bottleneck's queue takes: those asked for, or what is under way at its rate in the longest
    /// round-trip time of a flow, and room for ten packets in any case.
    pub fn queue_bytes(&self) -> usize {
        let longest = self.flows.iter().map(|flow| flow.rtt).max().unwrap_or_default();
        let product = u128::from(self.network.rate) * longest.as_nanos() / 8_000_000_000;
        let product = usize::try_from(product).unwrap_or(usize::MAX);
        self.network.queue_bytes.unwrap_or(product.max(10 * self.mtu as usize))
    }

    /// Checks that it can be run.
    pub(super) fn check(&self) -> Result<(), SimError> {
        let Topology::ParkingLot { hops } = self.network.topology else { return self.check_size() };
        if hops == 0 || self.flows.len() < 2 {
            return Err(SimError::ParkingLot);
        }
        self.check_size()
    }

    fn check_size(&self) -> Result<(), SimError> {
        match self.flows.len() {
            0 => Err(SimError::NoFlow),
            count if count > MAX_FLOWS => Err(SimError::TooManyFlows(count)),
            _ if self.mtu < MIN_MTU => Err(SimError::Mtu(self.mtu)),
            _ => Ok(()),
        }
    }
}

/// As many pairs of addresses are there.
const MAX_FLOWS: usize = 10_000;
/// RFC 791 §3.2: every host takes datagrams of 576 bytes.
const MIN_MTU: u32 = 576;

/// What lies between the hosts.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Network {
    /// Which lines there are.
    pub topology: Topology,
    /// Bits a second of each bottleneck, in both directions. Default: 100 Mbit/s.
    pub rate: u64,
    /// Bytes that wait for a bottleneck; `None` for one bandwidth-delay product. Tail drop.
    pub queue_bytes: Option<usize>,
    /// Bytes in a bottleneck's queue beyond which it marks data instead of letting the queue grow, where flows speak ECN; `None`
    /// for never.
    pub mark_above: Option<usize>,
    /// Probability that a bottleneck loses a packet of data.
    pub loss: f64,
    /// Losses in bursts there.
    pub burst_loss: Option<GilbertElliott>,
    /// Probability that an acknowledgement is lost on its way back.
    pub ack_loss: f64,
    /// Probability that a packet of data is late by `reorder_delay`, so that later ones overtake it.
    pub reorder: f64,
    /// By how much.
    pub reorder_delay: Duration,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            topology: Topology::Dumbbell,
            rate: 100_000_000,
            queue_bytes: None,
            mark_above: None,
            loss: 0.0,
            burst_loss: None,
            ack_loss: 0.0,
            reorder: 0.0,
            reorder_delay: Duration::ZERO,
        }
    }
}

/// Which lines there are between the hosts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Topology {
    /// All flows share one bottleneck.
    Dumbbell,
    /// Bottlenecks in a row. The first flow crosses all of them, each other flow one, in turn.
    ParkingLot {
        /// How many.
        hops: usize,
    },
    /// All flows share a token bucket without a queue, which holds what the queue of a bottleneck would.
    Policer,
    /// One bottleneck, and acknowledgements that are handed over together, as Wi-Fi does.
    Wifi {
        /// They come at multiples of this time.
        collect: Duration,
    },
}

/// A flow.
#[derive(Clone, Debug)]
pub struct FlowConfig {
    /// Both of its stacks, the congestion control among it. The sender's probe is replaced.
    pub tcp: TcpConfig,
    /// Round-trip time of its path without queues. Default: 50 ms.
    pub rtt: Duration,
    /// When it connects.
    pub start: Duration,
    /// Bytes to transfer; `None` for as many as the time allows.
    pub bytes: Option<u64>,
}

impl Default for FlowConfig {
    fn default() -> Self {
        Self { tcp: TcpConfig::default(), rtt: Duration::from_millis(50), start: Duration::ZERO, bytes: None }
    }
}

/// Why a simulation can't be run, or came to an end before its time.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// Nothing to simulate.
    #[error("there is no flow: ask for one at least")]
    NoFlow,
    /// More than there are addresses for.
    #[error("{0} flows are too many: ask for {MAX_FLOWS} at most")]
    TooManyFlows(usize),
    /// A parking lot needs bottlenecks, and a flow that crosses one beside the one that crosses all.
    #[error("a parking lot needs a bottleneck and two flows at least: ask for more flows")]
    ParkingLot,
    /// Too small for IP.
    #[error("an MTU of {0} bytes is too small: ask for {MIN_MTU} at least")]
    Mtu(u32),
    /// A host refused to be made.
    #[error("a host of the simulation can't be made: {0}")]
    Host(String),
    /// Hosts answer each other without end at one instant: a defect of the stack.
    #[error("time stands still at {0}: please report this with the options")]
    Spinning(stack_core::Instant),
    /// A byte arrived that was not sent: a defect of the stack.
    #[error(
        "flow {flow} received a wrong byte behind {position} right ones: please report this with the options"
    )]
    WrongByte {
        /// Which flow.
        flow: usize,
        /// How many were right.
        position: u64,
    },
}
