//! SplitMix64: a counter in steps of the golden ratio, mixed (Steele, Lea and Flood, OOPSLA 2014). Small, fast, the same on
//! all machines, and good enough to decide the fate of packets; not for secrets.

/// A reproducible source of chance.
#[derive(Clone, Debug)]
pub(crate) struct SplitMix(u64);

impl SplitMix {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Sixty-four evenly distributed bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Whether an event of this probability happens, given an evenly distributed draw.
pub(crate) fn happens(probability: f64, draw: u64) -> bool {
    // 2^64. The cast saturates, and makes 0 of what is negative or no number.
    probability >= 1.0 || draw < (probability * 18_446_744_073_709_551_616.0) as u64
}

/// An evenly distributed number below `bound`, given such a draw; 0 if `bound` is 0.
pub(crate) fn below(bound: u64, draw: u64) -> u64 {
    ((u128::from(draw) * u128::from(bound)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sequence_is_that_of_the_reference_implementation() {
        let mut rng = SplitMix::new(1_234_567);
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        for number in expected {
            assert_eq!(rng.next(), number);
        }
    }

    #[test]
    fn probabilities_at_and_beyond_the_ends() {
        for draw in [0, 1, u64::MAX / 2, u64::MAX] {
            assert!(happens(1.0, draw) && happens(7.0, draw));
            assert!(!happens(0.0, draw) && !happens(-1.0, draw) && !happens(f64::NAN, draw));
        }
        assert!(happens(0.5, u64::MAX / 2 - 1) && !happens(0.5, u64::MAX / 2 + 1));
    }

    #[test]
    fn numbers_below_a_bound_reach_both_ends() {
        assert_eq!((below(10, 0), below(10, u64::MAX), below(0, u64::MAX), below(1, u64::MAX)), (0, 9, 0, 0));
    }
}
