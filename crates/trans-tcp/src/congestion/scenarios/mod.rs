//! How the algorithms behave over time, on paths that are simulated here.

mod averages;
pub(crate) mod link;
