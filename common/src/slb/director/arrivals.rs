//! Sessions that begin together: what [`Director::handle`] does with each of a burst's new nodes, but with one step of the
//! farm's turn and one addition to each shared count for all of them.

use std::sync::atomic::Ordering::Relaxed;

use arrayvec::ArrayVec;

use super::{ABANDONED, Director, Shedding};
use crate::{
    id::{RealId, WorkerId},
    slb::{Request, Session, SlbCounter, VserverCounter, real::Departure},
    snapshot::{Snapshot, VirtualServer},
    table::{ColdWords, Slot, Word},
    time::Tick,
};

/// Requests that arrive together at most.
pub const TOGETHER: usize = 64;

/// Places of sessions that are about to begin, with their claims.
type Claims = ArrayVec<(Slot, Word<Session>), TOGETHER>;

impl Director {
    /// Begins the sessions of the first of `requests`, in their order: where each goes, `None` where another worker was
    /// faster. `shown` has their display hashes.
    ///
    /// What comes after the last one, and every `None`, is left to [`Director::handle`], and so is everything that is
    /// more than this: of that nothing is changed or counted.
    pub fn begin_together<T>(
        &self,
        snapshot: &Snapshot,
        requests: &[(T, Request)],
        shown: &[u32],
        now: Tick,
        worker: WorkerId,
    ) -> ArrayVec<Option<RealId>, TOGETHER> {
        self.note(snapshot);
        let mut outcomes = ArrayVec::new();
        let Some(vserver) = requests.first().and_then(|(_, request)| snapshot.vserver(request.vserver))
        else {
            return outcomes;
        };
        let Some(farm) = snapshot.farm(vserver.farm) else { return outcomes };
        let claims = self.claim_together(vserver, requests, shown, now);
        if claims.is_empty() {
            return outcomes;
        }
        let Some(picks) = farm.live.pick_together(farm, snapshot, claims.len()) else {
            for (slot, claim) in claims {
                self.table.withdraw(slot, claim);
            }
            return outcomes;
        };
        let many = claims.len() as u64;
        self.begin(vserver, many);
        let deadline = now.after(vserver.idle);
        let epochs: ArrayVec<u16, TOGETHER> = picks.parts.iter().map(|part| part.real.live.epoch()).collect();
        for ((slot, claim), &part) in claims.into_iter().zip(&picks.order) {
            let real = picks.parts[usize::from(part)].real;
            let session = Session {
                real: real.id,
                retry: 0,
                test: false,
                failure_recorded: false,
                epoch: epochs[usize::from(part)],
            };
            let confirmed = self.table.confirm(slot, claim, Word::live(claim.identity(), session, deadline));
            if !confirmed {
                self.unbegin(vserver);
                self.stats.count(worker, SlbCounter::PicksLost);
                real.live.release(Departure::Other { test: false });
            }
            outcomes.push(confirmed.then_some(real.id));
        }
        for (index, part) in picks.parts.iter().enumerate() {
            let begun = outcomes.iter().zip(&picks.order);
            let begun = begun.filter(|(outcome, order)| outcome.is_some() && usize::from(**order) == index);
            part.real.live.established(begun.count() as u64);
        }
        let begun = outcomes.iter().flatten().count() as u64;
        vserver.live.add(worker, VserverCounter::TotalConns, begun);
        self.stats.add(worker, SlbCounter::Created, begun);
        outcomes
    }

    /// Claims places for the first of the requests, up to one that needs more than an empty slot.
    #[inline(always)]
    fn claim_together<T>(
        &self,
        vserver: &VirtualServer,
        requests: &[(T, Request)],
        shown: &[u32],
        now: Tick,
    ) -> Claims {
        let mut claims = Claims::new();
        let many = requests.len().min(TOGETHER) as u64;
        if self.occupancy() + many > u64::from(self.capacity()) || self.shedding() != Shedding::NONE {
            return claims;
        }
        let nonce = self.nonce.fetch_add(many, Relaxed);
        let abandoned = now.after(ABANDONED);
        for ((_, request), nonce) in requests.iter().zip(nonce..nonce + many) {
            if request.vserver != vserver.id || request.deregistration || request.wanted.is_some() {
                break;
            }
            let claim = Word::pending(request.identity, nonce, abandoned);
            let Some(slot) = self.table.claim(claim) else { break };
            self.table.prefetch_cold(slot);
            claims.push((slot, claim));
        }
        // A swap waits for the stores before it, so these come all at once.
        for ((slot, _), ((_, request), shown)) in claims.iter().zip(requests.iter().zip(shown)) {
            let [client, ports] = request.cold();
            self.table.cold(*slot).write([*shown, client, ports]);
        }
        claims
    }
}
