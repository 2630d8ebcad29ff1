//! The AccECN option: RFC 9768 §3.2.3. Up to three counts of bytes, 24 bits each, in one of two orders, with what has not
//! changed left off at the end.

use super::ByteCounts;

/// Kind of the option with ECT(0) first.
pub const KIND_ORDER_0: u8 = 172;
/// Kind of the option with ECT(1) first.
pub const KIND_ORDER_1: u8 = 174;
/// The bits of a count that travel.
pub(super) const MASK: u32 = 0xff_ffff;

/// Which count comes first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Order {
    /// ECT(0), CE, ECT(1).
    #[default]
    Zero,
    /// ECT(1), CE, ECT(0).
    One,
}

/// An AccECN option, as it was received or is to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AccEcnOption {
    /// Low 24 bits of the bytes that came with ECT(0).
    pub ect0: Option<u32>,
    /// The same, marked.
    pub ce: Option<u32>,
    /// The same, with ECT(1).
    pub ect1: Option<u32>,
    /// Their order.
    pub order: Order,
}

impl AccEcnOption {
    /// Reads the option of a kind, without kind and length; `None` for other kinds. Whole counts are taken from any length,
    /// the rest is padding.
    pub fn parse(kind: u8, data: &[u8]) -> Option<Self> {
        let order = match kind {
            KIND_ORDER_0 => Order::Zero,
            KIND_ORDER_1 => Order::One,
            _ => return None,
        };
        let mut fields = data.chunks_exact(3).map(|field| match *field {
            [a, b, c] => u32::from_be_bytes([0, a, b, c]),
            _ => 0,
        });
        let (first, ce, last) = (fields.next(), fields.next(), fields.next());
        Some(match order {
            Order::Zero => Self { ect0: first, ce, ect1: last, order },
            Order::One => Self { ect0: last, ce, ect1: first, order },
        })
    }

    /// Its kind.
    pub fn kind(&self) -> u8 {
        match self.order {
            Order::Zero => KIND_ORDER_0,
            Order::One => KIND_ORDER_1,
        }
    }

    /// Writes it, with kind and length; returns how many bytes that are: 2, 5, 8 or 11.
    pub fn write(&self, out: &mut [u8; 11]) -> usize {
        let mut len = 2;
        for field in self.fields().into_iter().map_while(|field| field) {
            if let Some(place) = out.get_mut(len..len + 3) {
                place.copy_from_slice(&(field & MASK).to_be_bytes()[1..]);
                len += 3;
            }
        }
        (out[0], out[1]) = (self.kind(), len as u8);
        len
    }

    /// All counts, as far as they fit.
    pub(super) fn whole(bytes: &ByteCounts, room: usize) -> Option<Self> {
        Self::of_first(bytes, Order::Zero, room.checked_sub(2)? / 3)
    }

    /// The counts that ever changed, if some have changed since they were `told`; if there is not so much room, those that
    /// have changed since. `None` if nothing has changed, or even these don't fit.
    pub(super) fn of_changes(
        bytes: &ByteCounts,
        told: &ByteCounts,
        initial: &ByteCounts,
        room: usize,
    ) -> Option<Self> {
        if bytes == told {
            return None;
        }
        let fits = (room.checked_sub(2)? / 3).min(3);
        let ever = bytes.changes(initial);
        // ECT(1) first where ECT(0) never came.
        let order = if ever[0] || !ever[2] { Order::Zero } else { Order::One };
        let needed =
            |changes: [bool; 3]| order.of(changes).iter().rposition(|&changed| changed).map_or(0, |i| i + 1);
        let wanted = needed(ever);
        let least = needed(bytes.changes(told));
        if fits < least {
            return None;
        }
        Self::of_first(bytes, order, wanted.min(fits))
    }

    fn of_first(bytes: &ByteCounts, order: Order, fields: usize) -> Option<Self> {
        let [first, ce, last] = order.of([bytes.ect0, bytes.ce, bytes.ect1]);
        let field = |index, value: u32| (index < fields).then_some(value & MASK);
        let (first, ce, last) = (field(0, first), field(1, ce), field(2, last));
        Some(match order {
            Order::Zero => Self { ect0: first, ce, ect1: last, order },
            Order::One => Self { ect0: last, ce, ect1: first, order },
        })
    }

    fn fields(&self) -> [Option<u32>; 3] {
        self.order.of([self.ect0, self.ce, self.ect1])
    }
}

impl Order {
    /// Puts what is in order 0 into this one.
    fn of<T>(self, [ect0, ce, ect1]: [T; 3]) -> [T; 3] {
        match self {
            Self::Zero => [ect0, ce, ect1],
            Self::One => [ect1, ce, ect0],
        }
    }
}

impl ByteCounts {
    /// Which of them differ, in order 0.
    fn changes(&self, then: &Self) -> [bool; 3] {
        [self.ect0 != then.ect0, self.ce != then.ce, self.ect1 != then.ect1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INITIAL: ByteCounts = ByteCounts::INITIAL;

    fn written(option: &AccEcnOption) -> alloc::vec::Vec<u8> {
        let mut out = [0; 11];
        let len = option.write(&mut out);
        out[..len].to_vec()
    }

    // R9768-3.2.3-a, R9768-3.2.3.1-a, R9768-3.2.3-b
    #[test]
    fn all_lengths_in_both_orders() {
        let bytes = ByteCounts { ect0: 0x0102_0304, ce: 0x0a_0b0c, ect1: 7 };
        for (order, kind, fields) in [
            (Order::Zero, 172, [[2, 3, 4], [10, 11, 12], [0, 0, 7]]),
            (Order::One, 174, [[0, 0, 7], [10, 11, 12], [2, 3, 4]]),
        ] {
            for count in 0..=3 {
                let option = AccEcnOption::of_first(&bytes, order, count).unwrap();
                let out = written(&option);
                assert_eq!(out[..2], [kind, 2 + 3 * count as u8]);
                assert_eq!(out[2..], fields[..count].concat());
                assert_eq!(AccEcnOption::parse(kind, &out[2..]), Some(option));
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

    // R9768-3.2.3.3-a, R9768-3.2.3.3-c
    #[test]
    fn what_never_changed_is_left_off() {
        let lengths = |bytes: ByteCounts, told: ByteCounts, room| {
            AccEcnOption::of_changes(&bytes, &told, &INITIAL, room)
                .map(|option| (option.kind(), written(&option).len()))
        };
        assert_eq!(lengths(INITIAL, INITIAL, 40), None, "nothing new");
        assert_eq!(lengths(ByteCounts { ect0: 9, ..INITIAL }, INITIAL, 40), Some((172, 5)));
        let marked = ByteCounts { ect0: 9, ce: 3, ect1: 1 };
        assert_eq!(lengths(marked, INITIAL, 40), Some((172, 8)));
        assert_eq!(
            lengths(ByteCounts { ect0: 10, ..marked }, marked, 40),
            Some((172, 8)),
            "a count that once changed"
        );
        assert_eq!(lengths(ByteCounts { ect1: 9, ce: 3, ..INITIAL }, INITIAL, 40), Some((174, 8)));
        assert_eq!(lengths(ByteCounts { ect0: 2, ce: 3, ect1: 9 }, INITIAL, 40), Some((172, 11)));
        assert_eq!(lengths(ByteCounts { ect0: 10, ..marked }, marked, 7), Some((172, 5)), "little room");
        assert_eq!(
            lengths(ByteCounts { ce: 4, ..marked }, marked, 7),
            None,
            "the count that changed must not be missing"
        );
        assert_eq!(lengths(marked, INITIAL, 1), None);
    }
}
