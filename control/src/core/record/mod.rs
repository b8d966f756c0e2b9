//! Records what the state machines are told, when, and what they did, so that it can be [replayed](super::replay). See
//! `docs/record-and-replay.md`.
//!
//! | part | does | runs in |
//! |---|---|---|
//! | this | hands each step over, never waiting | whoever holds the core |
//! | `writer` | makes text of it and writes it | thread `homeward-record` |
//! | `format`, `text`, `host` | the form of the file | pure |
//! | `file` | makes the file, removes the oldest | at start |

mod file;
pub(super) mod format;
pub(super) mod host;
pub(super) mod text;
mod writer;

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    },
    thread,
    time::{Duration, SystemTime},
};

use common::event::Event;
use serde_json::Value;

pub use self::file::{KEPT, LIMIT, Recording};
use self::{
    format::{Header, VERSION},
    writer::Writer,
};
use super::Core;
use crate::{
    command::{Configuration, Secrets},
    host::{HostState, PortState},
    protocol::{Action, Instance, Member, Observation, Protocol, Protocols, Visitor},
};

/// Steps that wait to be written; more are lost, and the recording says so.
const QUEUE: usize = 8192;

/// An input, before text is made of it.
pub(super) enum Told {
    Advance(Vec<Event>),
    /// Made later, for it may be long.
    Configuration(Box<dyn FnOnce() -> String + Send>),
    /// Mode and line.
    Repeated(&'static str, String),
    /// Mode and line.
    Command(&'static str, String),
    Ports(Vec<PortState>),
    Host(Box<HostState>),
    Message(&'static str, Value),
    TasksDied(&'static str),
    Stop,
}

impl Told {
    /// A configuration: a name stands in place of each secret.
    pub fn configuration<C: Configuration>(configuration: &Arc<C>) -> Self {
        let configuration = Arc::clone(configuration);
        Self::Configuration(Box::new(move || configuration.text(Secrets::Pseudonym)))
    }
}

struct Begin {
    /// Steps that were lost before this one.
    lost: u64,
    at: u64,
    wall: u64,
    told: Told,
}

enum Entry {
    Begin(Box<Begin>),
    End { actions: Vec<Action>, read: Vec<Observation> },
}

/// The core's end of a recording.
#[derive(Debug)]
pub(super) struct Recorder {
    queue: SyncSender<Entry>,
    /// Steps lost since the last one that was taken.
    lost: Arc<AtomicU64>,
    /// The beginning of the present step was taken.
    begun: bool,
    /// Nobody writes any more.
    over: bool,
    /// Closed when everything is written.
    written: Receiver<()>,
}

impl Recorder {
    fn start(recording: Recording, header: Header) -> io::Result<Self> {
        let (queue, entries) = sync_channel(QUEUE);
        let (done, written) = sync_channel(0);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer::new(recording, Arc::clone(&lost));
        thread::Builder::new().name("homeward-record".into()).spawn(move || {
            writer.run(&header, &entries);
            drop(done);
        })?;
        Ok(Self { queue, lost, begun: false, over: false, written })
    }

    fn begin(&mut self, at: u64, wall: u64, told: Told) {
        let lost = self.lost.load(Relaxed);
        self.begun = self.hand_over(Entry::Begin(Box::new(Begin { lost, at, wall, told })));
        if self.begun {
            self.lost.fetch_sub(lost, Relaxed);
        }
    }

    fn end(&mut self, actions: Vec<Action>, read: Vec<Observation>) {
        if std::mem::take(&mut self.begun) {
            self.hand_over(Entry::End { actions, read });
        }
    }

    fn hand_over(&mut self, entry: Entry) -> bool {
        match self.queue.try_send(entry) {
            Ok(()) => return true,
            Err(TrySendError::Disconnected(_)) => self.over = true,
            Err(TrySendError::Full(_)) => {
                if self.lost.fetch_add(1, Relaxed) == 0 {
                    tracing::warn!("the recording has a gap: the disk does not follow");
                }
            }
        }
        false
    }
}

/// What is left of a recording that the core has let go of.
#[derive(Debug)]
pub struct Ending(Receiver<()>);

impl Ending {
    /// Waits until everything is written, for at most `time`.
    pub fn wait(self, time: Duration) {
        // Closed when the writer has ended.
        let _ = self.0.recv_timeout(time);
    }
}

/// The names of a list.
#[derive(Default)]
pub(super) struct Names(pub Vec<&'static str>);

impl<L: Protocols> Visitor<L> for Names {
    fn visit<P: Protocol>(&mut self, _: &mut Instance<P>)
    where
        L: Member<P>,
    {
        self.0.push(P::NAME);
    }
}

impl<L: Protocols> Core<L> {
    /// Records every step from now on; to be called before the first one.
    ///
    /// # Errors
    /// The thread does not start.
    pub fn record(&mut self, recording: Recording) -> io::Result<()> {
        let mut names = Names::default();
        self.list.each(&mut names);
        let header = Header {
            homeward_recording: VERSION,
            program: env!("CARGO_PKG_VERSION").into(),
            subsystems: names.0.into_iter().map(Into::into).collect(),
            workers: self.shared.stats.len(),
            at: self.shared.now.0,
        };
        tracing::info!("{}: records every input", recording.path().display());
        self.recorder = Some(Recorder::start(recording, header)?);
        self.shared.witness.record();
        Ok(())
    }

    /// Records nothing more.
    pub fn end_recording(&mut self) -> Option<Ending> {
        self.shared.witness.off();
        self.recorder.take().map(|recorder| Ending(recorder.written))
    }

    /// What the next step is told, if it is recorded.
    pub(super) fn told(&self, tell: impl FnOnce() -> Told) -> Option<Told> {
        self.recorder.is_some().then(tell)
    }

    /// One step: `told` and what `work` does are recorded, if anything is.
    pub(super) fn step<R>(&mut self, told: Option<Told>, work: impl FnOnce(&mut Self) -> R) -> R {
        let Some(told) = told else { return work(self) };
        let wall = self.shared.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (at, wall) = (self.shared.now.0, u64::try_from(wall.as_nanos()).unwrap_or(u64::MAX));
        if let Some(recorder) = &mut self.recorder {
            recorder.begin(at, wall, told);
        }
        // What a step that panicked has left belongs to nobody.
        self.shared.witness.take();
        self.out.actions = Some(Vec::new());
        let result = work(self);
        let (actions, read) = (self.out.actions.take().unwrap_or_default(), self.shared.witness.take());
        if let Some(recorder) = &mut self.recorder {
            recorder.end(actions, read);
            if recorder.over {
                self.end_recording();
            }
        }
        result
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn header() -> Header {
        Header {
            homeward_recording: VERSION,
            program: "test".into(),
            subsystems: Vec::new(),
            workers: 1,
            at: 0,
        }
    }

    fn step(recorder: &mut Recorder, at: u64) {
        recorder.begin(at, 0, Told::Stop);
        recorder.end(Vec::new(), Vec::new());
    }

    #[test]
    fn what_the_queue_does_not_take_is_a_gap_and_half_a_step_has_no_actions() {
        let folder = tempfile::tempdir().unwrap();
        let recording = Recording::create(folder.path()).unwrap();
        let path = recording.path().to_owned();
        let (queue, entries) = sync_channel(3);
        let (done, written) = sync_channel(0);
        let lost = Arc::new(AtomicU64::new(0));
        let writer = Writer::new(recording, Arc::clone(&lost));
        let mut recorder = Recorder { queue, lost, begun: false, over: false, written };
        (1..=4).for_each(|at| step(&mut recorder, at));
        let Recorder { queue, written, .. } = recorder;
        drop(queue);
        writer.run(&header(), &entries);
        drop(done);
        Ending(written).wait(Duration::from_secs(10));
        let text = fs::read_to_string(path).unwrap();
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                r#"{"step":{"at":1,"wall":0,"input":"stop","did":[]}}"#,
                r#"{"step":{"at":2,"wall":0,"input":"stop","did":null}}"#,
                r#"{"gap":3}"#,
                r#"{"end":"stopped"}"#,
            ]
        );
    }

    #[test]
    fn a_recording_ends_at_its_full_size_and_the_core_hears_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let recording = Recording { limit: 1000, ..Recording::create(folder.path()).unwrap() };
        let path = recording.path().to_owned();
        let mut recorder = Recorder::start(recording, header()).unwrap();
        let mut at = 0;
        while !recorder.over {
            at += 1;
            step(&mut recorder, at);
            thread::yield_now();
        }
        Ending(recorder.written).wait(Duration::from_secs(10));
        let text = fs::read_to_string(path).unwrap();
        assert!(text.ends_with("\n{\"end\":\"size\"}\n"), "{text}");
        assert!((900..1100).contains(&text.len()), "{}", text.len());
    }
}
