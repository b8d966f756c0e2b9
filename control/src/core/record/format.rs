//! The form of a recording: lines of JSON. The first one is the [`Header`], every other one a [`Line`].

use common::event::Event;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{host::HostChange, text::TextChange};
use crate::{host::PortState, protocol::Observation};

/// The version of the form that is written and read.
pub(in crate::core) const VERSION: u32 = 1;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) struct Header {
    /// [`VERSION`]
    pub homeward_recording: u32,
    /// The program that wrote it.
    pub program: String,
    /// Subsystems, in the order of the list.
    pub subsystems: Vec<String>,
    /// How many workers there were.
    pub workers: usize,
    /// When the state machines began, on the workers' clock, in nanoseconds.
    pub at: u64,
}

/// Every other line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::core) enum Line {
    /// An input and what followed.
    Step(Step),
    /// Time went on and nothing followed: nanoseconds since the line before, and so on.
    Passes(Vec<u64>),
    /// So many steps are missing here.
    Gap(u64),
    /// Why the recording ends.
    End(Reason),
}

/// Why a recording ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::core) enum Reason {
    /// The process ended.
    Stopped,
    /// It became too large.
    Size,
}

/// An input and what followed.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::core) struct Step {
    /// When, on the workers' clock, in nanoseconds.
    pub at: u64,
    /// The time of day, in nanoseconds since 1970.
    pub wall: u64,
    pub input: Input,
    /// What was read of live state.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub read: Vec<Observation>,
    /// What was done, in words; none: the step did not come to its end.
    pub did: Option<Vec<String>>,
}

/// An input as it is written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::core) enum Input {
    /// Time went on; what workers told meanwhile.
    Advance(Vec<Event>),
    /// Another configuration.
    Configuration(TextChange),
    /// A configuration line that stood there already.
    Repeated {
        /// The mode's name.
        mode: String,
        /// Its secrets starred.
        line: String,
    },
    /// An EXEC command that is no `show`.
    Command {
        /// The mode's name.
        mode: String,
        /// Its secrets starred.
        line: String,
    },
    /// What the ports are.
    Ports(Vec<PortState>),
    /// What the kernel holds.
    Host(HostChange),
    /// A subsystem's tasks told it something.
    Message {
        /// Name of the subsystem.
        to: String,
        /// The message as JSON.
        body: Value,
    },
    /// The tasks of this subsystem have died.
    TasksDied(String),
    /// The process is about to end.
    Stop,
}

impl Input {
    /// What it is, for messages.
    pub fn title(&self) -> String {
        match self {
            Self::Advance(events) if events.is_empty() => "time went on".into(),
            Self::Advance(events) => format!("{} events of workers", events.len()),
            Self::Configuration(_) => "another configuration".into(),
            Self::Repeated { line, .. } => format!("repeated line \"{line}\""),
            Self::Command { line, .. } => format!("command \"{line}\""),
            Self::Ports(_) => "ports".into(),
            Self::Host(_) => "the kernel's state".into(),
            Self::Message { to, .. } => format!("message to {to}"),
            Self::TasksDied(of) => format!("the tasks of {of} died"),
            Self::Stop => "stop".into(),
        }
    }
}
