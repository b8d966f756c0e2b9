//! The Internet checksum (RFC 1071) over whole pieces; changes of single fields are `rewrite`'s.

/// The checksum of `pieces` in turn; every piece but the last must have an even length.
pub fn of(pieces: &[&[u8]]) -> u16 {
    let mut sum: u64 = 0;
    for piece in pieces {
        let mut words = piece.chunks_exact(2);
        sum += words.by_ref().map(|word| u64::from(u16::from_be_bytes([word[0], word[1]]))).sum::<u64>();
        if let [last] = words.remainder() {
            sum += u64::from(*last) << 8;
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// True if the bytes, checksum included, sum up as they must.
pub fn verify(bytes: &[u8]) -> bool {
    of(&[bytes]) == 0
}
