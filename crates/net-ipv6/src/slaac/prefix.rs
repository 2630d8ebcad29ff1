//! What an advertised prefix does: forms an address, or changes the lifetimes of those that were formed with it.
//! RFC 4862 §5.5.3, RFC 8981 §3.4.

use super::{Formed, Kind, MAX_ADDRESSES, PREFIX_LEN, Temporary};
use crate::Endpoint;
use crate::nd::{random_below, until};
use core::time::Duration;
use stack_core::{DropReason, Instant, Ipv6Net, NetCx};
use stack_wire::ndp::PrefixInfo;

/// What an unauthenticated router can't shorten a lifetime below (RFC 4862 §5.5.3 e).
const TWO_HOURS: Duration = Duration::from_secs(2 * 3600);
/// Of the preferred lifetime of temporary addresses, what is left to chance: RFC 8981 §3.8, `MAX_DESYNC_FACTOR`.
const MAX_DESYNC_TENTHS: u32 = 4;

impl Endpoint {
    /// A prefix option of a router.
    pub(crate) fn autoconfigure(&mut self, cx: &mut NetCx<'_>, info: &PrefixInfo) -> Result<(), DropReason> {
        let Ok(prefix) = Ipv6Net::new(info.prefix, info.length) else { return Ok(()) };
        let prefix = prefix.trunc();
        // R4862-5.5.3-a
        let usable = info.autonomous
            && !prefix.addr().is_unicast_link_local()
            && !prefix.addr().is_multicast()
            && info.preferred <= info.valid
            && info.length == PREFIX_LEN;
        if !usable || !self.config.slaac.addresses {
            return Ok(());
        }
        if self.slaac.formed.iter().any(|formed| formed.prefix == prefix) {
            self.prolong(cx.now, prefix, info);
            self.age_addresses(cx);
            return Ok(());
        }
        // R4862-5.5.3-b
        if info.valid == 0 {
            return Ok(());
        }
        let (preferred, valid) = (until(cx.now, info.preferred), until(cx.now, info.valid));
        self.form(cx, Kind::Stable, prefix, preferred, valid)?;
        if self.config.slaac.temporary {
            self.form_temporary(cx, prefix, preferred, valid)?;
        }
        Ok(())
    }

    /// Forms an address that the interface has not.
    pub(super) fn form(
        &mut self,
        cx: &mut NetCx<'_>,
        kind: Kind,
        prefix: Ipv6Net,
        preferred_until: Option<Instant>,
        valid_until: Option<Instant>,
    ) -> Result<(), DropReason> {
        let limits = preferred_until.zip(valid_until).filter(|_| kind == Kind::Temporary);
        let temporary = limits.map(|limits| Temporary { limits, succeeded: false });
        if self.slaac.formed.len() >= MAX_ADDRESSES {
            return Err(DropReason::NdpTableFull);
        }
        let address = self.identify(cx, kind, prefix, 0);
        let is_there = cx.nic.addresses.iter().any(|own| own.address() == address);
        if !is_there && !self.slaac.disabled {
            let (deprecated, tries) = (false, 0);
            let formed =
                Formed { address, prefix, kind, preferred_until, valid_until, deprecated, tries, temporary };
            self.add(cx, formed);
        }
        Ok(())
    }

    /// A temporary address beside the stable one, if it would live long enough to be worth it (R8981-3.4-a).
    pub(super) fn form_temporary(
        &mut self,
        cx: &mut NetCx<'_>,
        prefix: Ipv6Net,
        preferred: Option<Instant>,
        valid: Option<Instant>,
    ) -> Result<(), DropReason> {
        let longest = self.config.slaac.temporary_preferred;
        let desync = random_below(cx, longest * MAX_DESYNC_TENTHS / 10);
        let preferred = sooner(preferred, cx.now + longest.saturating_sub(desync));
        let valid = sooner(valid, cx.now + self.config.slaac.temporary_valid);
        let worth_it = preferred.saturating_since(cx.now) > self.regen_advance();
        if worth_it { self.form(cx, Kind::Temporary, prefix, Some(preferred), Some(valid)) } else { Ok(()) }
    }

    /// Lifetimes of the addresses that have the prefix.
    fn prolong(&mut self, now: Instant, prefix: Ipv6Net, info: &PrefixInfo) {
        let (valid, preferred) = (until(now, info.valid), until(now, info.preferred));
        for formed in self.slaac.formed.iter_mut().filter(|formed| formed.prefix == prefix) {
            formed.valid_until = believed(now, formed.valid_until, valid);
            formed.preferred_until = preferred;
            // R8981-3.4-b
            if let Some(Temporary { limits, .. }) = formed.temporary {
                formed.preferred_until = Some(sooner(formed.preferred_until, limits.0));
                formed.valid_until = Some(sooner(formed.valid_until, limits.1));
            }
        }
    }
}

/// How long an address stays valid that is advertised until `advertised`: nobody can end it within two hours
/// (R4862-5.5.3-c).
fn believed(now: Instant, known: Option<Instant>, advertised: Option<Instant>) -> Option<Instant> {
    let floor = now + TWO_HOURS;
    match (known, advertised) {
        (_, None) => None,
        (_, Some(new)) if new > floor => Some(new),
        (Some(old), Some(new)) if new > old => Some(new),
        (Some(old), _) if old <= floor => Some(old),
        _ => Some(floor),
    }
}

fn sooner(one: Option<Instant>, other: Instant) -> Instant {
    one.map_or(other, |one| one.min(other))
}

#[cfg(test)]
mod tests {
    use super::*;

    // R4862-5.5.3-c
    #[test]
    fn the_rule_of_two_hours() {
        let at = |seconds| Some(Instant::from_secs(seconds));
        let now = Instant::from_secs(10_000);
        let floor = at(17_200);
        for (situation, known, advertised, want) in [
            ("longer", at(50_000), at(60_000), at(60_000)),
            ("shorter, above two hours", at(50_000), at(30_000), at(30_000)),
            ("below two hours, but longer than what is left", at(11_000), at(12_000), at(12_000)),
            ("below two hours, as is what is left", at(11_000), at(10_500), at(11_000)),
            ("below two hours, and more is left", at(50_000), at(10_000), floor),
            ("for ever", at(50_000), None, None),
            ("from for ever to nothing", None, at(10_000), floor),
        ] {
            assert_eq!(believed(now, known, advertised), want, "{situation}");
        }
    }
}
