//! What chance decides about a packet: single losses, bursts of them, lateness, damage.
//!
//! Invariant: each packet takes the same number of draws whatever happens to it, [`Fate::DRAWS`] of one source, and
//! [`Bursts::DRAWS`] of another where losses come in bursts, so that one setting leaves what the others decide as it was.

use crate::rng::{SplitMix, below, happens};
use crate::{GilbertElliott, ImpairConfig};
use core::time::Duration;

/// What chance has decided about a packet.
pub(crate) struct Fate {
    pub(crate) lost: bool,
    pub(crate) reordered: bool,
    pub(crate) duplicated: bool,
    pub(crate) corrupted: bool,
    pub(crate) delay: Duration,
    pub(crate) bit: u64,
}

impl Fate {
    pub(crate) const DRAWS: usize = 6;

    pub(crate) fn draw(rng: &mut SplitMix, config: &ImpairConfig, len: usize) -> Self {
        let [loss, reorder, duplicate, corrupt, jitter, bit]: [u64; Self::DRAWS] =
            core::array::from_fn(|_| rng.next());
        let spread = u64::try_from(config.jitter.as_nanos()).unwrap_or(u64::MAX / 2).min(u64::MAX / 2);
        let jitter = Duration::from_nanos(below(2 * spread + 1, jitter));
        Self {
            lost: happens(config.loss, loss),
            reordered: happens(config.reorder, reorder),
            duplicated: happens(config.duplicate, duplicate),
            corrupted: happens(config.corrupt, corrupt),
            delay: (config.delay + jitter).saturating_sub(config.jitter),
            bit: below(len as u64 * 8, bit),
        }
    }
}

/// The state of losses in bursts.
pub(crate) struct Bursts {
    model: GilbertElliott,
    bad: bool,
    rng: SplitMix,
}

impl Bursts {
    const DRAWS: usize = 2;

    pub(crate) fn new(model: GilbertElliott, seed: u64) -> Self {
        Self { model, bad: false, rng: SplitMix::new(seed) }
    }

    /// Whether the next packet is lost.
    pub(crate) fn lose(&mut self) -> bool {
        let [change, loss]: [u64; Self::DRAWS] = core::array::from_fn(|_| self.rng.next());
        let GilbertElliott { enter, leave, loss_bad, loss_good } = self.model;
        self.bad ^= happens(if self.bad { leave } else { enter }, change);
        happens(if self.bad { loss_bad } else { loss_good }, loss)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bursts_are_as_long_and_as_frequent_as_the_model_says() {
        let model = GilbertElliott { enter: 0.01, leave: 0.25, loss_bad: 1.0, loss_good: 0.0 };
        let mut bursts = Bursts::new(model, 7);
        let fates: alloc::vec::Vec<bool> = (0..200_000).map(|_| bursts.lose()).collect();
        let lost = fates.iter().filter(|&&lost| lost).count() as f64;
        let begun = fates.windows(2).filter(|two| !two[0] && two[1]).count() as f64;
        // In the bad state for enter / (enter + leave) of the time, 1 / leave packets in a row.
        assert!((lost / 200_000.0 - 0.01 / 0.26).abs() < 0.004, "{lost}");
        assert!((lost / begun - 4.0).abs() < 0.3, "{}", lost / begun);
    }

    #[test]
    fn each_state_has_its_own_loss() {
        let share = |loss_bad, loss_good| {
            let model = GilbertElliott { enter: 0.5, leave: 0.5, loss_bad, loss_good };
            let mut bursts = Bursts::new(model, 3);
            (0..20_000).filter(|_| bursts.lose()).count()
        };
        assert_eq!((share(0.0, 0.0), share(1.0, 1.0)), (0, 20_000));
        assert!((2_300..2_700).contains(&share(0.25, 0.0)), "{}", share(0.25, 0.0));
        assert!((7_300..7_700).contains(&share(0.0, 0.75)), "{}", share(0.0, 0.75));
    }
}
