//! How the algorithms behave over time, on paths that are simulated here.

mod averages;
mod boxed;
mod curves;
pub(crate) mod link;
