//! Drivers: who moves packets between links and the host, and when.

pub(crate) mod gate;
pub(crate) mod notify;
