//! Virtual addresses that the kernel holds too.

use common::net::Owner;

use super::System;
use crate::{
    host::address_check::{VirtualAddressHeld, held},
    manage::operator::Check,
    protocol::Cx,
};

impl System {
    /// Looks for virtual addresses that the kernel holds too. Each is logged when it is found and when it is gone, and is an
    /// alarm meanwhile. It is not refused: the kernel gets its addresses from others too, at any time.
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

    /// The alarms of the last [`System::watch_addresses`]. They do not make the process unhealthy, for a restart would not help.
    pub(super) fn address_checks(&self) -> Vec<Check> {
        let check = |held: &VirtualAddressHeld| Check {
            name: format!("address {}", held.address),
            healthy: true,
            reason: format!("alarm: {held}"),
        };
        self.held.iter().map(check).collect()
    }
}
