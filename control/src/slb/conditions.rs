//! What can be wrong with virtual servers, reals and sessions.

use std::collections::BTreeMap;

use common::slb::RealState;

use super::{Slb, config::VserverConfig, state::RealEntry};
use crate::{
    health::{Condition, Found, condition, percent},
    protocol::Cx,
};

/// No real of its farms takes a new session.
static VSERVER_NO_REAL: Condition = condition!(
    "vserver-no-real",
    "A virtual server in service of which no real takes new sessions",
    after: 0, above: none, unready: true
);

/// The address of a real is not resolved.
static REAL_ARP_FAILED: Condition =
    condition!("real-arp-failed", "A real that is ARP_FAILED", after: 10, above: none, unready: false);

/// A real got no answers for its sessions or its probes.
static REAL_FAILED: Condition = condition!(
    "real-failed",
    "A real in service that takes no new sessions since it or its probe failed",
    after: 10, above: none, unready: false
);

/// New sessions are refused under overload.
static OVERLOAD: Condition =
    condition!("overload", "New sessions are refused under overload", after: 0, above: none, unready: false)
        .quiet();

/// The session table is nearly full.
static SESSION_TABLE: Condition =
    condition!("session-table", "The session table fills up", after: 0, above: 80, unready: false);

/// All of them.
pub(super) fn all() -> Vec<&'static Condition> {
    vec![&VSERVER_NO_REAL, &REAL_ARP_FAILED, &REAL_FAILED, &OVERLOAD, &SESSION_TABLE]
}

impl Slb {
    /// What of that is so.
    pub(super) fn found(&self, cx: &Cx<'_, Self>) -> Vec<Found> {
        let balancer = &cx.shared.tables.slb;
        let (used, capacity) = (balancer.occupancy(), u64::from(balancer.capacity()));
        let above = cx.shared.settings.health.above(&SESSION_TABLE);
        let full = (percent(used, capacity) > above.into())
            .then(|| Found::new(&SESSION_TABLE, "sessions", format!("{used} of {capacity} in use")));
        let overload = self.overload.refusing().map(|reason| Found::new(&OVERLOAD, "sessions", reason));
        self.without_real(cx).chain(self.failed_reals()).chain(full).chain(overload).collect()
    }

    fn without_real(&self, cx: &Cx<'_, Self>) -> impl Iterator<Item = Found> {
        let in_service = cx.config.vservers.iter().filter(|vserver| vserver.inservice && !self.stopping);
        in_service.filter_map(|vserver| {
            if self.reals_of(vserver).any(|real| real.live.takes_session()) {
                return None;
            }
            let mut states = BTreeMap::<_, usize>::new();
            self.reals_of(vserver).for_each(|real| *states.entry(real.live.state().name()).or_default() += 1);
            let states: Vec<_> = states.iter().map(|(state, count)| format!("{count} {state}")).collect();
            let states = if states.is_empty() { "there is none".to_owned() } else { states.join(", ") };
            let reason = format!("no real takes new sessions: {states}");
            Some(Found::new(&VSERVER_NO_REAL, vserver.name.to_string(), reason))
        })
    }

    /// Those of its farm and of the backup.
    fn reals_of(&self, vserver: &VserverConfig) -> impl Iterator<Item = &RealEntry> {
        let farms = vserver.farms().filter_map(|name| self.state.farms.get(name));
        let members = farms.flat_map(|(_, farm)| &farm.members);
        members.filter_map(|id| self.state.reals.at(usize::from(id.index))).map(|(_, real)| real)
    }

    fn failed_reals(&self) -> impl Iterator<Item = Found> {
        let reals = self.state.reals.iter();
        reals.filter_map(|(_, key, real)| {
            let (condition, reason) = match real.live.state() {
                RealState::ArpFailed => (&REAL_ARP_FAILED, "its address is not resolved"),
                RealState::Failed => (&REAL_FAILED, "nodes get no answer from it"),
                RealState::ReadyToTest | RealState::Testing => {
                    (&REAL_FAILED, "it waits for a session to test it")
                }
                RealState::ProbeFailed | RealState::ProbeTesting => {
                    (&REAL_FAILED, "it does not answer its probe")
                }
                _ => return None,
            };
            Some(Found::new(condition, key.to_string(), reason))
        })
    }
}
