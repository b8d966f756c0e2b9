//! DFP in `/metrics`.

use super::{
    Dfp,
    counter::{Counter, Counters},
    manager::view::ConnectionState,
};
use crate::protocol::{Cx, Labels, Report};

impl Dfp {
    /// The counters of both roles, the states of the manager's connections, the weights that it was told.
    pub(super) fn metrics(&self, out: &mut Report, cx: &Cx<'_, Self>) {
        let manager = self.manager_view(cx);
        for agent in &manager.agents {
            let labels = vec![("agent", agent.config.socket().to_string())];
            for state in ConnectionState::ALL {
                let labels = [labels.clone(), vec![("state", state.key())]].concat();
                let is = u8::from(agent.state == state).into();
                out.gauge("homeward_dfp_manager_state", "1 for the state of the connection", labels, is);
            }
            events(out, "homeward_dfp_manager_events", &labels, &agent.counters);
        }
        for weight in manager.weights {
            let labels = vec![
                ("real", weight.real.to_string()),
                ("protocol", weight.protocol.to_string()),
                ("port", weight.port.to_string()),
                ("bind_id", weight.bind_id.to_string()),
            ];
            let help = "Weight that an agent has reported";
            out.gauge("homeward_dfp_reported_weight", help, labels, weight.weight.into());
        }
        for agent in self.agent_views(None, cx) {
            let labels = vec![("service", agent.service.to_string())];
            let (listening, managers) = (u8::from(agent.listening).into(), agent.managers.len() as f64);
            let help = "1 while managers are served";
            out.gauge("homeward_dfp_agent_listening", help, labels.clone(), listening);
            out.gauge("homeward_dfp_agent_managers", "Connected managers", labels.clone(), managers);
            events(out, "homeward_dfp_agent_events", &labels, &agent.counters);
        }
    }
}

fn events(out: &mut Report, name: &'static str, labels: &Labels, counters: &Counters) {
    for counter in Counter::ALL {
        let labels = [labels.clone(), vec![("event", counter.key())]].concat();
        out.counter(name, "Unexpected events from DFP peers", labels, counters.get(counter));
    }
}
