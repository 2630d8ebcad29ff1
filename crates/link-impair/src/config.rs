//! How bad the network is to be.

use core::time::Duration;

/// What a line does to packets in one direction. The default does nothing: no delay, no limit, no loss.
///
/// Probabilities lie between 0 (never) and 1 (always).
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct ImpairConfig {
    /// Time from the end of sending to the arrival.
    pub delay: Duration,
    /// How much the delay varies, evenly, to both sides; never so that packets overtake each other.
    pub jitter: Duration,
    /// Bits that the line takes in a second; `None` for a line without limit.
    pub rate: Option<u64>,
    /// Packets that wait for the line, the one being sent included; without a rate nothing waits.
    /// Default: 1000, the limit of Linux's netem.
    pub queue_packets: usize,
    /// Bytes of those packets. Default: no bound.
    pub queue_bytes: usize,
    /// Bytes of those packets beyond which one that comes is marked, if it is ECN-capable (RFC 3168 §5): a step, as RFC 8257
    /// has it for data centers. Default: never.
    pub mark_above: usize,
    /// Probability that a packet is lost after it has taken its time on the line.
    pub loss: f64,
    /// Probability that a packet is delayed by `reorder_delay` more, so that later ones overtake it.
    pub reorder: f64,
    /// By how much a reordered packet is late.
    pub reorder_delay: Duration,
    /// Probability that a packet arrives twice; the second one is undamaged.
    pub duplicate: f64,
    /// Probability that a bit of the packet is flipped.
    pub corrupt: f64,
    /// Losses in bursts, beside those of `loss`; `None` for none.
    pub burst_loss: Option<GilbertElliott>,
    /// Longer packets are lost without a word, in bytes as the line carries them: a black hole of RFC 2923 §2.1. `None` for
    /// no such limit.
    pub max_packet: Option<usize>,
    /// What exceeds a rate is dropped at once, before the queue; `None` for no such limit.
    pub policer: Option<Policer>,
    /// Packets come out only at whole multiples of this time, together: how Wi-Fi hands over what it has collected.
    /// Zero for each when it is due.
    pub aggregation: Duration,
}

/// Losses in bursts: a good and a bad state, each with its own probability of loss (Gilbert 1960, Elliott 1963).
/// A state may change before each packet.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct GilbertElliott {
    /// Probability to go from the good state to the bad one.
    pub enter: f64,
    /// Probability to come back: bursts are `1 / leave` packets long on the average.
    pub leave: f64,
    /// Probability of loss in the bad state; 1 in Gilbert's model.
    pub loss_bad: f64,
    /// Probability of loss in the good state; 0 in Gilbert's model.
    pub loss_good: f64,
}

/// A token bucket without a queue (RFC 2475 §2.3.3.4): packets that find no tokens are dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policer {
    /// Bits a second that conform.
    pub rate: u64,
    /// Bytes that may pass at once after a pause.
    pub burst: usize,
}

impl Default for ImpairConfig {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            rate: None,
            queue_packets: 1000,
            queue_bytes: usize::MAX,
            mark_above: usize::MAX,
            loss: 0.0,
            reorder: 0.0,
            reorder_delay: Duration::ZERO,
            duplicate: 0.0,
            corrupt: 0.0,
            burst_loss: None,
            max_packet: None,
            policer: None,
            aggregation: Duration::ZERO,
        }
    }
}
