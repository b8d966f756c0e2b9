//! `show ip slb sessions ipmobile nai STRING`: where a subscriber goes, and why.

use common::{
    id::{FarmId, RealId},
    slb::{Farm, KeySpace, Real, RealState},
    snapshot::Snapshot,
};

use super::{
    Slb,
    config::ObjectName,
    debug::escape,
    fsm::VserverStatus,
    show::{CandidateView, NaiHash, TraceView},
    views::session_view,
};
use crate::protocol::Cx;

impl Slb {
    /// The answer at each virtual server (or the one named) that has an address and a farm.
    pub(super) fn traces(&self, nai: &[u8], only: Option<&ObjectName>, cx: &Cx<'_, Self>) -> Vec<TraceView> {
        let names = cx.config.vservers.iter().map(|vserver| (&vserver.name, vserver.inservice));
        names
            .filter(|(name, _)| only.is_none_or(|only| only == *name))
            .filter_map(|(name, in_service)| self.trace(nai, name, in_service, cx))
            .collect()
    }

    fn trace(&self, nai: &[u8], name: &ObjectName, in_service: bool, cx: &Cx<'_, Self>) -> Option<TraceView> {
        let snapshot = cx.shared.snapshot();
        let (_, entry) = self.state.vservers.get(name)?;
        let vserver = snapshot.vserver(entry.id)?;
        let now = self.polled.tick();
        let identity = cx.shared.tables.slb.identity(vserver, KeySpace::Nai, nai);
        let session = cx.shared.tables.slb.lookup(identity, now);
        let real_state =
            session.and_then(|session| Some(snapshot.real(session.session.real)?.live.state().to_string()));
        let primary = next_of(&snapshot, vserver.farm);
        let backup = vserver.backup.and_then(|backup| next_of(&snapshot, backup));
        let next = primary.or(backup);
        let candidates = std::iter::once(vserver.farm).chain(vserver.backup);
        Some(TraceView {
            nai: escape(nai),
            nai_hash: NaiHash::from_key(nai),
            vserver: vserver.name.clone(),
            vserver_state: VserverStatus::from_in_service(in_service && !self.stopping).name(),
            session: session.and_then(|session| session_view(&snapshot, &session, now)),
            real_state,
            next: next.map(|real| real.address),
            next_farm: next.and_then(|real| Some(snapshot.farm(real.farm)?.name.clone())),
            next_is_backup: primary.is_none() && backup.is_some(),
            candidates: candidates.flat_map(|farm| candidates_of(&snapshot, farm, next)).collect(),
        })
    }
}

fn next_of(snapshot: &Snapshot, farm: FarmId) -> Option<&Real> {
    let farm = snapshot.farm(farm)?;
    snapshot.real(farm.live.peek(farm, snapshot).ok()?.next?)
}

fn candidates_of(snapshot: &Snapshot, farm: FarmId, next: Option<&Real>) -> Vec<CandidateView> {
    let Some(farm) = snapshot.farm(farm) else { return Vec::new() };
    let turn = farm.live.peek(farm, snapshot).ok().map(|peek| (peek.holder, peek.used));
    let reals = farm.reals.iter().filter_map(|id| snapshot.real(*id));
    reals.map(|real| candidate(farm, real, turn, next)).collect()
}

fn candidate(farm: &Farm, real: &Real, turn: Option<(RealId, u32)>, next: Option<&Real>) -> CandidateView {
    let view = real.live.view();
    let used = turn.filter(|(holder, _)| *holder == real.id).map(|(_, used)| used);
    let is_next = next.is_some_and(|next| next.id == real.id);
    let (eligible, reason) = match view.state {
        RealState::Operational if view.weight == 0 => (false, "weight 0"),
        RealState::Operational if real.adjacency.is_none() => (false, "its next hop has no MAC address"),
        RealState::Operational | RealState::ReadyToTest if is_next => (true, "is next"),
        RealState::Operational if used.is_some_and(|used| used >= view.weight) => {
            (true, "its turn is used up")
        }
        RealState::Operational => (true, "can take a session when its turn comes"),
        RealState::ReadyToTest => (true, "can take one session, as its test"),
        RealState::OutOfService => (false, "is not in service"),
        RealState::Failed => (false, "has failed and waits for its retry time"),
        RealState::Testing => (false, "its test session is not over"),
        RealState::MaxConns => (false, "has as many sessions as maxconns allows"),
        RealState::MaxClients => (false, "has as many clients as maxclients allows"),
        RealState::DfpThrottled => (false, "reported weight 0"),
        RealState::ProbeFailed | RealState::ProbeTesting => (false, "does not answer its probe"),
        RealState::ArpFailed => (false, "its next hop has no MAC address"),
        RealState::Standby => (false, "is a standby"),
    };
    CandidateView {
        real: real.address,
        farm: farm.name.clone(),
        state: view.state.to_string(),
        weight: view.weight,
        used,
        eligible,
        reason: reason.to_owned(),
    }
}
