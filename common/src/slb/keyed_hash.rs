//! The hash of identities: NH and a multilinear finish, keyed; a universal hash, so its bound holds for keys that
//! outsiders choose as long as they never see the secret or a hash.
//!
//! ```text
//! sum  = (length + s0) * (tag + s1) + sum over blocks i of 16 bytes (low + s[2i+2]) * (high + s[2i+3])   mod 2^128
//! half = (a * low64(sum) + b * high64(sum) + c) mod 2^128 >> 64, then one round of MurmurHash3's finalizer: a
//!        bijection, which spreads neighbours over the table
//! hash = two such halves of one sum, each with its own a, b and c
//! ```
//! The additions inside brackets are modulo 2^64, `low` and `high` the words of a block, little-endian. The blocks are
//! those from the front and then the last 16 bytes, which may overlap them; a key of less is zero-padded. For any two
//! different (length, tag, bytes), the chance over the secret that both sums agree is at most 2^-64 (J. Black, S. Halevi,
//! H. Krawczyk, T. Krovetz, P. Rogaway, "UMAC", 1999, theorem 4.2), and that a half of both agrees then at most 2^-64 more
//! (M. Dietzfelbinger, "Universal hashing and k-wise independent random variables via integer arithmetic", 1996).
//! So one half alone collides with a chance of 2^-63, and both with 2^-64: the second half adds one bit of certainty, as
//! both are of one sum. Who needs more compares the keys. A half that nobody uses costs nothing where `hash` is inlined.

use siphasher::sip::SipHasher13;

/// Bytes of a key at most: those of a NAI (RFC 2794) and one.
pub const MAX_KEY: usize = 256;
/// Secret words of the pairs: two for length and tag, then one a word.
const PAIRS: usize = 2 + MAX_KEY / 8;

/// The secret of the hash.
#[derive(Clone)]
pub struct HashKey {
    pairs: [u64; PAIRS],
    /// Of the lower half and of the upper.
    finish: [[u128; 3]; 2],
}

impl HashKey {
    /// Derived from a short key: SipHash-1-3 of a counter.
    pub fn derive(key: [u8; 16]) -> Self {
        let mut counter = 0_u64;
        let mut next = || {
            counter += 1;
            SipHasher13::new_with_key(&key).hash(&counter.to_le_bytes())
        };
        let pairs = std::array::from_fn(|_| next());
        let mut wide = || u128::from(next()) << 64 | u128::from(next());
        let finish = std::array::from_fn(|_| std::array::from_fn(|_| wide()));
        Self { pairs, finish }
    }

    /// Hash of up to [`MAX_KEY`] bytes under a tag; of a longer key the first bytes and the length count.
    #[inline(always)]
    pub fn hash(&self, tag: u64, key: &[u8]) -> u128 {
        let [length_secret, tag_secret, ref secrets @ ..] = self.pairs;
        let sum = product((key.len() as u64).wrapping_add(length_secret), tag.wrapping_add(tag_secret));
        let (secrets, _) = secrets.as_chunks::<2>();
        match (key.first_chunk::<16>(), key.last_chunk::<16>()) {
            // The usual lengths, 17 to 32.
            (Some(first), Some(last)) if key.len().wrapping_sub(17) < 16 => {
                self.finish(sum.wrapping_add(pair(first, secrets[0])).wrapping_add(pair(last, secrets[1])))
            }
            _ => self.any_length(sum, key),
        }
    }

    #[inline(never)]
    fn any_length(&self, mut sum: u128, key: &[u8]) -> u128 {
        let (secrets, _) = self.pairs[2..].as_chunks::<2>();
        let key = &key[..key.len().min(MAX_KEY)];
        let Some(last) = key.last_chunk::<16>() else {
            let mut padded = [0; 16];
            padded[..key.len()].copy_from_slice(key);
            return self.finish(sum.wrapping_add(pair(&padded, secrets[0])));
        };
        // The last block overlaps the one before unless the length is a multiple.
        let (blocks, _) = key[..key.len() - 1].as_chunks::<16>();
        for (block, secret) in blocks.iter().zip(secrets) {
            sum = sum.wrapping_add(pair(block, *secret));
        }
        self.finish(sum.wrapping_add(pair(last, secrets[blocks.len()])))
    }

    #[inline(always)]
    fn finish(&self, sum: u128) -> u128 {
        let [lower, upper] = &self.finish;
        u128::from(half(upper, sum)) << 64 | u128::from(half(lower, sum))
    }
}

#[inline(always)]
fn half([a, b, c]: &[u128; 3], sum: u128) -> u64 {
    let (low, high) = (u128::from(sum as u64), sum >> 64);
    let spread = a.wrapping_mul(low).wrapping_add(b.wrapping_mul(high)).wrapping_add(*c);
    mix((spread >> 64) as u64)
}

#[inline(always)]
fn pair(block: &[u8; 16], secret: [u64; 2]) -> u128 {
    let word = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| block[at + byte]));
    product(word(0).wrapping_add(secret[0]), word(8).wrapping_add(secret[1]))
}

#[inline(always)]
fn product(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b)
}

/// Spreads neighbours; a bijection. The factor is that of MurmurHash3 (Austin Appleby, public domain).
#[inline(always)]
fn mix(word: u64) -> u64 {
    let word = (word ^ word >> 32).wrapping_mul(0xff51_afd7_ed55_8ccd);
    word ^ word >> 32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The formula above by the letter, on copies.
    fn by_the_letter(hash_key: &HashKey, tag: u64, key: &[u8]) -> u128 {
        let mut blocks = Vec::new();
        let mut rest = key;
        while rest.len() > 16 {
            blocks.push(rest[..16].to_vec());
            rest = &rest[16..];
        }
        blocks.push(if key.len() < 16 { key.to_vec() } else { key[key.len() - 16..].to_vec() });
        let word = |bytes: &[u8]| bytes.iter().rev().fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
        let times = |a: u64, b: u64| u128::from(a).wrapping_mul(u128::from(b));
        let s = &hash_key.pairs;
        let mut sum = times(s[0].wrapping_add(key.len() as u64), s[1].wrapping_add(tag));
        for (i, mut block) in blocks.into_iter().enumerate() {
            block.resize(16, 0);
            let (low, high) = (word(&block[..8]), word(&block[8..]));
            sum = sum.wrapping_add(times(low.wrapping_add(s[2 * i + 2]), high.wrapping_add(s[2 * i + 3])));
        }
        let half = |[a, b, c]: [u128; 3]| {
            let high = a.wrapping_mul(sum & u128::from(u64::MAX)).wrapping_add(b.wrapping_mul(sum >> 64));
            u128::from(mix((high.wrapping_add(c) >> 64) as u64))
        };
        half(hash_key.finish[1]) << 64 | half(hash_key.finish[0])
    }

    proptest! {
        #[test]
        fn it_is_the_formula(
            key: [u8; 16], tag: u64, bytes in proptest::collection::vec(any::<u8>(), 0..=MAX_KEY),
        ) {
            let hash_key = HashKey::derive(key);
            prop_assert_eq!(hash_key.hash(tag, &bytes), by_the_letter(&hash_key, tag, &bytes));
        }

        #[test]
        fn every_byte_the_length_and_the_tag_count(
            key: [u8; 16], tag: u64, mut bytes in proptest::collection::vec(any::<u8>(), 1..MAX_KEY),
            at: prop::sample::Index, flip in 1_u8..,
        ) {
            let hash_key = HashKey::derive(key);
            let hash = hash_key.hash(tag, &bytes);
            let differ = |other: u128| hash as u64 != other as u64 && hash >> 64 != other >> 64;
            prop_assert!(differ(hash_key.hash(tag ^ u64::from(flip), &bytes)));
            let mut longer = bytes.clone();
            longer.push(0);
            prop_assert!(differ(hash_key.hash(tag, &longer)));
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(differ(hash_key.hash(tag, &bytes)));
            prop_assert_ne!(hash as u64, (hash >> 64) as u64);
        }
    }

    /// Computed by other means.
    #[test]
    fn the_finalizer_is_the_one_described() {
        for (word, mixed) in [
            (0x0, 0x0),
            (0x1, 0xff51afd71204231a),
            (0x8000000000000000, 0x76aac666f6aac666),
            (0x123456789abcdef, 0xc3019086fe26246e),
        ] {
            assert_eq!(mix(word), mixed, "{word:#x}");
        }
    }

    #[test]
    fn numbered_names_spread_like_random_ones() {
        const BUCKETS: usize = 1 << 16;
        let hash_key = HashKey::derive([9; 16]);
        for part in [0, 32, 64, 96] {
            let mut counts = vec![0_u32; BUCKETS];
            for n in 0..BUCKETS * 8 {
                let name = format!("mwts-mip-np-user{n:08}@ispxyz.com");
                let hash = hash_key.hash(1, name.as_bytes());
                counts[((u64::from((hash >> part) as u32) * BUCKETS as u64) >> 32) as usize] += 1;
            }
            // Chi-squared over its degrees of freedom: 1 for random names, with a deviation of 0.0055.
            let chi: f64 = counts.iter().map(|n| (f64::from(*n) - 8.0).powi(2) / 8.0).sum::<f64>();
            let ratio = chi / BUCKETS as f64;
            assert!((0.96..1.04).contains(&ratio), "{ratio}");
        }
    }

    #[test]
    fn a_key_beyond_the_maximum_is_hashed_by_its_front_and_length() {
        let hash_key = HashKey::derive([1; 16]);
        let long = vec![7; 1000];
        assert_ne!(hash_key.hash(0, &long), hash_key.hash(0, &long[..999]));
        assert_ne!(hash_key.hash(0, &long), hash_key.hash(0, &long[..MAX_KEY]));
    }
}
