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
}

impl Default for ImpairConfig {
    fn default() -> Self {
        Self {
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            rate: None,
            queue_packets: 1000,
            queue_bytes: usize::MAX,
            loss: 0.0,
            reorder: 0.0,
            reorder_delay: Duration::ZERO,
            duplicate: 0.0,
            corrupt: 0.0,
        }
    }
}
