//! Numbers for people. Groups of digits and units are set off by a thin space that does not break.

use jiff::Timestamp;

/// Narrow and unbreakable.
const THIN: char = '\u{202f}';

/// Every digit: `1 250 000`.
pub fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(THIN);
        }
        text.push(digit);
    }
    text
}

/// Three digits and a prefix: `1.25 M`, `840`, `0.5`.
pub fn short(value: f64) -> String {
    let (scaled, prefix) = match value.abs() {
        size if size >= 999.5e6 => (value / 1e9, "G"),
        size if size >= 999.5e3 => (value / 1e6, "M"),
        size if size >= 999.5 => (value / 1e3, "k"),
        _ => return trimmed(value),
    };
    format!("{}{THIN}{prefix}", trimmed(scaled))
}

/// Up to three digits that count.
fn trimmed(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        size if size >= 0.9995 || size == 0.0 => 2,
        _ => 3,
    };
    let text = format!("{value:.digits$}");
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').into() } else { text }
}

pub fn rate(value: f64) -> String {
    let unit = if value.abs() < 999.5 { format!("{THIN}/s") } else { "/s".into() };
    short(value) + &unit
}

/// From microseconds: `12.3 µs`, `4.5 ms`, `1.2 s`.
pub fn latency(micros: f64) -> String {
    let (scaled, unit) = match micros {
        it if it >= 1e6 => (it / 1e6, "s"),
        it if it >= 1e3 => (it / 1e3, "ms"),
        it if it >= 1.0 || it == 0.0 => (it, "µs"),
        it => (it * 1e3, "ns"),
    };
    format!("{}{THIN}{unit}", trimmed(scaled))
}

/// From seconds: `8.5 s`, `12 min 5 s`, `3 h 20 min`.
pub fn time(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match seconds {
        it if it < 120.0 => format!("{}{THIN}s", trimmed(it)),
        it if it < 7200.0 => match (whole / 60, whole % 60) {
            (minutes, 0) => format!("{minutes}{THIN}min"),
            (minutes, rest) => format!("{minutes}{THIN}min {rest}{THIN}s"),
        },
        _ => match (whole / 3600, whole % 3600 / 60) {
            (hours, 0) => format!("{}{THIN}h", count(hours)),
            (hours, rest) => format!("{}{THIN}h {rest}{THIN}min", count(hours)),
        },
    }
}

/// A part of a whole in percent; a part that is not nothing never reads 0, one that is not all never 100.
pub fn share(part: u64, whole: u64) -> String {
    if whole == 0 { "–".into() } else { percent(part as f64 / whole as f64) }
}

/// A share (0 to 1) in percent, likewise.
pub fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let text = match percent {
        0.0 => "0".into(),
        it if it < 0.001 => format!("{it:.1e}"),
        it if it < 0.1 => format!("{it:.3}"),
        it if it < 99.99 => format!("{it:.2}"),
        it if it < 100.0 => {
            // As many digits as it takes to differ from 100, whatever the last bit says.
            let nines = (-(1.0 - share).log10() - 1e-6).ceil().clamp(4.0, 14.0) as usize;
            format!("{it:.*}", nines - 2)
        }
        it => trimmed(it),
    };
    format!("{text}{THIN}%")
}

/// `2.00 GiB`.
pub fn bytes(value: u64) -> String {
    let gib = value as f64 / f64::from(1u32 << 30);
    if gib >= 1.0 { format!("{gib:.1}{THIN}GiB") } else { format!("{}{THIN}MiB", value >> 20) }
}

/// Seconds since 1970 as a date of universal time.
pub fn date(seconds: u64) -> String {
    let timestamp = i64::try_from(seconds).ok().and_then(|it| Timestamp::from_second(it).ok());
    timestamp.map_or_else(
        || format!("{seconds}{THIN}s after 1970"),
        |timestamp| timestamp.strftime("%Y-%m-%d %H:%M:%S UTC").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: impl AsRef<str>) -> String {
        text.as_ref().replace(THIN, " ")
    }

    #[test]
    fn numbers_are_grouped_or_shortened() {
        assert_eq!([0, 999, 1000, 12_500_000].map(count).map(plain), ["0", "999", "1 000", "12 500 000"]);
        let rates = [0.0, 0.5, 999.0, 999_999.0, 1_846_000.0, 2.5e10];
        assert_eq!(rates.map(rate).map(plain), ["0 /s", "0.5 /s", "999 /s", "1 M/s", "1.85 M/s", "25 G/s"]);
    }

    #[test]
    fn times_have_the_unit_that_fits() {
        let latencies = [0.25, 12.0, 999.0, 1234.0, 2.5e6];
        assert_eq!(latencies.map(latency).map(plain), ["250 ns", "12 µs", "999 µs", "1.23 ms", "2.5 s"]);
        let times = [0.0, 59.94, 125.0, 180.0, 7200.0, 40_000.0];
        assert_eq!(times.map(time).map(plain), ["0 s", "59.9 s", "2 min 5 s", "3 min", "2 h", "11 h 6 min"]);
        assert_eq!(date(1_700_000_000), "2023-11-14 22:13:20 UTC");
        assert_eq!(plain(date(u64::MAX)), "18446744073709551615 s after 1970");
    }

    #[test]
    fn a_frame_of_a_million_shows_in_the_share() {
        assert_eq!(plain(share(0, 10)), "0 %");
        assert_eq!(plain(share(10, 10)), "100 %");
        assert_eq!(plain(share(1, 1_000_000_000)), "1.0e-7 %");
        assert_eq!(plain(share(999_999, 1_000_000)), "99.9999 %");
        assert_eq!(plain(share(1, 3)), "33.33 %");
        assert_eq!(share(0, 0), "–");
        assert_eq!([2 << 30, 512 << 20].map(bytes).map(plain), ["2.0 GiB", "512 MiB"]);
    }
}
