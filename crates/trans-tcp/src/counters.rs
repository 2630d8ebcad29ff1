//! What happened, counted under the names of Linux's `/proc/net/snmp` and `/proc/net/netstat`.

use crate::ecn::Codepoint;

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $field:ident = $name:literal,)+) => {
        /// Counters of one TCP; `InSegs` and `OutSegs` count a super-packet as the segments that it stands for.
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
        pub struct TcpCounters {
            $($(#[doc = $doc])+ pub $field: u64,)+
        }

        impl TcpCounters {
            /// All counters with their Linux names.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$(($name, self.$field)),+].into_iter()
            }
        }
    };
}

counters! {
    /// Connects begun.
    active_opens = "ActiveOpens",
    /// Connections that peers opened.
    passive_opens = "PassiveOpens",
    /// Connections that failed before they were established.
    attempt_fails = "AttemptFails",
    /// Established connections that were reset.
    estab_resets = "EstabResets",
    /// Connections now in ESTABLISHED or CLOSE-WAIT.
    curr_estab = "CurrEstab",
    /// Segments received, bad ones included.
    in_segs = "InSegs",
    /// Segments received that were sent as not ECN-capable; the kernel counts packets of all protocols here.
    in_no_ect = "InNoECTPkts",
    /// Segments received that were sent with ECT(1).
    in_ect1 = "InECT1Pkts",
    /// Segments received that were sent with ECT(0).
    in_ect0 = "InECT0Pkts",
    /// Segments received that a router has marked.
    in_ce = "InCEPkts",
    /// Segments sent, retransmissions and resets not counted.
    out_segs = "OutSegs",
    /// Segments retransmitted.
    retrans_segs = "RetransSegs",
    /// Segments received that were malformed.
    in_errs = "InErrs",
    /// Resets sent.
    out_rsts = "OutRsts",
    /// Segments received with a wrong checksum.
    in_csum_errors = "InCsumErrors",
    /// SYNs and final ACKs dropped because the accept queue was full.
    listen_overflows = "ListenOverflows",
    /// SYNs dropped by listeners for any reason.
    listen_drops = "ListenDrops",
    /// SYNs dropped because too many peers were half open.
    req_q_full_drop = "TCPReqQFullDrop",
    /// SYNs that a forwarder was asked about; Linux has no such thing, nor the two that follow.
    forward_requests = "ForwardRequests",
    /// SYNs dropped because a forwarder had too many requests to decide about.
    forward_overflows = "ForwardOverflows",
    /// Requests that nobody decided about in time.
    forward_expired = "ForwardExpired",
    /// SYNs that were answered with a cookie.
    syncookies_sent = "SyncookiesSent",
    /// ACKs that brought one back.
    syncookies_recv = "SyncookiesRecv",
    /// ACKs that should have, and did not.
    syncookies_failed = "SyncookiesFailed",
    /// ACKs without data that a listener left in its queue of half-open peers, because it waits for data.
    defer_accept_drop = "TCPDeferAcceptDrop",
    /// Connects whose SYN brought data that the peer took.
    fast_open_active = "TCPFastOpenActive",
    /// Connects whose SYN brought data that the peer did not take.
    fast_open_active_fail = "TCPFastOpenActiveFail",
    /// Connections that were made by a SYN with data.
    fast_open_passive = "TCPFastOpenPassive",
    /// SYNs with a Fast Open cookie that was not good.
    fast_open_passive_fail = "TCPFastOpenPassiveFail",
    /// SYNs with data and a good cookie that went the usual way, because too many were under way.
    fast_open_listen_overflow = "TCPFastOpenListenOverflow",
    /// SYNs that asked for a Fast Open cookie.
    fast_open_cookie_reqd = "TCPFastOpenCookieReqd",
    /// Times that a destination was given up for Fast Open, because SYNs got lost.
    fast_open_blackhole = "TCPFastOpenBlackhole",
    /// Retransmission timeouts.
    timeouts = "TCPTimeouts",
    /// SYNs and SYN-ACKs retransmitted.
    syn_retrans = "TCPSynRetrans",
    /// Segments resent by fast retransmit.
    fast_retrans = "TCPFastRetrans",
    /// Segments resent after a timeout.
    slow_start_retrans = "TCPSlowStartRetrans",
    /// Fast recoveries begun.
    reno_recovery = "TCPRenoRecovery",
    /// Recoveries begun by SACK.
    sack_recovery = "TCPSackRecovery",
    /// Peers that dropped what they had reported by SACK.
    sack_reneging = "TCPSACKReneging",
    /// SACK blocks that made no sense.
    sack_discard = "TCPSACKDiscard",
    /// Retransmissions that were lost.
    lost_retransmit = "TCPLostRetransmit",
    /// Loss probes sent.
    loss_probes = "TCPLossProbes",
    /// Losses that a loss probe repaired.
    loss_probe_recovery = "TCPLossProbeRecovery",
    /// Duplicates reported to peers, of what was acknowledged.
    dsack_old_sent = "TCPDSACKOldSent",
    /// Duplicates reported to peers, of what waits beyond a gap.
    dsack_ofo_sent = "TCPDSACKOfoSent",
    /// Reports of duplicates received.
    dsack_recv = "TCPDSACKRecv",
    /// Of these, reports of something beyond a hole.
    dsack_ofo_recv = "TCPDSACKOfoRecv",
    /// Reports of duplicates that are more than was ever sent again.
    dsack_ignored_dubious = "TCPDSACKIgnoredDubious",
    /// Reductions taken back because everything sent again arrived twice.
    dsack_undo = "TCPDSACKUndo",
    /// Fast recoveries taken back at their end, by timestamps.
    full_undo = "TCPFullUndo",
    /// Fast recoveries taken back before their end, by timestamps.
    partial_undo = "TCPPartialUndo",
    /// Timeouts taken back, by timestamps.
    loss_undo = "TCPLossUndo",
    /// Timeouts taken back by F-RTO.
    spurious_rtos = "TCPSpuriousRTOs",
    /// ACKs that were delayed and then sent by the timer.
    delayed_acks = "DelayedACKs",
    /// Segments with data that peers report to have received marked by a router, by RFC 3168 those that an ACK with ECE
    /// acknowledges.
    delivered_ce = "TCPDeliveredCE",
    /// Segments without data received.
    pure_acks = "TCPPureAcks",
    /// Segments with data sent.
    orig_data_sent = "TCPOrigDataSent",
    /// Segments queued out of order.
    ofo_queue = "TCPOFOQueue",
    /// Out-of-order segments dropped because that queue was full.
    ofo_drop = "TCPOFODrop",
    /// Times that a receive queue was copied together to let go of memory.
    rcv_collapsed = "TCPRcvCollapsed",
    /// Octets that links read to their readers' buffers; Linux, up to 4.13, counted so what it copied there as it came.
    direct_copy = "TCPDirectCopyFromPrequeue",
    /// Times that the memory of all connections got scarce.
    memory_pressures = "TCPMemoryPressures",
    /// Out-of-order queues dropped for want of memory.
    ofo_pruned = "OfoPruned",
    /// Segments in order dropped for want of memory.
    rcv_q_drop = "TCPRcvQDrop",
    /// Challenge ACKs sent.
    challenge_ack = "TCPChallengeACK",
    /// SYNs on synchronized connections.
    syn_challenge = "TCPSYNChallenge",
    /// ACKs to unacceptable segments that the limit held back.
    ack_skipped = "TCPACKSkippedChallenge",
    /// Segments dropped by PAWS.
    paws_estab = "PAWSEstab",
    /// Connections reset because data arrived after close.
    abort_on_data = "TCPAbortOnData",
    /// Connections reset because close left data unread.
    abort_on_close = "TCPAbortOnClose",
    /// Connections ended by a timeout.
    abort_on_timeout = "TCPAbortOnTimeout",
    /// Connections reset because lingering took too long, or was forbidden.
    abort_on_linger = "TCPAbortOnLinger",
    /// Keepalive probes sent.
    keep_alive = "TCPKeepAlive",
    /// Zero-window probes sent.
    win_probe = "TCPWinProbe",
    /// Times that our window went to zero.
    to_zero_window_adv = "TCPToZeroWindowAdv",
    /// Times that our window went from zero to more.
    from_zero_window_adv = "TCPFromZeroWindowAdv",
    /// Connections that went into TIME-WAIT.
    time_wait = "TW",
    /// TIME-WAIT records that a new connection took over.
    time_wait_recycled = "TWRecycled",
    /// Connections that skipped TIME-WAIT because there were too many records.
    time_wait_overflow = "TCPTimeWaitOverflow",
    /// ICMP errors that quoted a sequence number that was not in flight.
    out_of_window_icmps = "OutOfWindowIcmps",
    /// ICMP errors that would have a packet smaller than some that were acknowledged, and wait for a proof (RFC 5927 §7.2).
    doubted_icmps = "TCPDoubtedIcmps",
    /// Segments resent because the path's MTU shrank.
    mtu_retrans = "TCPMTURetrans",
    /// Probes for a larger MTU of the path that were lost.
    mtu_probe_fail = "TCPMTUPFail",
    /// Probes for a larger MTU of the path that arrived.
    mtu_probe_success = "TCPMTUPSuccess",
    /// Replies to strays that found the control queue full.
    control_drops = "TCPControlDrop",
}

impl TcpCounters {
    /// Segments came with one codepoint.
    pub(crate) fn received(&mut self, codepoint: Codepoint, segments: u64) {
        self.in_segs += segments;
        *match codepoint {
            Codepoint::NotEct => &mut self.in_no_ect,
            Codepoint::Ect1 => &mut self.in_ect1,
            Codepoint::Ect0 => &mut self.in_ect0,
            Codepoint::Ce => &mut self.in_ce,
        } += segments;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_values_are_those_of_the_fields() {
        let counters = TcpCounters { paws_estab: 7, ..TcpCounters::default() };
        assert_eq!(counters.iter().find(|(name, _)| *name == "PAWSEstab"), Some(("PAWSEstab", 7)));
        for (name, _) in counters.iter() {
            assert_eq!(counters.iter().filter(|(other, _)| *other == name).count(), 1, "{name}");
        }
    }
}
