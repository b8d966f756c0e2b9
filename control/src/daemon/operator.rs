//! The core as management sees it.

use std::{path::PathBuf, sync::Arc};

use crate::{
    command::{Commands, Shell},
    core::Core,
    manage::{
        operator::{Health, Operator},
        protocol::Reply,
    },
};

/// The core with its commands.
pub struct Director {
    core: Core,
    commands: Arc<Commands<Core>>,
}

impl std::fmt::Debug for Director {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Director").field("core", &self.core).finish_non_exhaustive()
    }
}

impl Director {
    /// A core and the commands that act on it.
    pub fn new(core: Core, commands: Arc<Commands<Core>>) -> Self {
        Self { core, commands }
    }

    /// The core.
    pub fn core_mut(&mut self) -> &mut Core {
        &mut self.core
    }

    /// The startup file.
    pub fn startup(&self) -> Option<PathBuf> {
        self.core.startup().map(ToOwned::to_owned)
    }

    fn prompt(&self, shell: &Shell<Core>) -> String {
        shell.prompt(&self.core.running().machine.hostname)
    }
}

impl Operator for Director {
    type Session = Shell<Core>;

    /// Who may open the socket is privileged.
    fn open(&mut self) -> Shell<Core> {
        Core::shell(Arc::clone(&self.commands), true)
    }

    fn execute(&mut self, shell: &mut Shell<Core>, line: &str) -> Reply {
        let reply = self.core.execute(shell, line);
        Reply {
            text: reply.text,
            prompt: self.prompt(shell),
            failed: reply.error.is_some(),
            closed: reply.close,
            page: usize::from(shell.terminal_length()),
            words: Vec::new(),
        }
    }

    fn help(&mut self, shell: &mut Shell<Core>, text: &str) -> Reply {
        Reply { text: shell.help(text), prompt: self.prompt(shell), ..Reply::default() }
    }

    fn complete(&mut self, shell: &mut Shell<Core>, text: &str) -> Reply {
        let words = shell.complete(text).words;
        Reply { words, prompt: self.prompt(shell), ..Reply::default() }
    }

    fn close(&mut self, _: Shell<Core>) {}

    fn health(&mut self) -> Health {
        self.core.health()
    }

    fn metrics(&mut self) -> String {
        self.core.metrics()
    }
}
