//! Authenticators (RFC 5944, section 3.5; RFC 4721, sections 5 and 8).
//!
//! An authenticator covers the message from its first byte through the SPI of its own extension.

use std::fmt;

use ctutils::CtEq;
use hmac::{Hmac, KeyInit, Mac};
use md5::{Digest, Md5};

use super::{
    extension::{AuthKind, CHALLENGE, Extension, GENERALISED, MN_AAA, SPI},
    message::DecodeError,
    shape::{Extensions, Located},
};

/// Bytes of an MD5 authenticator.
pub const LENGTH: usize = 16;
/// The SPI that means CHAP by MD5 (RFC 4721, section 8).
pub const SPI_CHAP: u32 = 2;
/// Most bytes of a challenge that CHAP hashes.
const CHAP_CHALLENGE: usize = 237;

/// How an authenticator is computed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// HMAC-MD5 (RFC 5944).
    #[default]
    HmacMd5,
    /// MD5 over key, data, key (RFC 2002, `md5 mode prefix-suffix`).
    Md5PrefixSuffix,
}

/// A shared secret. It is never shown: its debug output says only that it is one.
#[derive(Clone, PartialEq, Eq)]
pub struct Key(Box<[u8]>);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// The text is not a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Neither 16 bytes nor hexadecimal.
    #[error("a hexadecimal key has exactly 32 digits")]
    Hex,
    /// Too short, too long, or not ASCII.
    #[error("an ASCII key has 1 to 16 printable characters")]
    Ascii,
}

impl Key {
    /// 32 hexadecimal digits (CISCO-MOBILE-IP-MIB, cmiSecKey2).
    pub fn from_hex(text: &str) -> Result<Self, KeyError> {
        let digits: Vec<u8> = text
            .chars()
            .map(|c| c.to_digit(16).map(|digit| digit as u8))
            .collect::<Option<_>>()
            .ok_or(KeyError::Hex)?;
        if digits.len() != 32 {
            return Err(KeyError::Hex);
        }
        Ok(Self(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()))
    }

    /// 1 to 16 characters, used as they are, not padded.
    pub fn from_ascii(text: &str) -> Result<Self, KeyError> {
        if (1..=16).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
        {
            Ok(Self(text.as_bytes().into()))
        } else {
            Err(KeyError::Ascii)
        }
    }

    /// Any bytes: a secret shared with AAA.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

/// A security association: what both sides know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Association {
    /// Index, 0x100 and up (RFC 4721, section 7).
    pub spi: u32,
    /// How authenticators are made.
    pub algorithm: Algorithm,
    /// The secret that goes into them.
    pub key: Key,
}

/// Why an authenticator does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// There is none of this kind.
    #[error("no authentication extension {kind}")]
    Missing {
        /// Which was looked for.
        kind: u8,
    },
    /// The message cannot be walked.
    #[error(transparent)]
    Message(#[from] DecodeError),
    /// The extension is not as long as the algorithm's.
    #[error("authentication extension of {length} bytes")]
    Length {
        /// Bytes of its data.
        length: usize,
    },
    /// It was made with another association.
    #[error("SPI {spi:#x}")]
    Spi {
        /// What it says.
        spi: u32,
    },
    /// It is wrong.
    #[error("wrong authenticator")]
    Mismatch,
}

impl Association {
    /// Appends the extension that authenticates what `message` holds so far.
    pub fn sign(&self, kind: AuthKind, message: &mut Vec<u8>) {
        message.extend([kind.kind(), (SPI + LENGTH) as u8]);
        message.extend(self.spi.to_be_bytes());
        let authenticator = self.compute(message);
        message.extend(authenticator);
    }

    /// Checks the first extension of `kind` in a message with a fixed part of `fixed` bytes.
    pub fn verify(&self, kind: AuthKind, message: &[u8], fixed: usize) -> Result<(), AuthError> {
        let located =
            find(message, fixed, kind.kind(), None)?.ok_or(AuthError::Missing { kind: kind.kind() })?;
        self.verify_at(message, &located)
    }

    /// Checks one extension.
    pub fn verify_at(&self, message: &[u8], located: &Located<'_>) -> Result<(), AuthError> {
        let (spi, authenticator) = split(located)?;
        if spi != self.spi {
            return Err(AuthError::Spi { spi });
        }
        same(self.compute(covered(message, located)), authenticator)
    }

    fn compute(&self, data: &[u8]) -> [u8; LENGTH] {
        match self.algorithm {
            Algorithm::HmacMd5 => {
                let mut mac =
                    Hmac::<Md5>::new_from_slice(&self.key.0).expect("HMAC takes keys of any length");
                mac.update(data);
                mac.finalize().into_bytes().into()
            }
            Algorithm::Md5PrefixSuffix => Md5::new()
                .chain_update(&self.key.0)
                .chain_update(data)
                .chain_update(&self.key.0)
                .finalize()
                .into(),
        }
    }

    /// Appends the MN-AAA extension (36, sub-type 1) by HMAC-MD5, or by CHAP if the SPI is [`SPI_CHAP`]; then
    /// `challenge` is that of the message.
    pub fn sign_aaa(&self, challenge: &[u8], message: &mut Vec<u8>) {
        message.extend([GENERALISED, MN_AAA, 0, (SPI + LENGTH) as u8]);
        message.extend(self.spi.to_be_bytes());
        let authenticator = self.compute_aaa(challenge, message);
        message.extend(authenticator);
    }

    /// Checks the first MN-AAA extension; CHAP takes the challenge (132) that stands before it.
    pub fn verify_aaa(&self, message: &[u8], fixed: usize) -> Result<(), AuthError> {
        let missing = AuthError::Missing { kind: GENERALISED };
        let located = find(message, fixed, GENERALISED, Some(MN_AAA))?.ok_or(missing)?;
        let (spi, authenticator) = split(&located)?;
        if spi != self.spi {
            return Err(AuthError::Spi { spi });
        }
        let challenge = find(&message[..located.offset], fixed, CHALLENGE, None)?;
        let challenge = match challenge {
            Some(challenge) => challenge.data,
            None if spi == SPI_CHAP => return Err(AuthError::Missing { kind: CHALLENGE }),
            None => &[],
        };
        same(self.compute_aaa(challenge, covered(message, &located)), authenticator)
    }

    fn compute_aaa(&self, challenge: &[u8], data: &[u8]) -> [u8; LENGTH] {
        if self.spi != SPI_CHAP {
            return self.compute(data);
        }
        let last = &challenge[challenge.len().saturating_sub(CHAP_CHALLENGE)..];
        Md5::new()
            .chain_update(&challenge[..challenge.len().min(1)])
            .chain_update(&self.key.0)
            .chain_update(Md5::digest(data))
            .chain_update(last)
            .finalize()
            .into()
    }
}

/// The first extension of a type (and sub-type).
fn find(
    message: &[u8],
    fixed: usize,
    kind: u8,
    sub_type: Option<u8>,
) -> Result<Option<Located<'_>>, DecodeError> {
    Extensions::new(message, fixed)
        .find(|located| {
            located.is_err()
                || located.is_ok_and(|found| {
                    found.kind == kind && (sub_type.is_none() || found.sub_type == sub_type)
                })
        })
        .transpose()
}

/// SPI and authenticator.
fn split<'a>(located: &Located<'a>) -> Result<(u32, &'a [u8; LENGTH]), AuthError> {
    let length = AuthError::Length { length: located.data.len() };
    let (spi, rest) = located.data.split_first_chunk::<SPI>().ok_or(length)?;
    Ok((u32::from_be_bytes(*spi), rest.try_into().map_err(|_| length)?))
}

fn covered<'a>(message: &'a [u8], located: &Located<'_>) -> &'a [u8] {
    &message[..located.data_offset() + SPI]
}

/// Compares without telling by time how much is alike.
fn same(ours: [u8; LENGTH], theirs: &[u8; LENGTH]) -> Result<(), AuthError> {
    if ours.ct_eq(theirs).to_bool() { Ok(()) } else { Err(AuthError::Mismatch) }
}

/// The SPI of the first extension of `kind`, if there is one.
pub fn spi_of(extensions: &[Extension], kind: AuthKind) -> Option<u32> {
    extensions.iter().find_map(|extension| match extension {
        Extension::Auth { kind: found, spi, .. } if *found == kind => Some(*spi),
        _ => None,
    })
}
