//! What tells one mobile node's session from another's.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use super::{Identity, VirtualServer, keyed_hash::HashKey};

/// The key of the identity hash. Random at start, so that nobody outside can aim at a line of the table; in a
/// balancer pair both sides derive the same one.
#[derive(Clone)]
pub struct SessionKey {
    bytes: [u8; 16],
    hash_key: HashKey,
}

/// What kind of bytes a key is made of; equal bytes of different kinds are different keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySpace {
    /// A NAI as received.
    Nai = 1,
    /// The four bytes of a home address.
    HomeAddress = 2,
}

/// What an identity owes to its virtual server and the kind of its key, hashed once for many requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdentityTag(u64);

impl SessionKey {
    /// A key given from outside: a pair's shared one, or a test's.
    pub fn new(bytes: [u8; 16]) -> Self {
        Self { bytes, hash_key: HashKey::derive(bytes) }
    }

    /// A key that nobody knows.
    ///
    /// # Panics
    /// If the kernel gives no random bytes.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).expect("Linux gives random bytes since 3.17");
        Self::new(bytes)
    }

    /// SipHash-1-3 over VIP, port, the kind of key and the virtual server's name.
    pub fn tag(&self, vserver: &VirtualServer, space: KeySpace) -> IdentityTag {
        let mut hash = SipHasher13::new_with_key(&self.bytes);
        hash.write(&vserver.address.octets());
        hash.write(&vserver.port.to_be_bytes());
        hash.write(&[space as u8]);
        hash.write(vserver.name.as_bytes());
        IdentityTag(hash.finish())
    }

    /// The identity of a key.
    #[inline(always)]
    pub fn identity(&self, tag: IdentityTag, key: &[u8]) -> Identity {
        Identity::from_hash(self.hash_key.hash(tag.0, key))
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
    key.iter().fold(FNV_BASIS, |hash, byte| fnv(hash, *byte))
}

/// [`display_hash`] of some keys at once: the steps of one wait for each other, those of several do not.
#[inline]
pub fn display_hashes<const N: usize>(keys: [&[u8]; N]) -> [u32; N] {
    let shortest = keys.iter().map(|key| key.len()).min().unwrap_or(0);
    let heads = keys.map(|key| &key[..shortest]);
    let mut hashes = [FNV_BASIS; N];
    for at in 0..shortest {
        for (hash, head) in hashes.iter_mut().zip(heads) {
            *hash = fnv(*hash, head[at]);
        }
    }
    for (hash, key) in hashes.iter_mut().zip(keys) {
        *hash = key[shortest..].iter().fold(*hash, |hash, byte| fnv(hash, *byte));
    }
    hashes
}

const FNV_BASIS: u32 = 0x811c_9dc5;

#[inline(always)]
fn fnv(hash: u32, byte: u8) -> u32 {
    (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_of_several_keys_is_that_of_each() {
        // Published values of FNV-1a 32.
        assert_eq!(
            [display_hash(b""), display_hash(b"a"), display_hash(b"foobar")],
            [0x811c_9dc5, 0xe40c_292c, 0xbf9c_f968]
        );
        assert_eq!(
            display_hashes([b"a", b"foobar", b"", b"foobaz"]),
            [b"a", &b"foobar"[..], b"", b"foobaz"].map(display_hash)
        );
    }

    #[test]
    fn no_print_shows_the_key() {
        assert_eq!(format!("{:?}", SessionKey::new([0x5a; 16])), "SessionKey(..)");
    }
}
