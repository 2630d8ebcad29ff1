//! What can be asked of a queue.

use crate::XdpError;
use stack_core::LinkAddress;

/// What the kernel keeps free in front of each frame for XDP programs (`XDP_PACKET_HEADROOM`), in bytes.
const HEADROOM: u32 = 256;
/// Bytes of an Ethernet header with a VLAN tag.
const FRAME_HEADER: u32 = 18;
/// Sizes that a frame's memory can have, in bytes: powers of two up to a page.
const CHUNKS: [u32; 2] = [2048, 4096];

/// How a queue is to be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct XdpConfig {
    /// The interface, in the network namespace of the thread that opens it.
    pub interface: String,
    /// The address of our station. The interface has to let frames to it through: it is its own address, or the interface
    /// is promiscuous, or one end of a veth pair.
    pub station: LinkAddress,
    /// The queue. Default: 0, the only one of a veth pair.
    pub queue: u32,
    /// Largest IP packet, in bytes; no more than the interface's, and at most 3,822. Default: 1500.
    pub mtu: u32,
}

impl XdpConfig {
    /// The first queue of an interface.
    pub fn new(interface: impl Into<String>, station: LinkAddress) -> Self {
        Self { interface: interface.into(), station, queue: 0, mtu: 1500 }
    }

    /// The same with this MTU, in bytes.
    #[must_use]
    pub fn with_mtu(self, mtu: u32) -> Self {
        Self { mtu, ..self }
    }

    /// Memory of each frame, in bytes.
    pub(crate) fn chunk(&self) -> Result<u32, XdpError> {
        let need = self.mtu.saturating_add(HEADROOM + FRAME_HEADER);
        CHUNKS
            .into_iter()
            .find(|chunk| need <= *chunk)
            .ok_or(XdpError::MtuTooLarge { mtu: self.mtu, most: CHUNKS[1] - HEADROOM - FRAME_HEADER })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_lies_in_the_smallest_memory_that_holds_it() {
        let chunk = |mtu| XdpConfig::new("veth0", LinkAddress::UNSPECIFIED).with_mtu(mtu).chunk();
        for (mtu, want) in [(68, 2048), (1500, 2048), (1774, 2048), (1775, 4096), (3822, 4096)] {
            assert_eq!(chunk(mtu).unwrap(), want, "{mtu}");
        }
        for mtu in [3823, 9000, u32::MAX] {
            assert!(matches!(chunk(mtu), Err(XdpError::MtuTooLarge { most: 3822, .. })), "{mtu}");
        }
    }
}
