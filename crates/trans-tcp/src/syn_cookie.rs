//! SYN cookies: what a half-open peer would be remembered for, in the sequence number and the timestamp of the SYN-ACK,
//! so that nothing has to be kept until the peer confirms. RFC 4987 §3.6; D. J. Bernstein, 1996.
//!
//! The initial sequence number is `[tick 3][MSS 3][MAC 26] + IRS + mask`: the tick counts 64 s, the MAC (SipHash-2-4)
//! covers the tuple, IRS, tick and MSS, the mask hides the visible fields from strangers, and numbers grow with the ticks
//! and with those of the peer. A cookie is good for 64 to 128 s; a guess hits with 2⁻²⁸.
//!
//! Where the peer has timestamps, the lowest six bits of ours carry its window shift (15: none) and whether it offered
//! SACK, and whether ECN was agreed on, as Linux does it. The clock never runs ahead for that. Without timestamps neither is agreed, as the
//! SYN-ACK must not promise what will be forgotten.

use crate::isn::Secrets;
use crate::tuple::Tuple;
use core::time::Duration;
use stack_core::Instant;
use stack_wire::seq::SeqNum;

/// When SYNs are answered with cookies instead of being remembered (Linux: `tcp_syncookies` 0, 1, 2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SynCookies {
    /// Never: SYNs beyond the limit are dropped.
    Off,
    /// When a listener has as many half-open peers as its backlog allows.
    #[default]
    WhenFull,
    /// Always: listeners keep nothing of half-open peers.
    Always,
}

/// How long a tick lasts; a cookie is accepted in the tick that it was made in, and in the next.
const TICK: Duration = Duration::from_secs(64);
/// How long after the last cookie one can come back.
pub(crate) const LIFETIME: Duration = Duration::from_secs(128);

/// MSS values that a cookie can carry: those of common paths, the smallest that is believed first.
const MSS: [u16; 8] = [48, 536, 1220, 1300, 1380, 1440, 1460, 8940];

const MAC_BITS: u32 = 26;
const MAC_MASK: u32 = (1 << MAC_BITS) - 1;

/// Bits of a timestamp that carry options, and the shift that stands for none.
const OPTION_BITS: u32 = 6;
const OPTION_MASK: u32 = (1 << OPTION_BITS) - 1;
const NO_SHIFT: u32 = 15;
const SACK: u32 = 1 << 4;
const ECN: u32 = 1 << 5;

/// What a timestamp carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Carried {
    /// The peer's window shift; `None` if it offered none.
    pub(crate) shift: Option<u8>,
    pub(crate) sack: bool,
    /// ECN is agreed on; which, the peer's ACK tells.
    pub(crate) ecn: bool,
}

/// The number of the tick.
pub(crate) fn tick(now: Instant) -> u32 {
    (now.as_millis() / TICK.as_millis() as u64) as u32
}

/// The largest MSS in the table that is not beyond the peer's, with its place.
pub(crate) fn carried_mss(peer_mss: u16) -> (u32, u16) {
    let known = MSS.iter().enumerate().rev().find(|(_, mss)| **mss <= peer_mss);
    known.map_or((0, 48), |(index, mss)| (index as u32, *mss))
}

/// A clock value, without offset, that carries options and does not lie in the future.
pub(crate) fn carry_options(clock: u32, options: Carried) -> u32 {
    let flag = |on, bit| if on { bit } else { 0 };
    let shift = options.shift.map_or(NO_SHIFT, u32::from);
    let bits = shift | flag(options.sack, SACK) | flag(options.ecn, ECN);
    let value = clock & !OPTION_MASK | bits;
    if value > clock { value.wrapping_sub(1 << OPTION_BITS) } else { value }
}

/// The options that an echoed clock value carries; `None` if it is not of the last minutes.
pub(crate) fn carried_options(clock: u32, echoed: u32) -> Option<Carried> {
    let age = clock.wrapping_sub(echoed);
    if u128::from(age) > 2 * LIFETIME.as_millis() {
        return None;
    }
    let shift = echoed & 0xf;
    let shift = if shift == NO_SHIFT { None } else { Some(shift as u8) };
    Some(Carried { shift, sack: echoed & SACK != 0, ecn: echoed & ECN != 0 })
}

impl Secrets {
    /// The initial sequence number that stands for a SYN with the number `irs` and an MSS of the table.
    pub(crate) fn syn_cookie(&self, tuple: &Tuple, irs: SeqNum, mss_index: u32, tick: u32) -> SeqNum {
        let fields = (tick & 7) << 29 | (mss_index & 7) << MAC_BITS;
        SeqNum(fields | self.cookie_mac(tuple, irs, mss_index, tick)) + irs.0 + self.cookie_mask(tuple)
    }

    /// The MSS that a cookie carries, if it is one of ours and fresh.
    pub(crate) fn check_syn_cookie(
        &self,
        tuple: &Tuple,
        irs: SeqNum,
        cookie: SeqNum,
        now: u32,
    ) -> Option<u16> {
        let value = (cookie - irs.0 - self.cookie_mask(tuple)).0;
        let (made, mss_index) = (value >> 29, value >> MAC_BITS & 7);
        let age = now.wrapping_sub(made) & 7;
        if age > 1 {
            return None;
        }
        let mac = self.cookie_mac(tuple, irs, mss_index, now.wrapping_sub(age));
        if mac == value & MAC_MASK { MSS.get(mss_index as usize).copied() } else { None }
    }

    fn cookie_mac(&self, tuple: &Tuple, irs: SeqNum, mss_index: u32, tick: u32) -> u32 {
        let more = u128::from(irs.0) << 64 | u128::from(mss_index) << 32 | u128::from(tick);
        self.hash(tuple, b'C', more) as u32 & MAC_MASK
    }

    fn cookie_mask(&self, tuple: &Tuple) -> u32 {
        self.hash(tuple, b'M', 0) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{IpAddr, Ipv4Addr};

    fn tuple(remote_port: u16) -> Tuple {
        let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
        Tuple { local: ip, remote: ip, local_port: 80, remote_port }
    }

    #[test]
    fn a_cookie_is_good_for_its_tuple_its_syn_and_two_ticks() {
        let (secrets, irs) = (Secrets::fixed(), SeqNum(u32::MAX - 3));
        for tick in [0, 6, 7, u32::MAX] {
            let cookie = secrets.syn_cookie(&tuple(1), irs, 6, tick);
            let check =
                |t, irs, cookie, after| secrets.check_syn_cookie(&t, irs, cookie, tick.wrapping_add(after));
            assert_eq!(
                (check(tuple(1), irs, cookie, 0), check(tuple(1), irs, cookie, 1)),
                (Some(1460), Some(1460))
            );
            assert_eq!(check(tuple(1), irs, cookie, 2), None, "too old");
            assert_eq!(check(tuple(1), irs, cookie, 8), None, "of an earlier round of ticks");
            assert_eq!(check(tuple(2), irs, cookie, 0), None);
            assert_eq!(check(tuple(1), irs + 1, cookie, 0), None);
            assert_eq!(check(tuple(1), irs, cookie + 1, 0), None);
        }
    }

    #[test]
    fn a_tick_lasts_64_seconds() {
        let at = |secs| tick(Instant::from_secs(secs));
        assert_eq!([at(0), at(63), at(64), at(127), at(128)], [0, 0, 1, 1, 2]);
    }

    #[test]
    fn an_mss_is_never_carried_as_more() {
        for (mss, carried) in
            [(0, 48), (47, 48), (535, 48), (536, 536), (1459, 1440), (1460, 1460), (9000, 8940)]
        {
            let (index, found) = carried_mss(mss);
            assert_eq!((found, MSS[index as usize]), (carried, carried), "{mss}");
        }
    }

    #[test]
    fn timestamps_carry_options_and_never_run_ahead() {
        for clock in [0u32, 1, 63, 64, 12_345, u32::MAX - 20] {
            for (shift, sack, ecn) in
                [(None, false, true), (None, true, false), (Some(0), false, false), (Some(14), true, true)]
            {
                let options = Carried { shift, sack, ecn };
                let carrying = carry_options(clock, options);
                assert!((clock.wrapping_sub(carrying)) < 128, "{clock} {carrying}");
                assert_eq!(carried_options(clock.wrapping_add(100), carrying), Some(options));
            }
        }
        assert_eq!(carried_options(1_000_000, 0), None, "too old");
        assert_eq!(carried_options(0, 1000), None, "of the future");
    }
}
