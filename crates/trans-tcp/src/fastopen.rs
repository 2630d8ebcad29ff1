//! TCP Fast Open: text in the SYN. RFC 7413; off until asked, on both sides.
//!
//! What a stack keeps for it: the keys of its listeners' cookies, the cookies that it got from others, and who is in the
//! middle of it. What connections do with that is in `early.rs`.
//!
//! A listener's cookie is SipHash-2-4 of the peer's address (RFC 7413 §4.1.2). Keys change by themselves; the previous
//! one stays valid for one more period, and whoever comes with its cookie gets a new one. Of other hosts' cookies a
//! bounded number is kept, those that were used last. A host towards which SYNs with data get lost is asked without data
//! for a while, longer each time (RFC 7413 §4.1.3.1).

use crate::config::TcpConfig;
use alloc::collections::BTreeMap;
use core::hash::Hasher;
use core::net::IpAddr;
use core::time::Duration;
use siphasher::sip::SipHasher24;
use stack_core::{EndpointId, Instant};
use stack_wire::tcp_options::FastOpenCookie;

/// Destinations that are remembered.
const MAX_KNOWN: usize = 256;
/// How long a destination is asked without data after the first loss; doubled with each that follows. Linux: a minute.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// Doublings of that: two hours at most.
const MAX_DOUBLINGS: u8 = 7;

/// Where a connection is, or came from, in view of Fast Open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum FastOpen {
    /// It was not asked for, or can't be used now.
    #[default]
    Off,
    /// The SYN asks, or asked, for a cookie.
    Requested,
    /// The SYN brings text, and is not answered yet.
    Sent,
    /// The peer took the text of the SYN (`TCPI_OPT_SYN_DATA`).
    Accepted,
    /// The peer did not take it: it was sent again.
    Refused,
    /// The SYN with text was lost and another one without it answered.
    Lost,
    /// A peer's SYN brought text that was taken before the handshake was complete; it is not complete yet.
    Serving,
    /// The same, and it is complete.
    Served,
}

/// Who is in the middle of a handshake with text in the SYN.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Early {
    /// We connect: the cookie to send or the request for one, and the MSS that the peer had.
    Client { cookie: FastOpenCookie, mss: u16 },
    /// A listener's peer: the listener, and the cookie that the SYN-ACK brings.
    Server { listener: EndpointId, cookie: Option<FastOpenCookie> },
}

/// What is known of a destination.
#[derive(Clone, Copy, Debug)]
struct Known {
    cookie: FastOpenCookie,
    mss: u16,
    losses: u8,
    paused_until: Instant,
    used: Instant,
}

/// What a cookie of ours is worth.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Worth {
    /// It is valid.
    Good,
    /// It is valid, and the next one will not be.
    Fading,
    /// It is not one of ours, or too old.
    Bad,
}

type Key = (u64, u64);

#[derive(Clone, Copy)]
struct Keys {
    current: Key,
    previous: Option<Key>,
    since: Instant,
}

/// The Fast Open of one stack.
#[derive(Default)]
pub(crate) struct Cookies {
    keys: Option<Keys>,
    known: BTreeMap<IpAddr, Known>,
    early: BTreeMap<EndpointId, Early>,
}

impl core::fmt::Debug for Cookies {
    /// Keys are not told.
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Cookies").field("known", &self.known.len()).finish_non_exhaustive()
    }
}

impl Cookies {
    /// Changes the keys when it is time to; `random` gives new ones.
    fn keys(&mut self, now: Instant, config: &TcpConfig, mut random: impl FnMut() -> u64) -> Keys {
        if let Some(key) = config.fast_open_key {
            return Keys { current: ((key >> 64) as u64, key as u64), previous: None, since: now };
        }
        let period = config.fast_open_key_period;
        let mut fresh = || (random(), random());
        let keys = match self.keys {
            None => Keys { current: fresh(), previous: None, since: now },
            Some(keys) => {
                let age = now.saturating_since(keys.since);
                match () {
                    () if age < period => keys,
                    () if age < 2 * period => {
                        Keys { current: fresh(), previous: Some(keys.current), since: keys.since + period }
                    }
                    () => Keys { current: fresh(), previous: None, since: now },
                }
            }
        };
        self.keys = Some(keys);
        keys
    }

    /// The cookie of a peer.
    pub(crate) fn make(
        &mut self,
        now: Instant,
        config: &TcpConfig,
        random: impl FnMut() -> u64,
        peer: IpAddr,
    ) -> FastOpenCookie {
        cookie_of(self.keys(now, config, random).current, peer)
    }

    /// What a cookie is worth that a peer brings.
    pub(crate) fn check(
        &mut self,
        now: Instant,
        config: &TcpConfig,
        random: impl FnMut() -> u64,
        peer: IpAddr,
        cookie: &FastOpenCookie,
    ) -> Worth {
        let keys = self.keys(now, config, random);
        if *cookie == cookie_of(keys.current, peer) {
            Worth::Good
        } else if keys.previous.is_some_and(|key| *cookie == cookie_of(key, peer)) {
            Worth::Fading
        } else {
            Worth::Bad
        }
    }

    /// How to open a connection to a destination: with a cookie, with a request for one, or, while it is paused, as
    /// ever.
    pub(crate) fn attempt(&mut self, now: Instant, remote: IpAddr) -> Option<Early> {
        let request = Early::Client { cookie: FastOpenCookie::REQUEST, mss: 0 };
        let Some(known) = self.known.get_mut(&remote) else { return Some(request) };
        if known.paused_until > now {
            return None;
        }
        known.used = now;
        Some(if known.cookie.is_request() {
            request
        } else {
            Early::Client { cookie: known.cookie, mss: known.mss }
        })
    }

    /// A destination gave us a cookie.
    pub(crate) fn learn(&mut self, now: Instant, remote: IpAddr, cookie: FastOpenCookie, mss: u16) {
        let known = self.entry(now, remote);
        (known.cookie, known.mss) = (cookie, mss);
    }

    /// A SYN with the option got lost, and one without it did not: the destination is left alone for a while.
    pub(crate) fn lost(&mut self, now: Instant, remote: IpAddr) {
        let known = self.entry(now, remote);
        known.paused_until = now + FIRST_PAUSE * (1 << known.losses.min(MAX_DOUBLINGS));
        known.losses = known.losses.saturating_add(1);
    }

    /// A SYN with data arrived.
    pub(crate) fn arrived(&mut self, now: Instant, remote: IpAddr) {
        self.entry(now, remote).losses = 0;
    }

    fn entry(&mut self, now: Instant, remote: IpAddr) -> &mut Known {
        if self.known.len() >= MAX_KNOWN && !self.known.contains_key(&remote) {
            let oldest = self.known.iter().min_by_key(|(_, known)| known.used).map(|(ip, _)| *ip);
            oldest.map(|ip| self.known.remove(&ip));
        }
        let cookie = FastOpenCookie::REQUEST;
        let new = Known { cookie, mss: 0, losses: 0, paused_until: Instant::ZERO, used: now };
        let known = self.known.entry(remote).or_insert(new);
        known.used = now;
        known
    }

    /// Somebody begins.
    pub(crate) fn begin(&mut self, id: EndpointId, early: Early) {
        self.early.insert(id, early);
    }

    /// Who is in the middle of it.
    pub(crate) fn early(&self, id: EndpointId) -> Option<Early> {
        self.early.get(&id).copied()
    }

    /// It is over.
    pub(crate) fn end(&mut self, id: EndpointId) -> Option<Early> {
        self.early.remove(&id)
    }
}

fn cookie_of(key: Key, peer: IpAddr) -> FastOpenCookie {
    let mut hasher = SipHasher24::new_with_keys(key.0, key.1);
    match peer {
        IpAddr::V4(v4) => hasher.write(&v4.octets()),
        IpAddr::V6(v6) => hasher.write(&v6.octets()),
    }
    FastOpenCookie::new(&hasher.finish().to_be_bytes()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> TcpConfig {
        TcpConfig { fast_open_key_period: Duration::from_secs(100), ..TcpConfig::default() }
    }

    fn ip(last: u32) -> IpAddr {
        IpAddr::V4(last.into())
    }

    fn at(secs: u64) -> Instant {
        Instant::from_secs(secs)
    }

    // R7413-4.1.2-a
    #[test]
    fn the_previous_key_is_good_for_one_more_period() {
        let (mut cookies, mut next) = (Cookies::default(), 0);
        let mut random = || {
            next += 1;
            next
        };
        let old = cookies.make(at(0), &config(), &mut random, ip(1));
        let mut check = |secs, peer, cookie| cookies.check(at(secs), &config(), &mut random, peer, cookie);
        assert_eq!((check(99, ip(1), &old), check(99, ip(2), &old)), (Worth::Good, Worth::Bad));
        assert_eq!((check(100, ip(1), &old), check(199, ip(1), &old)), (Worth::Fading, Worth::Fading));
        assert_eq!(check(200, ip(1), &old), Worth::Bad);
        let newer = cookies.make(at(250), &config(), &mut random, ip(1));
        assert_eq!(cookies.check(at(1000), &config(), &mut random, ip(1), &newer), Worth::Bad, "long idle");
    }

    #[test]
    fn a_given_key_makes_the_same_cookies_everywhere() {
        let config = TcpConfig { fast_open_key: Some(7), ..config() };
        let make = |now| Cookies::default().make(now, &config, || unreachable!(), ip(1));
        assert_eq!(make(at(0)), make(at(100_000)));
    }

    // R7413-4.1.3.1-a
    #[test]
    fn a_destination_that_loses_data_is_left_alone_for_longer_and_longer() {
        let mut cookies = Cookies::default();
        let cookie = FastOpenCookie::new(&[1; 8]).unwrap();
        let sends = |cookies: &mut Cookies, secs| matches!(cookies.attempt(at(secs), ip(1)), Some(Early::Client { cookie: c, .. }) if c == cookie);
        cookies.learn(at(0), ip(1), cookie, 1460);
        assert!(sends(&mut cookies, 1));
        cookies.lost(at(1), ip(1));
        assert!(!sends(&mut cookies, 60) && sends(&mut cookies, 61));
        cookies.lost(at(61), ip(1));
        assert!(!sends(&mut cookies, 180) && sends(&mut cookies, 181));
        cookies.arrived(at(181), ip(1));
        cookies.lost(at(200), ip(1));
        assert!(sends(&mut cookies, 260), "it starts again from a minute");
    }

    // R7413-4.1.3-a
    #[test]
    fn the_cache_keeps_what_was_used_last() {
        let mut cookies = Cookies::default();
        let cookie = FastOpenCookie::new(&[1; 8]).unwrap();
        for n in 0..2 * MAX_KNOWN as u32 {
            cookies.learn(at(n.into()), ip(n), cookie, 1460);
            cookies.attempt(at(n.into()), ip(0));
        }
        assert_eq!(cookies.known.len(), MAX_KNOWN);
        assert!(cookies.known.contains_key(&ip(0)) && !cookies.known.contains_key(&ip(1)));
    }
}
