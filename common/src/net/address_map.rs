//! Maps keyed by addresses that the operator chose.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    net::Ipv4Addr,
};

/// A map keyed by addresses that the operator chose, so a fast unkeyed hash is safe.
pub type AddressMap<V> = HashMap<Ipv4Addr, V, AddressHash>;

/// Hash of configured addresses.
pub type AddressHash = BuildHasherDefault<AddressHasher>;

/// Multiplies the words with an odd constant; only for keys that the operator chose.
#[derive(Clone, Copy, Debug, Default)]
pub struct AddressHasher(u64);

impl Hasher for AddressHasher {
    #[inline]
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<4>();
        for word in words {
            self.write_u32(u32::from_le_bytes(*word));
        }
        for byte in rest {
            self.write_u32(u32::from(*byte));
        }
    }

    #[inline]
    fn write_u16(&mut self, value: u16) {
        self.write_u32(u32::from(value));
    }

    #[inline]
    fn write_u32(&mut self, value: u32) {
        self.0 = (self.0 ^ u64::from(value)).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(26);
    }

    #[inline]
    fn write_usize(&mut self, value: usize) {
        self.write_u32(value as u32);
    }
}
