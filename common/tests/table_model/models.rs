//! What threads do at once, and what must hold whoever comes first.

use common::{
    id::RealId,
    slb::Session,
    table::{Identity, Insert, SlabIndex, Word},
};
use loom::sync::Arc;

use crate::{checker::explore, harness::*};

/// Two workers, the first request of one key.
pub fn claim_and_claim<E: ModelEntry, C: ModelCell>() {
    explore(3, || {
        let harness = Harness::<E, C>::new([None; 2]);
        let other = Arc::clone(&harness);
        let thread = loom::thread::spawn(move || other.insert(2, NOW));
        let results = [harness.insert(1, NOW), thread.join().unwrap()];
        harness.check();
        let inserted = results.iter().filter(|result| matches!(result, Insert::Inserted(..))).count();
        assert_eq!(inserted, 1, "{results:?}");
        assert!(results.iter().all(|result| matches!(result, Insert::Inserted(..) | Insert::Existing(..))));
    });
}

/// The same in bursts of new sessions.
pub fn batch_and_batch<E: ModelEntry, C: ModelCell>() {
    explore(3, || {
        let harness = Harness::<E, C>::new([None; 2]);
        let other = Arc::clone(&harness);
        let thread = loom::thread::spawn(move || other.create_batch(2, NOW));
        let results = [harness.create_batch(1, NOW), thread.join().unwrap()];
        harness.check();
        assert_eq!(results.iter().filter(|begun| **begun).count(), 1, "{results:?}");
    });
}

/// One worker with a burst of new sessions, one with a single request, and a sweep that finds the last entry expired.
pub fn batch_and_claim_and_expire<E: ModelEntry, C: ModelCell>() {
    explore(E::PREEMPTIONS, || {
        let harness = Harness::<E, C>::new([Some(NOW), None]);
        let (second, third) = (Arc::clone(&harness), Arc::clone(&harness));
        let claim = loom::thread::spawn(move || matches!(second.insert(2, LATER), Insert::Inserted(..)));
        let sweep = loom::thread::spawn(move || third.expire(LATER));
        let results = [harness.create_batch(1, LATER), claim.join().unwrap()];
        sweep.join().unwrap();
        harness.check();
        assert_eq!(results.iter().filter(|begun| **begun).count(), 1, "{results:?}");
    });
}

/// A key's entry has expired for one worker, while another with an older clock still counts a request for it.
pub fn claim_and_refresh_of_the_expired<E: ModelEntry, C: ModelCell>() {
    explore(3, || {
        let harness = Harness::<E, C>::new([Some(NOW), None]);
        let other = Arc::clone(&harness);
        let thread = loom::thread::spawn(move || other.refresh());
        let result = harness.insert(1, LATER);
        let refreshed = thread.join().unwrap();
        harness.check();
        let live: Vec<_> = harness.words().into_iter().filter(|word| word.is_live()).collect();
        assert_eq!(live.len(), 1, "there is an entry whoever came first");
        match result {
            Insert::Existing(..) => assert!(refreshed),
            Insert::Inserted(..) => {}
            other => panic!("{other:?}"),
        }
    });
}

/// The sweep, an insertion and an insertion by another worker on an expired entry.
pub fn claim_and_claim_and_expire<E: ModelEntry, C: ModelCell>() {
    explore(E::PREEMPTIONS, || {
        let harness = Harness::<E, C>::new([None, Some(NOW)]);
        let (second, third) = (Arc::clone(&harness), Arc::clone(&harness));
        let claim = loom::thread::spawn(move || second.insert(2, LATER));
        let sweep = loom::thread::spawn(move || third.expire(LATER));
        let first = harness.insert(1, LATER);
        let results = [first, claim.join().unwrap()];
        sweep.join().unwrap();
        harness.check();
        assert_eq!(results.iter().filter(|result| matches!(result, Insert::Inserted(..))).count(), 1);
    });
}

/// Everything that happens to a live entry at once.
pub fn refresh_and_reassign_and_expire<E: ModelEntry, C: ModelCell>() {
    explore(E::PREEMPTIONS, || {
        let harness = Harness::<E, C>::new([Some(NOW), None]);
        let (second, third) = (Arc::clone(&harness), Arc::clone(&harness));
        let refresh = loom::thread::spawn(move || second.refresh());
        let expire = loom::thread::spawn(move || third.expire(LATER));
        harness.reassign();
        let (refreshed, expired) = (refresh.join().unwrap(), expire.join().unwrap());
        harness.check();
        let live = harness.words().into_iter().find(|word| word.is_live());
        assert_eq!(live.is_none(), expired, "gone if and only if the sweep took it");
        if let Some(word) = live {
            assert!(refreshed, "it was there, so the request was counted");
            assert_eq!(word.deadline(), Some(later(LATER)), "and its idle time restarted");
            assert_eq!(word.entry().unwrap().real(&harness.owner), 2, "and it moved");
        }
    });
}

/// The same with the worker's quick step: a read of two moments is never taken for an entry.
pub fn repeat_and_reassign_and_expire<E: ModelEntry, C: ModelCell>() {
    explore(E::PREEMPTIONS, || {
        let harness = Harness::<E, C>::new([Some(NOW), None]);
        let (second, third) = (Arc::clone(&harness), Arc::clone(&harness));
        let repeat = loom::thread::spawn(move || second.repeat());
        let expire = loom::thread::spawn(move || third.expire(LATER));
        harness.reassign();
        let (repeated, expired) = (repeat.join().unwrap(), expire.join().unwrap());
        harness.check();
        let live = harness.words().into_iter().find(|word| word.is_live());
        assert_eq!(live.is_none(), expired, "gone if and only if the sweep took it");
        if let Some(word) = live {
            assert!(repeated, "it was there, so the request was counted");
            let real = word.entry().unwrap().real(&harness.owner);
            assert_eq!((word.deadline(), real), (Some(later(LATER)), 2), "once, and it moved");
        }
    });
}

/// Two requests of one session are two retries.
pub fn refresh_and_refresh<C: ModelCell>() {
    explore(3, || {
        let harness = Harness::<Session, C>::new([Some(later(LATER)), None]);
        let other = Arc::clone(&harness);
        let thread = loom::thread::spawn(move || other.refresh());
        harness.refresh();
        thread.join().unwrap();
        harness.check();
        assert_eq!(harness.words()[0].retry(), 2);
    });
}

/// Two workers make the entry of one key in a full table, while one of the others that give way is asked for again: it is
/// ended or stays, never both.
pub fn claim_and_claim_and_refresh_in_a_full_table<C: ModelCell>() {
    explore(2, || {
        let [first, second] = [1, 2].map(Identity::from_hash);
        let harness = Harness::<Session, C>::with(|owner| {
            [first, second]
                .map(|other| Word::live(other, Session::take(owner, OTHER_KEY, STRANGER), later(NOW)))
        });
        let (claimer, node) = (Arc::clone(&harness), Arc::clone(&harness));
        let claim = loom::thread::spawn(move || claimer.insert(2, NOW));
        let refresh = loom::thread::spawn(move || {
            let (slot, word) = node.table.find(first)?;
            let known = Session { real: RealId { index: 3, generation: 1 }, ..word.entry()? };
            node.table.replace(slot, word, Word::live(first, known, later(NOW))).ok()
        });
        let results = [harness.insert(1, NOW), claim.join().unwrap()];
        let refreshed = refresh.join().unwrap().is_some();
        let words = harness.words();
        let live: Vec<_> = words.iter().filter(|word| word.is_live()).collect();
        assert!(words.iter().all(|word| word.is_live() || word.is_empty()), "a claim is left: {words:?}");
        assert_eq!(Session::taken(&harness.owner), live.len(), "taken for {words:?}");
        assert_eq!(live.iter().any(|word| word.identity() == first), refreshed, "{words:?}");
        let of_key = live.iter().filter(|word| word.identity() == IDENTITY).count();
        let inserted = results.iter().filter(|result| matches!(result, Insert::Inserted(..))).count();
        assert_eq!((of_key, inserted), (1, 1), "{results:?} {words:?}");
    });
}

/// A worker that stalled in its claim for ever: nobody waits for it, and the sweep takes the claim away.
pub fn a_stalled_claim_blocks_nobody<E: ModelEntry, C: ModelCell>() {
    explore(3, || {
        let stalled = Word::pending(IDENTITY, 99, later(NOW));
        let harness = Harness::<E, C>::with(|_| [stalled, Word::EMPTY]);
        let other = Arc::clone(&harness);
        let thread = loom::thread::spawn(move || {
            for line in 0..2 {
                other.table.clear_abandoned(line, LATER);
            }
        });
        let result = harness.insert(1, NOW);
        assert!(matches!(result, Insert::Inserted(..)), "{result:?}");
        thread.join().unwrap();
        for line in 0..2 {
            harness.table.clear_abandoned(line, LATER);
        }
        harness.check();
    });
}

/// Two keys with one identity, each with its first request: neither is taken for the other.
pub fn claim_and_claim_of_another_key<C: ModelCell>() {
    explore(3, || {
        let harness = Harness::<SlabIndex, C>::new([None; 2]);
        let other = Arc::clone(&harness);
        let thread = loom::thread::spawn(move || other.insert_key(OTHER_KEY, 2, NOW));
        let results = [harness.insert_key(KEY, 1, NOW), thread.join().unwrap()];
        harness.check();
        assert!(results.iter().all(|result| matches!(result, Insert::Inserted(..))), "{results:?}");
        assert!(harness.find(KEY).is_some() && harness.find(OTHER_KEY).is_some());
    });
}
