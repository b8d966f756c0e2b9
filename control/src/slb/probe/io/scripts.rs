//! Tries that the operator's scripts make, by way of the launcher: this process may start no program.

use std::collections::BTreeMap;

use tokio::task::JoinSet;

use super::super::{fsm::Outcome, target::Target};
use crate::{
    launcher::{self, Command, LaunchError, Launcher, Reply},
    slb::{config::Script, debug::escape},
};

/// A try that is over.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ended {
    pub nonce: u32,
    pub outcome: Outcome,
    /// How, and what the script said.
    pub text: String,
}

/// Scripts that run.
#[derive(Debug)]
pub(super) struct Scripts {
    launcher: Launcher,
    running: JoinSet<(u32, Result<Reply, LaunchError>)>,
}

impl Scripts {
    pub(super) fn new(launcher: Launcher) -> Self {
        Self { launcher, running: JoinSet::new() }
    }

    pub(super) fn start(&mut self, nonce: u32, target: &Target, script: &Script) {
        let (launcher, command) = (self.launcher.clone(), command(target, script));
        self.running.spawn(async move { (nonce, launcher.run(command).await) });
    }

    /// The next that is over; `None` while none runs.
    pub(super) async fn next(&mut self) -> Option<Ended> {
        let (nonce, result) = self.running.join_next().await?.ok()?;
        Some(ended(nonce, result))
    }
}

/// What the script is given; `docs/probes.md` names the variables.
fn command(target: &Target, script: &Script) -> Command {
    let timeout = target.terms.timeout;
    let environment = BTreeMap::from([
        ("HOMEWARD_SERVER".to_owned(), target.server.ip().to_string()),
        ("HOMEWARD_PORT".to_owned(), target.server.port().to_string()),
        ("HOMEWARD_PROBE".to_owned(), target.probe.to_string()),
        ("HOMEWARD_TIMEOUT".to_owned(), timeout.as_secs().to_string()),
    ]);
    let limit = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
    Command { script: script.file.clone(), arguments: script.arguments.clone(), environment, limit }
}

/// Exit status 0 is an answer, any other end none; what was not started says nothing.
fn ended(nonce: u32, result: Result<Reply, LaunchError>) -> Ended {
    let (outcome, mut text, output) = match result {
        Ok(Reply { outcome, output, .. }) => {
            let text = outcome.to_string();
            let outcome = match outcome {
                launcher::Outcome::Exited(0) => Outcome::Answered,
                launcher::Outcome::Exited(_)
                | launcher::Outcome::Signalled(_)
                | launcher::Outcome::TimedOut => Outcome::Refused,
                launcher::Outcome::NotStarted(_) | launcher::Outcome::Busy => Outcome::NotSent,
            };
            (outcome, text, output)
        }
        Err(error) => (Outcome::NotSent, error.to_string(), String::new()),
    };
    if !output.is_empty() {
        text = format!("{text}: {}", escape(output.as_bytes()));
    }
    Ended { nonce, outcome, text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_exit_status_0_answers_and_what_did_not_run_says_nothing() {
        let reply = |outcome, output: &str| {
            let Ended { outcome, text, .. } = ended(7, Ok(Reply { id: 1, outcome, output: output.into() }));
            (outcome, text)
        };
        let ends = [
            reply(launcher::Outcome::Exited(0), "fine\u{1b}[2J"),
            reply(launcher::Outcome::Exited(1), ""),
            reply(launcher::Outcome::Signalled(11), ""),
            reply(launcher::Outcome::TimedOut, "so far"),
            reply(launcher::Outcome::NotStarted("it is none".into()), ""),
            reply(launcher::Outcome::Busy, ""),
        ];
        let expected = [
            (Outcome::Answered, "exit status 0: fine\\x1B[2J"),
            (Outcome::Refused, "exit status 1"),
            (Outcome::Refused, "ended by signal 11"),
            (Outcome::Refused, "killed at its time limit: so far"),
            (Outcome::NotSent, "not started: it is none"),
            (Outcome::NotSent, "not started: too many run"),
        ];
        assert_eq!(ends, expected.map(|(outcome, text)| (outcome, text.to_owned())));
        let gone = Ended { nonce: 7, outcome: Outcome::NotSent, text: "there is no launcher".into() };
        assert_eq!(ended(7, Err(LaunchError::Gone)), gone);
    }
}
