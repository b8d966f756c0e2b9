//! What our own agents report.

use std::net::Ipv4Addr;

use super::Core;
use crate::{
    dfp::{
        agent::{capacity, config::Subsystem, fsm::Table, weight::HomeAgentLoad},
        packet::{BindId, Protocol, Row, RowKey},
    },
    slb::{
        config::{FarmConfig, RealConfig},
        state::RealKey,
    },
};

/// Where registrations go.
const MOBILE_IP: u16 = 434;

impl Core {
    /// What a subsystem reports now; none: it has nothing to report, and its agent is not active.
    pub fn dfp_table(&self, subsystem: Subsystem) -> Option<Table> {
        match subsystem {
            Subsystem::Slb => {
                let live = |farm: &FarmConfig, real: &RealConfig| {
                    let key = RealKey { farm: farm.name.clone(), address: real.address, port: real.port };
                    self.slb.reals.get(&key).map(|(_, entry)| entry.live.view())
                };
                Some(capacity::table(&self.running.slb, self.draining, live))
            }
            Subsystem::IpMobile => self.dfp.home_agent.map(|load| home_agent(load, self.draining)),
        }
    }
}

/// The one row of a home agent, under the address that its managers know it by: that of the connection.
fn home_agent(load: HomeAgentLoad, draining: bool) -> Table {
    let key = RowKey {
        address: Ipv4Addr::UNSPECIFIED,
        protocol: Protocol::UDP,
        port: MOBILE_IP,
        bind_id: BindId::ANY,
    };
    let weight = if draining { 0 } else { load.weight() };
    Table { rows: vec![Row { key, weight }], local: true, binds: Vec::new() }
}
