//! What tells one mobile node's session from another's.

use std::hash::{BuildHasher, Hasher};

use siphasher::sip::SipHasher13;

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

    /// SipHash-1-3 over VIP, port, the virtual server's name, the kind of key and the key bytes.
    #[inline]
    pub fn identity(&self, vserver: &VirtualServer, space: KeySpace, key: &[u8]) -> u64 {
        let mut hasher = SipHasher13::new_with_key(&self.0);
        let name = vserver.name.as_bytes();
        let head = u64::from(u32::from(vserver.address)) << 32
            | u64::from(vserver.port) << 16
            | u64::from(name.len() as u8) << 8
            | space as u64;
        hasher.write(&head.to_le_bytes());
        hasher.write(name);
        hasher.write(key);
        hasher.finish()
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
