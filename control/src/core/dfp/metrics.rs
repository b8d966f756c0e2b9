//! DFP in `/metrics`.

use crate::{
    core::{
        Core,
        machine::metrics::{Facts, Labels},
    },
    dfp::{
        counter::{Counter, Counters},
        manager::view::ConnectionState,
        view::key,
    },
};

impl Core {
    /// The counters of both roles, the states of the manager's connections, the weights that it was told.
    pub(in crate::core) fn dfp_facts(&self, facts: &mut Facts) {
        let manager = self.dfp_manager_view();
        for agent in &manager.agents {
            let labels = || vec![("agent", format!("{}:{}", agent.address, agent.port))];
            for state in ConnectionState::ALL {
                let is = f64::from(u8::from(agent.state == state));
                let labels = [labels(), vec![("state", state.key())]].concat();
                facts.gauge("homeward_dfp_manager_state", "1 for the state of the connection", labels, is);
            }
            errors(facts, "homeward_dfp_manager_events", &labels(), &agent.counters);
        }
        for weight in manager.sorted_weights() {
            let key = weight.row.key;
            let labels = vec![
                ("real", key.address.to_string()),
                ("protocol", key.protocol.to_string()),
                ("port", key.port.to_string()),
                ("bind_id", key.bind_id.to_string()),
            ];
            let value = f64::from(weight.row.weight);
            facts.gauge("homeward_dfp_reported_weight", "Weight that an agent has reported", labels, value);
        }
        for agent in self.dfp_agent_views(None) {
            let labels = || vec![("service", agent.service.to_string())];
            let listening = f64::from(u8::from(agent.listening));
            facts.gauge("homeward_dfp_agent_listening", "1 while managers are served", labels(), listening);
            facts.gauge(
                "homeward_dfp_agent_managers",
                "Connected managers",
                labels(),
                agent.managers.len() as f64,
            );
            errors(facts, "homeward_dfp_agent_events", &labels(), &agent.counters);
        }
    }
}

fn errors(facts: &mut Facts, name: &'static str, labels: &Labels, counters: &Counters) {
    for counter in Counter::ALL {
        let labels = [labels.clone(), vec![("event", key(counter))]].concat();
        facts.counter(name, "Unexpected events from DFP peers", labels, counters.get(counter));
    }
}
