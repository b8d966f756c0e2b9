//! What a subsystem is to the core: a pure state machine that is handed [`Input`]s and leaves what must be done outside in
//! its [`Cx`], with tasks of its own for sockets.
//!
//! A subsystem is a folder beside this one and a line in `protocols.rs`. It knows this folder, `bus`, `command` and
//! `host`, and no other subsystem: what concerns several is told on the [bus](crate::bus).

mod claims;
mod cx;
mod health_lines;
mod input;
mod list;
mod report;
mod settings;
mod shared;
mod switch;
mod tasks;
mod wanted;
mod witness;

use std::{fmt, future::Future};

use common::{snapshot::Snapshot, table::CapacityError, tables::Tables, time::Nanos};
use serde::{Serialize, de::DeserializeOwned};

pub(crate) use self::switch::debug_lines;
pub use self::{
    claims::Claims,
    cx::{Action, Cx, Effect, Outbox, PortSettings},
    health_lines::{HealthPart, health_lines},
    input::Input,
    list::{Configured, Holds, Instance, Member, Protocols, Visitor, exec},
    report::{Labels, Report},
    settings::{LoggingLevel, MANAGEMENT, Management, Settings},
    shared::Shared,
    switch::{Lines, Switch, SwitchGroup, Switches},
    tasks::{Io, Messenger},
    witness::{Observation, Witness},
};
use crate::{
    command::{Args, ConfigError, ConfigWriter, Edit, ExecResult, Form, Spec},
    health::{Condition, Found, HealthSettings},
    manage::operator::Check,
};

/// An EXEC command of a subsystem; [`Form::No`] for `no debug ...`.
pub type ExecFn<P> = fn(&mut P, &mut Cx<'_, P>, &Args, Form) -> ExecResult;

/// The lines of a subsystem.
pub struct Commands<P: Protocol> {
    /// Configuration lines.
    pub configuration: Vec<Spec<Edit<P::Config>>>,
    /// EXEC lines.
    pub exec: Vec<Spec<ExecFn<P>>>,
    /// What can be debugged.
    pub switches: Vec<&'static Switch>,
}

/// What a whole configuration is worth: warnings, or every reason for which it is refused.
pub type Checked = Result<Vec<String>, Vec<ConfigError>>;

/// A subsystem: its types, its lines and its state machine.
pub trait Protocol: Sized + Send + fmt::Debug + 'static {
    /// In health, recordings and logs about the subsystem itself.
    const NAME: &'static str;
    /// Its part of the configuration.
    type Config: Clone + Default + PartialEq + fmt::Debug + Send + Sync + 'static;
    /// From its own tasks to its state. A recording keeps it as JSON: it carries no secret.
    type Message: Serialize + DeserializeOwned + Send + 'static;
    /// From its state to its own tasks. A recording keeps its `Debug` text: that shows no secret, and is the same for the
    /// same order.
    type Order: fmt::Debug + Send + 'static;

    /// The state before the first configuration.
    fn new(shared: &Shared) -> Self;

    /// Its modes' lines, EXEC lines and `debug` switches.
    fn commands() -> Commands<Self>;

    /// Writes the lines that make `config` out of the defaults.
    fn print(config: &Self::Config, out: &mut ConfigWriter);

    /// What `config` claims of what all share: addresses, names.
    fn claim(_config: &Self::Config, _claims: &mut Claims) {}

    /// What no single line can see.
    ///
    /// # Errors
    /// Every refusal.
    fn check(_config: &Self::Config, _claims: &Claims) -> Checked {
        Ok(Vec::new())
    }

    /// The host name, if it is this subsystem's line.
    fn hostname(_config: &Self::Config) -> Option<&str> {
        None
    }

    /// What the whole process heeds: logging, management, how secrets are saved.
    fn settings(_config: &Self::Config, _settings: &mut Settings) {}

    /// Where the settings of conditions are kept, if it is this subsystem that keeps them.
    fn health_settings(_config: &mut Self::Config) -> Option<&mut HealthSettings> {
        None
    }

    /// What of `next` a running process cannot take on, in words.
    fn restart_needed(_now: &Self::Config, _next: &Self::Config) -> Vec<&'static str> {
        Vec::new()
    }

    /// Adds its tables, made for the life of the process, to those of the others.
    ///
    /// # Errors
    /// There is no memory for them.
    fn tables(_config: &Self::Config, tables: Tables) -> Result<Tables, CapacityError> {
        Ok(tables)
    }

    /// One step of the state machine. Never waits, opens a socket or reads a clock.
    fn handle(&mut self, input: Input<'_, Self>, cx: &mut Cx<'_, Self>);

    /// When it wants [`Input::Timer`] next.
    fn deadline(&self) -> Option<Nanos> {
        None
    }

    /// Writes its part of the next snapshot; asked for only after [`Cx::publish`]. Parts of subsystems that stand before
    /// it in the list are in `next` already.
    fn publish(&mut self, _next: &mut Snapshot, _cx: &mut Cx<'_, Self>) {}

    /// What can be wrong with it, or with what it works on.
    fn conditions() -> Vec<&'static Condition> {
        Vec::new()
    }

    /// What of that is so now. Asked for some times a second; decides nothing.
    fn diagnose(&mut self, _cx: &mut Cx<'_, Self>) -> Vec<Found> {
        Vec::new()
    }

    /// What must move for the process to be live, and how far it is: a process that is not is ended by its watchdog. What
    /// is wrong around it is a condition.
    fn checks(&mut self, _cx: &mut Cx<'_, Self>) -> Vec<Check> {
        Vec::new()
    }

    /// Adds its metrics, each time that they are asked for.
    fn report(&mut self, _out: &mut Report, _cx: &mut Cx<'_, Self>) {}

    /// Its tasks. They end when `io` has no more orders; if they end before, that is [`Input::TasksDied`], and they are
    /// started again, later each time.
    fn start(mut io: Io<Self>) -> impl Future<Output = ()> + Send {
        async move { while io.orders.recv().await.is_some() {} }
    }
}
