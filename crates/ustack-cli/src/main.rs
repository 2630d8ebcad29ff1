//! `ustack`
mod demo;
mod device;
mod failure;
mod get;
mod http;
mod iperf;
mod limit;
mod net;
mod services;
mod units;
fn main() {}
