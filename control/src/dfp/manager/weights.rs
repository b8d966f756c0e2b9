//! The weight table: what agents have reported, and which row is a real's (draft-eck-dfp-01, 5.2; BindIDs as in
//! CISCO-SLB-MIB).

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
    net::{Ipv4Addr, SocketAddrV4},
    time::SystemTime,
};

use super::view::WeightView;
use crate::{
    bus::{Server, Service},
    dfp::{
        packet::{BindId, Protocol, Row, RowKey},
        view::Clock,
    },
};

/// Most rows of one agent; more are dropped.
pub const MAX_ROWS: usize = 4096;

/// True if a row is about this server.
pub fn matches(server: &Server, row: &RowKey) -> bool {
    rank(server, row).is_some()
}

/// How closely a row fits: exact BindID before exact port before exact protocol. None: it is about another.
fn rank(server: &Server, row: &RowKey) -> Option<(bool, bool, bool)> {
    let bind_id = match row.bind_id {
        BindId::ANY => false,
        // Unlisted is never a farm's, though the wire could say so.
        own if own != BindId::UNLISTED && own.0 == server.bind_id => true,
        _ => return None,
    };
    if row.address != server.address {
        return None;
    }
    let fit = |service: &Service| {
        let port = server.port.unwrap_or(service.port);
        let fits = (row.protocol == Protocol::ANY || row.protocol.0 == service.protocol)
            && (row.port == 0 || port == 0 || row.port == port);
        fits.then_some((bind_id, row.port != 0, row.protocol != Protocol::ANY))
    };
    server.services.iter().filter_map(fit).max()
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    weight: u16,
    agent: SocketAddrV4,
    set_at: SystemTime,
}

/// All rows, of all agents.
#[derive(Clone, Debug, Default)]
pub struct Weights {
    /// By address, then the rows about it in their order.
    hosts: HashMap<Ipv4Addr, BTreeMap<RowKey, Entry>>,
    /// What each agent has reported on its connection, whether another one has set the row since or not.
    reported: HashMap<SocketAddrV4, BTreeMap<RowKey, u16>>,
}

impl Weights {
    /// Takes a report: updates or adds its rows; of the same row twice the last one wins. Returns how many rows were
    /// dropped since the agent has too many.
    pub fn report(
        &mut self,
        agent: SocketAddrV4,
        rows: impl IntoIterator<Item = Row>,
        set_at: SystemTime,
    ) -> u64 {
        let reported = self.reported.entry(agent).or_default();
        let mut dropped = 0;
        for Row { key, weight } in rows {
            if reported.len() >= MAX_ROWS && !reported.contains_key(&key) {
                dropped += 1;
                continue;
            }
            reported.insert(key, weight);
            self.hosts.entry(key.address).or_default().insert(key, Entry { weight, agent, set_at });
        }
        dropped
    }

    /// Forgets an agent's report and every row that it set last; the addresses that these were about.
    pub fn forget(&mut self, agent: SocketAddrV4) -> BTreeSet<Ipv4Addr> {
        let mut touched = BTreeSet::new();
        for key in self.reported.remove(&agent).unwrap_or_default().into_keys() {
            let Some(rows) = self.hosts.get_mut(&key.address) else { continue };
            if rows.get(&key).is_some_and(|entry| entry.agent == agent) {
                rows.remove(&key);
                touched.insert(key.address);
            }
            if rows.is_empty() {
                self.hosts.remove(&key.address);
            }
        }
        touched
    }

    /// The weight of a server; none: its static one.
    pub fn weight(&self, server: &Server) -> Option<u16> {
        let rows = self.hosts.get(&server.address)?;
        let fitting = rows.iter().filter_map(|(key, entry)| Some((rank(server, key)?, Reverse(key), entry)));
        fitting.max_by_key(|(rank, key, _)| (*rank, *key)).map(|(.., entry)| entry.weight)
    }

    /// The rows about a server and who has set each.
    pub fn rows_of(&self, server: &Server) -> impl Iterator<Item = (SocketAddrV4, RowKey)> {
        let rows = self.hosts.get(&server.address).into_iter().flatten();
        rows.filter(|(key, _)| matches(server, key)).map(|(key, entry)| (entry.agent, *key))
    }

    /// What an agent has reported on its connection.
    pub fn reported(&self, agent: SocketAddrV4) -> Vec<Row> {
        let rows = self.reported.get(&agent).into_iter().flatten();
        rows.map(|(key, weight)| Row { key: *key, weight: *weight }).collect()
    }

    /// The table as shown: by address, protocol, port and BindID.
    pub fn views(&self) -> Vec<WeightView> {
        let mut rows: Vec<_> = self.hosts.values().flatten().collect();
        rows.sort_by_key(|(key, _)| **key);
        let view = |(key, entry): (&RowKey, &Entry)| WeightView {
            real: key.address,
            protocol: key.protocol,
            port: key.port,
            bind_id: key.bind_id,
            weight: entry.weight,
            agent: *entry.agent.ip(),
            agent_port: entry.agent.port(),
            set_at: Clock(entry.set_at),
        };
        rows.into_iter().map(view).collect()
    }
}

#[cfg(test)]
mod tests {
    use common::id::RealId;

    use super::*;

    const REAL: Ipv4Addr = Ipv4Addr::new(10, 1, 1, 51);
    const UDP_434: &[(Protocol, u16)] = &[(Protocol::UDP, 434)];
    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    fn agent(last: u8) -> SocketAddrV4 {
        SocketAddrV4::new(Ipv4Addr::new(10, 1, 1, last), 500)
    }

    fn row(protocol: u8, port: u16, bind_id: u16, weight: u16) -> Row {
        let key = RowKey { address: REAL, protocol: Protocol(protocol), port, bind_id: BindId(bind_id) };
        Row { key, weight }
    }

    fn server(bind_id: u16, services: &[(Protocol, u16)]) -> Server {
        let service = |(protocol, port): &(Protocol, u16)| Service { protocol: protocol.0, port: *port };
        Server {
            id: RealId { index: 0, generation: 1 },
            address: REAL,
            port: None,
            bind_id,
            services: services.iter().map(service).collect(),
            usable: true,
            weight: 1,
        }
    }

    fn with(rows: &[Row]) -> Weights {
        let mut weights = Weights::default();
        assert_eq!(weights.report(agent(51), rows.iter().copied(), NOW), 0);
        weights
    }

    #[test]
    fn a_home_agents_row_is_for_every_farm() {
        let weights = with(&[row(17, 434, 65535, 25)]);
        for bind_id in [0, 1, 65533] {
            assert_eq!(weights.weight(&server(bind_id, UDP_434)), Some(25));
        }
        assert_eq!(weights.weight(&Server { address: [10, 1, 1, 52].into(), ..server(0, UDP_434) }), None);
    }

    #[test]
    fn each_field_must_match_or_be_the_wildcard() {
        for (reported, services, fits) in [
            (row(17, 434, 0, 5), UDP_434, true),
            (row(17, 434, 7, 5), UDP_434, false),
            (row(17, 434, 65534, 5), UDP_434, false),
            (row(0, 434, 0, 5), UDP_434, true),
            (row(6, 434, 0, 5), UDP_434, false),
            (row(17, 0, 0, 5), UDP_434, true),
            (row(17, 435, 0, 5), UDP_434, false),
            (row(0, 0, 0, 5), UDP_434, true),
            (row(17, 435, 0, 5), &[(Protocol::UDP, 434), (Protocol::UDP, 435)], true),
            (row(6, 435, 0, 5), &[(Protocol::TCP, 434), (Protocol::UDP, 435)], false),
            // A virtual server of any port.
            (row(17, 435, 0, 5), &[(Protocol::UDP, 0)], true),
            // No virtual server uses the farm.
            (row(0, 0, 0, 5), &[], false),
        ] {
            let server = server(0, services);
            assert_eq!(with(&[reported]).weight(&server), fits.then_some(5), "{reported:?} {services:?}");
            assert_eq!(matches(&server, &reported.key), fits);
        }
        let own_port = Server { port: Some(4434), ..server(0, UDP_434) };
        assert_eq!(with(&[row(17, 4434, 0, 5)]).weight(&own_port), Some(5));
        assert_eq!(with(&[row(17, 434, 0, 5)]).weight(&own_port), None, "its own port counts");
        assert!(!matches(&server(65534, UDP_434), &row(17, 434, 65534, 5).key));
    }

    #[test]
    fn the_closest_row_is_taken() {
        let rows = [
            row(0, 0, 65535, 1),
            row(17, 0, 65535, 2),
            row(0, 434, 65535, 3),
            row(17, 434, 65535, 4),
            row(0, 0, 7, 5),
            row(17, 0, 7, 6),
            row(0, 434, 7, 7),
            row(17, 434, 7, 8),
        ];
        for most in 1..=rows.len() {
            let mut known = rows[..most].to_vec();
            known.reverse();
            assert_eq!(with(&known).weight(&server(7, UDP_434)), Some(most as u16));
        }
    }

    #[test]
    fn reports_are_merged_and_the_later_one_wins_whoever_sends_it() {
        let mut weights = with(&[row(17, 434, 65535, 25), row(17, 434, 65535, 24), row(6, 80, 0, 9)]);
        assert_eq!(weights.weight(&server(0, UDP_434)), Some(24), "the last of the same message");
        weights.report(agent(99), [row(17, 434, 65535, 3)], NOW);
        assert_eq!(weights.weight(&server(0, UDP_434)), Some(3));
        assert_eq!(weights.weight(&server(0, &[(Protocol::TCP, 80)])), Some(9), "not listed, not touched");
        assert_eq!(weights.reported(agent(51)).len(), 2, "as it said itself");
        assert!(weights.forget(agent(51)).contains(&REAL));
        assert_eq!(weights.weight(&server(0, UDP_434)), Some(3), "set by the other");
        assert_eq!(weights.weight(&server(0, &[(Protocol::TCP, 80)])), None);
        weights.forget(agent(99));
        assert_eq!(weights.weight(&server(0, UDP_434)), None);
        assert!(!weights.hosts.contains_key(&REAL));
        assert_eq!(weights.views(), []);
    }

    #[test]
    fn what_another_has_overwritten_is_not_brought_back() {
        let mut weights = with(&[row(17, 434, 65535, 25)]);
        weights.report(agent(99), [row(17, 434, 65535, 3)], NOW);
        weights.forget(agent(99));
        assert_eq!(weights.weight(&server(0, UDP_434)), None, "static");
        assert!(weights.forget(agent(51)).is_empty());
    }

    #[test]
    fn an_agent_has_at_most_4096_rows() {
        let rows = |from: u16, count: u16| (from..from + count).map(|port| row(17, port, 0, 1));
        let mut weights = Weights::default();
        assert_eq!(weights.report(agent(51), rows(1, 4000), NOW), 0);
        assert_eq!(weights.report(agent(51), rows(3901, 300), NOW), 104, "100 of them are known");
        assert_eq!(weights.report(agent(51), [row(17, 1, 0, 77)], NOW), 0, "an update");
        assert_eq!(weights.report(agent(52), [row(17, 5000, 0, 1)], NOW), 0, "another agent");
        assert_eq!(weights.views().len(), MAX_ROWS + 1);
        assert_eq!(weights.reported(agent(51)).len(), MAX_ROWS);
    }
}
