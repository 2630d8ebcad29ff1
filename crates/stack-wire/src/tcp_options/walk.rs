//! The walk over an option area that reading and printing share.

use super::kind;

/// Walks an option area as (kind, data), NOPs included, known or not; ends at END, at the end of the
/// area or at the first illegal length.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    rest: &'a [u8],
    malformed: bool,
}

impl<'a> Options<'a> {
    /// The options in this area.
    #[inline]
    pub const fn new(area: &'a [u8]) -> Self {
        Self { rest: area, malformed: false }
    }

    /// Whether the walk ended at a length below 2 or beyond the area (R9293-MUST-7).
    pub const fn malformed(&self) -> bool {
        self.malformed
    }

    /// What lies behind the place that the walk has reached.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = (u8, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (kind, len, behind) = match self.rest {
            [] | [kind::END, ..] => return None,
            [kind::NOP, rest @ ..] => {
                self.rest = rest;
                return Some((kind::NOP, &[]));
            }
            [kind, len, behind @ ..] => (*kind, *len, behind),
            [_] => (0, 0, [].as_slice()),
        };
        let data = usize::from(len).checked_sub(2).and_then(|len| behind.split_at_checked(len));
        let Some((data, rest)) = data else {
            self.malformed = true; // R9293-MUST-7
            return None;
        };
        self.rest = rest;
        Some((kind, data))
    }
}
