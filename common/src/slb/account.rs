//! Every beginning and end of a session passes here, so that created = destroyed + live and the sum of the reals'
//! connections = live, whoever does it.

use std::sync::atomic::Ordering::SeqCst;

use super::{Balancer, Session, SessionEnd, SessionInfo, SlbCounter, VserverCounter, real::ReleaseReason};
use crate::{
    event::SessionChange,
    id::{VserverId, WorkerId},
    slb::VirtualServer,
    snapshot::Snapshot,
};

impl Balancer {
    /// Counts sessions that are about to be confirmed; their reals have counted them already.
    pub(super) fn reserve(&self, vserver: &VirtualServer, sessions: u64) {
        self.live.fetch_add(sessions, SeqCst);
        vserver.live.began(sessions);
    }

    /// A session of [Balancer::reserve`] was not confirmed.
    pub(super) fn cancel(&self, vserver: &VirtualServer) {
        self.live.fetch_sub(1, SeqCst);
        vserver.live.ended();
    }

    /// A session is in the table.
    pub(super) fn began(
        &self,
        snapshot: &Snapshot,
        vserver: &VirtualServer,
        session: &Session,
        worker: WorkerId,
    ) {
        if let Some(real) = snapshot.real(session.real) {
            real.live.established(1);
        }
        vserver.live.count(worker, VserverCounter::TotalConns);
        self.stats.count(worker, SlbCounter::Created);
    }

    /// A session's word was replaced by nothing.
    pub(super) fn ended(
        &self,
        snapshot: &Snapshot,
        view: SessionInfo,
        change: SessionChange,
        worker: WorkerId,
    ) -> SessionEnd {
        let session = view.session;
        self.live.fetch_sub(1, SeqCst);
        self.stats.count(worker, SlbCounter::Destroyed);
        if let Some(vserver) = snapshot.vserver(view.vserver) {
            vserver.live.ended();
        }
        let reason = if change == SessionChange::TimedOut {
            self.stats.count(worker, SlbCounter::TimedOut);
            let clean = session.retry == 0 && !session.failure_recorded;
            ReleaseReason::Idle { clean, epoch: session.epoch, test: session.test }
        } else {
            if change == SessionChange::Evicted {
                self.stats.count(worker, SlbCounter::Evicted);
            }
            ReleaseReason::Other { test: session.test }
        };
        if let Some(real) = snapshot.real(session.real) {
            real.live.release(reason);
        }
        SessionEnd { change, session: view }
    }

    /// Nobody could take a request.
    pub(super) fn no_real(&self, snapshot: &Snapshot, vserver: VserverId, worker: WorkerId) {
        self.stats.count(worker, SlbCounter::FailedReals);
        if let Some(vserver) = snapshot.vserver(vserver) {
            vserver.live.count(worker, VserverCounter::NoReal);
        }
    }
}
