//! Capture files in the classic libpcap format, so that a simulated port can be fed from one and saved to one.

/// A captured frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Captured {
    /// Nanoseconds since the epoch of the file.
    pub nanos: u64,
    /// Bytes from the Ethernet header on.
    pub bytes: Vec<u8>,
}

/// Why a capture file cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PcapError {
    /// Neither of the four magic numbers.
    #[error("not a classic pcap file (magic {magic:#010x})")]
    Magic {
        /// What is there, read little-endian.
        magic: u32,
    },
    /// The link type is not Ethernet (1).
    #[error("link type {link} is not Ethernet")]
    LinkType {
        /// What the header says.
        link: u32,
    },
    /// The file ends within a record.
    #[error("the file ends within the record at byte {at}")]
    Truncated {
        /// Where the record begins.
        at: usize,
    },
}

const MICROS: u32 = 0xa1b2_c3d4;
const NANOS: u32 = 0xa1b2_3c4d;
const ETHERNET: u32 = 1;

/// Reads a whole file: microsecond or nanosecond stamps, either byte order.
pub fn read(file: &[u8]) -> Result<Vec<Captured>, PcapError> {
    let word = |at: usize, big: bool| -> Option<u32> {
        let bytes: [u8; 4] = file.get(at..at + 4)?.try_into().ok()?;
        Some(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    };
    let magic = word(0, false).ok_or(PcapError::Truncated { at: 0 })?;
    let (big, unit) = match (magic, magic.swap_bytes()) {
        (MICROS, _) => (false, 1000),
        (NANOS, _) => (false, 1),
        (_, MICROS) => (true, 1000),
        (_, NANOS) => (true, 1),
        _ => return Err(PcapError::Magic { magic }),
    };
    let link = word(20, big).ok_or(PcapError::Truncated { at: 0 })? & 0x0fff_ffff;
    if link != ETHERNET {
        return Err(PcapError::LinkType { link });
    }
    let mut frames = Vec::new();
    let mut at = 24;
    while at < file.len() {
        let cut = PcapError::Truncated { at };
        let (Some(seconds), Some(part), Some(length)) = (word(at, big), word(at + 4, big), word(at + 8, big))
        else {
            return Err(cut);
        };
        word(at + 12, big).ok_or(cut)?;
        let bytes = file.get(at + 16..).and_then(|rest| rest.get(..length as usize)).ok_or(cut)?;
        let nanos = u64::from(seconds) * 1_000_000_000 + u64::from(part) * unit;
        frames.push(Captured { nanos, bytes: bytes.to_vec() });
        at += 16 + bytes.len();
    }
    Ok(frames)
}

/// Writes a file with nanosecond stamps.
pub fn write<'a>(frames: impl IntoIterator<Item = (u64, &'a [u8])>) -> Vec<u8> {
    let mut file = Vec::new();
    for word in [NANOS, 0x0004_0002, 0, 0, 0x0004_0000, ETHERNET] {
        file.extend_from_slice(&word.to_le_bytes());
    }
    for (nanos, bytes) in frames {
        let length = bytes.len() as u32;
        for word in [(nanos / 1_000_000_000) as u32, (nanos % 1_000_000_000) as u32, length, length] {
            file.extend_from_slice(&word.to_le_bytes());
        }
        file.extend_from_slice(bytes);
    }
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let frames = [(1_500_000_000_u64, vec![1_u8; 60]), (2_000_000_007, vec![]), (9, vec![3; 1514])];
        let file = write(frames.iter().map(|(nanos, bytes)| (*nanos, bytes.as_slice())));
        let back: Vec<_> = read(&file).unwrap().into_iter().map(|frame| (frame.nanos, frame.bytes)).collect();
        assert_eq!(back, frames);
        for cut in (0..file.len()).filter(|cut| ![24, 100, 116].contains(cut)) {
            assert!(matches!(read(&file[..cut]), Err(PcapError::Truncated { .. })), "{cut}");
        }
    }

    #[test]
    fn a_big_endian_microsecond_file_is_read() {
        let mut file = Vec::new();
        for word in [MICROS, 0x0002_0004, 0, 0, 65535, 1, 3, 250_000, 2, 2] {
            file.extend_from_slice(&word.to_be_bytes());
        }
        file.extend_from_slice(&[0xab, 0xcd]);
        assert_eq!(read(&file), Ok(vec![Captured { nanos: 3_250_000_000, bytes: vec![0xab, 0xcd] }]));
        file[23] = 101;
        assert_eq!(read(&file), Err(PcapError::LinkType { link: 101 }));
        file[0] = 0;
        assert!(matches!(read(&file), Err(PcapError::Magic { .. })));
    }
}
