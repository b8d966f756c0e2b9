//! What the director says of itself: read from the output of a command, so that nothing here knows its protocol.

use std::{
    collections::BTreeMap,
    process::{Command, Stdio},
};

use serde::Deserialize;
use serde_json::Value;

use crate::result::Worker;

/// Totals at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames received by worker.
    pub workers: BTreeMap<u32, u64>,
    /// Frames dropped, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Sessions in the table.
    pub sessions: Option<u64>,
}

#[derive(Deserialize)]
struct WorkerLine {
    worker: u32,
    received: u64,
}

#[derive(Deserialize)]
struct VerdictLine {
    verdict: String,
    class: String,
    packets: u64,
}

impl Counters {
    /// Runs the command and reads what it prints.
    pub fn ask(command: &[String]) -> anyhow::Result<Self> {
        let [program, arguments @ ..] = command else { anyhow::bail!("no command") };
        let output = Command::new(program).args(arguments).stdin(Stdio::null()).output()?;
        anyhow::ensure!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        Self::parse(&output.stdout)
    }

    /// Reads JSON documents, one behind the other.
    pub fn parse(text: &[u8]) -> anyhow::Result<Self> {
        let mut counters = Self::default();
        for document in serde_json::Deserializer::from_slice(text).into_iter::<Value>() {
            counters.take(&document?)?;
        }
        Ok(counters)
    }

    fn take(&mut self, document: &Value) -> anyhow::Result<()> {
        if let Some(workers) = document.get("workers").filter(|it| it.is_array()) {
            let lines: Vec<WorkerLine> = serde_json::from_value(workers.clone())?;
            self.workers.extend(lines.into_iter().map(|line| (line.worker, line.received)));
        }
        if let Some(verdicts) = document.get("verdicts") {
            let lines: Vec<VerdictLine> = serde_json::from_value(verdicts.clone())?;
            let dropped = lines.into_iter().filter(|line| line.class == "dropped");
            self.dropped.extend(dropped.map(|line| (line.verdict, line.packets)));
        }
        let sessions = document.get("sessions").or_else(|| document.pointer("/stats/sessions"));
        self.sessions = sessions.and_then(Value::as_u64).or(self.sessions);
        Ok(())
    }

    /// Frames by worker since `before`.
    pub fn workers_since(&self, before: &Self) -> Vec<Worker> {
        let since =
            |worker: u32, now: u64| now.saturating_sub(before.workers.get(&worker).copied().unwrap_or(0));
        self.workers
            .iter()
            .map(|(worker, now)| Worker { worker: *worker, frames: since(*worker, *now) })
            .collect()
    }

    /// Drops since `before`, those that happened.
    pub fn dropped_since(&self, before: &Self) -> BTreeMap<String, u64> {
        let since = |(reason, now): (&String, &u64)| {
            let more = now.saturating_sub(before.dropped.get(reason).copied().unwrap_or(0));
            (more > 0).then(|| (format!("director.{reason}"), more))
        };
        self.dropped.iter().filter_map(since).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_read_one_behind_the_other_and_compared() {
        let before = Counters::parse(
            br#"{"workers": [{"worker": 0, "received": 10, "cpu": 1}], "verdicts": [{"verdict": "no_real", "class": "dropped", "packets": 1}]}"#,
        )
        .unwrap();
        let now = Counters::parse(
            br#"{"workers": [{"worker": 0, "received": 15}, {"worker": 1, "received": 4}],
                 "verdicts": [{"verdict": "no_real", "class": "dropped", "packets": 4},
                              {"verdict": "fragment", "class": "dropped", "packets": 0},
                              {"verdict": "slb_dispatched", "class": "forwarded", "packets": 9}]}
                {"stats": {"sessions": 77}, "workers": 2}"#,
        )
        .unwrap();
        let workers = now.workers_since(&before);
        assert_eq!(workers.iter().map(|it| (it.worker, it.frames)).collect::<Vec<_>>(), [(0, 5), (1, 4)]);
        assert_eq!(now.dropped_since(&before), [("director.no_real".into(), 3)].into());
        assert_eq!((before.sessions, now.sessions), (None, Some(77)));
        assert!(Counters::parse(b"no such command").is_err());
    }

    #[test]
    fn a_command_that_fails_is_an_error_with_its_words() {
        let ask =
            |words: &[&str]| Counters::ask(&words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>());
        assert_eq!(ask(&["echo", r#"{"sessions": 3}"#]).unwrap().sessions, Some(3));
        let error = ask(&["sh", "-c", "echo broken >&2; exit 1"]).unwrap_err().to_string();
        assert!(error.contains("broken"), "{error}");
        assert!(ask(&["/nonexistent/program"]).is_err() && ask(&[]).is_err());
    }
}
