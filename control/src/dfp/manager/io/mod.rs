//! The manager on TCP: a task for each agent. Weights go straight from the socket to the reals, under the core's lock.

mod connection;
mod socket;

use std::{collections::HashMap, net::SocketAddrV4, sync::Arc};

use common::time::Nanos;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

use self::connection::Runner;
use crate::{
    core::{AgentId, Wanted},
    daemon::Director,
    dfp::packet::{Load, Row, reports},
    manage::operator::{Check, Shared, lock},
};

/// The clock of [`Core::tick`](crate::core::Core::tick), for everybody.
pub type Clock = Arc<dyn Fn() -> Nanos + Send + Sync>;

/// Server States that wait for an agent's task; more are dropped.
const MOST_STATES: usize = 64;

/// All connections to agents. They end when it is dropped.
pub struct Manager {
    core: Shared<Director>,
    clock: Clock,
    agents: HashMap<SocketAddrV4, Agent>,
}

impl std::fmt::Debug for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Manager").field("agents", &self.agents.len()).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct Agent {
    id: AgentId,
    /// Dropped: the agent is no longer wanted.
    wanted: Option<watch::Sender<Wanted>>,
    states: mpsc::Sender<Vec<Load>>,
    task: Task,
}

/// Ends at once when it is dropped.
#[derive(Debug)]
struct Task(JoinHandle<()>);

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Manager {
    /// A manager without agents.
    pub fn new(core: Shared<Director>, clock: Clock) -> Self {
        Self { core, clock, agents: HashMap::new() }
    }

    /// Starts, changes and stops connections as the configuration wants. To be called within a tokio runtime.
    pub fn configure(&mut self) {
        let wanted = lock(&self.core).core_mut().dfp_wanted();
        let ids: HashMap<_, _> = wanted.iter().map(|wanted| (wanted.id.address, wanted.id)).collect();
        for agent in self.agents.values_mut() {
            if ids.get(&agent.id.address) != Some(&agent.id) {
                agent.wanted = None;
            }
        }
        for wanted in wanted {
            match self.agents.get(&wanted.id.address).and_then(|agent| agent.wanted.as_ref()) {
                Some(sender) => {
                    sender.send_if_modified(|old| std::mem::replace(old, wanted) != wanted);
                }
                None => self.start(wanted),
            }
        }
        self.agents.retain(|_, agent| agent.wanted.is_some() || !agent.task.0.is_finished());
    }

    fn start(&mut self, wanted: Wanted) {
        let (config, changes) = watch::channel(wanted);
        let (states, told) = mpsc::channel(MOST_STATES);
        let runner = Runner::new(wanted, Arc::clone(&self.core), Arc::clone(&self.clock));
        // The connection of a former one at that address ends first.
        let former = self.agents.remove(&wanted.id.address);
        let task = tokio::spawn(async move {
            if let Some(mut former) = former {
                let _ = (&mut former.task.0).await;
            }
            runner.run(changes, told).await;
        });
        let agent = Agent { id: wanted.id, wanted: Some(config), states, task: Task(task) };
        self.agents.insert(wanted.id.address, agent);
    }

    /// Tells agents what became of servers that they report on.
    pub fn tell(&self, states: Vec<(SocketAddrV4, Vec<Row>)>) {
        for (address, rows) in states {
            let Some(agent) = self.agents.get(&address) else { continue };
            for loads in reports(rows) {
                // It only informs; an agent that is that far behind is about to be closed.
                let _ = agent.states.try_send(loads);
            }
        }
    }

    /// Whether the tasks live; none: there are none.
    pub fn check(&self) -> Option<Check> {
        let wanted = || self.agents.values().filter(|agent| agent.wanted.is_some());
        let dead = wanted().filter(|agent| agent.task.0.is_finished()).count();
        let reason = if dead == 0 { "runs".to_owned() } else { format!("{dead} agents have no task") };
        (wanted().count() > 0).then(|| Check { name: "dfp manager".into(), healthy: dead == 0, reason })
    }
}

#[cfg(test)]
mod tests;
