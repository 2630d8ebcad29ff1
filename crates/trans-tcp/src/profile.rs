//! Defaults of other systems, as far as there are settings for them. What a system does differently without a setting
//! (RFC 9293 leaves a lot to choose) stays ours.

use crate::TcpConfig;
use core::time::Duration;
use stack_core::MtuProbing;

impl TcpConfig {
    /// Linux 6.x with its own `sysctl` defaults.
    ///
    /// - `tcp_rmem` 4096 131072 6291456: half of the default is offered as window (`tcp_adv_win_scale` 1), the window
    ///   scale, 7, is chosen for the most.
    /// - `tcp_wmem` 4096 16384 4194304: the default becomes 46080 with the handshake (twice the initial window with its
    ///   bookkeeping), where this stack starts.
    /// - `tcp_syn_retries` 6 after `tcp_syn_linear_timeouts` 4, `tcp_synack_retries` 5, `tcp_retries2` 15, RTO from 200 ms
    ///   to 120 s, keepalive 7200/75/9, `tcp_fin_timeout` 60, `tcp_mtu_probing` 0. Closed windows are probed without text.
    /// - CUBIC, unpaced: Linux leaves that to the `fq` queue.
    ///
    /// Options have Linux's order in any case: MSS, SACK permitted, timestamps, NOP, window scale.
    pub fn linux() -> Self {
        Self {
            receive_buffer: 131_072 / 2,
            receive_buffer_max: 6_291_456,
            send_buffer: 46_080,
            send_buffer_max: 4_194_304,
            syn_retries: 6,
            syn_linear_timeouts: 4,
            empty_window_probes: true,
            syn_window_in_segments: true,
            syn_ack_retries: 5,
            data_retries: 15,
            min_rto: Duration::from_millis(200),
            max_rto: Duration::from_secs(120),
            reset_ends_time_wait: true,
            pacing: false,
            mtu_probing: MtuProbing::Off,
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_offers_its_window_scale() {
        assert_eq!(TcpConfig::linux().window_shift(), 7);
    }
}
