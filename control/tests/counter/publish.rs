//! Its part of the snapshot: the addresses of counters are the host's.

use std::{collections::BTreeSet, sync::Arc};

use common::{net::Owner, snapshot::Snapshot};
use control::protocol::Cx;

use super::Counter;

impl Counter {
    /// Claims the addresses in `next`, and gives back what it had claimed else.
    pub(super) fn claim(&mut self, next: &mut Snapshot, cx: &Cx<'_, Self>) {
        let mut net = (*next.net).clone();
        let owners = net.owners_mut();
        for address in std::mem::take(&mut self.claimed) {
            owners.remove(&address);
        }
        let addresses: BTreeSet<_> =
            if self.stopping { BTreeSet::new() } else { cx.config.addresses().collect() };
        for address in addresses {
            if let Some(interface) = next.net.connected(address) {
                owners.insert(address, Owner::Host(interface.id));
                self.claimed.insert(address);
            }
        }
        // What comes to the same stays shared, so that nothing is published for it.
        net.share_with(&next.net);
        if !net.shares_all(&next.net) {
            next.net = Arc::new(net);
        }
    }
}
