//! VLAN tags: IEEE 802.1Q §9, and the outer tag of providers (802.1ad, now 802.1Q §9.5).

use crate::EthernetError;
use stack_core::DropReason;
use stack_wire::ethernet::{EtherType, HEADER_LEN};

/// Bytes of a tag: its EtherType and the tag control information.
pub(crate) const TAG_LEN: usize = 4;
/// Bits of the VLAN identifier.
const ID: u16 = 0x0fff;
/// Identifiers are 1 to this; 0 means no VLAN, 4095 is reserved (IEEE 802.1Q table 9-2).
const MAX_ID: u16 = 4094;

/// The VLAN that a station is in.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Vlan {
    id: u16,
    priority: u8,
    service: Option<u16>,
}

impl Vlan {
    /// The VLAN with this identifier, 1 to 4094; frames have priority 0, best effort.
    ///
    /// # Errors
    /// There is no such identifier.
    pub const fn new(id: u16) -> Result<Self, EthernetError> {
        match check(id) {
            Ok(id) => Ok(Self { id, priority: 0, service: None }),
            Err(error) => Err(error),
        }
    }

    /// The same, its frames sent with this priority: 0 to 7, larger ones count as 7. Received ones may have any.
    #[must_use]
    pub const fn with_priority(self, priority: u8) -> Self {
        Self { priority: if priority > 7 { 7 } else { priority }, ..self }
    }

    /// The same inside this VLAN of a provider: an outer tag with EtherType 0x88A8.
    ///
    /// # Errors
    /// There is no such identifier.
    pub const fn within(self, service: u16) -> Result<Self, EthernetError> {
        match check(service) {
            Ok(service) => Ok(Self { service: Some(service), ..self }),
            Err(error) => Err(error),
        }
    }

    /// Bytes that the tags add to a header.
    pub(crate) const fn len(self) -> usize {
        if self.service.is_some() { 2 * TAG_LEN } else { TAG_LEN }
    }

    /// Each tag's EtherType and control information, outermost first.
    pub(crate) fn tags(self) -> impl Iterator<Item = (u16, u16)> {
        let priority = u16::from(self.priority) << 13;
        let outer = self.service.map(|id| (EtherType::SERVICE_VLAN, id));
        let tags = outer.into_iter().chain([(EtherType::VLAN, self.id)]);
        tags.map(move |(ether_type, id)| (ether_type, priority | id))
    }

    /// The EtherType behind the tags of a frame, if they are this VLAN's. `frame` begins with its header.
    pub(crate) fn unwrap(self, frame: &[u8]) -> Result<u16, DropReason> {
        let mut at = HEADER_LEN - 2;
        for (ether_type, control) in self.tags() {
            if word(frame, at)? != ether_type || word(frame, at + 2)? & ID != control & ID {
                return Err(DropReason::OtherVlan);
            }
            at += TAG_LEN;
        }
        word(frame, at)
    }
}

const fn check(id: u16) -> Result<u16, EthernetError> {
    if id == 0 || id > MAX_ID { Err(EthernetError::NoVlan(id)) } else { Ok(id) }
}

fn word(frame: &[u8], at: usize) -> Result<u16, DropReason> {
    let bytes = frame.get(at..).and_then(|rest| rest.first_chunk()).ok_or(DropReason::Truncated)?;
    Ok(u16::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests;
