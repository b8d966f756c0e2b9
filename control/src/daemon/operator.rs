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
        let masked = shell.masked(line);
        let reply = self.core.execute(shell, line);
        Reply {
            text: reply.text,
            prompt: self.prompt(shell),
            failed: reply.error.is_some(),
            closed: reply.close,
            page: usize::from(shell.terminal_length()),
            words: Vec::new(),
            line: masked,
        }
    }

    fn help(&mut self, shell: &mut Shell<Core>, text: &str) -> Reply {
        let (prompt, line) = (self.prompt(shell), shell.masked(text));
        Reply { text: shell.help(text), prompt, line, ..Reply::default() }
    }

    fn complete(&mut self, shell: &mut Shell<Core>, text: &str) -> Reply {
        let (prompt, line) = (self.prompt(shell), shell.masked(text));
        Reply { words: shell.complete(text).words, prompt, line, ..Reply::default() }
    }

    fn close(&mut self, _: Shell<Core>) {}

    fn health(&mut self) -> Health {
        self.core.health()
    }

    fn metrics(&mut self) -> String {
        self.core.metrics()
    }
}

#[cfg(test)]
mod tests {
    use common::{
        config::Hugepages,
        link::link,
        slb::{Balancer, SessionKey},
        time::Nanos,
    };

    use super::*;
    use crate::{core::CoreLink, manage::log::LogBook};

    #[test]
    fn no_answer_repeats_the_secret_of_its_line() {
        let table = Balancer::new(4096, Hugepages::Off, 1, SessionKey::new([7; 16])).unwrap();
        let (link, _, _) = CoreLink::split(link(1, 1, common::tables::Tables::new(table)).1);
        let core = Core::new(link, None, LogBook::new(16), Nanos(1));
        let mut director = Director::new(core, Arc::new(Commands::new(Core::exec_specs()).unwrap()));
        let mut shell = director.open();
        for (line, masked) in [
            ("configure terminal", "configure terminal"),
            ("ip dfp agent slb", "ip dfp agent slb"),
            ("password 0 Cookies 60", "password * ******* **"),
            ("ip slb dfp password Cookies 60", "ip slb dfp password ******* **"),
            ("ip slb dfp passwort Cookies", "ip slb dfp passwort *******"),
        ] {
            assert_eq!(director.help(&mut shell, line).line, masked);
            assert_eq!(director.complete(&mut shell, line).line, masked);
            assert_eq!(director.execute(&mut shell, line).line, masked);
        }
    }
}
