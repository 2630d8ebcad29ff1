//! The Template link: what it connects, and to whom.
//!
//! ```text
//! protocols  template-crate   you are here
//! contract   stack-core
//! ground     stack-packet  stack-wire  stack-group  stack-gro
//! ```
//!
//! In this first form it is a hole: what is sent is counted and gone, and
//! nothing ever arrives.
//!
//! Invariants: neither half waits; a batch handed to `transmit` is empty after it.
//!
//! ```
//! use stack_core::LinkEndpoint;
//! use template_crate::Template;
//!
//! let link = Template::new(1500);
//! assert_eq!(link.capabilities().mtu, 1500);
//! ```
#![no_std]
#![forbid(unsafe_code)]
#![warn(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

extern crate alloc;

use alloc::boxed::Box;
use core::task::Waker;

use stack_core::{LinkCapabilities, LinkEndpoint, LinkError, LinkReceive, LinkTransmit, Medium};
use stack_packet::{Instant, LinkAddress, RxBatch, TxBatch};

/// The link before it is put to use.
#[derive(Debug)]
pub struct Template {
    mtu: u32,
}

impl Template {
    /// A link that takes IP packets of up to `mtu` bytes.
    pub fn new(mtu: u32) -> Self {
        Self { mtu }
    }
}

impl LinkEndpoint for Template {
    fn capabilities(&self) -> LinkCapabilities {
        LinkCapabilities::plain(Medium::Ip, self.mtu)
    }

    fn link_address(&self) -> Option<LinkAddress> {
        None
    }

    fn split(self: Box<Self>) -> (Box<dyn LinkReceive>, Box<dyn LinkTransmit>) {
        (Box::new(Receive), Box::new(Transmit { sent: 0 }))
    }
}

/// The half that nothing comes from.
struct Receive;

impl LinkReceive for Receive {
    fn receive(&mut self, _now: Instant, _batch: &mut RxBatch) -> Result<usize, LinkError> {
        Ok(0)
    }

    fn register(&mut self, _waker: &Waker) {}
}

/// The half that everything goes into.
struct Transmit {
    sent: u64,
}

impl LinkTransmit for Transmit {
    fn transmit(&mut self, _now: Instant, batch: &mut TxBatch) -> Result<(), LinkError> {
        self.sent += batch.len() as u64;
        batch.clear();
        Ok(())
    }

    fn register(&mut self, _waker: &Waker) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_sent_is_counted_and_gone() {
        let mut batch = TxBatch::new();
        batch.slot();
        let mut link = Transmit { sent: 0 };
        assert_eq!(link.transmit(Instant::default(), &mut batch), Ok(()));
        assert_eq!((link.sent, batch.len()), (1, 0));
    }
}
