//! `tcp_info` and the constants that assertions compare it with.

use core::time::Duration;
use stack_core::{EcnFeedback, EndpointId, Instant};
use stack_host::Host;
use trans_tcp::congestion::Phase;
use trans_tcp::{FastOpen, State, Tcp, TcpInfo};

/// The value of a name in an assertion; `None` if it is not known, or if there is no TCP socket.
pub(super) fn field(host: &Host, now: Instant, endpoint: Option<EndpointId>, name: &str) -> Option<f64> {
    if let Some(value) = constant(name) {
        return Some(f64::from(value));
    }
    if let Some(value) = super::nd::field(host, name).or_else(|| super::groups::field(host, name)) {
        return Some(value);
    }
    let (tcp, id) = (host.transport_ref::<Tcp>()?, endpoint?);
    if name == "tcpi_state" {
        return tcp.state(id).ok().map(|state| f64::from(state_number(state)));
    }
    of_connection(&tcp.info(id).ok()?, now, name)
}

/// What a connection says of itself.
pub(super) fn info(host: &Host, endpoint: EndpointId) -> Option<TcpInfo> {
    host.transport_ref::<Tcp>()?.info(endpoint).ok()
}

/// Fields of `tcp_info` in Linux's units: windows in segments, times in microseconds, ages in milliseconds. What the
/// stack learns to tell gets its line here.
fn of_connection(info: &TcpInfo, now: Instant, name: &str) -> Option<f64> {
    let micros = |time: Duration| time.as_secs_f64() * 1e6;
    let age = |since: Instant| now.saturating_since(since).as_millis() as f64;
    let segments = |bytes: u32| f64::from(bytes.div_ceil(info.mss.max(1)));
    Some(match name {
        "tcpi_retransmits" | "tcpi_backoff" => f64::from(info.timeouts),
        "tcpi_options" => {
            let syn_data = info.fast_open == FastOpen::Accepted || info.fast_open == FastOpen::Served;
            let scaled = info.window_scale.is_some();
            let ecn = info.ecn != EcnFeedback::None;
            let bits = [
                (info.timestamps, 1),
                (info.sack, 2),
                (scaled, 4),
                (ecn, 8),
                (info.ecn_seen, 16),
                (syn_data, 32),
            ];
            bits.iter().map(|(on, bit)| if *on { f64::from(*bit) } else { 0.0 }).sum()
        }
        "tcpi_last_data_sent" => age(info.last_data_sent),
        "tcpi_last_ack_recv" => age(info.last_received),
        "tcpi_rcv_wscale" => f64::from(info.window_scale.map_or(0, |(ours, _)| ours)),
        "tcpi_snd_wscale" => f64::from(info.window_scale.map_or(0, |(_, theirs)| theirs)),
        "tcpi_rto" => micros(info.rto),
        "tcpi_rtt" => micros(info.srtt.unwrap_or_default()),
        "tcpi_rttvar" => micros(info.rttvar),
        "tcpi_min_rtt" => micros(info.min_rtt.unwrap_or_default()),
        "tcpi_snd_mss" => f64::from(info.mss),
        "tcpi_rcv_mss" => f64::from(info.rcv_mss),
        "tcpi_advmss" => f64::from(info.adv_mss),
        "tcpi_ato" => micros(info.ato),
        "tcpi_rcv_space" => f64::from(info.rcv_space),
        "tcpi_rcv_ssthresh" => f64::from(info.rcv_ssthresh),
        "tcpi_rcv_rtt" => micros(info.rcv_rtt.unwrap_or_default()),
        "tcpi_busy_time" => micros(info.busy_time),
        "tcpi_rwnd_limited" => micros(info.rwnd_limited),
        "tcpi_sndbuf_limited" => micros(info.sndbuf_limited),
        "tcpi_bytes_sent" => info.bytes_sent as f64,
        "tcpi_bytes_retrans" => info.bytes_retrans as f64,
        "tcpi_last_data_recv" => age(info.last_data_received?),
        "tcpi_pmtu" => f64::from(info.path_mtu),
        "tcpi_snd_cwnd" => f64::from(info.cwnd / info.mss.max(1)),
        "tcpi_snd_ssthresh" if info.ssthresh == u32::MAX => f64::from(0x7fff_ffff),
        "tcpi_snd_ssthresh" => f64::from(info.ssthresh / info.mss.max(1)),
        "tcpi_snd_cwnd_bytes" => f64::from(info.cwnd),
        "tcpi_snd_ssthresh_bytes" => f64::from(info.ssthresh),
        "tcpi_unacked" => segments(info.unacked),
        "tcpi_sacked" => segments(info.sacked),
        "tcpi_lost" => segments(info.lost),
        "tcpi_retrans" => segments(info.retrans_out),
        "tcpi_reord_seen" => f64::from(u8::from(info.reordering.is_some())),
        "tcpi_dsack_dups" => f64::from(info.dsack_dups),
        "tcpi_pacing_rate" => info.pacing_rate.map_or(f64::MAX, |rate| rate as f64),
        "tcpi_ca_state" => f64::from(match info.phase {
            Phase::Open => u8::from(info.sacked > 0),
            Phase::Cwr => 2,
            Phase::Recovery => 3,
            Phase::Loss => 4,
        }),
        "tcpi_notsent_bytes" => f64::from(info.not_sent),
        "tcpi_total_retrans" => f64::from(info.retrans),
        "tcpi_bytes_acked" => info.bytes_acked as f64,
        "tcpi_bytes_received" => info.bytes_received as f64,
        "tcpi_segs_in" => f64::from(info.segs_in),
        "tcpi_segs_out" => f64::from(info.segs_out),
        "tcpi_data_segs_in" => f64::from(info.data_segs_in),
        "tcpi_data_segs_out" => f64::from(info.data_segs_out),
        "tcpi_delivered_ce" => f64::from(info.delivered_ce),
        "tcpi_ecn_mode" => f64::from(match info.ecn {
            EcnFeedback::None => 0,
            EcnFeedback::Classic => 1,
            EcnFeedback::Accurate => 2,
        }),
        "tcpi_received_ce" => f64::from(info.accurate_ecn?.received_ce),
        "tcpi_received_e0_bytes" => f64::from(info.accurate_ecn?.received_bytes.ect0),
        "tcpi_received_e1_bytes" => f64::from(info.accurate_ecn?.received_bytes.ect1),
        "tcpi_received_ce_bytes" => f64::from(info.accurate_ecn?.received_bytes.ce),
        "tcpi_delivered_e0_bytes" => f64::from(info.accurate_ecn?.delivered_bytes.ect0),
        "tcpi_delivered_e1_bytes" => f64::from(info.accurate_ecn?.delivered_bytes.ect1),
        "tcpi_delivered_ce_bytes" => f64::from(info.accurate_ecn?.delivered_bytes.ce),
        "tcpi_snd_wnd" => f64::from(info.snd_wnd),
        "tcpi_rcv_wnd" => f64::from(info.rcv_wnd),
        _ => return None,
    })
}

/// What an `ioctl` answers: bytes to be read, bytes not acknowledged, bytes never sent.
pub(super) fn queued(host: &Host, endpoint: EndpointId, request: &str) -> Option<i64> {
    let info = host.transport_ref::<Tcp>()?.info(endpoint).ok()?;
    match request {
        "SIOCINQ" | "FIONREAD" => i64::try_from(info.receive_queue).ok(),
        "SIOCOUTQ" | "TIOCOUTQ" => i64::try_from(info.send_queue).ok(),
        "SIOCOUTQNSD" => Some(i64::from(info.not_sent)),
        _ => None,
    }
}

fn state_number(state: State) -> u32 {
    let name = match state {
        State::Closed => "TCP_CLOSE",
        State::Listen => "TCP_LISTEN",
        State::SynSent => "TCP_SYN_SENT",
        State::SynReceived => "TCP_SYN_RECV",
        State::Established => "TCP_ESTABLISHED",
        State::FinWait1 => "TCP_FIN_WAIT1",
        State::FinWait2 => "TCP_FIN_WAIT2",
        State::CloseWait => "TCP_CLOSE_WAIT",
        State::Closing => "TCP_CLOSING",
        State::LastAck => "TCP_LAST_ACK",
        State::TimeWait => "TCP_TIME_WAIT",
    };
    constant(name).unwrap_or(0)
}

/// States and congestion states as Linux numbers them.
fn constant(name: &str) -> Option<u32> {
    Some(match name {
        "TCP_ESTABLISHED" => 1,
        "TCP_SYN_SENT" => 2,
        "TCP_SYN_RECV" => 3,
        "TCP_FIN_WAIT1" => 4,
        "TCP_FIN_WAIT2" => 5,
        "TCP_TIME_WAIT" => 6,
        "TCP_CLOSE" => 7,
        "TCP_CLOSE_WAIT" => 8,
        "TCP_LAST_ACK" => 9,
        "TCP_LISTEN" => 10,
        "TCP_CLOSING" => 11,
        "TCPI_OPT_TIMESTAMPS" => 1,
        "TCPI_OPT_SACK" => 2,
        "TCPI_OPT_WSCALE" => 4,
        "TCPI_OPT_ECN" => 8,
        "TCPI_OPT_ECN_SEEN" => 16,
        "TCPI_OPT_SYN_DATA" => 32,
        "TCP_INFINITE_SSTHRESH" => 0x7fff_ffff,
        "TCP_CA_Open" => 0,
        "TCP_CA_Disorder" => 1,
        "TCP_CA_CWR" => 2,
        "TCP_CA_Recovery" => 3,
        "TCP_CA_Loss" => 4,
        _ => return None,
    })
}
