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
    /// Whether everything that must move moves.
    fn health(&mut self) -> Health;
    /// All metrics in the OpenMetrics text format, written when the result is called.
    fn metrics(&mut self) -> Later<String>;
}

/// `show health`, `/health`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Health {
    /// Every check passes.
    pub healthy: bool,
    /// Each worker, task and table.
    pub checks: Vec<Check>,
}

/// One thing that must move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// `worker 0`, `netlink`, `sessions`.
    pub name: String,
    /// It does.
    pub healthy: bool,
    /// In words.
    pub reason: String,
}

impl Health {
    /// Sums up checks.
    pub fn from_checks(checks: Vec<Check>) -> Self {
        Self { healthy: checks.iter().all(|check| check.healthy), checks }
    }
}

/// The one core, shared by everybody who manages it.
pub type SharedOperator<O> = Arc<Mutex<O>>;

/// Locks the core. A panic inside one command must not take management away from everybody.
pub fn lock<O>(core: &SharedOperator<O>) -> MutexGuard<'_, O> {
    core.lock().unwrap_or_else(PoisonError::into_inner)
}
