//! What the subsystem `slb` reports upward: how much of each virtual server's capacity is usable, so that a manager
//! above (DistributedDirector, say) chooses a site, and we a real within it.
//!
//! Figures flow upward only: what a manager says of servers never comes back into our own weights.

use std::net::Ipv4Addr;

use common::slb::{RealState, RealStatus};

use super::fsm::Table;
use crate::{
    dfp::packet::{BindEntry, BindId, BindTable, Protocol, Row, RowKey},
    slb::config::{FarmConfig, ObjectName, Protocol as Transport, RealConfig, SlbConfig, VserverConfig},
};

/// Weight of a virtual server that has all of its capacity.
pub const FULL: u16 = u16::MAX;

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

/// The table of all virtual servers that have an address: a row each, in the order of the configuration, then one for
/// everything else. `live` gives a real as it is now; while `draining` every virtual server has weight 0.
pub fn table(
    slb: &SlbConfig,
    draining: bool,
    live: impl Fn(&FarmConfig, &RealConfig) -> Option<RealStatus>,
) -> Table {
    let mut table = Table::default();
    for vserver in &slb.vservers {
        let Some(address) = &vserver.address else { continue };
        let (server, port) = (address.network.addr(), address.port);
        let protocol = match address.protocol {
            Transport::Udp => Protocol::UDP,
            Transport::Tcp => Protocol::TCP,
        };
        let same = |known: &BindTable| (known.server, known.protocol, known.port) == (server, protocol, port);
        let at = table.binds.iter().position(same).unwrap_or_else(|| {
            table.binds.push(BindTable { server, port, protocol, entries: Vec::new() });
            table.binds.len() - 1
        });
        let bind_id = bind(vserver, &mut table.binds[at].entries);
        let weight = if vserver.inservice && !draining { capacity(slb, vserver, &live) } else { 0 };
        table.rows.push(Row { key: RowKey { address: server, protocol, port, bind_id }, weight });
    }
    table.rows.push(UNLISTED);
    table
}

/// Binds the virtual server to its clients: BindID 0 to everybody, or the next free one to each of its networks. Several
/// virtual servers may have one address.
fn bind(vserver: &VserverConfig, entries: &mut Vec<BindEntry>) -> BindId {
    let mut networks =
        vserver.clients.iter().filter(|rule| !rule.exclude).map(|rule| rule.network).peekable();
    if networks.peek().is_none() {
        let (client, mask) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED);
        entries.push(BindEntry { bind_id: BindId::DEFAULT, client, mask });
        return BindId::DEFAULT;
    }
    let used = entries.iter().map(|entry| entry.bind_id.0).max().unwrap_or(0);
    let bind_id = BindId(used.saturating_add(1).min(BindId::UNLISTED.0 - 1));
    entries.extend(networks.map(|network| BindEntry {
        bind_id,
        client: network.network(),
        mask: network.netmask(),
    }));
    bind_id
}

/// The weight of a virtual server in service: of its farm, or of the backup while no real of the farm is usable.
fn capacity(
    slb: &SlbConfig,
    vserver: &VserverConfig,
    live: &impl Fn(&FarmConfig, &RealConfig) -> Option<RealStatus>,
) -> u16 {
    let of = |name: &ObjectName| slb.farm(name).map_or(0, |farm| share(farm, |real| live(farm, real)));
    vserver.farms().map(of).find(|share| *share > 0).unwrap_or(0)
}

/// `floor(65535 * usable / all)` over the configured weights of a farm's reals, at least 1 if one is usable. A real with
/// `maxconns` counts for the part of them that is free.
fn share(farm: &FarmConfig, live: impl Fn(&RealConfig) -> Option<RealStatus>) -> u16 {
    let (mut usable, mut all, mut any) = (0_u128, 0_u128, false);
    for real in &farm.reals {
        let weight = u128::from(real.weight) * u128::from(u32::MAX);
        all += weight;
        let Some(view) = live(real).filter(|view| view.state == RealState::Operational) else { continue };
        any = true;
        usable += if view.maxconns == u32::MAX {
            weight
        } else {
            let free = view.maxconns.saturating_sub(view.conns);
            weight * u128::from(free) / u128::from(view.maxconns.max(1))
        };
    }
    let share = u128::from(FULL) * usable / all.max(1);
    u16::try_from(share).unwrap_or(FULL).max(u16::from(any))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{command::load, configuration::Configuration};

    const FARM: &str = "ip slb serverfarm HAFARM\n real 10.1.1.51\n  weight 3\n  inservice\n !\n real 10.1.1.52\n  weight 1\n  \
                        inservice\n !\n!\n";
    const VSERVER: &str = "ip slb vserver MIPSLB\n virtual 10.1.1.10 udp 434 service ipmobile\n serverfarm HAFARM\n inservice\n!\n";

    fn slb(text: &str) -> SlbConfig {
        load::<Configuration>("test.conf", text)
            .unwrap_or_else(|errors| panic!("{errors:?}"))
            .configuration
            .slb
    }

    fn real(state: RealState, conns: u32, maxconns: u32) -> RealStatus {
        RealStatus {
            state,
            weight: 8,
            admin_weight: 8,
            dfp_weight: None,
            conns,
            maxconns,
            numconns: 8,
            failconns: 0,
            numclients: 2,
            failclients: 0,
            established: 0,
            failures: 0,
            server_failures: 0,
            inband: true,
        }
    }

    /// Weight of the virtual server when the reals .51 and .52 are like this.
    fn weight(text: &str, first: RealStatus, second: RealStatus) -> u16 {
        let by_address = |_: &FarmConfig, real: &RealConfig| {
            Some(if real.address.octets()[3] == 51 { first } else { second })
        };
        table(&slb(text), false, by_address).rows[0].weight
    }

    #[test]
    fn a_farm_in_health_gives_65535_and_the_rest_of_the_world_0() {
        let all = format!("{FARM}{VSERVER}");
        let live = |_: &FarmConfig, _: &RealConfig| Some(real(RealState::Operational, 50, u32::MAX));
        let table = table(&slb(&all), false, live);
        let server = Ipv4Addr::new(10, 1, 1, 10);
        let key = RowKey { address: server, protocol: Protocol::UDP, port: 434, bind_id: BindId::DEFAULT };
        assert_eq!(table.rows, [Row { key, weight: 65535 }, UNLISTED]);
        let (client, mask) = (Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED);
        let entries = vec![BindEntry { bind_id: BindId::DEFAULT, client, mask }];
        assert_eq!(table.binds, [BindTable { server, port: 434, protocol: Protocol::UDP, entries }]);
        assert!(!table.local);
    }

    #[test]
    fn reals_count_by_their_configured_weight_and_what_is_free_of_them() {
        let all = format!("{FARM}{VSERVER}");
        let up = |conns, most| real(RealState::Operational, conns, most);
        for (first, second, expected) in [
            (up(0, u32::MAX), real(RealState::Failed, 0, u32::MAX), 49151),
            (real(RealState::DfpThrottled, 0, u32::MAX), up(0, u32::MAX), 16383),
            (up(50, 100), up(0, u32::MAX), 40959),
            (up(0, u32::MAX), real(RealState::MaxConns, 9, 9), 49151),
            (real(RealState::Failed, 0, 9), real(RealState::Testing, 1, 9), 0),
            (real(RealState::Failed, 0, u32::MAX), up(u32::MAX - 2, u32::MAX - 1), 1),
        ] {
            assert_eq!(weight(&all, first, second), expected, "{first:?} {second:?}");
        }
    }

    #[test]
    fn a_virtual_server_out_of_service_or_draining_has_0() {
        let live = |_: &FarmConfig, _: &RealConfig| Some(real(RealState::Operational, 0, u32::MAX));
        let stopped = format!("{FARM}{}", VSERVER.replace(" inservice\n", ""));
        assert_eq!(table(&slb(&stopped), false, live).rows[0].weight, 0);
        assert_eq!(table(&slb(&format!("{FARM}{VSERVER}")), true, live).rows[0].weight, 0);
    }

    #[test]
    fn the_backup_counts_while_no_real_of_the_farm_is_usable() {
        let backup = "ip slb serverfarm BACKUP\n real 10.1.1.53\n  inservice\n !\n real 10.1.1.54\n !\n!\n";
        let vserver = VSERVER.replace("serverfarm HAFARM", "serverfarm HAFARM backup BACKUP");
        let slb = slb(&format!("{FARM}{backup}{vserver}"));
        for (farm_is, expected) in [(RealState::Operational, 65535), (RealState::Failed, 32767)] {
            let live = |farm: &FarmConfig, real_is: &RealConfig| {
                let state = match (farm.name.as_str(), real_is.inservice) {
                    ("HAFARM", _) => farm_is,
                    (_, true) => RealState::Operational,
                    (_, false) => RealState::OutOfService,
                };
                Some(real(state, 0, u32::MAX))
            };
            assert_eq!(table(&slb, false, live).rows[0].weight, expected);
        }
    }

    #[test]
    fn virtual_servers_of_one_address_are_told_apart_by_their_clients() {
        let other =
            |name: &str, clients: &str| VSERVER.replace("MIPSLB", name).replace(" inservice\n", clients);
        let text = format!(
            "{FARM}{}{}{VSERVER}",
            other("EAST", " client 15.1.0.0 255.255.0.0\n client 15.3.0.0 255.255.0.0\n"),
            other("WEST", " client 15.2.0.0 255.255.0.0\n"),
        );
        let live = |_: &FarmConfig, _: &RealConfig| Some(real(RealState::Operational, 0, u32::MAX));
        let table = table(&slb(&text), false, live);
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
