//! ustack
#![deny(unsafe_code)]

mod driver;
mod lock;
mod source;
mod sys;

pub use source::{RandomError, SystemClock, SystemRng};
