//! What can be wrong with ports, with addresses, and with what workers do with packets.

use super::System;
use crate::{
    health::{Condition, Found, condition},
    protocol::Cx,
};

/// A port that is not shut down has no link.
static PORT_DOWN: Condition =
    condition!("port-down", "A port without link", after: 0, above: none, unready: true);

/// Of what was received in the last five seconds more than the share was dropped.
pub(super) static DROPS: Condition =
    condition!("drops", "Packets are dropped, of those of the last 5 s", after: 0, above: 10, unready: false);

/// A virtual address is also one of the kernel's.
static ADDRESS_CONFLICT: Condition = condition!(
    "address-conflict",
    "A virtual address that the kernel holds too",
    after: 0, above: none, unready: false
)
.quiet();

/// More than one station says that it has an address.
static DUPLICATE_ADDRESS: Condition = condition!(
    "duplicate-address",
    "An address, ours or a neighbour's, that more than one station has",
    after: 0, above: none, unready: false
)
.quiet();

/// All of them.
pub(super) fn all() -> Vec<&'static Condition> {
    vec![&PORT_DOWN, &DROPS, &ADDRESS_CONFLICT, &DUPLICATE_ADDRESS]
}

impl System {
    /// What of that is so.
    pub(super) fn found(&self, cx: &Cx<'_, Self>) -> Vec<Found> {
        let ports = cx.config.ports().filter(|(_, interface, _)| !interface.shutdown);
        let down = ports.filter(|(id, ..)| self.ports.get(id.index()).is_some_and(|port| !port.link_up));
        let down =
            down.map(|(_, interface, _)| Found::new(&PORT_DOWN, interface.name.to_string(), "no link"));
        let drops = self.drops.dropping().map(|dropping| {
            let reason = format!(
                "{} % of {} packets, most of them {}",
                dropping.percent, dropping.received, dropping.most
            );
            Found::new(&DROPS, "received packets", reason)
        });
        let conflicts = self.held.iter();
        let conflicts =
            conflicts.map(|held| Found::new(&ADDRESS_CONFLICT, held.address.to_string(), held.to_string()));
        let duplicates = self.duplicates.present(cx.now()).map(|found| {
            let reason = format!("sourced by {} beside {}", found.mac, found.before);
            Found::new(&DUPLICATE_ADDRESS, found.at.address.to_string(), reason)
        });
        down.chain(drops).chain(conflicts).chain(duplicates).collect()
    }
}
