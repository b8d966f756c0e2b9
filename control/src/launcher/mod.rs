//! The launcher as control has it. Once it has started, this process may start no program, so a small process that began
//! before does it on demand: the program's `launcher` folder has that side.
//!
//! `message` is what goes over the socket between the two, `client` this end of it.

mod client;
mod message;

pub use self::{
    client::{LaunchError, Launcher, LauncherProcess, LauncherTotals},
    message::{Command, MESSAGE, Outcome, Reply, Request, ScriptName, ScriptNameError, VARIABLES},
};
