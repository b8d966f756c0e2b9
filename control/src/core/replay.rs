//! Plays a recording through fresh state machines, with its time instead of a clock, and compares what they do.

use std::{
    fmt,
    io::{self, BufRead},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use common::{snapshot::Snapshot, stats::WorkerStats, tables::Tables, time::Nanos};
use serde::Deserialize;
use serde_json::Value;

use super::{
    Core, CoreLink,
    record::{
        Names,
        format::{Header, Input as Written, Line, Reason, Step, VERSION},
    },
    steps::Surroundings,
};
use crate::{
    command::{self, Commands, EXEC, Runtime as _, Shell},
    host::HostState,
    manage::log::LogBook,
    protocol::{Input, Instance, Member, Protocol, Protocols, Visitor},
};

/// Lines of the log that a replay keeps.
const LOG: usize = 4096;

/// Why a recording is not played to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// It is none.
    #[error("no recording: the first line is not its header")]
    NoRecording,
    /// Another version of the form.
    #[error("the recording is of version {0}, this program reads version {VERSION}")]
    Version(u32),
    /// Other subsystems.
    #[error("the recording is of the subsystems {0}, this program has {1}")]
    Subsystems(String, String),
    /// A line makes no sense.
    #[error("line {line}: {reason}")]
    Line {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The state machines did something else.
    #[error(transparent)]
    Difference(Box<Difference>),
}

/// The first step at which the state machines did something else than when it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Line of the recording.
    pub line: usize,
    /// Since the process began.
    pub at: Duration,
    /// What the state machines were told.
    pub input: String,
    /// Which of the actions, from 1.
    pub action: usize,
    /// What was done when it was recorded; none: nothing more.
    pub recorded: Option<String>,
    /// What is done now; none: nothing more.
    pub replayed: Option<String>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, at, input, action, recorded, replayed } = self;
        let text = |action: &Option<String>| action.clone().unwrap_or_else(|| "nothing more".into());
        writeln!(f, "line {line}, {:.9} s, {input}: action {action} is another one", at.as_secs_f64())?;
        write!(f, "  recorded: {}\n  replayed: {}", text(recorded), text(replayed))
    }
}

impl std::error::Error for Difference {}

/// Where a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The process ended.
    Stopped,
    /// The recording had its full size.
    Size,
    /// So many steps are missing; what follows them is not played.
    Gap(u64),
    /// The process was killed, or still runs.
    Cut,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("the process ended"),
            Self::Size => f.write_str("the recording had its full size"),
            Self::Gap(lost) => write!(f, "{lost} steps are missing here: what follows is not played"),
            Self::Cut => f.write_str("the recording is cut off"),
        }
    }
}

/// What was played.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Steps whose actions were the same, those at which only time went on among them.
    pub steps: u64,
    /// How it ended.
    pub end: End,
}

/// A recording that is being played.
pub struct Replay<L: Protocols, R> {
    core: Core<L>,
    commands: Arc<Commands<Core<L>>>,
    input: R,
    /// Of the line that was read last.
    line: usize,
    steps: u64,
    now: u64,
    wall: u64,
    host: HostState,
    configuration: String,
}

impl<L: Protocols, R> fmt::Debug for Replay<L, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replay").field("line", &self.line).finish_non_exhaustive()
    }
}

impl<L: Protocols, R: BufRead> Replay<L, R> {
    /// Reads the header.
    ///
    /// # Errors
    /// It is no recording that this program can play.
    pub fn new(mut input: R) -> Result<Self, ReplayError> {
        let mut first = String::new();
        input.read_line(&mut first)?;
        let header: Value = serde_json::from_str(&first).map_err(|_| ReplayError::NoRecording)?;
        let version =
            header.get("homeward_recording").and_then(Value::as_u64).ok_or(ReplayError::NoRecording)?;
        if version != u64::from(VERSION) {
            return Err(ReplayError::Version(u32::try_from(version).unwrap_or(u32::MAX)));
        }
        let header = Header::deserialize(header).map_err(|_| ReplayError::NoRecording)?;
        let wrong = |reason: &str| ReplayError::Line { line: 1, reason: reason.into() };
        let workers = u8::try_from(header.workers).ok().filter(|workers| (1..=64).contains(workers));
        let workers = workers.ok_or_else(|| wrong("1 to 64 workers"))?;
        let link = CoreLink {
            snapshot: Arc::new(ArcSwap::from_pointee(Snapshot::default())),
            tables: Tables::smallest(workers).map_err(|error| wrong(&error.to_string()))?,
            stats: (0..workers).map(|_| Arc::new(WorkerStats::new(0))).collect(),
            events: Vec::new(),
        };
        let mut core = Core::<L>::new(link, None, LogBook::new(LOG), Nanos(header.at));
        let mut names = Names::default();
        core.list.each(&mut names);
        if names.0 != header.subsystems {
            return Err(ReplayError::Subsystems(header.subsystems.join(", "), names.0.join(", ")));
        }
        Ok(Self {
            core,
            commands: Arc::new(Core::commands()),
            input,
            line: 1,
            steps: 0,
            now: header.at,
            wall: 0,
            host: HostState::default(),
            configuration: String::new(),
        })
    }

    /// Plays all of it.
    ///
    /// # Errors
    /// See [`ReplayError`].
    pub fn run(mut self) -> Result<Summary, ReplayError> {
        loop {
            if let Some(end) = self.play_line()? {
                return Ok(Summary { steps: self.steps, end });
            }
        }
    }

    /// Plays the next line; the end, if it is that.
    ///
    /// # Errors
    /// See [`ReplayError`].
    pub fn play_line(&mut self) -> Result<Option<End>, ReplayError> {
        let mut text = String::new();
        self.input.read_line(&mut text)?;
        self.line += 1;
        if !text.ends_with('\n') {
            return Ok(Some(End::Cut));
        }
        match serde_json::from_str(&text).map_err(|error| self.wrong(&error))? {
            Line::Step(step) => self.play(step)?,
            Line::Passes(passes) => {
                for pass in passes {
                    let at = self.now.saturating_add(pass);
                    let wall = self.wall.saturating_add(pass);
                    let input = Written::Advance(Vec::new());
                    self.play(Step { at, wall, input, read: Vec::new(), did: Some(Vec::new()) })?;
                }
            }
            Line::Gap(lost) => return Ok(Some(End::Gap(lost))),
            Line::End(Reason::Stopped) => return Ok(Some(End::Stopped)),
            Line::End(Reason::Size) => return Ok(Some(End::Size)),
        }
        Ok(None)
    }

    /// The core as the last line has left it.
    pub fn core_mut(&mut self) -> &mut Core<L> {
        &mut self.core
    }

    /// Number of the last line.
    pub fn line(&self) -> usize {
        self.line
    }

    fn wrong(&self, reason: &dyn fmt::Display) -> ReplayError {
        ReplayError::Line { line: self.line, reason: reason.to_string() }
    }

    fn play(&mut self, step: Step) -> Result<(), ReplayError> {
        let Step { at, wall, input, read, did } = step;
        (self.now, self.wall) = (at, wall);
        self.core.set_time(Nanos(at), SystemTime::UNIX_EPOCH + Duration::from_nanos(wall));
        self.core.shared.witness.replay(read);
        self.core.out.actions = Some(Vec::new());
        let title = input.title();
        self.tell(input)?;
        // What is to be done outside is done by nobody.
        self.core.take_effects();
        let actions = self.core.out.actions.take().unwrap_or_default();
        self.steps += 1;
        // Nothing is known of a step that did not come to its end.
        let Some(did) = did else { return Ok(()) };
        let mut recorded = did.into_iter();
        let mut replayed = actions.iter().map(ToString::to_string);
        for action in 1.. {
            let (recorded, replayed) = (recorded.next(), replayed.next());
            if recorded != replayed {
                let at = Duration::from_nanos(at);
                let difference = Difference { line: self.line, at, input: title, action, recorded, replayed };
                return Err(ReplayError::Difference(Box::new(difference)));
            }
            if recorded.is_none() {
                break;
            }
        }
        match self.core.shared.witness.strange() {
            Some(strange) => Err(self.wrong(&strange)),
            None => Ok(()),
        }
    }

    fn tell(&mut self, input: Written) -> Result<(), ReplayError> {
        let core = &mut self.core;
        match input {
            Written::Advance(events) => core.pass(&events),
            Written::Configuration(change) => {
                let text = change.apply(&self.configuration);
                self.configuration = text.ok_or_else(|| self.wrong(&"a change of another configuration"))?;
                let loaded = command::load::<L::Configuration>("recording", &self.configuration);
                let loaded = loaded.map_err(|errors| match errors.first() {
                    Some(error) => self.wrong(error),
                    None => self.wrong(&"the configuration does not load"),
                })?;
                self.core.apply_loaded(loaded).map_err(|error| self.wrong(&error))?;
            }
            Written::Repeated { mode, line } => {
                match command::given::<L::Configuration>(&mode, &line) {
                    Some((mode, args, form)) => core.repeated(mode, &args, form),
                    // Stars say nothing; whoever did something nevertheless makes a difference.
                    None if line.contains('*') => {}
                    None => return Err(self.wrong(&"an unknown line is repeated")),
                }
            }
            Written::Command { mode, line } => {
                let mut shell = Shell::new(Arc::clone(&self.commands), mode == EXEC.name);
                // What it says is for whoever entered it.
                let _ = core.execute(&mut shell, &line);
            }
            Written::Ports(ports) => core.ports_changed(&ports),
            Written::Host(change) => {
                self.host = change.apply(&self.host);
                core.host_changed(&self.host);
            }
            Written::Message { to, body } => self.deliver_message(&to, Some(body))?,
            Written::TasksDied(of) => self.deliver_message(&of, None)?,
            Written::Stop => core.stop(),
        }
        Ok(())
    }

    fn deliver_message(&mut self, to: &str, message: Option<Value>) -> Result<(), ReplayError> {
        let (list, at) = self.core.parts();
        let mut delivery = DeliverMessage { at, to, message, failed: Err(format!("no subsystem is {to}")) };
        list.each(&mut delivery);
        let failed = delivery.failed;
        self.core.run_to_completion();
        failed.map_err(|error| self.wrong(&error))
    }
}

/// Hands a message of its tasks to the subsystem of that name; none: they have died.
struct DeliverMessage<'a, L: Protocols> {
    at: Surroundings<'a, L>,
    to: &'a str,
    message: Option<Value>,
    /// Why it was not handed over.
    failed: Result<(), String>,
}

impl<L: Protocols> Visitor<L> for DeliverMessage<'_, L> {
    fn visit<P: Protocol>(&mut self, instance: &mut Instance<P>)
    where
        L: Member<P>,
    {
        let Self { at, to, message, failed } = self;
        if P::NAME != *to {
            return;
        }
        *failed = Ok(());
        let config = L::config(at.running);
        match message.take().map(P::Message::deserialize) {
            Some(Ok(message)) => instance.handle(Input::Message(message), config, at.shared, at.out),
            Some(Err(reason)) => *failed = Err(format!("a message that {to} does not know: {reason}")),
            None => instance.tasks_died(config, at.shared, at.out),
        }
    }
}
