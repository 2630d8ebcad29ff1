//! Times in few bits: the codes of group management for response times and query intervals (RFC 9776 §4.1.1, §4.1.7,
//! RFC 9777 §5.1.3, §5.1.9).
//!
//! A code below the marker bit is the value itself; from there on it is a float without sign: three bits of exponent, then
//! a mantissa with a hidden one in front. What a code can't say exactly is said by the next smaller code, so that nobody
//! answers later than was meant.

/// The value of a code of eight bits (R9776-4.1.1-a), as IGMPv3 and both query intervals have it: 0 to 31,744.
pub const fn decode8(code: u8) -> u32 {
    if code < 0x80 {
        return code as u32;
    }
    let (exponent, mantissa) = (code >> 4 & 7, code & 0xf);
    ((mantissa | 0x10) as u32) << (exponent + 3)
}

/// The value of a code of sixteen bits (R9777-5.1.3-a), as MLDv2 has it: 0 to 8,387,584.
pub const fn decode16(code: u16) -> u32 {
    if code < 0x8000 {
        return code as u32;
    }
    let (exponent, mantissa) = (code >> 12 & 7, code & 0xfff);
    ((mantissa | 0x1000) as u32) << (exponent + 3)
}

/// The code of eight bits for the largest value that is not above `value`.
pub const fn encode8(value: u32) -> u8 {
    if value < 0x80 {
        return value as u8;
    }
    // The highest bit is the hidden one; four bits follow it.
    let shift = 31 - value.leading_zeros() - 4;
    if shift > 10 { 0xff } else { 0x80 | ((shift - 3) << 4 | value >> shift & 0xf) as u8 }
}

/// The code of sixteen bits for the largest value that is not above `value`.
pub const fn encode16(value: u32) -> u16 {
    if value < 0x8000 {
        return value as u16;
    }
    let shift = 31 - value.leading_zeros() - 12;
    if shift > 10 { 0xffff } else { 0x8000 | ((shift - 3) << 12 | value >> shift & 0xfff) as u16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    // R9776-4.1.1-a, R9777-5.1.3-a
    #[test]
    fn codes_and_their_values() {
        for (code, value) in
            [(0, 0), (1, 1), (127, 127), (0x80, 128), (0x81, 136), (0x8f, 248), (0xff, 31_744)]
        {
            assert_eq!((decode8(code), encode8(value)), (value, code), "{code:#x}");
        }
        for (code, value) in
            [(0, 0), (0x7fff, 0x7fff), (0x8000, 0x8000), (0x8001, 0x8008), (0xffff, 8_387_584)]
        {
            assert_eq!((decode16(code), encode16(value)), (value, code), "{code:#x}");
        }
    }

    #[test]
    fn what_no_code_says_exactly_is_said_by_the_next_smaller_one() {
        for value in (0..40_000).chain([1 << 20, 8_387_583]) {
            let (short, long) = (decode8(encode8(value)), decode16(encode16(value)));
            assert!(short <= value && long <= value, "{value}");
            let next = |code: u8| code.checked_add(1).map_or(u32::MAX, decode8);
            assert!(next(encode8(value)) > value, "{value}");
            assert!(encode16(value).checked_add(1).map_or(u32::MAX, decode16) > value, "{value}");
        }
    }

    #[test]
    fn every_code_comes_back() {
        assert!((0..=u8::MAX).all(|code| encode8(decode8(code)) == code));
        assert!((0..=u16::MAX).all(|code| encode16(decode16(code)) == code));
    }
}
