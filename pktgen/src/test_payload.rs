//! What a measured frame carries beside its request: run, serial number, timestamp and a checksum of all the rest.
//!
//! It is an extension of the type 255 (skippable; RFC 5944, section 1.8.2) right behind the NAI:
//!
//! ```text
//! | 255 (1) | 20 (1) | run (4) | serial (4) | nanoseconds (8) | CRC-32 (4) |
//! ```
//!
//! The CRC covers the message up to the authenticator with the CRC's own bytes as zeros.

use common::wire::mobile_ip::RRQ_FIXED;

/// Skippable experimental extension.
const EXPERIMENTAL: u8 = 255;
const NAI: u8 = 131;
/// Mobile-Home authentication extension.
const MOBILE_HOME: u8 = 32;
const BODY: usize = 20;
/// Bytes of the extension.
pub const LENGTH: usize = 2 + BODY;
const CRC: usize = LENGTH - 4;

/// What a frame says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TestPayload {
    /// Of all frames of a run; others are not its own.
    pub run: u32,
    /// Of this frame.
    pub serial: u32,
    /// When it was sent, nanoseconds since the start of the run.
    pub stamp: u64,
}

impl TestPayload {
    /// Appends the extension, without its checksum; the position for [`seal`].
    pub fn write(&self, message: &mut Vec<u8>) -> usize {
        let at = message.len();
        message.extend([EXPERIMENTAL, BODY as u8]);
        message.extend(self.run.to_be_bytes());
        message.extend(self.serial.to_be_bytes());
        message.extend(self.stamp.to_be_bytes());
        message.extend([0; 4]);
        at
    }
}

/// Fills in the checksum of the extension at `at` over the whole of `message`, to which only an authenticator may be
/// added later.
pub fn seal(message: &mut [u8], at: usize) {
    let crc = crc32fast::hash(message);
    message[at + CRC..at + LENGTH].copy_from_slice(&crc.to_be_bytes());
}

/// Finds the extension in a request; whether the message is what was sent. `None`: there is none.
pub fn read(message: &[u8]) -> Option<(TestPayload, bool)> {
    let [kind, length, ..] = message.get(RRQ_FIXED..)? else { return None };
    if *kind != NAI {
        return None;
    }
    let at = RRQ_FIXED + 2 + usize::from(*length);
    let extension: &[u8; LENGTH] = message.get(at..at + LENGTH)?.try_into().ok()?;
    if extension[..2] != [EXPERIMENTAL, BODY as u8] {
        return None;
    }
    let word = |from: usize| u32::from_be_bytes([0, 1, 2, 3].map(|byte| extension[from + byte]));
    let stamp = u64::from(word(10)) << 32 | u64::from(word(14));
    let probe = TestPayload { run: word(2), serial: word(6), stamp };
    let mut crc = crc32fast::Hasher::new();
    crc.update(&message[..at + CRC]);
    crc.update(&[0; 4]);
    crc.update(&message[at + LENGTH..end(message, at + LENGTH)]);
    Some((probe, crc.finalize() == word(CRC)))
}

/// Where the authenticator begins, or the message ends: extensions are walked from `at` on.
fn end(message: &[u8], mut at: usize) -> usize {
    while let Some([kind, rest @ ..]) = message.get(at..) {
        at += match (kind, rest.first()) {
            (&MOBILE_HOME, _) => return at,
            // A pad is a single byte, and so is what is cut off.
            (0, _) | (_, None) => 1,
            (_, Some(length)) => 2 + usize::from(*length),
        };
    }
    message.len()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prop_assert_eq, proptest};

    use super::*;

    const PROBE: TestPayload = TestPayload { run: 7, serial: 0x0102_0304, stamp: u64::MAX - 1 };

    fn message(fill: usize, authenticator: bool) -> Vec<u8> {
        let mut message = vec![1; RRQ_FIXED];
        message.extend([NAI, 3, b'u', b'@', b'r']);
        let at = PROBE.write(&mut message);
        if fill > 1 {
            message.extend([EXPERIMENTAL, (fill - 2) as u8]);
            message.resize(message.len() + fill - 2, 0);
        }
        seal(&mut message, at);
        if authenticator {
            message.extend([MOBILE_HOME, 20]);
            message.extend([9; 20]);
        }
        message
    }

    #[test]
    fn what_was_written_is_read_with_and_without_an_authenticator() {
        for fill in [0, 2, 3, 40, 257] {
            for authenticator in [false, true] {
                assert_eq!(read(&message(fill, authenticator)), Some((PROBE, true)), "{fill}");
            }
        }
    }

    #[test]
    fn every_changed_byte_in_front_of_the_authenticator_is_noticed() {
        let good = message(10, false);
        for at in 0..good.len() {
            for bit in 0..8 {
                let mut bad = good.clone();
                bad[at] ^= 1 << bit;
                assert!(read(&bad).is_none_or(|(_, intact)| !intact), "{at} {bit}");
            }
        }
        assert_eq!(read(&good[..good.len() - 1]).map(|it| it.1), Some(false), "cut off");
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_without_a_panic(bytes in vec(proptest::num::u8::ANY, 0..120), tail in vec(proptest::num::u8::ANY, 0..9)) {
            let _ = read(&bytes);
            let mut long = message(5, false);
            let intact = tail.is_empty();
            long.extend(&tail);
            // A tail that begins like an authenticator is taken for one.
            prop_assert_eq!(read(&long).map(|it| it.1), Some(intact || tail[0] == MOBILE_HOME));
        }
    }
}
