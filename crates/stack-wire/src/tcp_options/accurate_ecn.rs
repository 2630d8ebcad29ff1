//! The AccECN option: RFC 9768 §3.2.3. Up to three counts of bytes, 24 bits each, in one of two orders; counts may be left
//! off at the end.

use super::kind;

/// The bits of a count that travel: RFC 9768 §3.2.3.1.
const MASK: u32 = 0xff_ffff;

/// An AccECN option, as it was received or is to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AccEcnOption {
    /// Low 24 bits of the bytes that came with ECT(0): `EE0B`.
    pub ect0: Option<u32>,
    /// The same, marked: `ECEB`.
    pub ce: Option<u32>,
    /// The same, with ECT(1): `EE1B`.
    pub ect1: Option<u32>,
    /// Their order.
    pub order: AccEcnOrder,
}

/// Which count comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AccEcnOrder {
    /// ECT(0), CE, ECT(1): kind 172.
    #[default]
    Zero,
    /// ECT(1), CE, ECT(0): kind 174.
    One,
}

impl AccEcnOrder {
    /// Puts what is in order 0 into this one.
    pub fn of<T>(self, [ect0, ce, ect1]: [T; 3]) -> [T; 3] {
        match self {
            Self::Zero => [ect0, ce, ect1],
            Self::One => [ect1, ce, ect0],
        }
    }
}

impl AccEcnOption {
    /// Octets of the longest one, kind and length included.
    pub const MAX_LEN: usize = 11;

    /// An option with the first `fields` counts, given in order 0, of what an order puts first.
    pub fn of_first([ect0, ce, ect1]: [u32; 3], order: AccEcnOrder, fields: usize) -> Self {
        let [first, middle, last] = order.of([ect0, ce, ect1]);
        let field = |index, value: u32| (index < fields).then_some(value & MASK);
        let [ect0, ce, ect1] = order.of([field(0, first), field(1, middle), field(2, last)]);
        Self { ect0, ce, ect1, order }
    }

    /// Reads the option of a kind, without kind and length; `None` for other kinds. Whole counts are taken from any length,
    /// the rest is padding.
    pub fn parse(kind: u8, data: &[u8]) -> Option<Self> {
        let order = match kind {
            kind::ACC_ECN_0 => AccEcnOrder::Zero,
            kind::ACC_ECN_1 => AccEcnOrder::One,
            _ => return None,
        };
        let mut fields = data.chunks_exact(3).map(|field| match *field {
            [a, b, c] => u32::from_be_bytes([0, a, b, c]),
            _ => 0,
        });
        let [ect0, ce, ect1] = order.of([fields.next(), fields.next(), fields.next()]);
        Some(Self { ect0, ce, ect1, order })
    }

    /// Its kind.
    pub fn kind(&self) -> u8 {
        match self.order {
            AccEcnOrder::Zero => kind::ACC_ECN_0,
            AccEcnOrder::One => kind::ACC_ECN_1,
        }
    }

    /// Octets that it takes, kind and length included: 2, 5, 8 or 11.
    pub fn len(&self) -> usize {
        2 + 3 * self.fields().count()
    }

    /// Whether it has no count.
    pub fn is_empty(&self) -> bool {
        self.len() == 2
    }

    /// Its octets, with kind and length; those behind [`len`](Self::len) mean nothing.
    pub fn to_bytes(&self) -> [u8; Self::MAX_LEN] {
        let mut out = [0; Self::MAX_LEN];
        (out[0], out[1]) = (self.kind(), self.len() as u8);
        for (place, field) in out[2..].chunks_exact_mut(3).zip(self.fields()) {
            place.copy_from_slice(&(field & MASK).to_be_bytes()[1..]);
        }
        out
    }

    /// The counts in their order, up to the first that is left off.
    fn fields(&self) -> impl Iterator<Item = u32> + use<> {
        self.order.of([self.ect0, self.ce, self.ect1]).into_iter().map_while(|field| field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R9768-3.2.3-a, R9768-3.2.3.1-a, R9768-3.2.3-b
    #[test]
    fn all_lengths_in_both_orders() {
        let bytes = [0x0102_0304, 0x0a_0b0c, 7];
        for (order, kind, fields) in [
            (AccEcnOrder::Zero, 172, [[2, 3, 4], [10, 11, 12], [0, 0, 7]]),
            (AccEcnOrder::One, 174, [[0, 0, 7], [10, 11, 12], [2, 3, 4]]),
        ] {
            for count in 0..=3 {
                let option = AccEcnOption::of_first(bytes, order, count);
                let (out, len) = (option.to_bytes(), 2 + 3 * count);
                assert_eq!((&out[..2], option.len()), (&[kind, len as u8][..], len));
                assert_eq!(out[2..len], fields[..count].concat());
                assert_eq!(AccEcnOption::parse(kind, &out[2..len]), Some(option));
            }
        }
    }

    // R9768-3.2.3-b
    #[test]
    fn other_lengths_are_padded_ones() {
        let option = AccEcnOption::parse(172, &[0, 0, 9, 1, 2]).unwrap();
        assert_eq!((option.ect0, option.ce), (Some(9), None));
        let option = AccEcnOption::parse(174, &[0, 0, 1, 0, 0, 2, 0, 0, 3, 9, 9, 9]).unwrap();
        assert_eq!((option.ect1, option.ce, option.ect0), (Some(1), Some(2), Some(3)));
        assert_eq!(AccEcnOption::parse(173, &[0, 0, 1]), None);
    }
}
