//! What a table is asked for and what it holds: identities and entries.

use std::{
    fmt::Debug,
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use hw::Zeroed;

use super::Payload;

/// Tells one key from another: made of the 128 bits of a keyed hash over everything that the key consists of.
///
/// A table keeps as many of these bits as its slots have room for, and so does this: two keys with the same identity
/// are rare, not impossible. [`NewEntry::matches`](super::NewEntry::matches) is for tables that must tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(pub(super) u64);

impl Identity {
    /// No key's.
    pub const ZERO: Self = Self(0);

    /// From a keyed hash whose lower half alone is as good as random.
    #[inline(always)]
    pub const fn from_hash(hash: u128) -> Self {
        Self(hash as u64)
    }

    /// The same 64 bits for the same identity, as good as random: for samples and sets of them.
    #[inline(always)]
    pub const fn bits(self) -> u64 {
        self.0
    }
}

/// What a table holds of a key, in the [`Payload`] beside identity and deadline: the entry itself, or the
/// [`SlabIndex`](super::SlabIndex) of its record.
pub trait Entry: Copy + Eq + Debug {
    /// Name of its table's capacity in the configuration, in the plural.
    const NAME: &'static str;

    /// Whether an entry may live without a deadline ([`Word::permanent`](super::Word::permanent)).
    const PERMANENT: bool = false;

    /// The words of a slot that lie apart from the hot one: `[AtomicU32; N]`, with 0 for none.
    type Cold: ColdWords;

    /// As it lies in the hot word.
    fn pack(self) -> Payload;

    /// What was packed.
    fn unpack(payload: Payload) -> Self;
}

/// The words of a slot that lie in an array of their own, for display and accounting.
pub trait ColdWords: Zeroed + Debug {
    /// What they hold.
    type Values: Copy + Debug;

    /// All zero.
    fn zeroed() -> Self;

    /// Reads one after the other.
    fn read(&self) -> Self::Values;

    /// Writes one after the other.
    fn write(&self, values: Self::Values);
}

impl<const N: usize> ColdWords for [AtomicU32; N] {
    type Values = [u32; N];

    fn zeroed() -> Self {
        std::array::from_fn(|_| AtomicU32::new(0))
    }

    #[inline]
    fn read(&self) -> [u32; N] {
        self.each_ref().map(|word| word.load(Relaxed))
    }

    #[inline]
    fn write(&self, values: [u32; N]) {
        for (word, value) in self.iter().zip(values) {
            word.store(value, Relaxed);
        }
    }
}
