//! What happened, in numbers.

use core::fmt;
use core::ops::AddAssign;
use stack_core::DropReason;

/// Packets and bytes in one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Packets; a super-packet counts once.
    pub packets: u64,
    /// Bytes from the network header on.
    pub bytes: u64,
}

impl AddAssign<usize> for Traffic {
    /// One more packet of so many bytes.
    fn add_assign(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += bytes as u64;
    }
}

/// Dropped packets by reason.
#[derive(Clone, PartialEq, Eq)]
pub struct Drops([u64; DropReason::COUNT]);

impl fmt::Debug for Drops {
    /// The reasons that occurred.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Default for Drops {
    fn default() -> Self {
        Self([0; DropReason::COUNT])
    }
}

impl Drops {
    /// Counts one.
    pub(crate) fn count(&mut self, reason: DropReason) {
        self.add(reason, 1);
    }

    /// Counts several.
    pub fn add(&mut self, reason: DropReason, packets: u64) {
        self.0[reason.index()] += packets;
    }

    /// Packets dropped for this reason.
    pub fn of(&self, reason: DropReason) -> u64 {
        self.0[reason.index()]
    }

    /// All packets dropped.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The reasons that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> + '_ {
        DropReason::ALL.iter().map(|reason| (*reason, self.of(*reason))).filter(|(_, count)| *count > 0)
    }
}

/// The counters of a host, over all its interfaces.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Counters {
    /// From links, before any check (`ipInReceives`).
    pub received: Traffic,
    /// To links (`ipOutTransmits`).
    pub transmitted: Traffic,
    /// Turned around because they were for ourselves.
    pub local: Traffic,
    /// Handed to a transport endpoint (`ipInDelivers`).
    pub delivered: u64,
    /// Sent on for others (`ipForwDatagrams`).
    pub forwarded: u64,
    /// Super-packets cut by the host because the link does not.
    pub segmented: u64,
    /// Packets cut into fragments (`ipFragOKs`).
    pub fragmented: u64,
    /// Dropped packets, inbound and outbound. What ends inside links is among them where somebody enters it
    /// ([`Host::count_drops`](crate::Host::count_drops)); the facade does.
    pub drops: Drops,
}

impl Counters {
    /// The seed's `UnknownProtocolRcvdPackets`: no protocol of that number, network or transport.
    pub fn unknown_protocol(&self) -> u64 {
        self.drops.of(DropReason::UnknownEtherType) + self.drops.of(DropReason::UnknownProtocol)
    }

    /// The seed's `UnknownNetworkEndpointRcvdPackets`: the destination is none of our addresses.
    pub fn unknown_address(&self) -> u64 {
        self.drops.of(DropReason::NotLocal)
    }

    /// The seed's `MalformedRcvdPackets`: headers that contradict themselves.
    pub fn malformed(&self) -> u64 {
        use DropReason::{
            BadHeaderChecksum, BadHeaderLength, BadOption, BadTotalLength, BadTransportChecksum, BadVersion,
            IcmpInvalid, TransportMalformed, Truncated,
        };
        let reasons = [
            Truncated,
            BadVersion,
            BadHeaderLength,
            BadTotalLength,
            BadHeaderChecksum,
            BadOption,
            IcmpInvalid,
            TransportMalformed,
            BadTransportChecksum,
        ];
        reasons.into_iter().map(|reason| self.drops.of(reason)).sum()
    }
}

/// The counters of one interface.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NicCounters {
    /// From the link.
    pub received: Traffic,
    /// To the link.
    pub transmitted: Traffic,
    /// Dropped packets.
    pub drops: Drops,
}
