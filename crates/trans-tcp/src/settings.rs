//! What one socket has set: values, ranges, defaults. A listener hands its settings on to the connections that it makes;
//! who has changed nothing shares one copy with all others.

use crate::config::{TcpConfig, clamp_buffer, millis};
use crate::congestion::{Algorithm, Controller};
use crate::syn_queue;
use core::time::Duration;
use stack_core::{EcnPolicy, Error, MtuProbing, OptionName, SocketOption};

/// Longest keepalive times and count, as Linux has them (`MAX_TCP_KEEPIDLE`, `MAX_TCP_KEEPCNT`).
const MAX_KEEP_ALIVE: Duration = Duration::from_secs(32_767);
const MAX_KEEP_ALIVE_COUNT: u32 = 127;
/// Most retransmissions of a SYN, as Linux (`MAX_TCP_SYNCNT`).
const MAX_SYN_RETRIES: u8 = 127;
/// Longest wait for the peer's FIN that a socket may ask for, as Linux (`TCP_FIN_TIMEOUT_MAX`).
const MAX_FIN_WAIT_2: Duration = Duration::from_secs(120);
/// Smallest and largest MSS that a socket may ask for.
const MSS_RANGE: core::ops::RangeInclusive<u16> = 88..=65_495;
/// Smallest window that a socket may clamp to, as Linux (half of `SOCK_MIN_RCVBUF`).
const MIN_WINDOW_CLAMP: u32 = 1024;

/// What one socket has set.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settings {
    pub(crate) receive_buffer: u32,
    pub(crate) send_buffer: u32,
    /// How far the buffers may grow by themselves.
    pub(crate) receive_buffer_max: u32,
    pub(crate) send_buffer_max: u32,
    pub(crate) mark: u32,
    /// Milliseconds; `None` leaves it to the number of retries.
    pub(crate) user_timeout: Option<u32>,
    /// Milliseconds; `Some(0)` resets on close.
    pub(crate) linger: Option<u32>,
    /// Milliseconds.
    pub(crate) keep_alive_idle: u32,
    /// Milliseconds.
    pub(crate) keep_alive_interval: u32,
    /// Milliseconds; 0 does not wait.
    pub(crate) fin_wait_2: u32,
    /// Largest window to offer; 0 where none is set.
    pub(crate) window_clamp: u32,
    /// Most that is written and was never sent; `u32::MAX` where none is set.
    pub(crate) not_sent_lowat: u32,
    /// Least that counts as readable.
    pub(crate) receive_lowat: u32,
    /// Connections in SYN-RECEIVED that brought data; 0 where Fast Open is off.
    pub(crate) fast_open: u16,
    /// Largest segment to announce and to send; 0 where none is set.
    pub(crate) max_segment: u16,
    /// Text of the segments that a black hole leads to.
    pub(crate) base_mss: u16,
    pub(crate) keep_alive_count: u8,
    pub(crate) syn_retries: u8,
    /// The window of SYNs is one of whole segments.
    pub(crate) syn_window_in_segments: bool,
    /// Timeouts of the SYN-ACK for which peers that sent no data stay half open.
    pub(crate) defer_accept: u8,
    /// 0 for the default of the network layer (R9293-MUST-49).
    pub(crate) hop_limit: u8,
    pub(crate) ecn: EcnPolicy,
    /// R9293-MUST-48; the two ECN bits are always clear: who sets them is `ecn`.
    pub(crate) traffic_class: u8,
    pub(crate) flow_label: Option<u32>,
    pub(crate) congestion: Algorithm,
    pub(crate) mtu_probing: MtuProbing,
    /// The socket is of IPv6 and shows IPv4 addresses as `::ffff:a.b.c.d` (RFC 3493 §3.7).
    pub(crate) maps_ipv4: bool,
    pub(crate) keep_alive: bool,
    pub(crate) no_delay: bool,
    pub(crate) cork: bool,
    pub(crate) reuse_address: bool,
    pub(crate) reuse_port: bool,
    /// The application chose the size of the buffer: it does not tune itself.
    pub(crate) receive_buffer_fixed: bool,
    pub(crate) send_buffer_fixed: bool,
}

impl Settings {
    /// What a new socket begins with.
    pub(crate) fn new(config: &TcpConfig) -> Self {
        Self {
            receive_buffer: clamp_buffer(config.receive_buffer, config.receive_buffer_max),
            send_buffer: clamp_buffer(config.send_buffer, config.send_buffer_max),
            receive_buffer_max: clamp_buffer(config.receive_buffer_max, config.receive_buffer_max),
            send_buffer_max: clamp_buffer(config.send_buffer_max, config.send_buffer_max),
            mark: 0,
            user_timeout: None,
            linger: None,
            keep_alive_idle: millis(config.keep_alive_idle),
            keep_alive_interval: millis(config.keep_alive_interval),
            fin_wait_2: millis(config.fin_wait_2),
            window_clamp: 0,
            not_sent_lowat: u32::MAX,
            receive_lowat: 1,
            fast_open: 0,
            max_segment: 0,
            base_mss: config.base_mss,
            keep_alive_count: config.keep_alive_count,
            syn_retries: config.syn_retries,
            syn_window_in_segments: config.syn_window_in_segments,
            defer_accept: 0,
            hop_limit: 0,
            ecn: config.ecn,
            traffic_class: 0,
            flow_label: None,
            congestion: config.congestion,
            mtu_probing: config.mtu_probing,
            maps_ipv4: false,
            keep_alive: false, // R9293-MUST-25
            no_delay: config.no_delay,
            cork: false,
            reuse_address: false,
            reuse_port: false,
            receive_buffer_fixed: !config.autotune,
            send_buffer_fixed: !config.autotune,
        }
    }

    /// The window to offer in a SYN-ACK to a peer that sends `mss` octets of text in a segment; `limit` is the path's.
    pub(crate) fn syn_window(&self, limit: u32, mss: u32) -> u16 {
        let clamp = if self.window_clamp == 0 { u32::MAX } else { self.window_clamp };
        self.field_of_syn(self.receive_buffer.min(limit).min(clamp), mss)
    }

    /// The window field of a SYN that offers `space` octets: never scaled (R7323-2.2-b).
    pub(crate) fn field_of_syn(&self, space: u32, mss: u32) -> u16 {
        let whole = if self.syn_window_in_segments && space > mss { space / mss * mss } else { space };
        whole.min(0xffff) as u16
    }

    /// Takes a new value.
    pub(crate) fn apply(&mut self, config: &TcpConfig, option: SocketOption) -> Result<(), Error> {
        match option {
            SocketOption::ReceiveBuffer(size) => {
                self.receive_buffer = clamp_buffer(size, config.receive_buffer_max);
                self.receive_buffer_fixed = true;
            }
            SocketOption::SendBuffer(size) => {
                self.send_buffer = clamp_buffer(size, config.send_buffer_max);
                self.send_buffer_fixed = true;
            }
            SocketOption::ReuseAddress(on) => self.reuse_address = on,
            SocketOption::ReusePort(on) => self.reuse_port = on,
            SocketOption::Mark(mark) => self.mark = mark,
            SocketOption::HopLimit(limit @ 1..) => self.hop_limit = limit, // R9293-MUST-49
            // R9293-MUST-48, R9293-SHLD-21, R9293-SHLD-22
            SocketOption::TrafficClass(class) => self.traffic_class = class & !3,
            SocketOption::FlowLabel(label) if SocketOption::is_flow_label(label) => self.flow_label = label,
            SocketOption::Linger(linger) => self.linger = linger.map(millis),
            SocketOption::NoDelay(on) => self.no_delay = on, // R9293-MUST-17
            SocketOption::Cork(on) => self.cork = on,
            SocketOption::KeepAlive(on) => self.keep_alive = on, // R9293-MUST-24
            SocketOption::KeepAliveIdle(time) => self.keep_alive_idle = keep_alive_time(time)?,
            SocketOption::KeepAliveInterval(time) => self.keep_alive_interval = keep_alive_time(time)?,
            SocketOption::KeepAliveCount(count @ 1..=MAX_KEEP_ALIVE_COUNT) => {
                self.keep_alive_count = count as u8;
            }
            SocketOption::UserTimeout(limit) => self.user_timeout = limit.map(millis), // R9293-MUST-21
            SocketOption::MaxSegment(mss) if MSS_RANGE.contains(&mss) => self.max_segment = mss,
            SocketOption::UrgentInline(true) => {} // always so: RFC 6093 §3.4
            SocketOption::WindowClamp(0) => self.window_clamp = 0,
            SocketOption::WindowClamp(window) => self.window_clamp = window.max(MIN_WINDOW_CLAMP),
            SocketOption::NotSentLowat(bytes @ 1..) => self.not_sent_lowat = bytes,
            SocketOption::ReceiveLowat(bytes) => self.receive_lowat = bytes.max(1),
            SocketOption::SynRetries(retries @ 1..=MAX_SYN_RETRIES) => self.syn_retries = retries,
            SocketOption::FinWait2(time) if time <= MAX_FIN_WAIT_2 => self.fin_wait_2 = millis(time),
            SocketOption::DeferAccept(time) => self.defer_accept = syn_queue::timeouts_within(time, config),
            SocketOption::Congestion(name) => {
                self.congestion = name.parse().map_err(|_| Error::InvalidArgument)?;
            }
            SocketOption::FastOpen(queue) => self.fast_open = queue,
            SocketOption::MtuProbing(probing) => self.mtu_probing = probing,
            SocketOption::Ecn(policy) => self.ecn = policy,
            SocketOption::HopLimit(_)
            | SocketOption::FlowLabel(_)
            | SocketOption::KeepAliveCount(_)
            | SocketOption::MaxSegment(_)
            | SocketOption::NotSentLowat(_)
            | SocketOption::SynRetries(_)
            | SocketOption::FinWait2(_) => return Err(Error::InvalidArgument),
            _ => return Err(Error::NotSupported),
        }
        Ok(())
    }

    /// The value of a setting.
    pub(crate) fn value(&self, config: &TcpConfig, name: OptionName) -> Result<SocketOption, Error> {
        let time = |millis: u32| Duration::from_millis(u64::from(millis));
        Ok(match name {
            OptionName::ReceiveBuffer => SocketOption::ReceiveBuffer(self.receive_buffer as usize),
            OptionName::SendBuffer => SocketOption::SendBuffer(self.send_buffer as usize),
            OptionName::ReuseAddress => SocketOption::ReuseAddress(self.reuse_address),
            OptionName::ReusePort => SocketOption::ReusePort(self.reuse_port),
            OptionName::Mark => SocketOption::Mark(self.mark),
            OptionName::HopLimit => SocketOption::HopLimit(self.hop_limit),
            OptionName::TrafficClass => SocketOption::TrafficClass(self.traffic_class),
            OptionName::FlowLabel => SocketOption::FlowLabel(self.flow_label),
            OptionName::Linger => SocketOption::Linger(self.linger.map(time)),
            OptionName::NoDelay => SocketOption::NoDelay(self.no_delay),
            OptionName::Cork => SocketOption::Cork(self.cork),
            OptionName::KeepAlive => SocketOption::KeepAlive(self.keep_alive),
            OptionName::KeepAliveIdle => SocketOption::KeepAliveIdle(time(self.keep_alive_idle)),
            OptionName::KeepAliveInterval => SocketOption::KeepAliveInterval(time(self.keep_alive_interval)),
            OptionName::KeepAliveCount => SocketOption::KeepAliveCount(u32::from(self.keep_alive_count)),
            OptionName::UserTimeout => SocketOption::UserTimeout(self.user_timeout.map(time)),
            OptionName::MaxSegment => SocketOption::MaxSegment(self.max_segment),
            OptionName::UrgentInline => SocketOption::UrgentInline(true),
            OptionName::WindowClamp => SocketOption::WindowClamp(self.window_clamp),
            OptionName::NotSentLowat => SocketOption::NotSentLowat(self.not_sent_lowat),
            OptionName::ReceiveLowat => SocketOption::ReceiveLowat(self.receive_lowat),
            OptionName::SynRetries => SocketOption::SynRetries(self.syn_retries),
            OptionName::FinWait2 => SocketOption::FinWait2(time(self.fin_wait_2)),
            OptionName::DeferAccept => {
                SocketOption::DeferAccept(syn_queue::time_of_timeouts(self.defer_accept, config))
            }
            OptionName::Congestion => SocketOption::Congestion(Controller::new(self.congestion, || 0).name()),
            OptionName::FastOpen => SocketOption::FastOpen(self.fast_open),
            OptionName::MtuProbing => SocketOption::MtuProbing(self.mtu_probing),
            OptionName::Ecn => SocketOption::Ecn(self.ecn),
            _ => return Err(Error::NotSupported),
        })
    }
}

fn keep_alive_time(time: Duration) -> Result<u32, Error> {
    if time.is_zero() || time > MAX_KEEP_ALIVE { Err(Error::InvalidArgument) } else { Ok(millis(time)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_set_can_be_read() {
        let config = TcpConfig::default();
        for option in [
            SocketOption::ReceiveBuffer(100_000),
            SocketOption::SendBuffer(50_000),
            SocketOption::ReuseAddress(true),
            SocketOption::ReusePort(true),
            SocketOption::Mark(7),
            SocketOption::HopLimit(9),
            SocketOption::TrafficClass(0x28),
            SocketOption::FlowLabel(Some(0xf_ffff)),
            SocketOption::Linger(Some(Duration::from_secs(3))),
            SocketOption::NoDelay(true),
            SocketOption::Cork(true),
            SocketOption::KeepAlive(true),
            SocketOption::KeepAliveIdle(Duration::from_secs(5)),
            SocketOption::KeepAliveInterval(Duration::from_secs(6)),
            SocketOption::KeepAliveCount(3),
            SocketOption::UserTimeout(Some(Duration::from_secs(4))),
            SocketOption::MaxSegment(1000),
            SocketOption::UrgentInline(true),
            SocketOption::WindowClamp(5000),
            SocketOption::NotSentLowat(16_384),
            SocketOption::ReceiveLowat(100),
            SocketOption::SynRetries(2),
            SocketOption::FinWait2(Duration::from_secs(7)),
            SocketOption::DeferAccept(Duration::from_secs(3)),
            SocketOption::Congestion("cubic"),
            SocketOption::FastOpen(5),
            SocketOption::MtuProbing(MtuProbing::Always),
            SocketOption::Ecn(EcnPolicy::ACCURATE),
        ] {
            let mut settings = Settings::new(&config);
            assert_ne!(settings.value(&config, option.name()), Err(Error::NotSupported));
            assert_eq!(settings.apply(&config, option), Ok(()), "{option:?}");
            assert_eq!(settings.value(&config, option.name()), Ok(option));
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        let (config, none) = (TcpConfig::default(), Duration::ZERO);
        for option in [
            SocketOption::HopLimit(0),
            SocketOption::KeepAliveIdle(none),
            SocketOption::KeepAliveInterval(MAX_KEEP_ALIVE + Duration::from_millis(1)),
            SocketOption::KeepAliveCount(0),
            SocketOption::KeepAliveCount(128),
            SocketOption::MaxSegment(87),
            SocketOption::NotSentLowat(0),
            SocketOption::SynRetries(0),
            SocketOption::FinWait2(Duration::from_secs(121)),
            SocketOption::Congestion("vegas"),
        ] {
            let mut settings = Settings::new(&config);
            assert_eq!(settings.apply(&config, option), Err(Error::InvalidArgument), "{option:?}");
        }
        assert_eq!(
            Settings::new(&config).apply(&config, SocketOption::Broadcast(true)),
            Err(Error::NotSupported)
        );
    }
}
