//! ARP messages that contradict what is known: whose the addresses are, and the lines about those that two stations have.

use common::{event::Event, mac::MacAddr, net::NextHop};

use super::{
    System,
    duplicates::{Claim, Duplicate, Holder},
};
use crate::protocol::Cx;

impl System {
    /// Hears what workers tell of addresses.
    pub(super) fn watch_claims(&mut self, events: &[Event], cx: &Cx<'_, Self>) {
        for event in events {
            let Event::AddressClaimed { interface, address, mac, before } = *event else { continue };
            let at = NextHop { interface, address };
            let Some(holder) = holder(at, mac, cx) else { continue };
            if let Some(line) = self.duplicates.hear(Claim { at, mac, before, holder }, cx.now()) {
                log(&line, cx);
            }
        }
    }
}

/// Whose a claimed address is; `None` if one of our own interfaces is heard on the link of another.
fn holder(at: NextHop, mac: MacAddr, cx: &Cx<'_, System>) -> Option<Holder> {
    let net = &cx.shared.snapshot().net;
    if net.owners.contains_key(&at.address) {
        let own = net.interfaces.iter().any(|interface| interface.receives(mac));
        return (!own).then_some(Holder::Us);
    }
    let fixed = cx.config.neighbours.iter().any(|neighbour| neighbour.address == at.address);
    Some(if fixed { Holder::Static } else { Holder::Neighbour })
}

fn log(line: &Duplicate, cx: &Cx<'_, System>) {
    let NextHop { interface, address } = line.at;
    let net = &cx.shared.snapshot().net;
    let name = net.interfaces.get(interface.index()).map_or("", |interface| &interface.name);
    let Duplicate { mac, before, .. } = line;
    match line.holder {
        Holder::Us => {
            tracing::warn!(
                mnemonic = "IP-4-DUPADDR",
                "Duplicate address {address} on {name}, sourced by {mac}"
            );
        }
        Holder::Static | Holder::Neighbour => tracing::warn!(
            mnemonic = "IP-4-DUPADDR",
            "Duplicate address {address} on {name}, sourced by {mac} and {before}"
        ),
    }
}
