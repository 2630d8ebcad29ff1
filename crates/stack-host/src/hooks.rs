//! Asking hooks: one place for the five places of a policy (`stack_core::Hook`), so that each caller is one line.
//!
//! Invariant: with no hook nothing is looked up. The first hook that refuses a packet ends it.

use crate::Host;
use stack_core::{DropReason, Hook, HookCx, HookVerdict, Instant, TxPacket};

impl Host {
    /// Asks all hooks about a packet that came in by one interface, leaves by another, or both.
    pub(crate) fn ask(
        &mut self,
        now: Instant,
        ingress: Option<usize>,
        egress: Option<usize>,
        mut place: impl FnMut(&mut dyn Hook, &mut HookCx<'_>) -> HookVerdict,
    ) -> Result<(), DropReason> {
        if self.hooks.is_empty() {
            return Ok(());
        }
        let Self { hooks, tables, .. } = self;
        let visible = |nic: Option<usize>| nic.map(|nic| tables.interfaces[nic].visible.clone());
        let (ingress, egress) = (visible(ingress), visible(egress));
        let mut cx = HookCx {
            now,
            ingress: ingress.as_ref().map(|nic| nic.view()),
            egress: egress.as_ref().map(|nic| nic.view()),
            host: tables,
        };
        let refused = hooks.iter_mut().any(|hook| place(&mut **hook, &mut cx) == HookVerdict::Drop);
        if refused { Err(DropReason::Policy) } else { Ok(()) }
    }

    /// The last place, for a packet that is still whole.
    pub(crate) fn ask_postrouting(
        &mut self,
        now: Instant,
        egress: usize,
        packet: &mut TxPacket,
    ) -> Result<(), DropReason> {
        self.ask(now, None, Some(egress), |hook, cx| hook.postrouting(cx, packet))
    }
}
