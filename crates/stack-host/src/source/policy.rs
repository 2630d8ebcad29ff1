//! Which addresses belong together and which go first: the policy table of RFC 6724 §2.1.

use alloc::vec::Vec;
use core::net::Ipv6Addr;
use stack_core::Ipv6Net;

/// A row of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// Addresses that it is for; IPv4 addresses are looked up as IPv4-mapped ones.
    pub prefix: Ipv6Net,
    /// Destinations with a higher one go first.
    pub precedence: u8,
    /// Sources and destinations with the same one belong together.
    pub label: u8,
}

/// The table: the row with the longest prefix that matches counts. By default that of RFC 6724 §2.1.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policies {
    /// Longest prefixes first; the last is ::/0.
    rows: Vec<Policy>,
}

/// What holds where no row does.
const DEFAULT: Policy = row([0; 8], 0, 40, 1);

/// R6724-2.1-a
const TABLE: [Policy; 9] = [
    row([0, 0, 0, 0, 0, 0, 0, 1], 128, 50, 0),
    row([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, 35, 4),
    row([0; 8], 96, 1, 3),
    row([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, 5, 5),
    row([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, 30, 2),
    row([0x3ffe, 0, 0, 0, 0, 0, 0, 0], 16, 1, 12),
    row([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, 1, 11),
    row([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, 3, 13),
    DEFAULT,
];

const fn row(prefix: [u16; 8], length: u8, precedence: u8, label: u8) -> Policy {
    let [a, b, c, d, e, f, g, h] = prefix;
    Policy { prefix: Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), length), precedence, label }
}

impl Default for Policies {
    fn default() -> Self {
        Self { rows: TABLE.to_vec() }
    }
}

impl Policies {
    /// A table of one's own (R6724-2.1-b). Addresses that no row is for have precedence 40 and label 1, as ::/0 by default.
    pub fn new(mut rows: Vec<Policy>) -> Self {
        rows.sort_by_key(|row| core::cmp::Reverse(row.prefix.prefix_len()));
        Self { rows }
    }

    /// The row for an address.
    pub fn of(&self, address: Ipv6Addr) -> Policy {
        self.rows.iter().find(|row| row.prefix.contains(&address)).copied().unwrap_or(DEFAULT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R6724-2.1-a
    #[test]
    fn the_default_table() {
        let policies = Policies::default();
        for (address, precedence, label) in [
            ("::1", 50, 0),
            ("2600::1", 40, 1),
            ("::ffff:10.0.0.1", 35, 4),
            ("2002::1", 30, 2),
            ("2001::1", 5, 5),
            ("2001:db8::1", 40, 1),
            ("fd00::1", 3, 13),
            ("::10.0.0.1", 1, 3),
            ("fec0::1", 1, 11),
            ("3ffe::1", 1, 12),
        ] {
            let row = policies.of(address.parse().unwrap());
            assert_eq!((row.precedence, row.label), (precedence, label), "{address}");
        }
    }

    // R6724-2.1-b
    #[test]
    fn a_table_of_ones_own() {
        let row = |prefix: &str, label| Policy { prefix: prefix.parse().unwrap(), precedence: 9, label };
        let policies = Policies::new([row("2001:db8::/32", 70), row("2001:db8:1::/48", 71)].to_vec());
        let label = |address: &str| policies.of(address.parse().unwrap()).label;
        assert_eq!((label("2001:db8::1"), label("2001:db8:1::1"), label("fd00::1")), (70, 71, 1));
    }
}
