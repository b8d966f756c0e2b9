//! Another configuration, wholly or not at all.

use std::sync::Arc;

use super::{
    Core,
    file::write_file,
    record::Told,
    steps::{Broadcast, Surroundings},
};
use crate::{
    command::{Args, ConfigError, Configuration as _, EditResult, ExecError, Form, Loaded, Mode, Runtime},
    protocol::{Configured as _, Input, Instance, Member, Protocol, Protocols, Visitor},
};

/// Tells each subsystem that the configuration was another one.
struct Configure<'a, L: Protocols> {
    at: Surroundings<'a, L>,
    old: &'a L::Configuration,
}

impl<L: Protocols> Visitor<L> for Configure<'_, L> {
    fn visit<P: Protocol>(&mut self, instance: &mut Instance<P>)
    where
        L: Member<P>,
    {
        let Self { at, old } = self;
        let (old, new) = (L::config(old), L::config(at.running));
        if old != new {
            instance.handle(Input::Configured(old), new, at.shared, at.out);
        }
    }
}

/// Tells each subsystem that a line was entered once more.
struct Repeat<'a, L: Protocols> {
    at: Surroundings<'a, L>,
    mode: &'static Mode,
    args: &'a Args,
    form: Form,
}

impl<L: Protocols> Visitor<L> for Repeat<'_, L> {
    fn visit<P: Protocol>(&mut self, instance: &mut Instance<P>)
    where
        L: Member<P>,
    {
        let Self { at, mode, args, form } = self;
        let input = Input::Repeated { mode, args, form: *form };
        instance.handle(input, L::config(at.running), at.shared, at.out);
    }
}

impl<L: Protocols> Runtime for Core<L> {
    type Configuration = L::Configuration;

    fn configuration(&self) -> Arc<L::Configuration> {
        Arc::clone(&self.running)
    }

    fn replace(&mut self, next: L::Configuration) -> EditResult {
        self.apply(next)
    }

    fn repeated(&mut self, mode: &'static Mode, args: &Args, form: Form) {
        let entered = self.entered.take();
        let told = entered.and_then(|(mode, line)| self.told(|| Told::Repeated(mode.name, line)));
        self.step(told, |core| {
            let (list, at) = core.parts();
            list.each(&mut Repeat { at, mode, args, form });
            core.run_to_completion();
        });
    }

    fn save(&mut self, text: &str) -> Result<(), ExecError> {
        let startup = self.shared.startup.as_deref();
        let path = startup.ok_or_else(|| ExecError::new("No startup file was given"))?;
        write_file(path, text).map_err(|error| ExecError::new(format!("{}: {error}", path.display())))
    }
}

impl<L: Protocols> Core<L> {
    /// Makes `next` the running configuration, wholly or not at all. `next` has passed its own check.
    ///
    /// # Errors
    /// What a running process cannot change; then nothing has changed.
    pub fn apply(&mut self, next: L::Configuration) -> EditResult {
        // At the first configuration there is nothing to restart.
        if *self.running != L::Configuration::default()
            && let Some(what) = self.running.restart_needed(&next).first()
        {
            return Err(ConfigError::new(format!("restart needed: {what}")));
        }
        // States rely on it; what else there is to warn of, the shell and the file loader did.
        if let Err(errors) = next.check()
            && let Some(first) = errors.into_iter().next()
        {
            return Err(first);
        }
        let next = Arc::new(next);
        self.step(self.told(|| Told::configuration(&next)), |core| {
            core.shared.settings = next.settings();
            let old = std::mem::replace(&mut core.running, Arc::clone(&next));
            let (list, at) = core.parts();
            list.each(&mut Configure { at, old: &old });
            core.run_to_completion();
        });
        Ok(Vec::new())
    }

    /// Applies a file that [`load`](crate::command::load) has read; all lines or none.
    ///
    /// # Errors
    /// The reason why the whole is refused.
    pub fn apply_loaded(&mut self, loaded: Loaded<L::Configuration>) -> Result<Vec<String>, ConfigError> {
        let mut said = loaded.warnings;
        said.extend(self.apply(loaded.configuration)?);
        Ok(said)
    }

    /// Turns a `debug` switch.
    pub(super) fn turn(&mut self, switch: &crate::protocol::Switch, on: bool) {
        if self.shared.switches.turn(switch, on) {
            self.deliver(Broadcast::Debug);
        }
    }
}
