//! How addresses grow old: preferred, deprecated, gone (RFC 4862 §5.5.4); and the temporary ones that follow temporary
//! ones (RFC 8981 §3.5).

use super::{Formed, IDGEN_RETRIES, Kind};
use crate::Endpoint;
use alloc::vec::Vec;
use core::time::Duration;
use stack_core::{AddressState, Effect, Instant, NetCx};

impl Endpoint {
    /// When something about an address changes.
    pub(crate) fn next_age(&self) -> Option<Instant> {
        let ages = |formed: &Formed| {
            let deprecation = formed.preferred_until.filter(|_| !formed.deprecated);
            [deprecation, formed.valid_until, self.renew_at(formed)]
        };
        self.slaac.formed.iter().flat_map(ages).flatten().min()
    }

    /// Before a temporary address is deprecated, another one is made: RFC 8981 §3.8, `REGEN_ADVANCE`.
    pub(super) fn regen_advance(&self) -> Duration {
        let probes = u32::from(self.config.nd.dad_transmits) * u32::from(IDGEN_RETRIES);
        Duration::from_secs(2) + self.nd.retrans_timer * probes
    }

    /// When a temporary address gets a successor, if it has none.
    fn renew_at(&self, formed: &Formed) -> Option<Instant> {
        let waits = formed.temporary.is_some_and(|temporary| !temporary.succeeded);
        formed.preferred_until.filter(|_| waits).map(|until| until - self.regen_advance())
    }

    /// Tells the host which addresses are at another point of their lives (R4862-5.5.4-a).
    pub(crate) fn age_addresses(&mut self, cx: &mut NetCx<'_>) {
        let (now, nic) = (cx.now, cx.nic.id);
        let mut gone = Vec::new();
        for formed in &mut self.slaac.formed {
            let address = formed.address.into();
            if formed.valid_until.is_some_and(|until| until <= now) {
                gone.push(formed.address);
                cx.emit(Effect::RemoveAddress { nic, address });
                continue;
            }
            let deprecated = !formed.is_preferred(now);
            if deprecated != formed.deprecated {
                formed.deprecated = deprecated;
                let is_usable =
                    |own: &&stack_core::InterfaceAddress| own.address() == address && own.state.is_usable();
                let state = if deprecated { AddressState::Deprecated } else { AddressState::Preferred };
                // One that is being probed gets its state when it is free.
                if cx.nic.addresses.iter().any(|own| is_usable(&own)) {
                    cx.emit(Effect::AddressState { nic, address, state });
                }
            }
        }
        gone.into_iter().for_each(|address| self.slaac.forget(address));
        self.renew_temporary(cx);
    }

    // R8981-3.5-a
    fn renew_temporary(&mut self, cx: &mut NetCx<'_>) {
        let now = cx.now;
        let due = |formed: &&Formed| self.renew_at(formed).is_some_and(|at| at <= now);
        let old: Vec<Formed> = self.slaac.formed.iter().filter(due).copied().collect();
        for formed in old {
            let own = self.slaac.formed.iter_mut().find(|own| own.address == formed.address);
            if let Some(temporary) = own.and_then(|own| own.temporary.as_mut()) {
                temporary.succeeded = true;
            }
            let stable = |own: &&Formed| own.kind == Kind::Stable && own.prefix == formed.prefix;
            let stable =
                self.slaac.formed.iter().find(stable).map(|own| (own.preferred_until, own.valid_until));
            if let Some((preferred, valid)) = stable {
                // Without room the old one lasts as long as it does.
                let _ = self.form_temporary(cx, formed.prefix, preferred, valid);
            }
        }
    }
}
