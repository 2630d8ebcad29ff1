//! Why a packet ended: one closed enum, a counter for each, visible in statistics, traces and capture comments.

use stack_packet::FragmentLoss;

macro_rules! drop_reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal,)+) => {
        /// Why a packet went no further.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum DropReason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl DropReason {
            /// All reasons, in the order of their discriminants.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// Name in counters and captures: lower case with hyphens.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }
    };
}

drop_reasons! {
    /// The interface is disabled.
    NicDisabled = "nic-disabled",
    /// The frame is addressed to another station.
    NotForThisStation = "not-for-this-station",
    /// The frame belongs to another VLAN.
    OtherVlan = "other-vlan",
    /// It waited too long before the link: active queue management (RFC 7567).
    QueueManaged = "queue-managed",
    /// The link's queue is full.
    LinkQueueFull = "link-queue-full",
    /// The device behind the link is down.
    LinkDown = "link-down",
    /// The link could not carry it: malformed, too large, or more than the system had memory for.
    LinkRefused = "link-refused",
    /// The link is gone.
    LinkClosed = "link-closed",
    /// An impairment link was told to lose it.
    Impaired = "impaired",
    /// Its text is with a reader who waits for other text, or others have to see it.
    Misplaced = "misplaced",
    /// No network protocol is registered for the EtherType.
    UnknownEtherType = "unknown-ether-type",
    /// Shorter than its headers say.
    Truncated = "truncated",
    /// The IP version is not the one expected.
    BadVersion = "bad-version",
    /// A header length is out of range.
    BadHeaderLength = "bad-header-length",
    /// The total length contradicts the packet.
    BadTotalLength = "bad-total-length",
    /// The IPv4 header checksum is wrong.
    BadHeaderChecksum = "bad-header-checksum",
    /// An IP option or extension header is malformed.
    BadOption = "bad-option",
    /// The packet has a source route that goes on from here, and nobody's route leads through us.
    SourceRoute = "source-route",
    /// The source address can't be on the network.
    MartianSource = "martian-source",
    /// The destination address can't be on the network.
    MartianDestination = "martian-destination",
    /// The destination is none of our addresses.
    NotLocal = "not-local",
    /// The interface does not forward.
    ForwardingDisabled = "forwarding-disabled",
    /// TTL or hop limit ran out.
    HopLimitExceeded = "hop-limit-exceeded",
    /// No route leads to the destination.
    NoRoute = "no-route",
    /// Larger than the path and not to be fragmented.
    PacketTooBig = "packet-too-big",
    /// A hook refused it.
    Policy = "policy",
    /// A fragment's offset or length is impossible.
    FragmentInvalid = "fragment-invalid",
    /// Fragments overlap with different bounds.
    FragmentOverlap = "fragment-overlap",
    /// Fragments were missing for too long.
    FragmentTimeout = "fragment-timeout",
    /// Reassembly memory is used up.
    FragmentMemory = "fragment-memory",
    /// The next hop did not answer.
    NeighborUnreachable = "neighbor-unreachable",
    /// Too many packets wait for the next hop's link address.
    NeighborQueueFull = "neighbor-queue-full",
    /// An ARP packet is malformed or not for us.
    ArpInvalid = "arp-invalid",
    /// A neighbour discovery message fails its validity checks.
    NdpInvalid = "ndp-invalid",
    /// Routers on the link told more than our tables hold.
    NdpTableFull = "ndp-table-full",
    /// A router's message that this interface does not listen to.
    NdpIgnored = "ndp-ignored",
    /// A message of IGMP or MLD is malformed or fails its checks.
    GroupInvalid = "group-invalid",
    /// A message of IGMP or MLD that says nothing to a member.
    GroupIgnored = "group-ignored",
    /// The packet to a group came in by another interface than its multicast route has.
    WrongInput = "wrong-input",
    /// Another station uses our address.
    AddressConflict = "address-conflict",
    /// An ICMP message is malformed.
    IcmpInvalid = "icmp-invalid",
    /// An ICMP message that asks for nothing.
    IcmpIgnored = "icmp-ignored",
    /// No transport protocol is registered for the number.
    UnknownProtocol = "unknown-protocol",
    /// The transport header is malformed.
    TransportMalformed = "transport-malformed",
    /// The transport checksum is wrong.
    BadTransportChecksum = "bad-transport-checksum",
    /// No endpoint answers to the addresses and ports.
    NoEndpoint = "no-endpoint",
    /// The socket's receive buffer is full.
    SocketBufferFull = "socket-buffer-full",
    /// A connected socket got it from somebody else.
    NotFromPeer = "not-from-peer",
    /// The socket does not want the group from this source, or not on this interface.
    SourceFiltered = "source-filtered",
    /// The socket reads no more.
    SocketClosed = "socket-closed",
    /// The listener's queue is full.
    BacklogFull = "backlog-full",
    /// The memory budget is used up.
    MemoryPressure = "memory-pressure",
    /// TCP: a combination of flags that no state accepts.
    TcpBadFlags = "tcp-bad-flags",
    /// TCP: the segment lies outside the receive window.
    TcpOutOfWindow = "tcp-out-of-window",
    /// TCP: the timestamp is older than the last one.
    TcpPaws = "tcp-paws",
    /// TCP: the negotiated timestamp is missing.
    TcpNoTimestamp = "tcp-no-timestamp",
    /// TCP: the acknowledgement is not acceptable.
    TcpBadAck = "tcp-bad-ack",
    /// TCP: the reset is not acceptable.
    TcpBadReset = "tcp-bad-reset",
    /// TCP: a SYN on a synchronized connection.
    TcpUnexpectedSyn = "tcp-unexpected-syn",
    /// TCP: all of it was received before.
    TcpDuplicate = "tcp-duplicate",
    /// TCP: too much out-of-order data.
    TcpReassemblyFull = "tcp-reassembly-full",
    /// TCP: the memory of all connections is used up.
    TcpNoMemory = "tcp-no-memory",
    /// TCP: an ACK without data, while the listener waits for data.
    TcpDeferred = "tcp-deferred",
    /// TCP: data for a connection that reads no more.
    TcpAfterClose = "tcp-after-close",
    /// TCP: a segment for a connection in TIME-WAIT.
    TcpTimeWait = "tcp-time-wait",
}

impl DropReason {
    /// How many reasons there are: the size of a table of counters.
    pub const COUNT: usize = Self::ALL.len();

    /// Position in [`DropReason::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

impl From<FragmentLoss> for DropReason {
    fn from(loss: FragmentLoss) -> Self {
        match loss {
            FragmentLoss::Invalid => Self::FragmentInvalid,
            FragmentLoss::Overlap => Self::FragmentOverlap,
            FragmentLoss::Memory => Self::FragmentMemory,
            FragmentLoss::Timeout => Self::FragmentTimeout,
        }
    }
}

impl core::fmt::Display for DropReason {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_are_positions_and_names_are_unique() {
        for (position, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(reason.index(), position);
            assert_eq!(DropReason::ALL.iter().filter(|r| r.as_str() == reason.as_str()).count(), 1);
        }
    }
}
