//! What a router writes into the options of a packet that it sends on: its address into a record of the route, its
//! time into a record of times. RFC 791 §3.1, RFC 1812 §5.3.13.4 and §5.3.13.5.
//!
//! The options were walked when the packet came in (`options.rs`), so they lie inside the header; what they say of
//! themselves is doubted all the same. Lengths never change: senders leave room, and what finds none is counted
//! (timestamps) or left out (addresses).

use core::net::Ipv4Addr;
use stack_core::{ErrorKind, Instant};
use stack_wire::checksum;
use stack_wire::icmpv4::parameter_problem;
use stack_wire::ipv4::{MIN_HEADER_LEN, option};

/// Octets of an address, and of a timestamp.
const WORD: usize = 4;
/// The bit that marks a time that does not count from midnight UT: hosts here have no calendar.
const NONSTANDARD_TIME: u32 = 0x8000_0000;
/// Where the checksum lies in the header.
const CHECKSUM: core::ops::Range<usize> = 10..12;

/// Writes what the options of a header ask for and mends its checksum. `ours` is our address on the way out.
///
/// # Errors
/// An option that can't be written into; the packet ends.
pub(crate) fn record(header: &mut [u8], ours: Ipv4Addr, now: Instant) -> Result<(), ErrorKind> {
    let mut at = MIN_HEADER_LEN;
    while let Some([kind, rest @ ..]) = header.get_mut(at..) {
        let len = match *kind {
            option::END => break,
            option::NOP => 1,
            _ => usize::from(rest.first().copied().unwrap_or_default()),
        };
        let written = match (*kind, header.get_mut(at..at + len)) {
            (option::RECORD_ROUTE, Some(option)) => record_route(option, ours),
            (option::TIMESTAMP, Some(option)) => record_time(option, ours, now),
            _ => Some(()),
        };
        written
            .ok_or(ErrorKind::ParameterProblem { pointer: at as u32, code: parameter_problem::POINTER })?;
        at += len.max(1);
    }
    mend_checksum(header);
    Ok(())
}

/// Type, length, pointer, addresses. A full one stays as it is; `None` if what room there is holds no whole address.
fn record_route(option: &mut [u8], ours: Ipv4Addr) -> Option<()> {
    let [_, len, pointer, ..] = *option else { return None };
    if pointer > len {
        return Some(());
    }
    put(option, usize::from(pointer), &ours.octets(), WORD - 1)?;
    advance(option, WORD)
}

/// Type, length, pointer, overflow and flag, then times, alone or each behind an address.
fn record_time(option: &mut [u8], ours: Ipv4Addr, now: Instant) -> Option<()> {
    let [_, len, pointer, flags, ..] = *option else { return None };
    if pointer > len {
        // RFC 791: so many could not; when even that can't be told, the packet is in error.
        *option.get_mut(3)? = flags.checked_add(0x10)?;
        return Some(());
    }
    let time = (now.as_millis() as u32 | NONSTANDARD_TIME).to_be_bytes();
    let at = usize::from(pointer);
    match flags & 0xf {
        0 => {
            put(option, at, &time, WORD)?;
            advance(option, WORD)
        }
        1 => {
            put(option, at + WORD, &time, WORD)?;
            put(option, at, &ours.octets(), WORD)?;
            advance(option, 2 * WORD)
        }
        // The sender has said whose times it wants.
        3 if option.get(at.checked_sub(1)?..)?.starts_with(&ours.octets()) => {
            put(option, at + WORD, &time, WORD)?;
            advance(option, 2 * WORD)
        }
        3 => Some(()),
        _ => None,
    }
}

/// Writes at a pointer, which counts from 1; not into the first octets of the option.
fn put(option: &mut [u8], pointer: usize, word: &[u8; WORD], first: usize) -> Option<()> {
    let at = pointer.checked_sub(1).filter(|at| *at >= first)?;
    option.get_mut(at..at + WORD)?.copy_from_slice(word);
    Some(())
}

fn advance(option: &mut [u8], by: usize) -> Option<()> {
    let pointer = option.get_mut(2)?;
    *pointer = pointer.checked_add(by as u8)?;
    Some(())
}

fn mend_checksum(header: &mut [u8]) {
    let Some(field) = header.get_mut(CHECKSUM) else { return };
    field.fill(0);
    let sum = checksum::ipv4_header(header).to_be_bytes();
    if let Some(field) = header.get_mut(CHECKSUM) {
        field.copy_from_slice(&sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{fix_checksum, with_options};
    use alloc::vec::Vec;
    use proptest::prelude::*;

    const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);
    const NOW: Instant = Instant::from_secs(1);
    /// 1,000 ms, not since midnight.
    const TIME: [u8; 4] = [0x80, 0, 0x03, 0xe8];

    fn header(options: &[u8]) -> Vec<u8> {
        with_options("10.0.0.9", "203.0.113.1", 17, options, b"")
    }

    /// The options after one router; the checksum must be right.
    fn recorded(options: &[u8]) -> Result<Vec<u8>, ErrorKind> {
        let mut header = header(options);
        record(&mut header, OURS, NOW)?;
        let mut right = header.clone();
        fix_checksum(&mut right);
        assert_eq!(header, right);
        Ok(header[MIN_HEADER_LEN..MIN_HEADER_LEN + options.len()].to_vec())
    }

    /// An option area as it is put together.
    type Octets<'a> = &'a [&'a [u8]];

    // R9293-MAY-10, R9293-MAY-11
    #[test]
    fn routes_and_times_are_written_where_the_pointer_is() {
        let ours = OURS.octets();
        let other = [198, 51, 100, 1];
        let zero = [0; 4];
        let cases: &[(&str, Octets<'_>, Octets<'_>)] = &[
            ("nothing asked", &[&[1, 148, 4, 0, 0]], &[&[1, 148, 4, 0, 0]]),
            ("first stop", &[&[7, 11, 4], &zero, &zero], &[&[7, 11, 8], &ours, &zero]),
            ("last stop", &[&[1, 7, 11, 8], &other, &zero], &[&[1, 7, 11, 12], &other, &ours]),
            ("full route", &[&[7, 7, 8], &other], &[&[7, 7, 8], &other]),
            ("time alone", &[&[68, 8, 5, 0], &zero], &[&[68, 8, 9, 0], &TIME]),
            ("time of whom", &[&[68, 12, 5, 1], &zero, &zero], &[&[68, 12, 13, 1], &ours, &TIME]),
            ("our time is wanted", &[&[68, 12, 5, 3], &ours, &zero], &[&[68, 12, 13, 3], &ours, &TIME]),
            ("another's is", &[&[68, 12, 5, 3], &other, &zero], &[&[68, 12, 5, 3], &other, &zero]),
            ("no room for a time", &[&[68, 8, 9, 0x20], &TIME], &[&[68, 8, 9, 0x30], &TIME]),
            (
                "both, and an end behind which nothing counts",
                &[&[7, 7, 4], &zero, &[68, 8, 5, 0], &zero, &[0, 7]],
                &[&[7, 7, 8], &ours, &[68, 8, 9, 0], &TIME, &[0, 7]],
            ),
        ];
        for (situation, before, after) in cases {
            assert_eq!(recorded(&before.concat()).as_deref(), Ok(&after.concat()[..]), "{situation}");
        }
    }

    #[test]
    fn options_that_can_not_be_written_into_are_problems_at_their_place() {
        let cases: &[(&str, &[u8], u32)] = &[
            ("half an address of room", &[7, 6, 4, 0, 0, 0], 20),
            ("a pointer into the option's own fields", &[1, 7, 7, 3, 0, 0, 0, 0], 21),
            ("a route without a pointer", &[7, 2], 20),
            ("no whole pair of address and time", &[68, 8, 5, 1, 0, 0, 0, 0], 20),
            ("an overflow that overflows", &[68, 8, 9, 0xf0, 0, 0, 0, 0], 20),
            ("a flag that nobody defined", &[68, 8, 5, 2, 0, 0, 0, 0], 20),
            ("times that begin at the flag", &[68, 8, 4, 0, 0, 0, 0, 0], 20),
        ];
        for (situation, options, pointer) in cases {
            let problem = ErrorKind::ParameterProblem { pointer: *pointer, code: 0 };
            assert_eq!(recorded(options), Err(problem), "{situation}");
        }
    }

    proptest! {
        #[test]
        fn no_options_panic_or_change_the_length(options in proptest::collection::vec(
            prop_oneof![any::<u8>(), Just(7), Just(68), Just(4), Just(5), Just(8)], 0..=40)
        ) {
            let mut header = header(&options);
            let len = header.len();
            let _ = record(&mut header, OURS, NOW);
            prop_assert_eq!(header.len(), len);
        }
    }
}
