//! The commands of `ip slb`, declared once for file, shell and help.

mod farm;
mod global;
mod probe;
mod real;
mod vserver;

use super::{
    check::{Refusal, refused},
    config::{FarmConfig, ObjectName, RealConfig, SlbConfig, VserverConfig},
};
use crate::command::{Args, CONFIG, ConfigError, ConfigSpec, EditResult, Form, Forms, Mode, need};

/// `(config-slb-sfarm)`; key: the farm's name.
pub static FARM: Mode = Mode { name: "farm", tag: "(config-slb-sfarm)", parent: Some(&CONFIG) };

/// `(config-slb-real)` inside [`FARM`]; key: the real as its `real` line writes it.
pub static REAL: Mode = Mode { name: "real", tag: "(config-slb-real)", parent: Some(&FARM) };

/// `(config-slb-vserver)`; key: the virtual server's name.
pub static VSERVER: Mode = Mode { name: "vserver", tag: "(config-slb-vserver)", parent: Some(&CONFIG) };

/// `(config-slb-probe)`; key: the probe's name.
pub static PROBE: Mode = Mode { name: "probe", tag: "(config-slb-probe)", parent: Some(&CONFIG) };

/// Every configuration command of the balancer.
pub fn commands() -> impl Iterator<Item = ConfigSpec<SlbConfig>> {
    [global::SPECS, probe::SPECS, farm::SPECS, real::SPECS, vserver::SPECS].into_iter().flatten().copied()
}

impl From<Refusal> for ConfigError {
    fn from(refusal: Refusal) -> Self {
        refused(refusal.to_string())
    }
}

/// An argument that the pattern has already read as a name.
fn name(args: &Args, argument: &str) -> Result<ObjectName, ConfigError> {
    need(args.text(argument))?.parse().map_err(|_| refused("invalid name"))
}
