//! MD5 security of DFP (draft-eck-dfp-01, 5.1): the digest of one key, and the keys of a password change-over.
//!
//! There is no sequence number: a recorded message can be replayed. It is integrity of its time.

mod keyring;

pub use keyring::Keyring;
pub(super) use keyring::Proof;

use std::fmt;

use ctutils::CtEq;
use md5::{Digest as _, Md5};

use super::packet::SecurityError;
use crate::{protocol::Witness, secret::Secret};

/// Bytes of the Security TLV.
pub const TLV_SIZE: usize = 28;

/// The Security TLV before it is signed: type 1, length 28, algorithm 1 (MD5), Key ID 0, no digest.
///
/// ```text
/// +-------------------------------+-------------------------------+
/// |         Type = 0x0001         |          Length = 28          |
/// +-------------------------------+-------------------------------+
/// |                   Security Algorithm = 1                      |
/// +---------------------------------------------------------------+
/// |                          MD5 Key ID                           |
/// +---------------------------------------------------------------+
/// |              MD5 Authentication Data (16 bytes)               |
/// ```
pub(super) const EMPTY_TLV: [u8; TLV_SIZE] = {
    let mut tlv = [0; TLV_SIZE];
    tlv[1] = 1;
    tlv[3] = TLV_SIZE as u8;
    tlv[7] = 1;
    tlv
};

/// Bytes up to the Key ID, in a secured message.
const BEFORE: usize = 16;
/// Offset of the digest in a secured message.
const DIGEST: usize = 20;
/// Offset of what follows the Security TLV.
const AFTER: usize = 36;

/// What stands between the key and the message, as RFC 1828 has it, to which the draft refers: filled as MD5 fills its last
/// block. No capture of old equipment was at hand: if one says otherwise (no fill, or zeros up to 64 bytes, both of which
/// the tests know), this is where to change it.
fn fill(key: &[u8]) -> Vec<u8> {
    // One 0x80, zeros, and the length in bits as 8 little-endian bytes, up to a multiple of 64.
    let size = (key.len() + 9).next_multiple_of(64) - key.len();
    let mut fill = vec![0; size];
    fill[0] = 0x80;
    fill[size - 8..].copy_from_slice(&(key.len() as u64 * 8).to_le_bytes());
    fill
}

/// A password as a key; never shown by `Debug`.
#[derive(Clone)]
pub struct Key {
    secret: Secret,
    /// MD5 that has taken the key and its fill.
    prefix: Md5,
    /// A replay has no secret: what the key says is read through it.
    witness: Witness,
}

impl Key {
    /// The key of a password.
    pub fn new(secret: &Secret) -> Self {
        Self::with_fill(secret, fill)
    }

    fn with_fill(secret: &Secret, fill: fn(&[u8]) -> Vec<u8>) -> Self {
        let bytes = secret.expose().as_bytes();
        let prefix = Md5::new().chain_update(bytes).chain_update(fill(bytes));
        Self { secret: secret.clone(), prefix, witness: Witness::default() }
    }

    /// The digest of a message whose Security TLV is its first: over key, fill, message and key, with zeros for Key
    /// ID and digest. The message has at least 36 bytes.
    fn digest(&self, message: &[u8]) -> [u8; 16] {
        self.prefix
            .clone()
            .chain_update(&message[..BEFORE])
            .chain_update([0; AFTER - BEFORE])
            .chain_update(&message[AFTER..])
            .chain_update(self.secret.expose())
            .finalize()
            .into()
    }

    /// Fills in the digest of a message that is complete but for it and begins with [`EMPTY_TLV`].
    pub(super) fn sign(&self, message: &mut [u8]) {
        let digest = self.witness.observe("dfp digest", || self.digest(message));
        message[DIGEST..AFTER].copy_from_slice(&digest);
    }

    /// True if the digest is this key's, in constant time. The message has at least 36 bytes.
    fn verifies(&self, message: &[u8]) -> bool {
        let is_right = || self.digest(message).as_slice().ct_eq(&message[DIGEST..AFTER]).to_bool();
        self.witness.observe("dfp verdict", is_right)
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.secret == other.secret
    }
}

impl Eq for Key {}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(..)")
    }
}

/// What the first TLV of a message is, as far as security goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Envelope {
    /// No Security TLV at its place.
    Bare,
    /// One of another algorithm or length.
    Unknown,
    /// One of MD5: the message has at least 36 bytes.
    Md5,
}

impl Envelope {
    /// Looks at offset 8 of a whole message, and only there.
    fn of(message: &[u8]) -> Self {
        match message.get(8..10) {
            Some([0, 1]) => {}
            _ => return Self::Bare,
        }
        if message.len() >= AFTER && message[10..BEFORE] == EMPTY_TLV[2..8] {
            Self::Md5
        } else {
            Self::Unknown
        }
    }
}

#[cfg(test)]
mod tests;
