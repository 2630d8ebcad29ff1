//! Choosing a congestion control: by configuration, by name, at run time; and the one that a connection has.

use super::{Bbr, CongestionControl, Cubic, Reno};
use alloc::boxed::Box;
use alloc::string::String;
use core::fmt;
use core::str::FromStr;

/// Which congestion control a connection has.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub enum Algorithm {
    /// [`Reno`].
    Reno,
    /// [`Cubic`].
    #[default]
    Cubic,
    /// [`Bbr`].
    Bbr,
    /// Somebody else's.
    Custom(fn() -> Box<dyn CongestionControl>),
}

impl Algorithm {
    /// The names of those that are there.
    pub const AVAILABLE: [&'static str; 3] = [Reno::NAME, Cubic::NAME, Bbr::NAME];
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    /// The one of a name, as `TCP_CONGESTION` has it.
    fn from_str(name: &str) -> Result<Self, UnknownAlgorithm> {
        match name {
            Reno::NAME => Ok(Self::Reno),
            Cubic::NAME => Ok(Self::Cubic),
            Bbr::NAME => Ok(Self::Bbr),
            _ => Err(UnknownAlgorithm { name: String::from(name) }),
        }
    }
}

/// No congestion control has that name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UnknownAlgorithm {
    name: String,
}

impl fmt::Display for UnknownAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [reno, cubic, bbr] = Algorithm::AVAILABLE;
        write!(f, "no congestion control is called {:?}; there are {reno}, {cubic} and {bbr}", self.name)
    }
}

impl core::error::Error for UnknownAlgorithm {}

/// The congestion control of one connection. It exists from the first event on that concerns it: a connection that never
/// sent anything has none.
#[derive(Debug)]
pub(crate) enum Controller {
    Reno(Option<Box<Reno>>),
    Cubic(Option<Box<Cubic>>),
    /// And the seed of one that is not there yet.
    Bbr(Option<Box<Bbr>>, u32),
    /// Boxed twice: a thin pointer keeps idle connections small.
    Custom(Box<Box<dyn CongestionControl>>),
}

impl Controller {
    /// `random` is asked by algorithms that need chance.
    pub(crate) fn new(algorithm: Algorithm, random: impl FnOnce() -> u64) -> Self {
        match algorithm {
            Algorithm::Reno => Self::Reno(None),
            Algorithm::Cubic => Self::Cubic(None),
            Algorithm::Bbr => Self::Bbr(None, random() as u32),
            Algorithm::Custom(make) => Self::Custom(Box::new(make())),
        }
    }

    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Reno(_) => Reno::NAME,
            Self::Cubic(_) => Cubic::NAME,
            Self::Bbr(..) => Bbr::NAME,
            Self::Custom(custom) => custom.name(),
        }
    }

    pub(crate) fn get_mut(&mut self) -> &mut dyn CongestionControl {
        match self {
            Self::Reno(reno) => &mut **reno.get_or_insert_default(),
            Self::Cubic(cubic) => &mut **cubic.get_or_insert_default(),
            Self::Bbr(bbr, seed) => &mut **bbr.get_or_insert_with(|| Box::new(Bbr::new(u64::from(*seed)))),
            Self::Custom(custom) => &mut ***custom,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::congestion::{AckSample, Window};
    use alloc::string::ToString;

    // R9293-MAY-18
    #[test]
    fn every_name_that_is_listed_can_be_chosen() {
        for name in Algorithm::AVAILABLE {
            let mut controller = Controller::new(name.parse().unwrap(), || 1);
            assert_eq!((controller.name(), controller.get_mut().name()), (name, name));
        }
    }

    #[test]
    fn an_unknown_name_is_told_what_there_is() {
        let error = "vegas".parse::<Algorithm>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "no congestion control is called \"vegas\"; there are reno, cubic and bbr"
        );
    }

    #[test]
    fn somebody_elses_has_its_own_name() {
        #[derive(Debug)]
        struct Fixed;
        impl CongestionControl for Fixed {
            fn name(&self) -> &'static str {
                "fixed"
            }
            fn on_ack(&mut self, _: &mut Window, _: &AckSample) {}
            fn ssthresh(&mut self, window: &Window, _: u32, _: u32) -> u32 {
                window.cwnd
            }
            fn on_spurious(&mut self, _: &mut Window) {}
        }
        let mut controller = Controller::new(Algorithm::Custom(|| Box::new(Fixed)), || 1);
        assert_eq!((controller.name(), controller.get_mut().name()), ("fixed", "fixed"));
    }

    #[test]
    fn what_every_connection_has_is_small() {
        assert_eq!(size_of::<Controller>(), 16);
    }
}
