//! TCP sequence numbers: arithmetic modulo 2^32, RFC 9293 §3.4.
//!
//! A sequence number has no order of its own, only a place relative to another
//! one, so [`SeqNum`] has `before` and `after` and no `Ord`: a sort or a `<`
//! that works until the numbers wrap does not compile. Comparisons mean what
//! they say for numbers less than 2^31 apart, which the largest window
//! (RFC 7323 §2.3) guarantees; at exactly 2^31 each is before the other.

use core::fmt;
use core::ops::{Add, AddAssign, Sub, SubAssign};

/// A sequence number: the place of one octet, SYN or FIN in the stream.
///
/// ```
/// use stack_wire::seq::SeqNum;
/// let last = SeqNum(u32::MAX);
/// assert!(last.before(last + 1));
/// assert_eq!(last + 1 - last, 1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct SeqNum(pub u32);

impl SeqNum {
    /// `self < other` in sequence space.
    #[inline]
    #[must_use]
    pub const fn before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    /// `self > other` in sequence space.
    #[inline]
    #[must_use]
    pub const fn after(self, other: Self) -> bool {
        other.before(self)
    }

    /// `self <= other` in sequence space.
    #[inline]
    #[must_use]
    pub const fn before_eq(self, other: Self) -> bool {
        self.0 == other.0 || self.before(other)
    }

    /// `self >= other` in sequence space.
    #[inline]
    #[must_use]
    pub const fn after_eq(self, other: Self) -> bool {
        other.before_eq(self)
    }

    /// `start <= self < start + len`; nothing lies in a window of length 0. Right for every `len`.
    #[inline]
    #[must_use]
    pub const fn in_window(self, start: Self, len: u32) -> bool {
        self.0.wrapping_sub(start.0) < len
    }

    /// The octets from `start` up to `self`, going forward.
    #[inline]
    #[must_use]
    pub const fn distance_from(self, start: Self) -> u32 {
        self.0.wrapping_sub(start.0)
    }

    /// The later of two numbers.
    #[inline]
    #[must_use]
    pub const fn max(self, other: Self) -> Self {
        if self.before(other) { other } else { self }
    }

    /// The earlier of two numbers.
    #[inline]
    #[must_use]
    pub const fn min(self, other: Self) -> Self {
        if other.before(self) { other } else { self }
    }
}

impl Add<u32> for SeqNum {
    type Output = Self;
    #[inline]
    fn add(self, octets: u32) -> Self {
        Self(self.0.wrapping_add(octets))
    }
}

impl AddAssign<u32> for SeqNum {
    #[inline]
    fn add_assign(&mut self, octets: u32) {
        *self = *self + octets;
    }
}

impl Sub<u32> for SeqNum {
    type Output = Self;
    #[inline]
    fn sub(self, octets: u32) -> Self {
        Self(self.0.wrapping_sub(octets))
    }
}

impl SubAssign<u32> for SeqNum {
    #[inline]
    fn sub_assign(&mut self, octets: u32) {
        *self = *self - octets;
    }
}

/// The signed distance: positive when `self` is after `other`.
impl Sub for SeqNum {
    type Output = i32;
    #[inline]
    fn sub(self, other: Self) -> i32 {
        self.0.wrapping_sub(other.0) as i32
    }
}

impl fmt::Display for SeqNum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn half_the_space_apart_each_is_before_the_other() {
        let (a, b) = (SeqNum(5), SeqNum(5 + (1 << 31)));
        assert!(a.before(b) && b.before(a));
    }

    #[test]
    fn windows() {
        let start = SeqNum(u32::MAX - 1);
        for (seq, len, inside) in [
            (start, 0, false),
            (start, 1, true),
            (start + 1, 1, false),
            (SeqNum(0), 3, true),
            (SeqNum(1), 3, false),
            (start - 1, u32::MAX, false),
            (start - 2, u32::MAX, true),
        ] {
            assert_eq!(seq.in_window(start, len), inside, "{seq} in {len} from {start}");
        }
    }

    proptest! {
        #[test]
        fn order_is_that_of_the_distance(base: u32, step in 1u32..1 << 31) {
            let (a, b) = (SeqNum(base), SeqNum(base) + step);
            prop_assert!(a.before(b) && b.after(a) && a.before_eq(b) && b.after_eq(a));
            prop_assert!(!b.before(a) && !a.after(b) && !b.before_eq(a) && !a.after_eq(b));
            prop_assert!(a.before_eq(a) && a.after_eq(a) && !a.before(a) && !a.after(a));
            prop_assert_eq!(i64::from(b - a), i64::from(step));
            prop_assert_eq!(i64::from(a - b), -i64::from(step));
            prop_assert_eq!(b.distance_from(a), step);
            prop_assert_eq!((b - step, a.max(b), b.max(a), a.min(b), b.min(a)), (a, b, b, a, a));
        }
    }
}
