//! The program as a user without root runs it.

mod command_line;
mod common;
mod demo;
