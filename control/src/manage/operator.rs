//! What management needs of the control core: a seam, so that the socket and HTTP are tested without a dataplane.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::Serialize;

use super::protocol::Reply;

/// Work that is done once the core is free again.
pub type Later<T> = Box<dyn FnOnce() -> T + Send>;

/// The control core as shells and HTTP see it. Calls are short: nothing waits inside.
pub trait Operator: Send + 'static {
    /// One shell: its mode, its position in the configuration, its terminal settings.
    type Session: Send + 'static;

    /// A new shell.
    fn open(&mut self) -> Self::Session;
    /// A new shell that is shown no secret, in no notation.
    fn open_without_secrets(&mut self) -> Self::Session;
    /// Runs a line; what it says is shown when the result is called, without the core.
    fn execute(&mut self, session: &mut Self::Session, line: &str) -> Later<Reply>;
    /// Answers `?`.
    fn help(&mut self, session: &mut Self::Session, text: &str) -> Reply;
    /// Answers Tab.
    fn complete(&mut self, session: &mut Self::Session, text: &str) -> Reply;
    /// The shell is gone.
    fn close(&mut self, session: Self::Session);
    /// Live, ready, degraded.
    fn health(&mut self) -> Health;
    /// All metrics in the OpenMetrics text format, written when the result is called.
    fn metrics(&mut self) -> Later<String>;
}

/// `show health`, `/health`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Live and ready.
    pub healthy: bool,
    /// The process is well: every check passes.
    pub live: bool,
    /// It takes traffic sensibly: it is live, does not end, and no condition speaks against it.
    pub ready: bool,
    /// Something is wrong.
    pub degraded: bool,
    /// The process is about to end, and has withdrawn what attracts traffic.
    pub draining: bool,
    /// Each worker, task and table.
    pub checks: Vec<Check>,
    /// What is wrong, by name.
    pub conditions: Vec<ConditionView>,
}

/// One thing that must move for the process to be live; or how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `worker 0`, `http`, `sessions`.
    pub name: String,
    /// It does.
    pub healthy: bool,
    /// In words.
    pub reason: String,
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ConditionView {
    /// `port-down`
    pub condition: &'static str,
    /// Of what: `Ethernet0`.
    pub subject: String,
    /// In words.
    pub reason: String,
    /// For how long it has been so.
    pub seconds: u64,
    /// Not ready while it lasts.
    pub unready: bool,
}

impl Health {
    /// The three answers.
    pub fn new(checks: Vec<Check>, conditions: Vec<ConditionView>, draining: bool) -> Self {
        let live = checks.iter().all(|check| check.healthy);
        let ready = live && !draining && !conditions.iter().any(|held| held.unready);
        let degraded = !conditions.is_empty();
        Self { healthy: live && ready, live, ready, degraded, draining, checks, conditions }
    }

    /// What speaks against ready, each once.
    pub fn against_ready(&self) -> Vec<&'static str> {
        let states = [(!self.live).then_some("not live"), self.draining.then_some("draining")];
        let conditions = self.conditions.iter().filter(|held| held.unready).map(|held| held.condition);
        let mut against: Vec<_> = states.into_iter().flatten().chain(conditions).collect();
        against.dedup();
        against
    }
}

/// The one core, shared by everybody who manages it.
pub type SharedOperator<O> = Arc<Mutex<O>>;

/// Locks the core. A panic inside one command must not take management away from everybody.
pub fn lock<O>(core: &SharedOperator<O>) -> MutexGuard<'_, O> {
    core.lock().unwrap_or_else(PoisonError::into_inner)
}
