//! What changed of the kernel's state. What only shows read, the whole table with all its routes and the states of
//! neighbours, is left out.

use std::{collections::BTreeMap, sync::Arc};

use common::{
    id::InterfaceId,
    mac::MacAddr,
    net::{NextHop, Route},
};
use ipnet::Ipv4Net;
use serde::{Deserialize, Serialize};

use crate::host::{
    HostState,
    view::{KernelAddress, ShadowLink},
};

/// The parts that are other ones, each whole or as its changes; empty changes: another table of the same contents.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(in crate::core) struct HostChange {
    generation: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    links: Option<Vec<(InterfaceId, ShadowLink)>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    addresses: Option<Vec<KernelAddress>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    routes: Option<Vec<(Ipv4Net, Option<Route>)>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    neighbours: Option<Vec<(NextHop, Option<MacAddr>)>>,
}

impl HostChange {
    /// What makes `new` of `old`. What both share is not looked at.
    pub fn new(old: &HostState, new: &HostState) -> Self {
        let links = || new.links.iter().map(|(id, link)| (*id, link.clone())).collect();
        let routes = || {
            let changes = new.routes.changes(&old.routes);
            changes.into_iter().map(|(prefix, route)| (prefix, route.cloned())).collect()
        };
        Self {
            generation: new.generation,
            links: (new.links != old.links).then(links),
            addresses: (new.addresses != old.addresses).then(|| new.addresses.clone()),
            routes: (!new.routes.ptr_eq(&old.routes)).then(routes),
            neighbours: (!Arc::ptr_eq(&new.neighbours, &old.neighbours)).then(|| neighbours(old, new)),
        }
    }

    /// The new state.
    pub fn apply(self, old: &HostState) -> HostState {
        let mut new = HostState { generation: self.generation, ..old.clone() };
        if let Some(links) = self.links {
            new.links = links.into_iter().collect();
        }
        if let Some(addresses) = self.addresses {
            new.addresses = addresses;
        }
        if let Some(changes) = self.routes {
            if changes.is_empty() {
                new.routes = old.routes.iter().map(|(prefix, route)| (prefix, route.clone())).collect();
            }
            for (prefix, route) in changes {
                match route {
                    Some(route) => new.routes.insert(prefix, route),
                    None => new.routes.remove(prefix),
                };
            }
        }
        if let Some(changes) = self.neighbours {
            let mut table = (*old.neighbours).clone();
            for (next_hop, mac) in changes {
                match mac {
                    Some(mac) => table.insert(next_hop, mac),
                    None => table.remove(&next_hop),
                };
            }
            new.neighbours = Arc::new(table);
        }
        new
    }
}

/// In the order of next hops.
fn neighbours(old: &HostState, new: &HostState) -> Vec<(NextHop, Option<MacAddr>)> {
    let changed = new.neighbours.iter().filter(|(next_hop, mac)| old.neighbours.get(next_hop) != Some(mac));
    let gone = old.neighbours.keys().filter(|next_hop| !new.neighbours.contains_key(next_hop));
    let changed = changed.map(|(next_hop, mac)| (*next_hop, Some(*mac)));
    changed.chain(gone.map(|next_hop| (*next_hop, None))).collect::<BTreeMap<_, _>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(routes: &[(&str, Route)], neighbours: &[u8]) -> HostState {
        let next_hop = |last| NextHop { interface: InterfaceId(0), address: [10, 1, 1, last].into() };
        HostState {
            generation: 7,
            routes: routes.iter().map(|(prefix, route)| (prefix.parse().unwrap(), route.clone())).collect(),
            neighbours: Arc::new(
                neighbours.iter().map(|last| (next_hop(*last), MacAddr([*last; 6]))).collect(),
            ),
            ..HostState::default()
        }
    }

    fn written_and_read(old: &HostState, new: &HostState) -> (String, HostState) {
        let text = serde_json::to_string(&HostChange::new(old, new)).unwrap();
        let read: HostChange = serde_json::from_str(&text).unwrap();
        (text, read.apply(old))
    }

    #[test]
    fn tables_are_written_once_and_then_their_changes() {
        let empty = HostState::default();
        let first = state(&[("10.0.0.0/8", Route::Null), ("11.0.0.0/8", Route::Punt)], &[1, 2]);
        let (_, read) = written_and_read(&empty, &first);
        assert_eq!((read.routes.len(), &*read.neighbours), (2, &*first.neighbours));
        let mut second = first.clone();
        second.routes.remove("10.0.0.0/8".parse().unwrap());
        Arc::make_mut(&mut second.neighbours)
            .remove(&NextHop { interface: InterfaceId(0), address: [10, 1, 1, 2].into() });
        let (text, read) = written_and_read(&first, &second);
        assert_eq!(
            text,
            r#"{"generation":7,"routes":[["10.0.0.0/8",null]],"neighbours":[[{"interface":0,"address":"10.1.1.2"},null]]}"#
        );
        assert_eq!((read.routes.len(), &*read.neighbours), (1, &*second.neighbours));
    }

    #[test]
    fn what_is_shared_stays_shared_and_what_is_made_anew_is_made_anew() {
        let first = state(&[("10.0.0.0/8", Route::Null)], &[1]);
        let (text, same) = written_and_read(&first, &first.clone());
        assert_eq!(text, r#"{"generation":7}"#);
        assert!(same.routes.ptr_eq(&first.routes) && Arc::ptr_eq(&same.neighbours, &first.neighbours));
        let (_, anew) = written_and_read(&first, &state(&[("10.0.0.0/8", Route::Null)], &[1]));
        assert!(!anew.routes.ptr_eq(&first.routes) && !Arc::ptr_eq(&anew.neighbours, &first.neighbours));
        assert!(anew.routes.changes(&first.routes).is_empty());
    }
}
