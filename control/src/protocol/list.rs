//! What a list of subsystems is. [`protocols!`](crate::protocols!) makes one of a line a subsystem; whatever the core does
//! with all of them is a [`Visitor`], with static calls.

use common::{snapshot::Snapshot, table::CapacityError, tables::Tables};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use super::{Cx, Input, Outbox, Protocol, Report, Settings, Shared, Switch};
use crate::{
    command::{self, Exec, ExecSpec, Spec},
    health::{Condition, Found},
    manage::operator::Check,
};

/// A list of subsystems with their states.
pub trait Protocols: Sized + Send + 'static {
    /// The whole configuration: a field a subsystem.
    type Configuration: Configured;

    /// The states before the first configuration.
    fn new(shared: &Shared) -> Self;

    /// Visits each, in the order of the list.
    fn each<V: Visitor<Self>>(&mut self, visitor: &mut V);

    /// Visits each, the last one first.
    fn each_reversed<V: Visitor<Self>>(&mut self, visitor: &mut V);

    /// EXEC lines of all of them.
    fn exec<X: Holds<Self>>() -> Vec<ExecSpec<X>>;

    /// `debug` switches of all of them.
    fn switches() -> Vec<&'static Switch>;

    /// What can be wrong with any of them, and with the process itself.
    fn conditions() -> Vec<&'static Condition>;
}

/// A configuration that is a list of parts.
pub trait Configured: command::Configuration {
    /// What the process as a whole heeds.
    fn settings(&self) -> Settings;

    /// What of `next` a running process cannot take on, in words.
    fn restart_needed(&self, next: &Self) -> Vec<&'static str>;

    /// `tables` with those that subsystems add.
    ///
    /// # Errors
    /// There is no memory for them.
    fn tables(&self, tables: Tables) -> Result<Tables, CapacityError>;
}

/// A list that has `P` in it.
pub trait Member<P: Protocol>: Protocols {
    /// The instance of `P`.
    fn instance(&mut self) -> &mut Instance<P>;

    /// Its part of the configuration.
    fn config(configuration: &Self::Configuration) -> &P::Config;
}

/// Something that is done with each subsystem of a list.
pub trait Visitor<L: Protocols> {
    /// Called once for each subsystem.
    fn visit<P: Protocol>(&mut self, instance: &mut Instance<P>)
    where
        L: Member<P>;
}

/// What holds a list, and lets one of its states be worked on.
pub trait Holds<L: Protocols>: 'static {
    /// Works on the state of `P`; what follows from it is done before this returns.
    fn with<P: Protocol, R>(&mut self, work: impl FnOnce(&mut P, &mut Cx<'_, P>) -> R) -> R
    where
        L: Member<P>;
}

/// A subsystem's state as the core holds it.
#[derive(Debug)]
pub struct Instance<P: Protocol> {
    state: P,
    orders: Vec<P::Order>,
    tasks: Option<UnboundedSender<P::Order>>,
    /// Its tasks have died and are not yet started again.
    dead: bool,
    changed: bool,
}

impl<P: Protocol> Instance<P> {
    /// The state before the first configuration.
    pub fn new(shared: &Shared) -> Self {
        Self { state: P::new(shared), orders: Vec::new(), tasks: None, dead: false, changed: false }
    }

    /// The state machine, to look at.
    pub fn state(&self) -> &P {
        &self.state
    }

    /// Works on the state.
    pub fn with<R>(
        &mut self,
        config: &P::Config,
        shared: &Shared,
        out: &mut Outbox,
        work: impl FnOnce(&mut P, &mut Cx<'_, P>) -> R,
    ) -> R {
        let mut cx = Cx { config, shared, out, orders: &mut self.orders, changed: &mut self.changed };
        let result = work(&mut self.state, &mut cx);
        self.flush();
        result
    }

    /// One step of the state machine.
    pub fn handle(&mut self, input: Input<'_, P>, config: &P::Config, shared: &Shared, out: &mut Outbox) {
        self.with(config, shared, out, |state, cx| state.handle(input, cx));
    }

    /// True if its part of the snapshot has changed.
    pub fn is_changed(&self) -> bool {
        self.changed
    }

    /// Writes its part of the next snapshot.
    pub fn publish(&mut self, next: &mut Snapshot, config: &P::Config, shared: &Shared, out: &mut Outbox) {
        self.with(config, shared, out, |state, cx| state.publish(next, cx));
        self.changed = false;
    }

    /// [`Protocol::checks`]
    pub fn checks(&mut self, config: &P::Config, shared: &Shared, out: &mut Outbox) -> Vec<Check> {
        self.with(config, shared, out, P::checks)
    }

    /// [`Protocol::diagnose`]
    pub fn diagnose(&mut self, config: &P::Config, shared: &Shared, out: &mut Outbox) -> Vec<Found> {
        self.with(config, shared, out, P::diagnose)
    }

    /// [`Protocol::report`]
    pub fn report(&mut self, report: &mut Report, config: &P::Config, shared: &Shared, out: &mut Outbox) {
        self.with(config, shared, out, |state, cx| state.report(report, cx));
    }

    /// What its tasks, about to start, get orders from: those that wait first.
    pub fn attach(&mut self) -> UnboundedReceiver<P::Order> {
        let (tasks, orders) = mpsc::unbounded_channel();
        (self.tasks, self.dead) = (Some(tasks), false);
        self.flush();
        orders
    }

    /// Its tasks get no more orders.
    pub fn detach(&mut self) {
        self.tasks = None;
    }

    /// Its tasks have died: orders wait until they are started again.
    pub fn tasks_died(&mut self, config: &P::Config, shared: &Shared, out: &mut Outbox) {
        (self.tasks, self.dead) = (None, true);
        self.handle(Input::TasksDied, config, shared, out);
    }

    /// True while its tasks have died and are not yet started again.
    pub fn are_tasks_dead(&self) -> bool {
        self.dead
    }

    /// Orders that no task has taken.
    pub fn take_orders(&mut self) -> Vec<P::Order> {
        std::mem::take(&mut self.orders)
    }

    fn flush(&mut self) {
        let Some(tasks) = &self.tasks else { return };
        for order in self.orders.drain(..) {
            // The watch over the tasks tells of those that have died.
            let _ = tasks.send(order);
        }
    }
}

/// The EXEC lines of `P` for what holds its list.
pub fn exec<L: Member<P>, P: Protocol, X: Holds<L>>() -> Vec<ExecSpec<X>> {
    let lift = |spec: Spec<super::ExecFn<P>>| {
        spec.map(|run| {
            Exec::new(move |holder: &mut X, args, form| {
                holder.with::<P, _>(|state, cx| run(state, cx, args, form))
            })
        })
    };
    P::commands().exec.into_iter().map(lift).collect()
}

/// Makes a list of subsystems and its configuration, of a line a subsystem: the name of its part, and its type. The order
/// of the lines is the order in which they are configured and published; they end in the opposite one.
#[macro_export]
macro_rules! protocols {
    ($(#[$meta:meta])* $List:ident, $Configuration:ident: $($field:ident: $P:ty),+ $(,)?) => {
        /// Everything that can be configured. Equal configurations print the same text.
        #[derive(Clone, Debug, Default, PartialEq)]
        #[allow(missing_docs, reason = "each part is documented by its owner")]
        pub struct $Configuration {
            $(pub $field: <$P as $crate::protocol::Protocol>::Config,)+
        }

        $(#[$meta])*
        #[derive(Debug)]
        #[allow(missing_docs, reason = "each state is documented by its owner")]
        pub struct $List {
            $(pub $field: $crate::protocol::Instance<$P>,)+
        }

        impl $crate::command::Configuration for $Configuration {
            fn language() -> &'static $crate::command::Language<Self> {
                static LANGUAGE: std::sync::OnceLock<$crate::command::Language<$Configuration>> =
                    std::sync::OnceLock::new();
                fn health(whole: &mut $Configuration) -> Option<&mut $crate::health::HealthSettings> {
                    $(
                        let settings = <$P as $crate::protocol::Protocol>::health_settings(&mut whole.$field);
                        if settings.is_some() {
                            return settings;
                        }
                    )+
                    None
                }
                LANGUAGE.get_or_init(|| {
                    let conditions = <$List as $crate::protocol::Protocols>::conditions();
                    let mut lines = $crate::protocol::health_lines(&conditions, health);
                    $(
                        let own = <$P as $crate::protocol::Protocol>::commands().configuration;
                        lines.extend(own.into_iter().map(|line| line.within(|whole: &mut Self| &mut whole.$field)));
                    )+
                    $crate::command::Language::from_specs(lines).expect("the tables of lines are checked by a test")
                })
            }

            fn check(&self) -> $crate::protocol::Checked {
                let mut claims = $crate::protocol::Claims::default();
                $(<$P as $crate::protocol::Protocol>::claim(&self.$field, &mut claims);)+
                let (mut warnings, mut errors) = (Vec::new(), Vec::new());
                $(
                    match <$P as $crate::protocol::Protocol>::check(&self.$field, &claims) {
                        Ok(more) => warnings.extend(more),
                        Err(more) => errors.extend(more),
                    }
                )+
                errors.extend(claims.gaps());
                if errors.is_empty() { Ok(warnings) } else { Err(errors) }
            }

            fn text(&self, secrets: $crate::command::Secrets) -> String {
                let mut out = $crate::command::ConfigWriter::new(secrets);
                $(<$P as $crate::protocol::Protocol>::print(&self.$field, &mut out);)+
                out.finish()
            }

            fn hostname(&self) -> &str {
                let mut hostname = $crate::protocol::Settings::DEFAULT_HOSTNAME;
                $(hostname = <$P as $crate::protocol::Protocol>::hostname(&self.$field).unwrap_or(hostname);)+
                hostname
            }

            fn password_encryption(&self) -> bool {
                $crate::protocol::Configured::settings(self).password_encryption
            }
        }

        impl $crate::protocol::Configured for $Configuration {
            fn settings(&self) -> $crate::protocol::Settings {
                let mut settings = $crate::protocol::Settings::default();
                $(<$P as $crate::protocol::Protocol>::settings(&self.$field, &mut settings);)+
                settings
            }

            fn restart_needed(&self, next: &Self) -> Vec<&'static str> {
                let mut what = Vec::new();
                $(what.extend(<$P as $crate::protocol::Protocol>::restart_needed(&self.$field, &next.$field));)+
                what
            }

            fn tables(
                &self,
                tables: ::common::tables::Tables,
            ) -> Result<::common::tables::Tables, ::common::table::CapacityError> {
                $(let tables = <$P as $crate::protocol::Protocol>::tables(&self.$field, tables)?;)+
                Ok(tables)
            }
        }

        impl $crate::protocol::Protocols for $List {
            type Configuration = $Configuration;

            fn new(shared: &$crate::protocol::Shared) -> Self {
                Self { $($field: $crate::protocol::Instance::new(shared),)+ }
            }

            fn each<V: $crate::protocol::Visitor<Self>>(&mut self, visitor: &mut V) {
                $(visitor.visit(&mut self.$field);)+
            }

            fn each_reversed<V: $crate::protocol::Visitor<Self>>(&mut self, visitor: &mut V) {
                let steps: &[fn(&mut Self, &mut V)] = &[$(|list, visitor| visitor.visit(&mut list.$field),)+];
                steps.iter().rev().for_each(|step| step(self, visitor));
            }

            fn exec<X: $crate::protocol::Holds<Self>>() -> Vec<$crate::command::ExecSpec<X>> {
                let mut lines = Vec::new();
                $(lines.extend($crate::protocol::exec::<Self, $P, X>());)+
                lines
            }

            fn switches() -> Vec<&'static $crate::protocol::Switch> {
                let mut switches = Vec::new();
                $(switches.extend(<$P as $crate::protocol::Protocol>::commands().switches);)+
                switches
            }

            fn conditions() -> Vec<&'static $crate::health::Condition> {
                let mut conditions = $crate::health::own().to_vec();
                $(conditions.extend(<$P as $crate::protocol::Protocol>::conditions());)+
                conditions
            }
        }

        $(
            impl $crate::protocol::Member<$P> for $List {
                fn instance(&mut self) -> &mut $crate::protocol::Instance<$P> {
                    &mut self.$field
                }

                fn config(configuration: &$Configuration) -> &<$P as $crate::protocol::Protocol>::Config {
                    &configuration.$field
                }
            }
        )+
    };
}
