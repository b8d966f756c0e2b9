//! The balancer's part of the snapshot, and what follows from it: live settings of reals, neighbours to resolve, gratuitous
//! ARP.

use std::sync::Arc;

use common::{
    net::{NextHop, Owner},
    snapshot::Snapshot,
    wire::arp,
};

use super::{
    Slb,
    debug::SESSIONS,
    plan::{self, Resolution},
    state::{RealKey, settings},
};
use crate::protocol::{Cx, Effect};

impl Slb {
    /// Brings live state up to the configuration and the network of `next`, and puts into `next` what that changes.
    pub(super) fn build(&mut self, next: &mut Snapshot, cx: &mut Cx<'_, Self>) {
        let old = cx.shared.snapshot();
        let changed = std::mem::take(&mut self.changed);
        // A network made anew has the claims of its owner only.
        if changed || !Arc::ptr_eq(&next.net.owners, &old.net.owners) {
            self.claim(next, cx);
        }
        if !Arc::ptr_eq(&next.net.owners, &old.net.owners) {
            for announcement in plan::announcements(&old.net.owners, &next.net.owners) {
                let NextHop { interface, address } = announcement.hop;
                let frame = arp::gratuitous(announcement.mac, address).to_vec();
                cx.act_when_settled(Effect::Send(interface, frame));
            }
        }
        let resolution = Resolution::new(cx.config, &self.state, &next.net);
        if !changed && resolution == self.resolution {
            return;
        }
        self.resolution = resolution;
        self.update_reals(cx);
        cx.keep_resolved(self.resolution.next_hops());
        let mut part = plan::part(cx.config, &self.state, &self.resolution);
        part.debug_sessions = cx.is_debugging(&SESSIONS);
        next.targets = part.targets(&next.net);
        next.slb = Arc::new(part);
    }

    /// Claims the virtual addresses in `next`.
    fn claim(&self, next: &mut Snapshot, cx: &Cx<'_, Self>) {
        let mut net = (*next.net).clone();
        let owners = net.owners_mut();
        owners.retain(|_, owner| !matches!(owner, Owner::Virtual(_)));
        if !self.stopping {
            plan::claim(cx.config, &self.state, &next.net, owners);
        }
        net.share_with(&next.net);
        if !net.shares_all(&next.net) {
            next.net = Arc::new(net);
        }
    }

    fn update_reals(&self, cx: &Cx<'_, Self>) {
        for farm in &cx.config.farms {
            let farm_in_service = cx.config.is_farm_in_service(&farm.name);
            for real in &farm.reals {
                let key = RealKey::new(farm, real);
                let Some((index, entry)) = self.state.reals.get(&key) else { continue };
                entry.live.configure(settings(real));
                entry.live.set_arp_resolved(self.resolution.adjacency(index).is_some());
                entry.live.set_in_service(real.inservice && farm_in_service);
            }
        }
    }
}
