//! `ustack`
mod iperf;
mod limit;
mod net;
fn main() {}
