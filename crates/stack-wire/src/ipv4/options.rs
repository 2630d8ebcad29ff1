//! IPv4 options: RFC 791 §3.1.
//!
//! The walk hands out every option by its length, known or not, and never leaves
//! the header (R1122-3.2.1.8-a). What an option asks for is the network layer's.

use super::MIN_HEADER_LEN;

/// Option types, RFC 791 §3.1 and RFC 2113.
pub mod option {
    /// End of the option list.
    pub const END: u8 = 0;
    /// No operation.
    pub const NOP: u8 = 1;
    /// Record route.
    pub const RECORD_ROUTE: u8 = 7;
    /// Internet timestamp.
    pub const TIMESTAMP: u8 = 68;
    /// Loose source route.
    pub const LOOSE_SOURCE_ROUTE: u8 = 131;
    /// Strict source route.
    pub const STRICT_SOURCE_ROUTE: u8 = 137;
    /// Router alert.
    pub const ROUTER_ALERT: u8 = 148;
    /// The bit that sends an option along in every fragment (R791-3.2-c).
    pub const COPIED: u8 = 0x80;
}

/// Walks an option area; ends at END, at the end of the area or at the first bad length.
#[derive(Clone, Debug)]
pub struct Options<'a> {
    all: &'a [u8],
    rest: &'a [u8],
    malformed: bool,
}

impl<'a> Options<'a> {
    /// The options in this area, which follows the fixed part of a header.
    #[inline]
    pub const fn new(area: &'a [u8]) -> Self {
        Self { all: area, rest: area, malformed: false }
    }

    /// Where in the header the next option begins, or, after the walk, where it ended: the pointer
    /// of a parameter problem (RFC 792).
    pub const fn offset(&self) -> usize {
        MIN_HEADER_LEN + self.all.len() - self.rest.len()
    }

    /// Whether the walk ended at an option whose length is below 2 or beyond the header.
    pub const fn malformed(&self) -> bool {
        self.malformed
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        while let [option::NOP, rest @ ..] = self.rest {
            self.rest = rest;
        }
        match *self.rest {
            [] | [option::END, ..] => None,
            [kind, len, ref behind @ ..] => {
                let data = usize::from(len).checked_sub(2).and_then(|len| behind.split_at_checked(len));
                let Some((data, rest)) = data else {
                    self.malformed = true;
                    return None;
                };
                self.rest = rest;
                Some((kind, data))
            }
            [_] => {
                self.malformed = true;
                None
            }
        }
    }
}
