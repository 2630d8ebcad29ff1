//! Settings of sockets, and their names.

use crate::EcnPolicy;
use core::net::IpAddr;
use core::time::Duration;
use stack_packet::NicId;

macro_rules! socket_options {
    ($($(#[doc = $doc:literal])+ $name:ident($($value:ty),+),)+) => {
        /// A setting of a socket. Protocols answer [`Error::NotSupported`](crate::Error::NotSupported) to what they
        /// don't have.
        #[derive(Clone, Copy, PartialEq, Debug)]
        #[non_exhaustive]
        pub enum SocketOption {
            $($(#[doc = $doc])+ $name($($value),+),)+
        }

        /// The name of a setting: what to ask [`Endpoints::option`](crate::Endpoints::option) for.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
        #[non_exhaustive]
        pub enum OptionName {
            $(#[doc = concat!("[`SocketOption::", stringify!($name), "`]")] $name,)+
        }

        impl SocketOption {
            /// Whether a flow label has no more than its 20 bits.
            pub fn is_flow_label(label: Option<u32>) -> bool {
                label.is_none_or(|label| label >> 20 == 0)
            }

            /// Which setting it is.
            pub fn name(&self) -> OptionName {
                match self {
                    $(Self::$name(..) => OptionName::$name,)+
                }
            }
        }
    };
}

/// When a transport looks for the largest packet of a path by trying (RFC 4821): Linux's `tcp_mtu_probing`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum MtuProbing {
    /// Never: sizes follow ICMP alone.
    Off,
    /// Once full-sized packets have vanished without a word (RFC 2923 §2.1), and once what was learned has grown old.
    #[default]
    OnBlackHole,
    /// From small packets upward, on each path of which nothing is known.
    Always,
}

socket_options! {
    /// Receive buffer, in bytes of payload (`SO_RCVBUF`).
    ReceiveBuffer(usize),
    /// Send buffer, in bytes (`SO_SNDBUF`).
    SendBuffer(usize),
    /// Bind although a connection in TIME-WAIT has the port (`SO_REUSEADDR`).
    ReuseAddress(bool),
    /// Share the port with others that allow it (`SO_REUSEPORT`).
    ReusePort(bool),
    /// Allow broadcast destinations (`SO_BROADCAST`).
    Broadcast(bool),
    /// Only this interface (`SO_BINDTODEVICE`).
    BindToNic(Option<NicId>),
    /// An IPv6 socket takes no IPv4 peers as well, as `::ffff:a.b.c.d`; to be set before it is bound (`IPV6_V6ONLY`,
    /// RFC 3493 §5.3).
    V6Only(bool),
    /// Mark of outbound packets (`SO_MARK`).
    Mark(u32),
    /// Hop limit of outbound unicast packets (`IP_TTL`, `IPV6_UNICAST_HOPS`).
    HopLimit(u8),
    /// Hop limit of outbound multicast packets (`IP_MULTICAST_TTL`).
    MulticastHopLimit(u8),
    /// Whether our own multicast comes back to us (`IP_MULTICAST_LOOP`).
    MulticastLoop(bool),
    /// Interface of outbound multicast where the destination names none (`IP_MULTICAST_IF`).
    MulticastNic(Option<NicId>),
    /// Forbid fragments: what is larger than the path is [`Error::MessageTooLarge`](crate::Error::MessageTooLarge) (`IP_MTU_DISCOVER`, `IPV6_DONTFRAG`).
    DontFragment(bool),
    /// Keep errors about sent packets, with who reported them, for the protocol's error queue (`IP_RECVERR`).
    ReceiveErrors(bool),
    /// Traffic class of outbound packets; the ECN bits are the protocol's (`IP_TOS`, `IPV6_TCLASS`).
    TrafficClass(u8),
    /// Flow label of outbound IPv6 packets, 20 bits (RFC 6437); `None`, the default, lets the network layer compute one
    /// for each flow (Linux: `IPV6_AUTOFLOWLABEL` and `IPV6_FLOWINFO_SEND`).
    FlowLabel(Option<u32>),
    /// What is written begins with the network header (`IP_HDRINCL`, `IPV6_HDRINCL`).
    HeaderIncluded(bool),
    /// Where the checksum lies in what a raw IPv6 socket writes and reads, in bytes: it is computed and verified; `None` for
    /// neither (`IPV6_CHECKSUM`, RFC 3542 §3.1).
    ChecksumOffset(Option<u16>),
    /// Receive a group on an interface (`IP_ADD_MEMBERSHIP`).
    JoinGroup(IpAddr, Option<NicId>),
    /// Stop to (`IP_DROP_MEMBERSHIP`).
    LeaveGroup(IpAddr, Option<NicId>),
    /// Receive a group from this source, on an interface (`IP_ADD_SOURCE_MEMBERSHIP`, `MCAST_JOIN_SOURCE_GROUP`).
    JoinSource(IpAddr, IpAddr, Option<NicId>),
    /// Stop to receive it from this source; of the last one, leave it (`IP_DROP_SOURCE_MEMBERSHIP`).
    LeaveSource(IpAddr, IpAddr, Option<NicId>),
    /// Of a group that was joined as a whole, nothing from this source (`IP_BLOCK_SOURCE`).
    BlockSource(IpAddr, IpAddr, Option<NicId>),
    /// From it again (`IP_UNBLOCK_SOURCE`).
    UnblockSource(IpAddr, IpAddr, Option<NicId>),
    /// What closing does with unsent data (`SO_LINGER`).
    Linger(Option<Duration>),
    /// Send small segments at once (`TCP_NODELAY`).
    NoDelay(bool),
    /// Probe an idle peer (`SO_KEEPALIVE`).
    KeepAlive(bool),
    /// Idle time before the first probe (`TCP_KEEPIDLE`).
    KeepAliveIdle(Duration),
    /// Time between probes (`TCP_KEEPINTVL`).
    KeepAliveInterval(Duration),
    /// Unanswered probes that end the connection (`TCP_KEEPCNT`).
    KeepAliveCount(u32),
    /// How long data may stay unacknowledged (`TCP_USER_TIMEOUT`); `None` for the default.
    UserTimeout(Option<Duration>),
    /// Largest segment to send and to announce (`TCP_MAXSEG`).
    MaxSegment(u16),
    /// Deliver urgent data in the stream (`SO_OOBINLINE`).
    UrgentInline(bool),
    /// Hold back segments that are not full, for 200 ms at most (`TCP_CORK`).
    Cork(bool),
    /// Acknowledge at once for a while, or delay from now on (`TCP_QUICKACK`).
    QuickAck(bool),
    /// Largest window to offer, in bytes; 0 for no limit of one's own (`TCP_WINDOW_CLAMP`).
    WindowClamp(u32),
    /// Writable only while less than this was never sent, in bytes; `u32::MAX` for no limit (`TCP_NOTSENT_LOWAT`).
    NotSentLowat(u32),
    /// Readable only from so many bytes on (`SO_RCVLOWAT`).
    ReceiveLowat(u32),
    /// Retransmissions of a SYN (`TCP_SYNCNT`).
    SynRetries(u8),
    /// How long a closed socket waits for the peer's end; zero not at all (`TCP_LINGER2`).
    FinWait2(Duration),
    /// How long a listener leaves peers that have sent no data in its queue of half-open ones; zero not at all
    /// (`TCP_DEFER_ACCEPT`).
    DeferAccept(Duration),
    /// Congestion control, by name (`TCP_CONGESTION`).
    Congestion(&'static str),
    /// Connections whose SYN brought data that a listener takes before their handshakes are complete; 0 takes none
    /// (`TCP_FASTOPEN`).
    FastOpen(u16),
    /// When larger packets are tried on the path than those in use.
    MtuProbing(MtuProbing),
    /// Which explicit congestion notification is asked for, and which is agreed to; of connections, too late for the one
    /// at hand.
    Ecn(EcnPolicy),
}
