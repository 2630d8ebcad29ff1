//! Which ICMP messages a raw ICMP socket takes, by their type: RFC 3542 §3.2 (`ICMP6_FILTER`), and for IPv4 what Linux
//! has as `ICMP_FILTER`.

/// A set of ICMP types that pass. Holds for both families; types are a byte in both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct IcmpFilter([u64; 4]);

impl IcmpFilter {
    /// All messages pass (`ICMP6_FILTER_SETPASSALL`): the default of a new socket.
    pub const PASS_ALL: Self = Self([u64::MAX; 4]);
    /// None passes (`ICMP6_FILTER_SETBLOCKALL`).
    pub const BLOCK_ALL: Self = Self([0; 4]);

    /// The filter of Linux's `ICMP_FILTER`: each bit that is set blocks the type of that number; types from 32 on pass.
    pub const fn from_icmpv4_mask(blocked: u32) -> Self {
        Self([!(blocked as u64), u64::MAX, u64::MAX, u64::MAX])
    }

    /// The same with this type passing (`ICMP6_FILTER_SETPASS`).
    #[must_use]
    pub fn pass(mut self, kind: u8) -> Self {
        if let Some(word) = self.0.get_mut(usize::from(kind >> 6)) {
            *word |= 1 << (kind & 63);
        }
        self
    }

    /// The same with this type blocked (`ICMP6_FILTER_SETBLOCK`).
    #[must_use]
    pub fn block(mut self, kind: u8) -> Self {
        if let Some(word) = self.0.get_mut(usize::from(kind >> 6)) {
            *word &= !(1 << (kind & 63));
        }
        self
    }

    /// Whether a message of this type passes (`ICMP6_FILTER_WILLPASS`).
    pub fn passes(&self, kind: u8) -> bool {
        self.0.get(usize::from(kind >> 6)).is_some_and(|word| word >> (kind & 63) & 1 == 1)
    }
}

impl Default for IcmpFilter {
    fn default() -> Self {
        Self::PASS_ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_is_passed_and_blocked_by_itself() {
        for kind in 0..=255 {
            let only = IcmpFilter::BLOCK_ALL.pass(kind);
            let all_but = IcmpFilter::PASS_ALL.block(kind);
            for other in 0..=255 {
                assert_eq!((only.passes(other), all_but.passes(other)), (other == kind, other != kind));
            }
            assert_eq!((only.block(kind), all_but.pass(kind)), (IcmpFilter::BLOCK_ALL, IcmpFilter::PASS_ALL));
        }
    }

    #[test]
    fn a_mask_of_linux_blocks_the_types_of_its_bits() {
        let filter = IcmpFilter::from_icmpv4_mask(1 << 8 | 1 << 31);
        let passing = [0, 7, 8, 9, 31, 32, 63, 64, 255].map(|kind| filter.passes(kind));
        assert_eq!(passing, [true, true, false, true, false, true, true, true, true]);
        assert_eq!(IcmpFilter::from_icmpv4_mask(0), IcmpFilter::PASS_ALL);
    }
}
