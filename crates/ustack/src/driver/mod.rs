//! Drivers: who moves packets between links and the host, and when.
//!
//! One [`Driver`] for each stack owns the receiving halves of all links; who holds the lock on it drives. That is the
//! stack's own [`thread`], or, in its place, a [`caller`] that waits for a socket, or one that runs a future [`inline`].
//!
//! A [turn](Driver::turn): read the devices, before the lock; under the lock receive and timers, then, for inline
//! applications, let them run, then transmit; write the devices through their [gates](gate), after the lock; wake each
//! task once. What a caller waits to read goes from the device into its buffer ([`placing`]). An interface may have a
//! [`reader`] of its own beside the driver. When a turn finds nothing to do, the driver [sleeps](Driver::sleep) in
//! `poll(2)`. It never spins.

pub(crate) mod caller;
mod claim;
pub(crate) mod gate;
mod habit;
pub(crate) mod inline;
pub(crate) mod notify;
pub(crate) mod placing;
pub(crate) mod reader;
pub(crate) mod thread;
mod turn;

pub(crate) use claim::{Claim, ClaimState};
pub(crate) use turn::Role;

use crate::lock::lock;
use crate::shared::Shared;
use gate::Gate;
use notify::Watch;
use stack_core::{DropReason, LinkError, LinkReceive, NicId, RxBatch, Token};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The receiving side of all interfaces.
#[derive(Default)]
pub(crate) struct Driver {
    ports: Vec<Port>,
    outcomes: Vec<(NicId, Token, DropReason)>,
    watches: Vec<Watch>,
}

/// The receiving side of one interface.
pub(crate) struct Port {
    nic: NicId,
    link: Box<dyn LinkReceive>,
    gate: Arc<Gate>,
    enabled: Arc<AtomicBool>,
    batch: RxBatch,
    descriptor: Option<i32>,
    write_descriptor: Option<i32>,
    wants_outcomes: bool,
    /// Nobody has to see each packet as it came.
    coalesces: bool,
    /// `poll` has just said that nothing is there.
    skip_once: bool,
    /// The device takes no more, and we wait for room.
    blocked: bool,
    gone: Option<LinkError>,
}

impl Driver {
    /// Lets all links go, and with them the threads that read them.
    pub(crate) fn close(&mut self, shared: &Shared) {
        self.ports.clear();
        lock(&shared.new_ports).clear();
    }
}

impl Port {
    pub(crate) fn new(
        nic: NicId,
        link: Box<dyn LinkReceive>,
        gate: Arc<Gate>,
        enabled: Arc<AtomicBool>,
        wants_outcomes: bool,
    ) -> Self {
        Self {
            nic,
            descriptor: link.descriptor().filter(|descriptor| *descriptor >= 0),
            write_descriptor: gate.descriptor().filter(|descriptor| *descriptor >= 0),
            link,
            gate,
            enabled,
            batch: RxBatch::new(),
            wants_outcomes,
            coalesces: false,
            skip_once: false,
            blocked: false,
            gone: None,
        }
    }

    fn is_enabled(&self) -> bool {
        self.enabled.load(Ordering::Relaxed)
    }
}
