//! The program as a user runs it: without root, and on a device where that can be made.

mod command_line;
mod common;
mod demo;
mod device;
mod pkt;
mod sim;
