//! Sessions that begin together: what [`Balancer::handle`] does with each of a burst's new nodes, but with one step of the
//! farm's cursor and one addition to each shared count for all of them.

use std::sync::atomic::Ordering::Relaxed;

use arrayvec::ArrayVec;

use super::{ABANDONED, Balancer, Shedding};
use crate::{
    id::{RealId, WorkerId},
    slb::{Request, Session, SlbCounter, VirtualServer, VserverCounter, real::ReleaseReason},
    snapshot::Snapshot,
    table::{ColdWords, Slot, Word},
    time::Tick,
};

/// Requests of a batch at most.
pub const BATCH: usize = 64;

/// Slots of sessions that are about to begin, with their claims.
type Claims = ArrayVec<(Slot, Word<Session>), BATCH>;

impl Balancer {
    /// Begins the sessions of the first of `requests`, in their order: where each goes, `None` where another worker was
    /// faster. `display_hashes` are theirs.
    ///
    /// What comes after the last one, and every `None`, is left to [`Balancer::handle`], and so is everything that is
    /// more than this: of that nothing is changed or counted.
    pub fn create_batch<T>(
        &self,
        snapshot: &Snapshot,
        requests: &[(T, Request)],
        display_hashes: &[u32],
        now: Tick,
        worker: WorkerId,
    ) -> ArrayVec<Option<RealId>, BATCH> {
        self.note(snapshot);
        let mut outcomes = ArrayVec::new();
        let Some(vserver) = requests.first().and_then(|(_, request)| snapshot.vserver(request.vserver))
        else {
            return outcomes;
        };
        let Some(farm) = snapshot.farm(vserver.farm) else { return outcomes };
        let claims = self.claim_batch(vserver, requests, display_hashes, now);
        if claims.is_empty() {
            return outcomes;
        }
        let Some(picks) = farm.live.pick_batch(farm, snapshot, claims.len()) else {
            for (slot, claim) in claims {
                self.table.withdraw(slot, claim);
            }
            return outcomes;
        };
        let many = claims.len() as u64;
        self.reserve(vserver, many);
        let deadline = now.after(vserver.idle);
        let epochs: ArrayVec<u16, BATCH> = picks.parts.iter().map(|part| part.real.live.epoch()).collect();
        for ((slot, claim), &part) in claims.into_iter().zip(&picks.order) {
            let real = picks.parts[usize::from(part)].real;
            let session = Session { epoch: epochs[usize::from(part)], ..Session::new(real.id) };
            let confirmed = self.table.confirm(slot, claim, Word::live(claim.identity(), session, deadline));
            if !confirmed {
                self.cancel(vserver);
                self.stats.count(worker, SlbCounter::PicksLost);
                real.live.release(ReleaseReason::Other { test: false });
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

    /// Claims slots for the first of the requests, up to one that needs more than an empty slot.
    #[inline(always)]
    fn claim_batch<T>(
        &self,
        vserver: &VirtualServer,
        requests: &[(T, Request)],
        display_hashes: &[u32],
        now: Tick,
    ) -> Claims {
        let mut claims = Claims::new();
        let many = requests.len().min(BATCH) as u64;
        let unlimited = self.shedding() == Shedding::NONE && vserver.client_rate.is_none();
        if self.occupancy() + many > u64::from(self.capacity()) || !unlimited {
            return claims;
        }
        let nonce = self.nonce.fetch_add(many, Relaxed);
        let abandoned = now.after(ABANDONED);
        for ((_, request), nonce) in requests.iter().zip(nonce..nonce + many) {
            if request.vserver != vserver.id || request.deregistration || request.home_agent.is_some() {
                break;
            }
            let claim = Word::pending(request.identity, nonce, abandoned);
            let Some(slot) = self.table.claim(claim) else { break };
            self.table.prefetch_cold(slot);
            claims.push((slot, claim));
        }
        // A swap waits for the stores before it, so these come all at once.
        for ((slot, _), ((_, request), hash)) in claims.iter().zip(requests.iter().zip(display_hashes)) {
            let [client, ports] = request.cold();
            self.table.cold(*slot).write([*hash, client, ports]);
        }
        claims
    }
}
