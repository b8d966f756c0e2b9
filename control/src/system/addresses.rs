//! Virtual addresses that the kernel holds too.

use common::net::Owner;

use super::System;
use crate::{host::address_check::held, protocol::Cx};

impl System {
    /// Looks for virtual addresses that the kernel holds too. Each is logged when it is found and when it is gone, and is
    /// a condition meanwhile. It is not refused: the kernel gets its addresses from others too, at any time.
    pub(super) fn watch_addresses(&mut self, cx: &Cx<'_, Self>) {
        let net = &cx.shared.snapshot().net;
        let is_virtual = |address| net.owners.get(&address).and_then(Owner::as_virtual).is_some();
        let held = held(&self.host, is_virtual);
        for found in held.iter().filter(|found| !self.held.contains(found)) {
            tracing::warn!(mnemonic = "IP-4-ADDRESS", "{found}");
        }
        for gone in self.held.iter().filter(|gone| !held.contains(gone)) {
            tracing::info!(
                mnemonic = "IP-6-ADDRESS",
                "Virtual address {} is no longer on the kernel device {}",
                gone.address,
                gone.device
            );
        }
        self.held = held;
    }
}
