//! The agents of `ip dfp agent`: each runs by itself on TCP; here they are given their settings and weights, and what
//! they say of themselves is fetched.

use std::{net::Ipv4Addr, time::Duration};

use tokio::task::JoinHandle;

use crate::{
    core::{AgentChange, Core},
    dfp::{
        agent::{
            config::{AgentConfig, Subsystem},
            figures::Sampler,
            fsm::{Agent, Table},
            io::Server,
        },
        debug::Facility,
    },
    manage::operator::Check,
};

/// Longest time that managers have to close when the process ends.
const END: Duration = Duration::from_millis(500);

/// One agent.
#[derive(Debug)]
struct Running {
    config: AgentConfig,
    server: Server,
    /// What it was told last.
    table: Option<Table>,
}

/// All agents of the configuration.
#[derive(Debug)]
pub(super) struct Agents {
    /// Address to listen on.
    address: Ipv4Addr,
    running: Vec<Running>,
    /// Deleted ones, whose connections are still ending: their port is not free yet.
    ending: Vec<(Subsystem, JoinHandle<()>)>,
    sampler: Sampler,
}

impl Agents {
    /// None yet; they listen on `address`.
    pub(super) fn new(address: Ipv4Addr) -> Self {
        Self { address, running: Vec::new(), ending: Vec::new(), sampler: Sampler::default() }
    }

    /// Does what lines have made of the agents, one after the other, and tells each what there is to report; to be
    /// called with each tick of the core.
    pub(super) fn tick(&mut self, core: &mut Core) {
        self.ending.retain(|(_, task)| !task.is_finished());
        for change in core.take_dfp_agent_changes() {
            match change {
                AgentChange::Set(config) => self.configure(config),
                AgentChange::Removed(subsystem) => self.remove(subsystem),
            }
        }
        for config in &core.running().dfp.agents {
            self.start(config);
        }
        for running in &mut self.running {
            running.report(core, &mut self.sampler);
        }
        core.dfp_mut().agents = self.running.iter().map(Running::view).collect();
    }

    fn remove(&mut self, subsystem: Subsystem) {
        for gone in self.running.extract_if(.., |running| running.config.name.subsystem() == subsystem) {
            self.ending.push((subsystem, tokio::spawn(gone.server.end())));
        }
    }

    /// One that does not run yet starts with its last settings: nobody has seen those before.
    fn configure(&mut self, config: AgentConfig) {
        let subsystem = config.name.subsystem();
        if let Some(running) = self.running.iter_mut().find(|it| it.config.name.subsystem() == subsystem) {
            running.config.clone_from(&config);
            running.server.tell(|agent, now| agent.configure(config, now));
        }
    }

    /// Starts an agent that is neither running nor waiting for the end of a former one.
    fn start(&mut self, config: &AgentConfig) {
        let subsystem = config.name.subsystem();
        let mut present = self.running.iter().map(|running| running.config.name.subsystem());
        if present.any(|it| it == subsystem) || self.ending.iter().any(|(ending, _)| *ending == subsystem) {
            return;
        }
        let server = Server::start(self.address, |now| Agent::new(config.clone(), now));
        self.running.push(Running { config: config.clone(), server, table: None });
    }

    /// Whether every agent lives.
    pub(super) fn checks(&self) -> impl Iterator<Item = Check> {
        self.running.iter().map(|running| {
            let healthy = running.server.is_alive();
            let reason = if healthy { "runs" } else { "has ended" };
            Check { name: format!("dfp agent {}", running.config.name), healthy, reason: reason.into() }
        })
    }

    /// Ends every connection in order.
    pub(super) async fn end(self) {
        let ends: Vec<_> = self.running.into_iter().map(|running| running.server.end()).collect();
        let _ = tokio::time::timeout(END, futures::future::join_all(ends)).await;
    }
}

impl Running {
    /// Tells the agent what the subsystem reports, and prints what is debugged.
    fn report(&mut self, core: &mut Core, sampler: &mut Sampler) {
        let subsystem = self.config.name.subsystem();
        if self.server.wants_weights() {
            if subsystem == Subsystem::IpMobile {
                measure(core, sampler);
            }
            self.table = core.dfp_table(subsystem);
            self.server.computed(self.table.clone());
        } else {
            let table = core.dfp_table(subsystem);
            if table != self.table {
                self.table.clone_from(&table);
                self.server.tell(|agent, now| agent.changed(table, false, now));
            }
        }
        let debugging = core.dfp().is_debugging(Facility::Agent);
        for line in self.server.exchange(debugging) {
            core.debug_dfp(Facility::Agent, || line);
        }
    }

    fn view(&self) -> crate::dfp::agent::view::View {
        self.server.ask(Agent::view)
    }
}

/// Gives the home agent's load the figures of this host.
fn measure(core: &mut Core, sampler: &mut Sampler) {
    let now = core.now();
    let Some(load) = &mut core.dfp_mut().home_agent else { return };
    match sampler.sample(now) {
        Ok(figures) => load.figures = figures,
        Err(error) => tracing::debug!("DFP: no figures of this host: {error}"),
    }
}

#[cfg(test)]
mod tests;
