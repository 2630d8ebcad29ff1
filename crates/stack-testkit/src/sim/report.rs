//! What a run comes to, for each flow and each bottleneck.

use link_impair::ImpairStatistics;

/// The figures of a run.
#[derive(Clone, Debug)]
pub struct Report {
    /// Each flow, in the order of the configuration.
    pub flows: Vec<FlowReport>,
    /// Jain's index of the flows' goodputs while all were there: 1 if all are equal, 1/n if one has everything.
    pub jain: f64,
    /// The same over the second half of the time.
    pub jain_second_half: f64,
    /// Seconds until all flows together had, over one round-trip time, nine tenths of what TCP can carry at the rate;
    /// `None` if they never had.
    pub fill_s: Option<f64>,
    /// Each bottleneck, in the order in which packets cross them.
    pub queues: Vec<QueueReport>,
}

/// The figures of a flow.
#[derive(Clone, Debug)]
pub struct FlowReport {
    /// Name of the congestion control.
    pub cc: &'static str,
    /// Round-trip time of its path without queues, in milliseconds.
    pub rtt_ms: f64,
    /// When it connected, in seconds.
    pub start_s: f64,
    /// When all had arrived, in seconds, if it had an end.
    pub end_s: Option<f64>,
    /// Bytes that the receiving program read.
    pub bytes: u64,
    /// Of those, in Mbit/s from its start to its end, or to that of the simulation.
    pub goodput_mbit: f64,
    /// The same in the second half of the simulation.
    pub goodput_second_half_mbit: f64,
    /// Bytes of data that it put on the wire more than once.
    pub retransmitted_bytes: u64,
    /// Segments that carried any of those.
    pub retransmits: u64,
    /// Retransmission timeouts.
    pub timeouts: u64,
    /// Smoothed round-trip time at the end, in milliseconds.
    pub srtt_ms: f64,
    /// The smallest one seen, in milliseconds.
    pub min_rtt_ms: f64,
    /// Congestion window at the end, in bytes.
    pub cwnd_bytes: u32,
    /// Why the connection broke, if it did.
    pub failure: Option<String>,
}

/// The figures of a bottleneck, in the direction of data.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct QueueReport {
    /// Bytes that it takes.
    pub capacity_bytes: usize,
    /// The mean of the samples, in bytes.
    pub mean_bytes: f64,
    /// The most, in bytes.
    pub max_bytes: usize,
    /// Share of the rate that was used over the whole time, headers included.
    pub utilization: f64,
    /// What became of packets.
    pub packets: ImpairStatistics,
}

/// Jain's fairness index (Jain, Chiu and Hawe 1984) of shares; 1 for none.
pub fn jain(shares: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = shares.clone().count() as f64;
    let (sum, squares) =
        shares.fold((0.0, 0.0), |(sum, squares), share| (sum + share, squares + share * share));
    if squares > 0.0 { sum * sum / (count * squares) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_is_one_for_equals_and_a_quarter_where_one_of_four_has_all() {
        let of = |shares: &[f64]| jain(shares.iter().copied());
        assert_eq!((of(&[5.0; 4]), of(&[7.0, 0.0, 0.0, 0.0]), of(&[])), (1.0, 0.25, 1.0));
        assert!((of(&[1.0, 2.0]) - 0.9).abs() < 1e-12);
    }
}
