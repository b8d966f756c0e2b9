//! Tests of the codec.

mod broken;
mod property;
mod split;
mod vector;

pub(in crate::dfp) use property::any_message;

use common::time::Nanos;

use super::*;
use crate::{
    dfp::security::{Key, Keyring, Proof},
    secret::Secret,
};

const NOW: Nanos = Nanos(1_000_000_000);

/// The bytes of hexadecimal digits; blanks between them are for the reader.
pub(in crate::dfp) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let (pairs, []) = digits.as_chunks::<2>() else { panic!("odd number of digits") };
    pairs.iter().map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

/// The key of a password.
pub(in crate::dfp) fn key(password: &str) -> Key {
    Key::new(&Secret::clear(password).unwrap())
}

/// A keyring with this password in use.
pub(in crate::dfp) fn ring(password: &str) -> Keyring {
    Keyring::new(Some(key(password)))
}

fn decode(bytes: &[u8], role: Role) -> Result<Message, DecodeError> {
    Message::decode(bytes, role, &Keyring::default(), NOW).map(|decoded| decoded.message)
}

fn host(address: [u8; 4], bind_id: u16, weight: u16) -> Host {
    Host { address: address.into(), bind_id: BindId(bind_id), weight }
}

/// A message of a type with these TLVs.
fn message(kind: u16, tlvs: &str) -> Vec<u8> {
    let tlvs = hex(tlvs);
    let mut bytes = hex(&format!("0100 {kind:04x} {:08x}", tlvs.len() + 8));
    bytes.extend(tlvs);
    bytes
}
