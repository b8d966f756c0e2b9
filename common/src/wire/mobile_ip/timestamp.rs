//! The time of day as identifications have it: that of NTP (RFC 5944, section 5.7.1).

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds from the beginning of NTP's time, 1900, to that of Unix, 1970 (RFC 5905).
pub const NTP_EPOCH: u64 = 2_208_988_800;

/// Seconds since 1900 in the upper half, a fraction of one in the lower.
pub fn timestamp(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    (since.as_secs() + NTP_EPOCH) << 32 | fraction
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn halves_are_seconds_and_their_fraction() {
        // 1 000 000 000 s after 1970 are 0xBF454880 of NTP.
        let at = UNIX_EPOCH + Duration::from_millis(1_000_000_000_250);
        assert_eq!(timestamp(at), 0xbf45_4880_4000_0000);
        assert_eq!(timestamp(UNIX_EPOCH - Duration::from_secs(1)), NTP_EPOCH << 32);
    }
}
