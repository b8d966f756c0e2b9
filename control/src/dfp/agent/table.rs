//! What subsystems report: the balancer each of its virtual servers, so that a manager above (DistributedDirector, say)
//! chooses a site, and we a real within it; a home agent itself.
//!
//! Weights flow upward only: what a manager says of servers never comes back into our own weights.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::fsm::Table;
use crate::{
    bus::{HomeAgent, VirtualServer},
    dfp::{
        host_load::{HostLoad, PerMille, weight::weight},
        packet::{BindEntry, BindId, BindTable, Protocol, Row, RowKey},
    },
};

/// Where registrations go.
const MOBILE_IP: u16 = 434;

/// Said of everything that no other row is about.
const UNLISTED: Row = Row {
    key: RowKey {
        address: Ipv4Addr::UNSPECIFIED,
        protocol: Protocol::ANY,
        port: 0,
        bind_id: BindId::UNLISTED,
    },
    weight: 0,
};

/// The table of the balancer: a row a virtual server, then one for everything else. While `stopping` every virtual
/// server has weight 0.
pub fn balancer(servers: &[VirtualServer], stopping: bool) -> Table {
    let mut table = Table::default();
    for VirtualServer { address, service, clients, capacity } in servers {
        let (server, protocol, port) = (*address, Protocol(service.protocol), service.port);
        let same = |known: &BindTable| (known.server, known.protocol, known.port) == (server, protocol, port);
        let at = table.binds.iter().position(same).unwrap_or_else(|| {
            table.binds.push(BindTable { server, port, protocol, entries: Vec::new() });
            table.binds.len() - 1
        });
        let bind_id = bind(clients, &mut table.binds[at].entries);
        let weight = if stopping { 0 } else { *capacity };
        table.rows.push(Row { key: RowKey { address: server, protocol, port, bind_id }, weight });
    }
    table.rows.push(UNLISTED);
    table
}

/// Binds a virtual server to its clients: BindID 0 to everybody, or the next free one to each of its networks. Several
/// virtual servers may have one address.
fn bind(clients: &[Ipv4Net], entries: &mut Vec<BindEntry>) -> BindId {
    if clients.is_empty() {
        let (client, mask) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED);
        entries.push(BindEntry { bind_id: BindId::DEFAULT, client, mask });
        return BindId::DEFAULT;
    }
    let used = entries.iter().map(|entry| entry.bind_id.0).max().unwrap_or(0);
    let bind_id = BindId(used.saturating_add(1).min(BindId::UNLISTED.0 - 1));
    entries.extend(clients.iter().map(|network| BindEntry {
        bind_id,
        client: network.network(),
        mask: network.netmask(),
    }));
    bind_id
}

/// The one row of a home agent, under the address that its managers know it by: that of the connection.
pub fn home_agent(agent: &HomeAgent, host: Option<HostLoad>, stopping: bool) -> Table {
    let key = RowKey {
        address: Ipv4Addr::UNSPECIFIED,
        protocol: Protocol::UDP,
        port: MOBILE_IP,
        bind_id: BindId::ANY,
    };
    let host = host.map(|host| HostLoad {
        cpu: agent.busy.map_or(host.cpu, |busy| PerMille::of(1000_u64.saturating_sub(busy.into()), 1000)),
        ..host
    });
    let weight = if stopping { 0 } else { weight(agent, host) };
    Table { rows: vec![Row { key, weight }], local: true, binds: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Service;

    fn server(clients: &[&str], capacity: u16) -> VirtualServer {
        VirtualServer {
            address: Ipv4Addr::new(10, 1, 1, 10),
            service: Service { protocol: Protocol::UDP.0, port: 434 },
            clients: clients.iter().map(|network| network.parse().unwrap()).collect(),
            capacity,
        }
    }

    #[test]
    fn a_virtual_server_has_its_capacity_and_the_rest_of_the_world_0() {
        let table = balancer(&[server(&[], 65535)], false);
        let server = Ipv4Addr::new(10, 1, 1, 10);
        let key = RowKey { address: server, protocol: Protocol::UDP, port: 434, bind_id: BindId::DEFAULT };
        assert_eq!(table.rows, [Row { key, weight: 65535 }, UNLISTED]);
        let (client, mask) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED);
        let entries = vec![BindEntry { bind_id: BindId::DEFAULT, client, mask }];
        assert_eq!(table.binds, [BindTable { server, port: 434, protocol: Protocol::UDP, entries }]);
        assert!(!table.local);
    }

    #[test]
    fn a_home_agent_that_polls_says_itself_how_busy_it_is() {
        let host = HostLoad { cpu: PerMille::NONE, memory: PerMille::ALL };
        let weight = |busy| {
            let agent = HomeAgent { bindings: 0, max_bindings: 100, calls: None, busy, max_weight: 32 };
            home_agent(&agent, Some(host), false).rows[0].weight
        };
        assert_eq!([None, Some(0), Some(562), Some(1000)].map(weight), [16, 32, 24, 16]);
    }

    #[test]
    fn while_stopping_it_has_0() {
        assert_eq!(balancer(&[server(&[], 65535)], true).rows[0].weight, 0);
    }

    #[test]
    fn virtual_servers_of_one_address_are_told_apart_by_their_clients() {
        let servers =
            [server(&["15.1.0.0/16", "15.3.0.0/16"], 1), server(&["15.2.0.0/16"], 1), server(&[], 1)];
        let table = balancer(&servers, false);
        let ids: Vec<_> = table.rows.iter().map(|row| row.key.bind_id.0).collect();
        assert_eq!(ids, [1, 2, 0, 65534]);
        let entries: Vec<_> = table.binds[0]
            .entries
            .iter()
            .map(|entry| (entry.bind_id.0, entry.client.to_string(), entry.mask.to_string()))
            .collect();
        let entry = |id, client: &str, mask: &str| (id, client.to_owned(), mask.to_owned());
        assert_eq!(
            entries,
            [
                entry(1, "15.1.0.0", "255.255.0.0"),
                entry(1, "15.3.0.0", "255.255.0.0"),
                entry(2, "15.2.0.0", "255.255.0.0"),
                entry(0, "0.0.0.0", "0.0.0.0"),
            ]
        );
    }
}
