//! The 128-bit word of a slot. `DESIGN.md` has the list of its bits, and nothing outside this file knows them.

use std::{fmt, marker::PhantomData};

use super::{Entry, Identity};
use crate::time::Tick;

// Of the upper half.
const DEADLINE: u32 = Payload::FIRST;
const KIND: u32 = DEADLINE + Tick::BITS;
const SECOND: u32 = KIND + 2;

const PENDING: u64 = 1;
const LIVE: u64 = 2;
const WITHDRAWN: u64 = 3;
const NONCE_MASK: u64 = (1 << Payload::FIRST) - 1;

/// The deadline that never passes, of the entries that may have it; others end one tick later than there.
const NEVER: Tick = Tick(Tick::MASK);

/// An entry's part of a hot word: [`Payload::BITS`] bits in fields that the entry chooses.
///
/// A field is named by its first bit and its width. The bits lie in two parts, and no field across both compiles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Payload(u64);

impl Payload {
    /// Bits of the first part.
    pub const FIRST: u32 = 29;
    /// Bits in all.
    pub const BITS: u32 = 40;

    const MASK: u64 = mask(Self::FIRST) | mask(Self::BITS - Self::FIRST) << SECOND;

    /// The value of a field.
    #[inline(always)]
    pub const fn get<const AT: u32, const WIDTH: u32>(self) -> u64 {
        self.0 >> const { position(AT, WIDTH) } & mask(WIDTH)
    }

    /// The same with another value of a field, of which the lowest bits count.
    #[inline(always)]
    #[must_use]
    pub const fn with<const AT: u32, const WIDTH: u32>(self, value: u64) -> Self {
        let position = const { position(AT, WIDTH) };
        Self(self.0 & !(mask(WIDTH) << position) | (value & mask(WIDTH)) << position)
    }
}

const fn mask(width: u32) -> u64 {
    (1 << width) - 1
}

/// Where a field lies in the upper half.
const fn position(at: u32, width: u32) -> u32 {
    assert!(width > 0 && at + width <= Payload::BITS, "outside the payload");
    assert!(at >= Payload::FIRST || at + width <= Payload::FIRST, "across both parts");
    if at < Payload::FIRST { at } else { at - Payload::FIRST + SECOND }
}

/// What a slot holds; all zero is an empty slot.
pub struct Word<E>(pub(super) u128, PhantomData<fn() -> E>);

impl<E> Clone for Word<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Word<E> {}

impl<E> PartialEq for Word<E> {
    #[inline(always)]
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl<E> Eq for Word<E> {}

impl<E> Word<E> {
    /// A slot without owner.
    pub const EMPTY: Self = Self::from_bits(0);

    /// From all 128 bits, as a cell holds them.
    #[inline(always)]
    pub const fn from_bits(bits: u128) -> Self {
        Self(bits, PhantomData)
    }

    /// All 128 bits.
    #[inline(always)]
    pub const fn bits(self) -> u128 {
        self.0
    }

    #[inline(always)]
    pub(super) const fn from_halves(high: u64, identity: Identity) -> Self {
        Self::from_bits((high as u128) << 64 | identity.0 as u128)
    }

    #[inline(always)]
    const fn high(self) -> u64 {
        (self.0 >> 64) as u64
    }

    /// The claim after another thread has struck it out; only its owner, or the sweep once abandoned, empties it.
    #[must_use]
    pub fn withdrawn(self) -> Self {
        Self::from_bits(self.0 | u128::from(WITHDRAWN << KIND) << 64)
    }

    /// Of the entry or claim, whatever its kind.
    #[inline(always)]
    pub fn identity(self) -> Identity {
        Identity(self.0 as u64)
    }

    /// Nobody owns the slot.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// An entry.
    #[inline]
    pub fn is_live(self) -> bool {
        self.kind() == LIVE
    }

    /// A claim that still stands.
    #[inline]
    pub fn is_pending(self) -> bool {
        self.kind() == PENDING
    }

    /// The claim's nonce; without meaning for other kinds.
    pub fn nonce(self) -> u64 {
        self.high() & NONCE_MASK
    }

    /// The entry's bits, if the word is live.
    #[inline(always)]
    pub fn payload(self) -> Payload {
        Payload(self.high() & Payload::MASK)
    }

    #[inline(always)]
    fn tick(self) -> Tick {
        Tick((self.high() >> DEADLINE) as u32 & Tick::MASK)
    }

    #[inline]
    fn kind(self) -> u64 {
        self.high() >> KIND & 3
    }
}

impl<E: Entry> Word<E> {
    /// An entry in being, until `deadline`.
    #[inline]
    pub fn live(identity: Identity, entry: E, deadline: Tick) -> Self {
        Self::from_halves(entry.pack().0 | Self::deadline_bits(deadline) | LIVE << KIND, identity)
    }

    /// An entry that only its owner ends. Of entries that may be such ([`Entry::PERMANENT`]).
    pub fn permanent(identity: Identity, entry: E) -> Self {
        const { assert!(E::PERMANENT, "these entries all have deadlines") };
        Self::from_halves(entry.pack().0 | u64::from(NEVER.0) << DEADLINE | LIVE << KIND, identity)
    }

    /// A claim: the slot is taken for `identity`, but holds no entry yet. `deadline` is when it counts as abandoned.
    pub fn pending(identity: Identity, nonce: u64, deadline: Tick) -> Self {
        Self::from_halves(nonce & NONCE_MASK | Self::deadline_bits(deadline) | PENDING << KIND, identity)
    }

    /// The same with another deadline.
    #[inline(always)]
    #[must_use]
    pub fn renewed(self, deadline: Tick) -> Self {
        let others = self.high() & !(u64::from(Tick::MASK) << DEADLINE);
        Self::from_halves(others | Self::deadline_bits(deadline), self.identity())
    }

    /// The same with another deadline and another value of a field of its payload, which must fit.
    #[inline(always)]
    #[must_use]
    pub fn updated<const AT: u32, const WIDTH: u32>(self, value: u64, deadline: Tick) -> Self {
        debug_assert!(value <= mask(WIDTH));
        let position = const { position(AT, WIDTH) };
        let cleared = self.high() & !(mask(WIDTH) << position | u64::from(Tick::MASK) << DEADLINE);
        let high = cleared | value << position | Self::deadline_bits(deadline);
        Self::from_halves(high, self.identity())
    }

    /// The entry, if the word is live.
    #[inline]
    pub fn entry(self) -> Option<E> {
        self.is_live().then(|| E::unpack(self.payload()))
    }

    /// When the entry or the claim ends; `None` for never.
    #[inline]
    pub fn deadline(self) -> Option<Tick> {
        (!self.is_permanent()).then(|| self.tick())
    }

    /// It is never ended by time.
    #[inline(always)]
    pub fn is_permanent(self) -> bool {
        E::PERMANENT && self.tick() == NEVER
    }

    /// The deadline of a word that is not empty has passed.
    #[inline(always)]
    pub fn is_past(self, now: Tick) -> bool {
        now.is_after(self.tick()) && !self.is_permanent()
    }

    /// It is not empty and its deadline has passed.
    #[inline]
    pub fn expired(self, now: Tick) -> bool {
        !self.is_empty() && self.is_past(now)
    }

    #[inline(always)]
    fn deadline_bits(deadline: Tick) -> u64 {
        let tick = if E::PERMANENT && deadline == NEVER { 0 } else { deadline.0 & Tick::MASK };
        u64::from(tick) << DEADLINE
    }
}

impl<E: Entry> fmt::Debug for Word<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let identity = self.identity().0;
        match (self.entry(), self.deadline()) {
            (Some(entry), Some(deadline)) => {
                write!(f, "Live({identity:#x}, {entry:?}, until {})", deadline.0)
            }
            (Some(entry), None) => write!(f, "Live({identity:#x}, {entry:?}, permanent)"),
            (None, _) if self.is_empty() => f.write_str("Empty"),
            (None, _) => {
                let name = if self.is_pending() { "Pending" } else { "Withdrawn" };
                write!(f, "{name}({identity:#x}, {})", self.nonce())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use proptest::prelude::*;

    use super::*;

    /// Four fields that use up the payload.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Fields<const PERMANENT: bool>([u64; 4]);

    impl<const PERMANENT: bool> Entry for Fields<PERMANENT> {
        const NAME: &'static str = "fields";
        const PERMANENT: bool = PERMANENT;
        type Cold = [AtomicU32; 0];

        fn pack(self) -> Payload {
            let [a, b, c, d] = self.0;
            Payload::default().with::<0, 20>(a).with::<20, 9>(b).with::<29, 1>(c).with::<30, 10>(d)
        }

        fn unpack(payload: Payload) -> Self {
            Self([
                payload.get::<0, 20>(),
                payload.get::<20, 9>(),
                payload.get::<29, 1>(),
                payload.get::<30, 10>(),
            ])
        }
    }

    fn fields() -> impl Strategy<Value = [u64; 4]> {
        (0..1_u64 << 20, 0..1_u64 << 9, 0..2_u64, 0..1_u64 << 10).prop_map(|(a, b, c, d)| [a, b, c, d])
    }

    proptest! {
        #[test]
        fn an_entry_survives_its_word(
            hash: u128, fields in fields(), retry in 0..1_u64 << 9, deadline in 0..1_u32 << 22,
        ) {
            let (identity, entry) = (Identity::from_hash(hash), Fields::<false>(fields));
            let word = Word::live(identity, entry, Tick(deadline));
            prop_assert_eq!((word.identity(), word.entry()), (identity, Some(entry)));
            prop_assert_eq!(word.deadline(), Some(Tick(deadline)));
            prop_assert!(!word.is_empty() && !word.is_pending());
            let (later, [a, _, c, d]) = (Tick(deadline ^ 0x2a_aaaa), fields);
            let changed = Word::live(identity, Fields([a, retry, c, d]), later);
            prop_assert_eq!(word.updated::<20, 9>(retry, later), changed);
            prop_assert_eq!(word.renewed(later), Word::live(identity, entry, later));
        }

        #[test]
        fn a_claim_is_neither_empty_nor_live(hash: u128, nonce in 0..1_u64 << 29, deadline in 0..1_u32 << 22) {
            let identity = Identity::from_hash(hash);
            let word = Word::<Fields<false>>::pending(identity, nonce, Tick(deadline));
            prop_assert!(word.is_pending() && !word.is_empty() && word.entry().is_none());
            prop_assert_eq!((word.identity(), word.nonce()), (identity, nonce));
            prop_assert_eq!(word.deadline(), Some(Tick(deadline)));
            let struck = word.withdrawn();
            prop_assert!(!struck.is_pending() && !struck.is_live() && !struck.is_empty());
            prop_assert_eq!((struck.identity(), struck.nonce()), (identity, nonce));
        }

        #[test]
        fn a_permanent_entry_never_expires_and_one_with_a_deadline_does(
            hash: u128, fields in fields(), now in 0..1_u32 << 22,
        ) {
            let (identity, entry, now) = (Identity::from_hash(hash), Fields::<true>(fields), Tick(now));
            let word = Word::permanent(identity, entry);
            prop_assert_eq!((word.entry(), word.deadline()), (Some(entry), None));
            prop_assert!(word.is_permanent() && !word.expired(now) && !word.is_past(now));
            // Renewed with a deadline it is an entry like others, and whatever that deadline is, it passes.
            let mortal = word.renewed(now);
            prop_assert!(!mortal.is_permanent() && !mortal.expired(now));
            prop_assert!(mortal.expired(Tick((now.0 + 2) & Tick::MASK)));
        }
    }

    #[test]
    fn a_field_is_written_over_what_it_held() {
        let payload = Payload::default().with::<0, 20>(0xf_ffff).with::<20, 9>(0x1ff).with::<30, 10>(0x3ff);
        let payload = payload.with::<20, 9>(0x0a5).with::<30, 10>(0x111);
        assert_eq!((payload.get::<20, 9>(), payload.get::<30, 10>()), (0x0a5, 0x111));
        assert_eq!((payload.get::<0, 20>(), payload.get::<29, 1>()), (0xf_ffff, 0));
    }

    /// A model's counterexample is read by these.
    #[test]
    fn every_kind_of_word_says_what_it_is() {
        let identity = Identity::from_hash(0x77);
        let entry = Fields::<true>([1, 2, 1, 4]);
        let claim = Word::<Fields<true>>::pending(identity, 9, Tick(5));
        let shown = |word: Word<Fields<true>>| format!("{word:?}");
        let id = identity.bits();
        assert_eq!(shown(Word::EMPTY), "Empty");
        assert_eq!(shown(claim), format!("Pending({id:#x}, 9)"));
        assert_eq!(shown(claim.withdrawn()), format!("Withdrawn({id:#x}, 9)"));
        assert_eq!(shown(Word::live(identity, entry, Tick(5))), format!("Live({id:#x}, {entry:?}, until 5)"));
        assert_eq!(shown(Word::permanent(identity, entry)), format!("Live({id:#x}, {entry:?}, permanent)"));
    }

    #[test]
    fn the_reserved_tick_is_a_deadline_like_others_where_no_entry_is_permanent() {
        let word = |deadline| Word::live(Identity::ZERO, Fields::<false>([0; 4]), deadline);
        assert_eq!(word(NEVER).deadline(), Some(NEVER));
        assert!(word(NEVER).expired(Tick(0)));
        let claim = Word::<Fields<true>>::pending(Identity::ZERO, 1, NEVER);
        assert_eq!(claim.deadline(), Some(Tick(0)), "a claim is never permanent");
    }
}
