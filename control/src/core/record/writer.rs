//! The thread that writes a recording: texts are made and written here, off the core's lock.

use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc::{Receiver, TryRecvError},
    },
};

use serde::Serialize;

use super::{
    Begin, Entry, Told,
    file::Recording,
    format::{Header, Input, Line, Reason, Step},
    host::HostChange,
    text::TextChange,
};
use crate::{
    host::HostState,
    protocol::{Action, Observation},
};

/// Most passes of one line: about a second.
const PASSES: usize = 20;

/// Why nothing more is written.
enum Stop {
    Full,
    Error(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Error(error)
    }
}

/// What the thread holds.
pub(super) struct Writer {
    out: BufWriter<File>,
    path: PathBuf,
    left: u64,
    /// The step whose end is still to come.
    open: Option<Box<Begin>>,
    /// Steps lost since the last one that was taken.
    lost: Arc<AtomicU64>,
    passes: Vec<u64>,
    /// Time of the last line or pass.
    last: u64,
    /// As it was written last.
    host: HostState,
    configuration: String,
}

impl Writer {
    pub fn new(recording: Recording, lost: Arc<AtomicU64>) -> Self {
        Self {
            out: BufWriter::new(recording.file),
            path: recording.path,
            left: recording.limit,
            open: None,
            lost,
            passes: Vec::new(),
            last: 0,
            host: HostState::default(),
            configuration: String::new(),
        }
    }

    /// Writes until there is nothing to come any more, the recording is too large, or the file takes no more.
    pub fn run(mut self, header: &Header, entries: &Receiver<Entry>) {
        match self.write_all(header, entries) {
            Ok(()) => {}
            Err(Stop::Full) => {
                // One line beyond the limit.
                let ended = serde_json::to_writer(&mut self.out, &Line::End(Reason::Size));
                let _ = ended.map_err(io::Error::from).and_then(|()| self.out.write_all(b"\n"));
                let _ = self.out.flush();
                tracing::warn!("{}: the recording has its full size, and ends", self.path.display());
            }
            Err(Stop::Error(error)) => {
                tracing::error!("{}: {error}: the recording ends", self.path.display());
            }
        }
    }

    fn write_all(&mut self, header: &Header, entries: &Receiver<Entry>) -> Result<(), Stop> {
        self.last = header.at;
        self.line(header)?;
        loop {
            let entry = match entries.try_recv() {
                Ok(entry) => entry,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    self.out.flush()?;
                    let Ok(entry) = entries.recv() else { break };
                    entry
                }
            };
            match entry {
                Entry::Begin(begin) => self.begin(begin)?,
                Entry::End { actions, read } => self.end(Some(actions), read)?,
            }
        }
        self.end(None, Vec::new())?;
        self.pass_over()?;
        self.gap(self.lost.load(Relaxed))?;
        self.line(&Line::End(Reason::Stopped))?;
        Ok(self.out.flush()?)
    }

    fn begin(&mut self, begin: Box<Begin>) -> Result<(), Stop> {
        self.end(None, Vec::new())?;
        self.gap(begin.lost)?;
        self.open = Some(begin);
        Ok(())
    }

    fn gap(&mut self, lost: u64) -> Result<(), Stop> {
        if lost == 0 {
            return Ok(());
        }
        self.pass_over()?;
        self.line(&Line::Gap(lost))
    }

    fn end(&mut self, actions: Option<Vec<Action>>, read: Vec<Observation>) -> Result<(), Stop> {
        let Some(begin) = self.open.take() else { return Ok(()) };
        let Begin { at, wall, told, .. } = *begin;
        let idle = matches!(&told, Told::Advance(events) if events.is_empty());
        if idle && read.is_empty() && actions.as_ref().is_some_and(Vec::is_empty) {
            self.passes.push(at.saturating_sub(self.last));
            self.last = at;
            return if self.passes.len() < PASSES { Ok(()) } else { self.pass_over() };
        }
        self.pass_over()?;
        self.last = at;
        let did = actions.map(|actions| actions.iter().map(ToString::to_string).collect());
        let input = self.input(told);
        self.line(&Line::Step(Step { at, wall, input, read, did }))
    }

    fn input(&mut self, told: Told) -> Input {
        match told {
            Told::Advance(events) => Input::Advance(events),
            Told::Configuration(text) => {
                let text = text();
                let change = TextChange::new(&self.configuration, &text);
                self.configuration = text;
                Input::Configuration(change)
            }
            Told::Repeated(mode, line) => Input::Repeated { mode: mode.into(), line },
            Told::Command(mode, line) => Input::Command { mode: mode.into(), line },
            Told::Ports(ports) => Input::Ports(ports),
            Told::Host(host) => {
                let change = HostChange::new(&self.host, &host);
                self.host = *host;
                Input::Host(change)
            }
            Told::Message(to, body) => Input::Message { to: to.into(), body },
            Told::TasksDied(of) => Input::TasksDied(of.into()),
            Told::Stop => Input::Stop,
        }
    }

    fn pass_over(&mut self) -> Result<(), Stop> {
        if self.passes.is_empty() {
            return Ok(());
        }
        let passes = std::mem::take(&mut self.passes);
        self.line(&Line::Passes(passes))
    }

    fn line(&mut self, line: &impl Serialize) -> Result<(), Stop> {
        let mut text = serde_json::to_vec(line).map_err(io::Error::from)?;
        text.push(b'\n');
        self.left = self.left.checked_sub(text.len() as u64).ok_or(Stop::Full)?;
        Ok(self.out.write_all(&text)?)
    }
}
