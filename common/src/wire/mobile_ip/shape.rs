//! How extensions lie in a message (RFC 5944, sections 1.8 to 1.11), and the walk over them.

use super::message::DecodeError;

/// A single byte of padding.
pub(super) const PAD: u8 = 0;
/// Mobile node NAI (RFC 2794).
pub const NAI: u8 = 131;
/// Requested or redirected home agent (RFC 4433).
pub const DYNAMIC_HA: u8 = 139;

/// How an extension's length is written.
pub(super) enum Shape {
    /// type, length, data.
    Short,
    /// type, sub-type or reserved, 16-bit length, data.
    Long,
    /// A type below 128 that is not known here: perhaps short.
    Unknown,
}

#[inline]
pub(super) fn shape(kind: u8) -> Shape {
    match kind {
        36 | 37 | 38 | 40..=43 | 47 | 48 | 50 | 127 => Shape::Long,
        32..=34 | 44..=46 | 49 | 128.. => Shape::Short,
        _ => Shape::Unknown,
    }
}

/// Types of the short shape, but for pads.
#[inline]
pub(super) const fn is_short(kind: u8) -> bool {
    /// Those below 64, a bit each.
    const LOW: u64 = 0b111 << 32 | 0b111 << 44 | 1 << 49;
    kind >= 128 || kind < 64 && LOW >> kind & 1 == 1
}

/// RFC 4433 gave the skippable type 139 the long shape; the common short reading derails on it.
pub(super) fn is_long_dynamic_ha(extension: &[u8]) -> bool {
    matches!(extension, [_, 1 | 2, 0, 4, ..])
}

/// An extension where it lies in its message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located<'a> {
    /// Where its type byte is, from the start of the message.
    pub offset: usize,
    /// Extension type.
    pub kind: u8,
    /// Byte 1 of an extension with a 16-bit length: a sub-type, or reserved.
    pub sub_type: Option<u8>,
    /// What follows the length; nothing for a pad.
    pub data: &'a [u8],
}

impl Located<'_> {
    /// Where its data begins, from the start of the message.
    pub fn data_offset(&self) -> usize {
        self.offset
            + match (self.kind, self.sub_type) {
                (PAD, _) => 1,
                (_, None) => 2,
                (_, Some(_)) => 4,
            }
    }
}

/// Walks over the extensions of a message; ends after the first error.
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    message: &'a [u8],
    at: usize,
}

impl<'a> Extensions<'a> {
    /// Those of `message` behind its fixed part of `fixed` bytes.
    pub fn new(message: &'a [u8], fixed: usize) -> Self {
        Self { message, at: fixed.min(message.len()) }
    }

    fn read(&self) -> Result<Located<'a>, DecodeError> {
        let rest = &self.message[self.at..];
        let kind = rest[0];
        let located = |sub_type, header: usize, length: usize| {
            let data = rest.get(header..header + length).ok_or(DecodeError::ExtOverrun { kind })?;
            Ok(Located { offset: self.at, kind, sub_type, data })
        };
        let byte = |at: usize| rest.get(at).copied().ok_or(DecodeError::ExtTruncated { kind });
        if kind == PAD {
            return located(None, 1, 0);
        }
        let long = match shape(kind) {
            Shape::Unknown => return Err(DecodeError::UnknownNonSkippable { kind }),
            Shape::Long => true,
            Shape::Short => kind == DYNAMIC_HA && is_long_dynamic_ha(rest),
        };
        if long {
            let length = u16::from_be_bytes([byte(2)?, byte(3)?]);
            located(Some(rest[1]), 4, length.into())
        } else {
            located(None, 2, byte(1)?.into())
        }
    }
}

impl<'a> Iterator for Extensions<'a> {
    type Item = Result<Located<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.message.len() {
            return None;
        }
        let read = self.read();
        self.at = read.map_or(self.message.len(), |located| located.data_offset() + located.data.len());
        Some(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_types_are_those_of_the_table() {
        for kind in 0..=u8::MAX {
            assert_eq!(is_short(kind), matches!(shape(kind), Shape::Short), "{kind}");
        }
    }
}
