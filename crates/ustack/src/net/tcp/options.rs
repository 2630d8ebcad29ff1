//! Settings of TCP sockets, under the names that std, tokio and socket2 have for them; written once for blocking and
//! async sockets.
//!
//! A value that is read is the stack's, not a copy of what was set: buffers tell the size that they have tuned
//! themselves to, the congestion control that which is at work.

/// A getter and a setter for each setting.
macro_rules! settings {
    ($($(#[doc = $doc:literal])+ $option:ident($value:ty): $get:ident, $set:ident;)+) => {
        $(
            $(#[doc = $doc])+
            ///
            /// # Errors
            /// The socket is gone.
            pub fn $get(&self) -> std::io::Result<$value> {
                let name = stack_core::OptionName::$option;
                match crate::net::io_result("read the setting", self.socket.option(name))? {
                    stack_core::SocketOption::$option(value) => Ok(value),
                    _ => unreachable!("an option answers for itself"),
                }
            }

            $(#[doc = $doc])+
            ///
            /// # Errors
            /// The value is out of range, or the socket is gone.
            pub fn $set(&self, value: $value) -> std::io::Result<()> {
                let option = stack_core::SocketOption::$option(value);
                crate::net::io_result("change the setting", self.socket.set_option(option))
            }
        )+
    };
}

/// What connections and listeners have; connections that a listener accepts begin with what it has set.
macro_rules! common_settings {
    () => {
        crate::net::tcp::options::settings! {
            /// Whether small segments are sent at once (`TCP_NODELAY`).
            NoDelay(bool): nodelay, set_nodelay;
            /// Whether segments that are not full are held back, for 200 ms at most (`TCP_CORK`).
            Cork(bool): cork, set_cork;
            /// What dropping the connection does with data that the peer has not acknowledged: `None` sends it in the
            /// background; zero throws it away and resets the connection (`SO_LINGER`).
            Linger(Option<std::time::Duration>): linger, set_linger;
            /// How long a dropped connection waits for the peer's end; zero not at all (`TCP_LINGER2`).
            FinWait2(std::time::Duration): fin_wait_2, set_fin_wait_2;
            /// Whether an idle peer is probed (`SO_KEEPALIVE`).
            KeepAlive(bool): keepalive, set_keepalive;
            /// Idle time before the first probe (`TCP_KEEPIDLE`).
            KeepAliveIdle(std::time::Duration): keepalive_time, set_keepalive_time;
            /// Time between probes (`TCP_KEEPINTVL`).
            KeepAliveInterval(std::time::Duration): keepalive_interval, set_keepalive_interval;
            /// Unanswered probes that end the connection (`TCP_KEEPCNT`).
            KeepAliveCount(u32): keepalive_retries, set_keepalive_retries;
            /// How long data may stay unacknowledged; `None` for the stack's number of retransmissions
            /// (`TCP_USER_TIMEOUT`).
            UserTimeout(Option<std::time::Duration>): tcp_user_timeout, set_tcp_user_timeout;
            /// Largest segment to send and to announce; of a connection, the one in use (`TCP_MAXSEG`).
            MaxSegment(u16): mss, set_mss;
            /// When larger packets are tried on the path than those in use (RFC 4821; Linux has `tcp_mtu_probing` for all
            /// sockets).
            MtuProbing(stack_core::MtuProbing): mtu_probing, set_mtu_probing;
            /// Size of the receive buffer, in bytes. Once set, it does not tune itself any more (`SO_RCVBUF`).
            ReceiveBuffer(usize): recv_buffer_size, set_recv_buffer_size;
            /// Size of the send buffer, in bytes. Once set, it does not tune itself any more (`SO_SNDBUF`).
            SendBuffer(usize): send_buffer_size, set_send_buffer_size;
            /// Largest window to offer, in bytes; 0 for no limit of one's own (`TCP_WINDOW_CLAMP`).
            WindowClamp(u32): tcp_window_clamp, set_tcp_window_clamp;
            /// Writable only while less than this was never sent, in bytes; `u32::MAX` for no limit
            /// (`TCP_NOTSENT_LOWAT`).
            NotSentLowat(u32): tcp_notsent_lowat, set_tcp_notsent_lowat;
            /// Readiness and wakers ask for so many bytes; a read that is tried takes what is there (`SO_RCVLOWAT`).
            ReceiveLowat(u32): recv_lowat, set_recv_lowat;
            /// Which explicit congestion notification is asked for and which is agreed to; of a connection too late for
            /// itself (RFC 3168, RFC 9768).
            Ecn(stack_core::EcnPolicy): ecn, set_ecn;
            /// Type of service or traffic class, without its two ECN bits (`IP_TOS`).
            TrafficClass(u8): tos, set_tos;
            /// Mark of outbound packets (`SO_MARK`).
            Mark(u32): mark, set_mark;
        }

        /// Name of the congestion control (`TCP_CONGESTION`).
        ///
        /// # Errors
        /// The socket is gone.
        pub fn congestion(&self) -> std::io::Result<&'static str> {
            match crate::net::io_result(
                "read the setting",
                self.socket.option(stack_core::OptionName::Congestion),
            )? {
                stack_core::SocketOption::Congestion(name) => Ok(name),
                _ => unreachable!("an option answers for itself"),
            }
        }

        /// Chooses the congestion control (`TCP_CONGESTION`); a name becomes one with `parse`. A connection goes on with
        /// the window that it has.
        ///
        /// # Errors
        /// The socket is gone.
        pub fn set_congestion(&self, algorithm: trans_tcp::congestion::Algorithm) -> std::io::Result<()> {
            let set = self.socket.call(|tcp, cx, id| tcp.set_congestion(cx, id, algorithm));
            crate::net::io_result("change the setting", set)
        }
    };
}

/// What connections have besides.
macro_rules! connection_settings {
    ($stream:ty) => {
        impl $stream {
            crate::net::tcp::options::common_settings!();

            crate::net::tcp::options::settings! {
                /// Whether ACKs are sent at once for now; traffic decides how long that lasts (`TCP_QUICKACK`).
                QuickAck(bool): quickack, set_quickack;
            }
        }
    };
}

/// What listeners have besides.
macro_rules! listener_settings {
    ($listener:ty) => {
        impl $listener {
            crate::net::tcp::options::common_settings!();

            crate::net::tcp::options::settings! {
                /// How long peers that have sent no data are not accepted; zero not at all. It is counted in timeouts of
                /// the SYN-ACK (`TCP_DEFER_ACCEPT`).
                DeferAccept(std::time::Duration): defer_accept, set_defer_accept;
                /// Connections whose SYN brought data that are taken before their handshakes are complete; 0, the
                /// default, takes none (`TCP_FASTOPEN`, RFC 7413).
                FastOpen(u16): fast_open, set_fast_open;
            }
        }
    };
}

pub(crate) use {common_settings, connection_settings, listener_settings, settings};
