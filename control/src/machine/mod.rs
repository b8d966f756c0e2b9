//! The machine part of the configuration: ports, interfaces, addresses, routes, logging, management.
//!
//! It owns these settings as plain data, their commands, their checks, and what the dataplane is built from.

pub mod check;
mod command;
mod config;
pub mod print;
pub mod show;

pub use command::{DATAPLANE, INTERFACE, MANAGEMENT, SUBINTERFACE, commands};
pub use config::{
    DataplaneSettings, Interface, Logging, LoggingLevel, MachineConfig, Management, NextHop, StaticNeighbour,
    StaticRoute, Workers,
};

#[cfg(test)]
mod tests;
