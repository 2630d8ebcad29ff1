//! What the whole stack's TCP is set to. Each default says where it comes from; what a single socket can change is in
//! `settings.rs`.

use crate::congestion::Algorithm;
use crate::event::Probe;
use crate::memory::MemoryLimits;
use crate::syn_cookie::SynCookies;
use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;
use stack_core::{EcnPolicy, MtuProbing};

/// Settings of one TCP. Sockets begin with its buffers and timeouts and may change their own.
#[derive(Clone)]
pub struct TcpConfig {
    /// Receive buffer of a new socket, in bytes. 1 MiB: 80 Mbit/s over 100 ms, and it grows.
    pub receive_buffer: usize,
    /// Largest receive buffer, by growth or because a socket asks for it, in bytes; the window scale is chosen for it.
    /// 32 MiB: more than 1 Gbit/s over 200 ms, and within the 1 GiB of RFC 7323 §2.3.
    pub receive_buffer_max: usize,
    /// Send buffer of a new socket, in bytes. 1 MiB, and it grows.
    pub send_buffer: usize,
    /// Largest send buffer, by growth or because a socket asks for it, in bytes. 32 MiB.
    pub send_buffer_max: usize,
    /// Let buffers grow to their maxima as the path and the application need it, on sockets that set no size. On.
    pub autotune: bool,
    /// Memory behind the buffers of all connections together.
    pub memory: MemoryLimits,
    /// Sockets of all kinds that can be there at a time. 2^20.
    pub max_sockets: usize,
    /// Half-open peers of all listeners together. 2^16: 6 MiB of records.
    pub max_half_open: usize,
    /// When SYNs are answered without keeping anything (RFC 4987 §3.6). When a listener's half-open peers are too many.
    pub syn_cookies: SynCookies,
    /// Key of Fast Open cookies, for hosts that have to take each other's (RFC 7413 §6.3.4); it does not change. None:
    /// keys are drawn at random.
    pub fast_open_key: Option<u128>,
    /// How long a key of Fast Open cookies is used; the previous one stays valid for as long again. An hour.
    pub fast_open_key_period: Duration,
    /// TIME-WAIT records; beyond that, connections skip the state. 2^16 (Linux scales `tcp_max_tw_buckets` alike).
    pub max_time_wait: usize,
    /// RTO before the first sample. 1 s (R6298-2.1-a).
    pub initial_rto: Duration,
    /// Smallest RTO. 200 ms, as Linux and others have it, instead of the 1 s of RFC 6298 §2.4 (R6298-2.4-a).
    pub min_rto: Duration,
    /// Largest RTO. 120 s (R6298-2.5-a asks for 60 s at least).
    pub max_rto: Duration,
    /// Probe a closed window with a segment without text and with a number that was acknowledged, as Linux does, instead of
    /// an octet of new text (RFC 9293 §3.8.6.1); off.
    pub empty_window_probes: bool,
    /// Retransmissions of a SYN. 8: the connect fails after 6 minutes (R9293-MUST-23 asks for three at least).
    pub syn_retries: u8,
    /// Timeouts of a SYN that do not double the next, and that come on top of `syn_retries`. 0, as RFC 6298 §5.5 has it; 4 in
    /// Linux since 6.5 (`tcp_syn_linear_timeouts`).
    pub syn_linear_timeouts: u8,
    /// Offer whole segments in the window of SYNs, as Linux does. Off.
    pub syn_window_in_segments: bool,
    /// Retransmissions of a listener's SYN-ACK. 5, as Linux: a half-open peer is gone after 63 s.
    pub syn_ack_retries: u8,
    /// Retransmissions of the same data, and unanswered window probes, that end a connection: R2 of
    /// RFC 9293 §3.8.3. 15, as Linux: over 13 minutes (R9293-SHLD-11 asks for 100 s at least).
    pub data_retries: u8,
    /// Initial window in segments. 10 (RFC 6928).
    pub initial_window: u32,
    /// Longest time that an ACK is delayed. 40 ms, as Linux (R9293-MUST-40 allows less than 500 ms).
    pub delayed_ack: Duration,
    /// Length of TIME-WAIT. 60 s, as Linux and BSD, instead of the four minutes of RFC 9293 §3.4.2.
    pub time_wait: Duration,
    /// How long a closed socket waits in FIN-WAIT-2 for the peer's FIN. 60 s, as Linux.
    pub fin_wait_2: Duration,
    /// Idle time before the first keepalive probe. 2 h (R9293-MUST-28).
    pub keep_alive_idle: Duration,
    /// Time between keepalive probes. 75 s, as BSD and Linux.
    pub keep_alive_interval: Duration,
    /// Unanswered keepalive probes that end a connection. 9, as BSD and Linux (R9293-MUST-29).
    pub keep_alive_count: u8,
    /// Shortest time between two ACKs to unacceptable segments of one connection that carry no data.
    /// 500 ms, as Linux (RFC 5961 §7).
    pub challenge_interval: Duration,
    /// Challenge ACKs of the whole stack in a second, on average; the limit of each second is drawn at random
    /// between half of it and one and a half, so that nobody can count with it. 1000 (RFC 5961 §7, CVE-2016-5696).
    pub challenges_per_second: u32,
    /// Offer timestamps, and accept them (RFC 7323 §3).
    pub timestamps: bool,
    /// Offer window scaling, and accept it (RFC 7323 §2).
    pub window_scaling: bool,
    /// Offer selective acknowledgments, and accept them (RFC 2018). On.
    pub sack: bool,
    /// Let the reordering window grow with the duplicates that peers report (RFC 8985 §6.2). On.
    pub reordering_adapts: bool,
    /// Probe the end of a flight before the timeout (RFC 8985 §7). On.
    pub loss_probe: bool,
    /// Find out whether timeouts were spurious (RFC 5682). On.
    pub frto: bool,
    /// Take reductions back that were for nothing (RFC 3708, RFC 4015, RFC 5682). On.
    pub undo: bool,
    /// Spread what is sent over the round trip, where that is a millisecond or more. On.
    pub pacing: bool,
    /// How far two stamps of the same moment may lie apart: the resolution of the clock that this stack is run by.
    /// RACK adds it to its window. Zero: clocks of `std` count nanoseconds nearly everywhere.
    pub clock_resolution: Duration,
    /// When new sockets try larger packets than those in use. On black holes: full-sized segments that time out three
    /// times without an ICMP message become smaller, and larger ones are tried from there (RFC 4821 §7.7). Linux has it
    /// off by default.
    pub mtu_probing: MtuProbing,
    /// Text of the segments that a black hole leads to, and with which [`MtuProbing::Always`] begins, in octets. 1024, as
    /// Linux's `tcp_base_mss` and RFC 4821 §7.2; never less than what fits the smallest MTU of the family, 552 octets for
    /// IPv4 and 1280 for IPv6.
    pub base_mss: u16,
    /// Text of the smallest segments that further timeouts lead to, in octets. 48, as Linux's `tcp_mtu_probe_floor`; the
    /// smallest MTU of the family bounds it as above.
    pub mtu_probe_floor: u16,
    /// What is left of a search that is not worth a probe, in octets. 8, as Linux's `tcp_probe_threshold`.
    pub mtu_probe_threshold: u16,
    /// How long a search rests before it begins anew. Ten minutes (`PMTU_RAISE_TIMER` of RFC 8899 §5.1.1; Linux's
    /// `tcp_probe_interval`), and five at least after an ICMP message (RFC 1191 §6.3).
    pub mtu_probe_interval: Duration,
    /// Send small segments at once on new sockets. Off: Nagle is on (R9293-SHLD-7).
    pub no_delay: bool,
    /// Resets end TIME-WAIT as RFC 9293 §3.10.7.4 has it. Off: RFC 1337.
    pub reset_ends_time_wait: bool,
    /// Explicit congestion notification of new sockets, which may choose another policy (RFC 3168, RFC 9768). Passive: used
    /// when the peer asks for the classic one. As Linux.
    pub ecn: EcnPolicy,
    /// Congestion control of new sockets, which may choose another. CUBIC (RFC 9438), as nearly everywhere.
    pub congestion: Algorithm,
    /// Sees what connections do, for plots and traces.
    pub probe: Option<Arc<dyn Probe>>,
}

impl TcpConfig {
    /// The shift that lets 16 bits tell the largest receive buffer (RFC 7323 §2.3).
    pub(crate) fn window_shift(&self) -> u8 {
        (0..14).find(|&shift| self.receive_buffer_max >> shift <= 0xffff).unwrap_or(14)
    }
}

impl Default for TcpConfig {
    fn default() -> Self {
        Self {
            receive_buffer: 1 << 20,
            receive_buffer_max: 32 << 20,
            send_buffer: 1 << 20,
            send_buffer_max: 32 << 20,
            autotune: true,
            memory: MemoryLimits::default(),
            max_sockets: 1 << 20,
            max_half_open: 1 << 16,
            syn_cookies: SynCookies::WhenFull,
            fast_open_key: None,
            fast_open_key_period: Duration::from_secs(3600),
            max_time_wait: 1 << 16,
            initial_rto: Duration::from_secs(1),
            min_rto: Duration::from_millis(200),
            max_rto: Duration::from_secs(120),
            empty_window_probes: false,
            syn_retries: 8,
            syn_linear_timeouts: 0,
            syn_window_in_segments: false,
            syn_ack_retries: 5,
            data_retries: 15,
            initial_window: 10,
            delayed_ack: Duration::from_millis(40),
            time_wait: Duration::from_secs(60),
            fin_wait_2: Duration::from_secs(60),
            keep_alive_idle: Duration::from_secs(7200),
            keep_alive_interval: Duration::from_secs(75),
            keep_alive_count: 9,
            challenge_interval: Duration::from_millis(500),
            challenges_per_second: 1000,
            timestamps: true,
            window_scaling: true,
            sack: true,
            reordering_adapts: true,
            loss_probe: true,
            frto: true,
            undo: true,
            pacing: true,
            clock_resolution: Duration::ZERO,
            mtu_probing: MtuProbing::OnBlackHole,
            base_mss: 1024,
            mtu_probe_floor: 48,
            mtu_probe_threshold: 8,
            mtu_probe_interval: Duration::from_secs(600),
            no_delay: false,
            reset_ends_time_wait: false,
            ecn: EcnPolicy::PASSIVE,
            congestion: Algorithm::Cubic,
            probe: None,
        }
    }
}

impl fmt::Debug for TcpConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TcpConfig")
            .field("receive_buffer", &self.receive_buffer)
            .field("send_buffer", &self.send_buffer)
            .field("min_rto", &self.min_rto)
            .field("congestion", &self.congestion)
            .finish_non_exhaustive()
    }
}

/// Smallest buffer of either direction, in bytes: a window of a few segments.
pub(crate) const MIN_BUFFER: usize = 4096;

/// A buffer size within what is allowed; never more than the largest window of RFC 7323 §2.3.
pub(crate) fn clamp_buffer(size: usize, max: usize) -> u32 {
    size.clamp(MIN_BUFFER, max.clamp(MIN_BUFFER, 1 << 30)) as u32
}

/// Whole milliseconds, as far as 32 bits reach.
pub(crate) fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_scale_reaches_the_largest_buffer() {
        let shift = |max| TcpConfig { receive_buffer_max: max, ..TcpConfig::default() }.window_shift();
        assert_eq!((shift(65_535), shift(65_536), shift(1 << 20), shift(32 << 20)), (0, 1, 5, 10));
        assert_eq!(shift(usize::MAX), 14);
    }

    #[test]
    fn buffers_stay_within_bounds() {
        assert_eq!(clamp_buffer(0, 1 << 20), MIN_BUFFER as u32);
        assert_eq!(clamp_buffer(usize::MAX, usize::MAX), 1 << 30);
    }
}
