//! What tells one mobile node's session from another's.

use std::hash::{BuildHasher, Hasher};

use crate::snapshot::VirtualServer;

/// The key of the identity hash. Random at start, so that nobody outside can aim at a line of the table; in a
/// director pair both sides derive the same one.
#[derive(Clone, Copy)]
pub struct SessionKey([u8; 16]);

/// What kind of bytes a key is made of; equal bytes of different kinds are different keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySpace {
    /// A NAI as received.
    Nai = 1,
    /// The four bytes of a home address.
    HomeAddress = 2,
}

impl SessionKey {
    /// A key given from outside: a pair's shared one, or a test's.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// A key that nobody knows: the standard library seeds its hashers from the system's random source.
    pub fn random() -> Self {
        let word = || std::hash::RandomState::new().build_hasher().finish().to_le_bytes();
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&word());
        bytes[8..].copy_from_slice(&word());
        Self(bytes)
    }

    /// SipHash-1-3 over VIP, port, the kind of key, the virtual server's name padded to 16 bytes, and the key bytes.
    #[inline]
    pub fn identity(&self, vserver: &VirtualServer, space: KeySpace, key: &[u8]) -> u64 {
        let name = vserver.name.as_bytes();
        let head = u64::from(u32::from(vserver.address)) << 32
            | u64::from(vserver.port) << 16
            | u64::from(name.len() as u8) << 8
            | space as u64;
        // Names have at most 15 bytes; a longer one differs by its length and its first 16.
        let (first, second) = name.split_at(name.len().min(8));
        let second = &second[..second.len().min(8)];
        let mut hash = SipHash13::new(self.0);
        for word in [head, word(first), word(second)] {
            hash.absorb(word);
        }
        hash.finish(24, key)
    }
}

/// Up to 8 bytes, little-endian, zero-extended.
#[inline]
fn word(bytes: &[u8]) -> u64 {
    match bytes.first_chunk::<8>() {
        Some(whole) => u64::from_le_bytes(*whole),
        None => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    }
}

/// SipHash-1-3 by whole words, all inlined: the hash of every request (J.-P. Aumasson, D. J. Bernstein, 2012).
struct SipHash13([u64; 4]);

impl SipHash13 {
    #[inline]
    fn new(key: [u8; 16]) -> Self {
        let (low, high) = (word(&key[..8]), word(&key[8..]));
        Self([
            low ^ 0x736f_6d65_7073_6575,
            high ^ 0x646f_7261_6e64_6f6d,
            low ^ 0x6c79_6765_6e65_7261,
            high ^ 0x7465_6462_7974_6573,
        ])
    }

    #[inline]
    fn round(&mut self) {
        let [v0, v1, v2, v3] = &mut self.0;
        *v0 = v0.wrapping_add(*v1);
        *v2 = v2.wrapping_add(*v3);
        *v1 = v1.rotate_left(13) ^ *v0;
        *v3 = v3.rotate_left(16) ^ *v2;
        *v0 = v0.rotate_left(32);
        *v2 = v2.wrapping_add(*v1);
        *v0 = v0.wrapping_add(*v3);
        *v1 = v1.rotate_left(17) ^ *v2;
        *v3 = v3.rotate_left(21) ^ *v0;
        *v2 = v2.rotate_left(32);
    }

    #[inline]
    fn absorb(&mut self, word: u64) {
        self.0[3] ^= word;
        self.round();
        self.0[0] ^= word;
    }

    /// Absorbs `rest` after `before` bytes in whole words.
    #[inline]
    fn finish(mut self, before: usize, rest: &[u8]) -> u64 {
        let (words, tail) = rest.as_chunks::<8>();
        for bytes in words {
            self.absorb(u64::from_le_bytes(*bytes));
        }
        self.absorb(((before + rest.len()) as u64) << 56 | word(tail));
        self.0[2] ^= 0xff;
        for _ in 0..3 {
            self.round();
        }
        self.0.iter().fold(0, |sum, word| sum ^ word)
    }
}

/// Not even a debug print shows a key.
impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionKey(..)")
    }
}

/// FNV-1a 32 of the key bytes: the upper half of the hash that `show ip slb sessions ipmobile` prints.
#[inline]
pub fn display_hash(key: &[u8]) -> u32 {
    key.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;
    use siphasher::sip::SipHasher13;

    use super::*;
    use crate::id::{FarmId, VserverId};

    fn vserver(name: &str, address: u32, port: u16) -> VirtualServer {
        VirtualServer {
            id: VserverId(0),
            name: name.to_owned(),
            v_index: 0,
            address: Ipv4Addr::from_bits(address),
            port,
            farm: FarmId(0),
            backup: None,
            clients: Vec::new(),
            idle: std::time::Duration::ZERO,
            strict_home_agent: false,
            live: std::sync::Arc::default(),
        }
    }

    proptest! {
        #[test]
        fn it_is_the_published_hash_of_the_stated_bytes(
            secret: [u8; 16], name in "[A-Z0-9_.-]{1,15}", address: u32, port: u16,
            key in proptest::collection::vec(any::<u8>(), 0..256),
        ) {
            let identity = SessionKey::new(secret).identity(&vserver(&name, address, port), KeySpace::Nai, &key);
            let mut padded = name.clone().into_bytes();
            padded.resize(16, 0);
            let head = u64::from(address) << 32 | u64::from(port) << 16 | (name.len() as u64) << 8 | 1;
            let bytes = [&head.to_le_bytes()[..], &padded, &key].concat();
            prop_assert_eq!(identity, SipHasher13::new_with_key(&secret).hash(&bytes));
        }
    }
}
