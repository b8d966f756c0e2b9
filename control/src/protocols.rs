//! The list of subsystems, and with it the whole configuration. One line each; see `docs/adding-a-subsystem.md`.

use crate::{dfp::Dfp, home_agent::HomeAgent, protocols, slb::Slb, system::System};

protocols! {
    /// Every subsystem with its state.
    All, Configuration:
    system: System,
    slb: Slb,
    home_agent: HomeAgent,
    dfp: Dfp,
}
