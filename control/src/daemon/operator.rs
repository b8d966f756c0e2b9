//! The core as management sees it.

use std::{sync::Arc, time::SystemTime};

use tokio::sync::Notify;

use super::Clock;
use crate::{
    command::{Commands, Configuration as _, Shell},
    core::Core,
    manage::{
        operator::{Health, Later, Operator},
        protocol::Reply,
    },
    protocol::Protocols,
};

/// The core with its commands.
pub struct Operated<L: Protocols> {
    core: Core<L>,
    commands: Arc<Commands<Core<L>>>,
    clock: Clock,
    /// Wakes whoever does outside what a command has left to be done.
    wake: Arc<Notify>,
}

impl<L: Protocols> std::fmt::Debug for Operated<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Operated").finish_non_exhaustive()
    }
}

impl<L: Protocols> Operated<L> {
    /// A core and the commands that act on it.
    pub fn new(core: Core<L>, clock: Clock, wake: Arc<Notify>) -> Self {
        Self::with_commands(core, Arc::new(Core::commands()), clock, wake)
    }

    /// The same with commands that others share.
    pub fn with_commands(
        core: Core<L>,
        commands: Arc<Commands<Core<L>>>,
        clock: Clock,
        wake: Arc<Notify>,
    ) -> Self {
        Self { core, commands, clock, wake }
    }

    /// The core, for an input of this moment.
    pub fn core_mut(&mut self) -> &mut Core<L> {
        self.core.set_time((self.clock)(), SystemTime::now());
        &mut self.core
    }

    fn prompt(&self, shell: &Shell<Core<L>>) -> String {
        shell.prompt(self.core.running().hostname())
    }
}

impl<L: Protocols> Operator for Operated<L> {
    type Session = Shell<Core<L>>;

    /// Who may open the socket is privileged.
    fn open(&mut self) -> Self::Session {
        Core::shell(Arc::clone(&self.commands), true)
    }

    fn open_without_secrets(&mut self) -> Self::Session {
        self.open().without_secrets()
    }

    fn execute(&mut self, shell: &mut Self::Session, line: &str) -> Later<Reply> {
        let masked = shell.masked(line);
        let answer = self.core_mut().execute(shell, line);
        let (prompt, page) = (self.prompt(shell), usize::from(shell.terminal_length()));
        self.wake.notify_one();
        Box::new(move || {
            let reply = answer.finish();
            Reply {
                text: reply.text,
                prompt,
                failed: reply.error.is_some(),
                closed: reply.close,
                page,
                words: Vec::new(),
                line: masked,
            }
        })
    }

    fn help(&mut self, shell: &mut Self::Session, text: &str) -> Reply {
        let (prompt, line) = (self.prompt(shell), shell.masked(text));
        Reply { text: shell.help(text), prompt, line, ..Reply::default() }
    }

    fn complete(&mut self, shell: &mut Self::Session, text: &str) -> Reply {
        let (prompt, line) = (self.prompt(shell), shell.masked(text));
        Reply { words: shell.complete(text).words, prompt, line, ..Reply::default() }
    }

    fn close(&mut self, _: Self::Session) {}

    fn health(&mut self) -> Health {
        self.core_mut().health()
    }

    fn metrics(&mut self) -> Later<String> {
        let report = self.core_mut().report();
        Box::new(move || report.text())
    }
}
