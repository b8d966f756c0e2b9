//! The machine as the shows and metrics see it: ports, the kernel's state, rates, tasks. The daemon keeps it fresh.

mod exec;
pub(super) mod metrics;
mod sampler;
mod view;

use std::{fmt, sync::Arc};

use common::port::PortControl;

pub(super) use self::exec::specs;
pub use self::sampler::Sampler;
use crate::{
    host::{DesiredHost, HostState, ShadowTotals, layout::Layout},
    manage::operator::Check,
};

/// What the daemon knows beside the balancer.
#[derive(Default)]
pub struct Machine {
    /// Ports, once the dataplane runs.
    pub ports: Option<Arc<dyn PortControl>>,
    /// Which interface has which id.
    pub layout: Layout,
    /// What the kernel was last told to hold.
    pub desired: DesiredHost,
    /// The kernel.
    pub host: HostState,
    /// Frames between the dataplane and the kernel.
    pub shadows: ShadowTotals,
    /// Rates.
    pub sampler: Sampler,
    /// Tasks and whatever else must hold, beside workers and tables.
    pub checks: Vec<Check>,
    /// The dataplane's library, such as `DPDK 22.11.11`.
    pub library: String,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine")
            .field("layout", &self.layout)
            .field("checks", &self.checks)
            .finish_non_exhaustive()
    }
}
