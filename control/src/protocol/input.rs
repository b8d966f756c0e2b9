//! What a subsystem is told.

use common::{event::Event, net::Network};

use super::Protocol;
use crate::{
    bus::Fact,
    command::{Args, Form, Mode},
    host::{HostState, PortState},
};

/// One input of a state machine. The time is [`Cx::now`](super::Cx::now).
#[derive(Debug)]
pub enum Input<'a, P: Protocol> {
    /// The configuration was another one; [`Cx::config`](super::Cx::config) is the new one.
    Configured(&'a P::Config),
    /// A line was entered that changes nothing since it stands there already. To some it says: once more.
    Repeated {
        /// The line's mode.
        mode: &'static Mode,
        /// What it was given.
        args: &'a Args,
        /// Plain, `no` or `default`.
        form: Form,
    },
    /// What the ports are and whether they have link, by port.
    Ports(&'a [PortState]),
    /// What the kernel holds.
    Host(&'a HostState),
    /// Interfaces, routes and neighbours as workers will see them with the next snapshot.
    Network(&'a Network),
    /// Its part is published.
    Published {
        /// The first snapshot that has it.
        generation: u64,
    },
    /// What workers tell.
    Events(&'a [Event]),
    /// What another subsystem tells.
    Fact(&'a Fact),
    /// What its own tasks tell.
    Message(P::Message),
    /// Its own tasks have died, and with them their sockets and the orders that they had. They are started again, and get
    /// what is ordered from now on.
    TasksDied,
    /// A `debug` switch was turned.
    Debug,
    /// Its deadline has come.
    Timer,
    /// The process is about to end: give up what attracts traffic.
    Stop,
}
