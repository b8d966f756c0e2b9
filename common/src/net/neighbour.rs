//! Link addresses of neighbours. Who is a neighbour the network chooses, so the hash is keyed.
//!
//! ```text
//! hash = (a * key + b) mod 2^128 >> 64        a, b: random, 128 bits
//! ```
//! For two different keys of 64 bits the hashes are independent and uniform over the choice of `a` and `b`
//! (M. Dietzfelbinger, "Universal hashing and k-wise independent random variables via integer arithmetic", 1996). Nobody
//! outside sees a hash, so nobody can choose addresses that meet in one place of the table.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hasher, RandomState},
};

use super::NextHop;
use crate::mac::MacAddr;

/// MAC addresses by interface and address.
pub type Neighbours = HashMap<NextHop, MacAddr, NeighbourHash>;

/// The key of one table's hash; a clone of the table keeps it.
#[derive(Clone, Copy)]
pub struct NeighbourHash {
    multiplier: u128,
    addend: u128,
}

impl NeighbourHash {
    /// The hash of a given key, for tests.
    pub const fn from_key(multiplier: u128, addend: u128) -> Self {
        Self { multiplier, addend }
    }
}

impl Default for NeighbourHash {
    /// A random key.
    fn default() -> Self {
        let word = || u128::from(RandomState::new().hash_one(0_u8));
        Self { multiplier: word() << 64 | word(), addend: word() << 64 | word() }
    }
}

impl std::fmt::Debug for NeighbourHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NeighbourHash")
    }
}

impl BuildHasher for NeighbourHash {
    type Hasher = NeighbourHasher;

    #[inline]
    fn build_hasher(&self) -> NeighbourHasher {
        NeighbourHasher { key: *self, hash: 0 }
    }
}

/// Hashes one word; of a second one the bound above does not hold.
#[derive(Clone, Copy, Debug)]
pub struct NeighbourHasher {
    key: NeighbourHash,
    hash: u64,
}

impl Hasher for NeighbourHasher {
    #[inline]
    fn finish(&self) -> u64 {
        self.hash
    }

    #[inline]
    fn write_u64(&mut self, value: u64) {
        let product = self.key.multiplier.wrapping_mul(u128::from(self.hash ^ value));
        self.hash = (product.wrapping_add(self.key.addend) >> 64) as u64;
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::InterfaceId;

    #[test]
    fn the_key_decides_the_hash_and_differs_from_table_to_table() {
        let hop = NextHop { interface: InterfaceId(3), address: [10, 1, 1, 2].into() };
        let key = NeighbourHash::from_key(3 << 64, 5 << 64);
        assert_eq!(key.hash_one(hop), (3 << 32 | 0x0a01_0102) * 3 + 5);
        let (one, other) = (Neighbours::default(), Neighbours::default());
        assert_ne!(one.hasher().hash_one(hop), other.hasher().hash_one(hop));
        assert_eq!(one.hasher().hash_one(hop), one.clone().hasher().hash_one(hop));
    }

    /// Addresses that an outsider lays so that an unkeyed multiplication would send them to few buckets.
    #[test]
    fn chosen_addresses_spread_over_the_table() {
        let key = NeighbourHash::from_key(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835, 0x1234_5678_9abc_def0);
        for step in [1_u32, 1 << 8, 1 << 16, 0x0101_0101] {
            let mut buckets = [0_u32; 256];
            for n in 0..4096_u32 {
                let hop = NextHop { interface: InterfaceId(0), address: n.wrapping_mul(step).into() };
                buckets[(key.hash_one(hop) & 255) as usize] += 1;
            }
            assert!(buckets.iter().max() < Some(&64), "16 a bucket on average, step {step:#x}: {buckets:?}");
        }
    }
}
