//! The commands of `ip slb`, declared once for file, shell and help.

mod farm;
mod global;
mod real;
mod vserver;

use crate::command::{Args, ConfigError, ConfigSpec, EditResult, Form, Forms, Mode, need};

use super::{
    check::Refusal,
    config::{FarmConfig, ObjectName, RealConfig, SlbConfig, VserverConfig},
};

/// Every configuration command of the balancer.
pub fn commands() -> impl Iterator<Item = ConfigSpec> {
    [global::SPECS, farm::SPECS, real::SPECS, vserver::SPECS].into_iter().flatten().copied()
}

impl From<Refusal> for ConfigError {
    fn from(refusal: Refusal) -> Self {
        Self::slb(refusal.to_string())
    }
}

/// An argument that the pattern has already read as a name.
fn name(args: &Args, argument: &str) -> Result<ObjectName, ConfigError> {
    need(args.text(argument))?.parse().map_err(|_| ConfigError::slb("invalid name"))
}
