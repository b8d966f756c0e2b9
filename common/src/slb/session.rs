//! What the table of sessions holds of one.

use std::{sync::atomic::AtomicU32, time::Duration};

use crate::{
    event::SessionChange,
    id::RealId,
    table::{Entry, Payload, Word},
    time::Tick,
};

/// Where a mobile node's requests go, and how that went so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// Where its requests go.
    pub real: RealId,
    /// Requests since the first one or the last move; stays at [`Session::MAX_RETRY`].
    pub retry: u16,
    /// It is the test of a real in TESTING.
    pub test: bool,
    /// Its present real left it without an answer, and that has been judged.
    pub failure_recorded: bool,
    /// The Home Agent field chose its present real, and there was no quiet since.
    pub requested: bool,
    /// It has been at another real before.
    pub moved: bool,
    /// Its node said goodbye: it ends [`Session::GRACE`] later unless a request revives it.
    pub deregistered: bool,
    /// Low bits of the real's count of failures when the session came to it.
    pub epoch: u16,
}

// Fields of the payload, each by its first bit. Flags stand beside the generation so that one comparison sees both.
const INDEX: u32 = 0;
const GENERATION: u32 = INDEX + INDEX_BITS;
const REQUESTED: u32 = GENERATION + GENERATION_BITS;
const DEREGISTERED: u32 = REQUESTED + 1;
const MOVED: u32 = DEREGISTERED + 1;
const EPOCH: u32 = MOVED + 1;
const RETRY: u32 = EPOCH + EPOCH_BITS;
const TEST: u32 = RETRY + RETRY_BITS;
const RECORDED: u32 = TEST + 1;

const INDEX_BITS: u32 = 12;
const GENERATION_BITS: u32 = 8;
const EPOCH_BITS: u32 = 6;
const RETRY_BITS: u32 = 9;

impl Session {
    /// Highest retry count that a word holds.
    pub const MAX_RETRY: u16 = (1 << RETRY_BITS) - 1;
    /// Bits of a real's failure serial that a word holds.
    pub const EPOCH_MASK: u16 = (1 << EPOCH_BITS) - 1;
    /// How long a deregistered session waits for a request that says otherwise: whoever can forge a deregistration takes
    /// a node's home agent away no longer than this.
    pub const GRACE: Duration = Duration::from_secs(10);

    /// A session as it begins at a real.
    pub fn new(real: RealId) -> Self {
        Self {
            real,
            retry: 0,
            test: false,
            failure_recorded: false,
            requested: false,
            moved: false,
            deregistered: false,
            epoch: 0,
        }
    }

    /// Nobody has asked for it again: in a full table it gives way to new ones.
    pub(super) fn seen_once(self) -> bool {
        self.retry == 0 && !self.moved && !self.test
    }

    /// What its end is when its time is over.
    pub(super) fn end_by_time(self) -> SessionChange {
        if self.deregistered { SessionChange::Deregistered } else { SessionChange::TimedOut }
    }
}

impl Entry for Session {
    const NAME: &'static str = "sessions";
    /// Display hash, client address, client port with the virtual server.
    type Cold = [AtomicU32; 3];

    #[inline]
    fn pack(self) -> Payload {
        Payload::default()
            .with::<INDEX, INDEX_BITS>(self.real.index.into())
            .with::<GENERATION, GENERATION_BITS>(self.real.generation.into())
            .with::<RETRY, RETRY_BITS>(self.retry.min(Self::MAX_RETRY).into())
            .with::<TEST, 1>(self.test.into())
            .with::<RECORDED, 1>(self.failure_recorded.into())
            .with::<REQUESTED, 1>(self.requested.into())
            .with::<MOVED, 1>(self.moved.into())
            .with::<DEREGISTERED, 1>(self.deregistered.into())
            .with::<EPOCH, EPOCH_BITS>(self.epoch.into())
    }

    #[inline]
    fn unpack(payload: Payload) -> Self {
        Self {
            real: real(payload),
            retry: retry(payload),
            test: payload.get::<TEST, 1>() == 1,
            failure_recorded: payload.get::<RECORDED, 1>() == 1,
            requested: payload.get::<REQUESTED, 1>() == 1,
            moved: payload.get::<MOVED, 1>() == 1,
            deregistered: payload.get::<DEREGISTERED, 1>() == 1,
            epoch: payload.get::<EPOCH, EPOCH_BITS>() as u16,
        }
    }
}

#[inline(always)]
fn real(payload: Payload) -> RealId {
    RealId {
        index: payload.get::<INDEX, INDEX_BITS>() as u16,
        generation: payload.get::<GENERATION, GENERATION_BITS>() as u8,
    }
}

#[inline(always)]
fn retry(payload: Payload) -> u16 {
    payload.get::<RETRY, RETRY_BITS>() as u16
}

impl Word<Session> {
    /// The real of a live word.
    #[inline]
    pub fn real(self) -> RealId {
        real(self.payload())
    }

    /// The session of a live word is at this real, and nothing about it wants a second look: no Home Agent field chose it,
    /// and its node did not say goodbye.
    #[inline(always)]
    pub(super) fn is_settled_at(self, id: RealId) -> bool {
        self.payload().get::<GENERATION, { GENERATION_BITS + 2 }>() == u64::from(id.generation)
    }

    /// The retry count of a live word.
    #[inline]
    pub fn retry(self) -> u16 {
        retry(self.payload())
    }

    /// The live word after one more request: its retry count one higher, its deadline new.
    #[inline]
    #[must_use]
    pub fn repeated(self, deadline: Tick) -> Self {
        let retry = (self.retry() + 1).min(Session::MAX_RETRY);
        self.updated::<RETRY, RETRY_BITS>(retry.into(), deadline)
    }

    /// The live word of a session whose node says goodbye now. Its deadline is past, so that nothing counts it among
    /// the living, and its slot is there for the taking.
    pub(super) fn deregistered(self, session: Session, now: Tick) -> Self {
        Self::live(self.identity(), Session { deregistered: true, ..session }, now.previous())
    }

    /// When the session of a live word ends if nothing comes.
    pub(super) fn ends(self) -> Option<Tick> {
        let waits = self.entry()?.deregistered;
        self.deadline().map(|deadline| if waits { deadline.after(Session::GRACE) } else { deadline })
    }

    /// How the session of a live word ends if its time is over at `now`: idled out, or not revived after its deregistration.
    pub fn over(self, now: Tick) -> Option<SessionChange> {
        let end = self.ends().filter(|_| self.is_past(now))?;
        now.is_after(end).then_some(self.entry()?.end_by_time())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::table::Identity;

    proptest! {
        #[test]
        fn a_session_survives_its_word(
            hash: u128, index in 0u16..4096, generation: u8, retry in 0u16..512, deadline in 0u32..(1 << 22),
            test: bool, failure_recorded: bool, requested: bool, moved: bool, deregistered: bool, epoch in 0u16..64,
        ) {
            let identity = Identity::from_hash(hash);
            let session = Session {
                real: RealId { index, generation }, retry, test, failure_recorded, requested, moved, deregistered, epoch,
            };
            let word = Word::live(identity, session, Tick(deadline));
            prop_assert_eq!((word.identity(), word.entry()), (identity, Some(session)));
            prop_assert_eq!((word.real(), word.retry(), word.deadline()), (session.real, retry, Some(Tick(deadline))));
            let later = Tick(deadline ^ 0x2a_aaaa);
            let again = Session { retry: (retry + 1).min(Session::MAX_RETRY), ..session };
            prop_assert_eq!(word.repeated(later), Word::live(identity, again, later));
        }
    }

    #[test]
    fn a_session_takes_28_bytes_a_slot() {
        assert_eq!(size_of::<Word<Session>>() + size_of::<<Session as Entry>::Cold>(), 28);
    }
}
