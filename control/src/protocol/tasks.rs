//! The link between a subsystem's state, which the core holds, and its own tasks.

use std::{fmt, sync::Arc};

use common::time::Nanos;
use tokio::sync::mpsc;

use super::Protocol;
use crate::launcher::Launcher;

/// Tells a subsystem's state something: it is handled before the call returns. Cheap to clone.
pub struct Messenger<P: Protocol>(Arc<dyn Fn(P::Message) + Send + Sync>);

impl<P: Protocol> Messenger<P> {
    /// One that hands messages to `deliver`.
    pub fn new(deliver: impl Fn(P::Message) + Send + Sync + 'static) -> Self {
        Self(Arc::new(deliver))
    }

    /// Tells it.
    pub fn tell(&self, message: P::Message) {
        (self.0)(message);
    }
}

impl<P: Protocol> Clone for Messenger<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: Protocol> fmt::Debug for Messenger<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Messenger").field(&P::NAME).finish()
    }
}

/// What the tasks of a subsystem hold.
pub struct Io<P: Protocol> {
    /// What the state asks of them; ends with the process.
    pub orders: mpsc::UnboundedReceiver<P::Order>,
    /// To the state.
    pub messenger: Messenger<P>,
    /// The clock of [`Cx::now`](super::Cx::now).
    pub clock: Arc<dyn Fn() -> Nanos + Send + Sync>,
    /// Has scripts run.
    pub launcher: Launcher,
}

impl<P: Protocol> fmt::Debug for Io<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Io").field("messenger", &self.messenger).finish_non_exhaustive()
    }
}
