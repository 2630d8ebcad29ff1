//! Numbers with units, read from the command line and written for people.

use stack_core::EcnPolicy;
use std::time::Duration;

/// Reads a count of bytes: `1500`, `64k`, `100M`, `1.5G`, powers of 1,000, or `KiB`, `MiB`, `GiB`, powers of 1,024.
///
/// # Errors
/// A sentence that says what is wanted.
pub(crate) fn size(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no size: write a number of bytes, such as 1500, 64k, 100M, 2GiB");
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "k" | "kb" => 1_000,
        "m" | "mb" => 1_000_000,
        "g" | "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return Err(wrong()),
    };
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).ok_or_else(wrong);
    }
    let fraction = number.parse::<f64>().map_err(|_| wrong())? * factor as f64;
    if fraction < 1e18 { Ok(fraction as u64) } else { Err(wrong()) }
}

/// Reads a time in seconds, `0.2`, or with its unit, `200ms`.
///
/// # Errors
/// A sentence that says what is wanted.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong =
        || format!("{text:?} is no time: write seconds, such as 1 or 0.2, or milliseconds, such as 200ms");
    let (number, scale) = match text.strip_suffix("ms") {
        Some(number) => (number, 1e-3),
        None => (text.strip_suffix('s').unwrap_or(text), 1.0),
    };
    let seconds = number.parse::<f64>().map_err(|_| wrong())? * scale;
    let usable = seconds.is_finite() && (0.0..=86_400.0 * 365.0).contains(&seconds);
    if usable { Ok(Duration::from_secs_f64(seconds)) } else { Err(wrong()) }
}

/// A policy for explicit congestion notification, by its word or by Linux's number.
///
/// # Errors
/// A sentence that says what is wanted.
pub(crate) fn ecn(text: &str) -> Result<EcnPolicy, String> {
    text.parse().map_err(|error: stack_core::UnknownEcnPolicy| format!("{text:?} is none: {error}"))
}

/// Reads a share of a whole: `0.01` or `1%`.
///
/// # Errors
/// A sentence that says what is wanted.
pub(crate) fn share(text: &str) -> Result<f64, String> {
    let (number, scale) = text.strip_suffix('%').map_or((text, 1.0), |number| (number, 0.01));
    let share = number.trim().parse::<f64>().ok().map(|value| value * scale);
    share
        .filter(|share| (0.0..=1.0).contains(share))
        .ok_or_else(|| format!("{text:?} is no share: write a number from 0 to 1, such as 0.01, or 1%"))
}

/// Reads bits a second: `100mbit`, `1.5gbit`, `64kbit`, powers of 1,000.
///
/// # Errors
/// A sentence that says what is wanted.
pub(crate) fn bit_rate(text: &str) -> Result<u64, String> {
    let wrong = || format!("{text:?} is no rate: write it with its unit, such as 100mbit, 1.5gbit, 64kbit");
    let lower = text.to_ascii_lowercase();
    let number = lower.strip_suffix("/s").unwrap_or(&lower);
    let (number, factor) = [("gbit", 1e9), ("mbit", 1e6), ("kbit", 1e3), ("bit", 1.0)]
        .into_iter()
        .find_map(|(unit, factor)| Some((number.strip_suffix(unit)?, factor)))
        .ok_or_else(wrong)?;
    let rate = number.trim().parse::<f64>().map_err(|_| wrong())? * factor;
    if (1e3..=1e12).contains(&rate) { Ok(rate as u64) } else { Err(wrong()) }
}

/// `1.50 MB`, powers of 1,000.
pub(crate) fn bytes(count: u64) -> String {
    scaled(count as f64, "B")
}

/// `93.2 Mbit/s`.
pub(crate) fn rate(bits_per_second: f64) -> String {
    scaled(bits_per_second, "bit/s")
}

/// `12.3 ms`.
pub(crate) fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        _ if seconds >= 1.0 => format!("{seconds:.2} s"),
        _ if seconds >= 1e-3 => format!("{:.1} ms", seconds * 1e3),
        _ => format!("{:.0} µs", seconds * 1e6),
    }
}

fn scaled(value: f64, unit: &str) -> String {
    let (divisor, prefix) = match value {
        _ if value >= 1e9 => (1e9, "G"),
        _ if value >= 1e6 => (1e6, "M"),
        _ if value >= 1e3 => (1e3, "k"),
        _ => return format!("{value:.0} {unit}"),
    };
    let scaled = value / divisor;
    let places = if scaled < 10.0 { 2 } else { usize::from(scaled < 100.0) };
    format!("{scaled:.places$} {prefix}{unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        let good = [
            ("0", 0),
            ("1500", 1500),
            ("64k", 64_000),
            ("1.5M", 1_500_000),
            ("2GiB", 2 << 30),
            ("10 MB", 10_000_000),
        ];
        for (text, value) in good {
            assert_eq!(size(text), Ok(value), "{text}");
        }
        for text in ["", "k", "-1", "1x", "1.2.3", "99999999999999999999", "99999999999G"] {
            assert!(size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn shares_and_rates() {
        let close = |text: &str, value: f64| share(text).is_ok_and(|share| (share - value).abs() < 1e-12);
        assert!(close("0", 0.0) && close("1%", 0.01) && close("0.1 %", 0.001) && close("1", 1.0));
        for (text, value) in
            [("100mbit", 100_000_000), ("1.5Gbit/s", 1_500_000_000), ("64 kbit", 64_000), ("9600bit", 9600)]
        {
            assert_eq!(bit_rate(text), Ok(value), "{text}");
        }
        for text in ["", "-1", "2", "101%", "some"] {
            assert!(share(text).is_err(), "{text}");
        }
        for text in ["", "100", "0mbit", "-1mbit", "fast", "nanbit"] {
            assert!(bit_rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(duration("0.2"), Ok(Duration::from_millis(200)));
        assert_eq!(duration("200ms"), Ok(Duration::from_millis(200)));
        assert_eq!(duration("3s"), Ok(Duration::from_secs(3)));
        for text in ["", "-1", "soon", "inf", "nan", "1e99"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn for_people() {
        assert_eq!((bytes(999), bytes(1500)), ("999 B".into(), "1.50 kB".into()));
        assert_eq!(rate(93_210_000.0), "93.2 Mbit/s");
        assert_eq!(time(Duration::from_micros(12_340)), "12.3 ms");
        assert_eq!(time(Duration::from_micros(7)), "7 µs");
    }
}
