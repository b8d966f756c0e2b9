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
pub struct DirectorCounters {
    /// Frames received by worker.
    pub workers: BTreeMap<u32, u64>,
    /// Frames dropped, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// Sessions in the table.
    pub sessions: Option<u64>,
    pub created: Option<u64>,
    /// Requests of new nodes that found no room in the table.
    pub refused: Option<u64>,
    /// Sessions that gave way to those of new nodes.
    pub evicted: Option<u64>,
    /// Sessions that the table has room for.
    pub capacity: Option<u64>,
    /// Frames received and verdicts given, all workers together, both out of one document.
    pub balance: Option<FrameBalance>,
}

/// What the director received, and how many frames it says how they ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameBalance {
    pub received: u64,
    /// Frames with a verdict, whichever.
    pub verdicts: u64,
    /// Workers that count.
    pub workers: u64,
}

/// Frames that a worker has in hand at most: it counts them as received before it counts how they ended.
const BURST: u64 = 64;

impl FrameBalance {
    /// Both are the same.
    pub fn is_exact(&self) -> bool {
        self.received == self.verdicts
    }

    /// They differ by no more than what each worker may have in hand.
    pub fn is_near(&self) -> bool {
        self.received.abs_diff(self.verdicts) <= BURST * self.workers.max(1)
    }
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

impl DirectorCounters {
    /// Runs the command and reads what it prints.
    pub fn read_from(command: &[String]) -> anyhow::Result<Self> {
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
            if let Some(received) = document.get("received").and_then(Value::as_u64) {
                let verdicts = lines.iter().map(|line| line.packets).sum();
                let workers = document.get("workers").and_then(Value::as_array).map_or(1, Vec::len);
                self.balance = Some(FrameBalance { received, verdicts, workers: workers as u64 });
            }
            let dropped = lines.into_iter().filter(|line| line.class == "dropped");
            self.dropped.extend(dropped.map(|line| (line.verdict, line.packets)));
        }
        let sessions = document.get("sessions").or_else(|| document.pointer("/stats/sessions"));
        self.sessions = sessions.and_then(Value::as_u64).or(self.sessions);
        let stat = |name: &str| document.pointer(&format!("/stats/{name}")).and_then(Value::as_u64);
        self.created = stat("connections_created").or(self.created);
        self.refused = stat("failed_connection_allocs").or(self.refused);
        self.evicted = stat("connections_evicted").or(self.evicted);
        let tables = document.get("tables").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
        if let Some(table) = tables.iter().find(|table| table["name"] == "sessions") {
            let number = |name: &str| table[name].as_u64();
            self.capacity = number("capacity").or(self.capacity);
            self.sessions = number("used").or(self.sessions);
            self.refused = number("refused").or(self.refused);
        }
        Ok(())
    }

    /// Whether the table is full: it holds what it has room for, or more new sessions found no room since `before` than
    /// found some; the place of another is none.
    pub fn full_since(&self, before: &Self) -> bool {
        let more =
            |now: Option<u64>, before: Option<u64>| now.zip(before).map(|(now, b)| now.saturating_sub(b));
        let [refused, evicted, created] = [
            more(self.refused, before.refused),
            more(self.evicted, before.evicted),
            more(self.created, before.created),
        ]
        .map(|more| more.unwrap_or(0));
        self.capacity.zip(self.sessions).is_some_and(|(capacity, used)| used >= capacity)
            || refused + evicted > created.saturating_sub(evicted)
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
        let before = DirectorCounters::parse(
            br#"{"workers": [{"worker": 0, "received": 10, "cpu": 1}], "verdicts": [{"verdict": "no_real", "class": "dropped", "packets": 1}]}"#,
        )
        .unwrap();
        let now = DirectorCounters::parse(
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
        assert!(DirectorCounters::parse(b"no such command").is_err());
    }

    #[test]
    fn the_balance_is_that_of_one_document() {
        let balance = |text: &str| DirectorCounters::parse(text.as_bytes()).unwrap().balance;
        let text = r#"{"workers": [{"worker": 0, "received": 15}, {"worker": 1, "received": 4}], "received": 19,
            "verdicts": [{"verdict": "no_real", "class": "dropped", "packets": 4},
                         {"verdict": "slb_dispatched", "class": "forwarded", "packets": 15}]}"#;
        let told = balance(text).unwrap();
        assert_eq!(told, FrameBalance { received: 19, verdicts: 19, workers: 2 });
        assert!(told.is_exact() && told.is_near());
        assert_eq!(balance(r#"{"verdicts": []}"#), None, "it does not say what it received");
        let of = |received, verdicts| FrameBalance { received, verdicts, workers: 2 };
        assert!(!of(10, 11).is_exact() && of(1128, 1000).is_near() && of(1000, 1128).is_near());
        assert!(!of(1129, 1000).is_near() && !of(1000, 1129).is_near());
    }

    #[test]
    fn a_table_is_full_when_it_holds_all_it_can_or_refuses_more_than_it_takes() {
        let told = |text: &str| DirectorCounters::parse(text.as_bytes()).unwrap();
        let stats = |created: u64, refused: u64| {
            told(&format!(
                r#"{{"stats": {{"sessions": 9, "connections_created": {created}, "failed_connection_allocs": {refused}}}}}"#
            ))
        };
        let before = stats(100, 5);
        assert_eq!((before.created, before.refused, before.capacity), (Some(100), Some(5), None));
        assert!(!before.full_since(&DirectorCounters::default()), "old refusals count for nothing");
        assert!(!before.full_since(&before) && !stats(150, 50).full_since(&before));
        assert!(stats(150, 56).full_since(&before) && stats(100, 6).full_since(&before));
        let replaced = |created: u64, evicted: u64| {
            told(&format!(
                r#"{{"stats": {{"connections_created": {created}, "connections_evicted": {evicted}}}}}"#
            ))
        };
        let before = replaced(100, 0);
        assert!(!replaced(200, 50).full_since(&before) && replaced(200, 51).full_since(&before));
        let table = |used: u64| {
            told(&format!(
                r#"{{"pools": [], "tables": [{{"name": "sessions", "capacity": 1024, "used": {used}, "refused": 0}}]}}"#
            ))
        };
        assert!(!table(1023).full_since(&table(0)) && table(1024).full_since(&table(0)));
    }

    #[test]
    fn a_command_that_fails_is_an_error_with_its_words() {
        let ask = |words: &[&str]| {
            DirectorCounters::read_from(&words.iter().map(|it| (*it).to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(ask(&["echo", r#"{"sessions": 3}"#]).unwrap().sessions, Some(3));
        let error = ask(&["sh", "-c", "echo broken >&2; exit 1"]).unwrap_err().to_string();
        assert!(error.contains("broken"), "{error}");
        assert!(ask(&["/nonexistent/program"]).is_err() && ask(&[]).is_err());
    }
}
