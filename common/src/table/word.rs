//! The 128-bit word of a slot.
//!
//! ```text
//! bit 0         64       76           84      93         115    117    118       119      128
//!     | identity | real   | generation | retry | deadline | kind | test | recorded | epoch |
//! ```
//! A pending or withdrawn word carries its owner's nonce in the 29 bits of real, generation and retry.

use crate::{id::RealId, time::Tick};

/// What a slot holds; all zero is an empty slot.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Word(pub u128);

/// The contents of a live word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Keyed hash of (virtual server, key).
    pub identity: u64,
    /// Where its requests go.
    pub real: RealId,
    /// Requests since the first one or the last move; stays at [`Session::MAX_RETRY`].
    pub retry: u16,
    /// Ends once this tick has passed.
    pub deadline: Tick,
    /// It is the test of a real in TESTING.
    pub test: bool,
    /// A failure of its present real has been recorded.
    pub failure_recorded: bool,
    /// Low bits of the real's count of failures when the session came to it.
    pub epoch: u16,
}

impl Session {
    /// Highest retry count that a word holds.
    pub const MAX_RETRY: u16 = 511;
    /// Bits of a real's failure serial that a word holds.
    pub const EPOCH_MASK: u16 = 511;
}

const INDEX: u32 = 64;
const GENERATION: u32 = 76;
const RETRY: u32 = 84;
const DEADLINE: u32 = 93;
const KIND: u32 = 115;
const TEST: u32 = 117;
const RECORDED: u32 = 118;
const EPOCH: u32 = 119;

const PENDING: u128 = 1;
const LIVE: u128 = 2;
const WITHDRAWN: u128 = 3;
const NONCE_MASK: u64 = (1 << (DEADLINE - INDEX)) - 1;

impl Word {
    /// A slot without owner.
    pub const EMPTY: Self = Self(0);

    /// A session in being.
    #[inline]
    pub fn live(session: Session) -> Self {
        Self(
            u128::from(session.identity)
                | u128::from(session.real.index & 0xfff) << INDEX
                | u128::from(session.real.generation) << GENERATION
                | u128::from(session.retry.min(Session::MAX_RETRY)) << RETRY
                | u128::from(session.deadline.0 & Tick::MASK) << DEADLINE
                | LIVE << KIND
                | u128::from(session.test) << TEST
                | u128::from(session.failure_recorded) << RECORDED
                | u128::from(session.epoch & Session::EPOCH_MASK) << EPOCH,
        )
    }

    /// A claim: the slot is taken for `identity`, but no session yet. `deadline` is when it counts as abandoned.
    pub fn pending(identity: u64, nonce: u64, deadline: Tick) -> Self {
        Self(
            u128::from(identity)
                | u128::from(nonce & NONCE_MASK) << INDEX
                | u128::from(deadline.0 & Tick::MASK) << DEADLINE
                | PENDING << KIND,
        )
    }

    /// The claim after another thread has struck it out; only its owner, or the sweep once abandoned, empties it.
    #[must_use]
    pub fn withdrawn(self) -> Self {
        Self(self.0 | WITHDRAWN << KIND)
    }

    /// The session, if the word is live.
    #[inline]
    pub fn session(self) -> Option<Session> {
        (self.kind() == LIVE).then(|| Session {
            identity: self.identity(),
            real: self.real(),
            retry: self.retry(),
            deadline: self.deadline(),
            test: self.0 >> TEST & 1 == 1,
            failure_recorded: self.0 >> RECORDED & 1 == 1,
            epoch: (self.0 >> EPOCH) as u16 & Session::EPOCH_MASK,
        })
    }

    /// The session of a live word after one more request: its retry count one higher, its deadline new.
    #[inline]
    #[must_use]
    pub fn repeated(self, deadline: Tick) -> Self {
        // All that changes lies in the upper half.
        let high = (self.0 >> 64) as u64;
        let retry = u64::from((self.retry() + 1).min(Session::MAX_RETRY));
        let cleared = high
            & !(u64::from(Session::MAX_RETRY) << (RETRY - 64) | u64::from(Tick::MASK) << (DEADLINE - 64));
        let high = cleared | retry << (RETRY - 64) | u64::from(deadline.0 & Tick::MASK) << (DEADLINE - 64);
        Self(u128::from(high) << 64 | u128::from(self.0 as u64))
    }

    /// The retry count of a live word.
    #[inline]
    pub fn retry(self) -> u16 {
        (self.0 >> RETRY) as u16 & Session::MAX_RETRY
    }

    /// The real of a live word.
    #[inline]
    pub fn real(self) -> RealId {
        RealId { index: (self.0 >> INDEX) as u16 & 0xfff, generation: (self.0 >> GENERATION) as u8 }
    }

    /// Low 64 bits, whatever the kind.
    #[inline]
    pub fn identity(self) -> u64 {
        self.0 as u64
    }

    /// When the session or the claim ends.
    #[inline]
    pub fn deadline(self) -> Tick {
        Tick((self.0 >> DEADLINE) as u32 & Tick::MASK)
    }

    /// Its deadline has passed.
    #[inline]
    pub fn expired(self, now: Tick) -> bool {
        !self.is_empty() && now.is_after(self.deadline())
    }

    /// Nobody owns the slot.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// A session.
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
        (self.0 >> INDEX) as u64 & NONCE_MASK
    }

    #[inline]
    fn kind(self) -> u128 {
        self.0 >> KIND & 3
    }
}

impl std::fmt::Debug for Word {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.session() {
            Some(session) => session.fmt(f),
            None if self.is_empty() => f.write_str("Empty"),
            None => {
                let name = if self.is_pending() { "Pending" } else { "Withdrawn" };
                write!(f, "{name}({:#x}, {})", self.identity(), self.nonce())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_session_survives_its_word(
            identity: u64, index in 0u16..4096, generation: u8, retry in 0u16..512, deadline in 0u32..(1 << 22),
            test: bool, failure_recorded: bool, epoch in 0u16..512,
        ) {
            let session = Session {
                identity, real: RealId { index, generation }, retry, deadline: Tick(deadline), test,
                failure_recorded, epoch,
            };
            let word = Word::live(session);
            prop_assert_eq!(word.session(), Some(session));
            prop_assert!(!word.is_empty() && !word.is_pending());
            let later = Tick(deadline ^ 0x2a_aaaa);
            let again = Session { retry: (retry + 1).min(Session::MAX_RETRY), deadline: later, ..session };
            prop_assert_eq!(word.repeated(later), Word::live(again));
        }

        #[test]
        fn a_claim_is_neither_empty_nor_live(identity: u64, nonce in 0u64..(1 << 29), deadline in 0u32..(1 << 22)) {
            let word = Word::pending(identity, nonce, Tick(deadline));
            prop_assert!(word.is_pending() && !word.is_empty() && word.session().is_none());
            prop_assert_eq!((word.identity(), word.nonce(), word.deadline()), (identity, nonce, Tick(deadline)));
            let struck = word.withdrawn();
            prop_assert!(!struck.is_pending() && !struck.is_live() && !struck.is_empty());
            prop_assert_eq!((struck.identity(), struck.nonce()), (identity, nonce));
        }
    }
}
