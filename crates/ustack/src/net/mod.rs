//! Sockets.

pub(crate) mod wait;
