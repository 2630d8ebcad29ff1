//! How much later than it was due a packet left the box: what tells whether the machine kept up.

/// Microseconds that are told apart; later counts as this.
const MOST: usize = 100_000;

/// A count for each microsecond.
pub(crate) struct Lateness {
    counts: Vec<u32>,
    packets: u64,
}

impl Default for Lateness {
    fn default() -> Self {
        Self { counts: vec![0; MOST + 1], packets: 0 }
    }
}

impl Lateness {
    /// Counts a packet.
    pub(crate) fn count(&mut self, micros: u64) {
        let index = usize::try_from(micros).unwrap_or(MOST).min(MOST);
        self.counts[index] += 1;
        self.packets += 1;
    }

    /// Microseconds that this share of the packets did not exceed; 0 if there was none.
    pub(crate) fn quantile(&self, share: f64) -> usize {
        let wanted = (self.packets as f64 * share).ceil() as u64;
        let mut seen = 0;
        let reaches = |count: &u32| {
            seen += u64::from(*count);
            seen >= wanted
        };
        self.counts.iter().position(reaches).unwrap_or(MOST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_what_was_counted() {
        let mut lateness = Lateness::default();
        assert_eq!(lateness.quantile(0.5), 0);
        (1..=100).for_each(|micros| lateness.count(micros));
        lateness.count(u64::MAX);
        let quantiles = [0.5, 0.99, 1.0].map(|share| lateness.quantile(share));
        assert_eq!(quantiles, [51, 100, MOST]);
    }
}
