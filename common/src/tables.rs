//! The tables that workers and control share, one field a subsystem.

use std::sync::Arc;

use crate::{
    config::Hugepages,
    mobile::{Bindings, MobileTables},
    slb::{Balancer, SessionKey},
    table::{CapacityError, TableUsage},
};

/// Made once at start; every worker, every stage and control has the same.
#[derive(Clone, Debug)]
pub struct Tables {
    /// Sessions of mobile nodes.
    pub slb: Arc<Balancer>,
    /// Of mobile nodes; none: there is no home agent.
    pub mobile: Option<Arc<MobileTables>>,
}

impl Tables {
    /// Of what was made for each subsystem.
    pub fn new(slb: Balancer) -> Self {
        Self { slb: Arc::new(slb), mobile: None }
    }

    /// The same with those of a home agent.
    #[must_use]
    pub fn with_mobile(mut self, mobile: MobileTables) -> Self {
        self.mobile = Some(Arc::new(mobile));
        self
    }

    /// The smallest ones, with keys that everybody knows: for state machines that run without workers.
    ///
    /// # Errors
    /// There is no memory for them.
    pub fn smallest(workers: u8) -> Result<Self, CapacityError> {
        Ok(Self::new(Balancer::new(1024, Hugepages::Off, workers, SessionKey::new([0; 16]))?))
    }

    /// How full each is.
    pub fn usage(&self) -> Vec<TableUsage> {
        let mobile = self.mobile.iter().map(|mobile| mobile.bindings.usage());
        [self.slb.usage()].into_iter().chain(mobile).collect()
    }

    /// The same without the counts, for one burst.
    #[inline(always)]
    pub fn by_ref(&self) -> TablesRef<'_> {
        TablesRef { slb: &self.slb, mobile: self.mobile.as_ref().map(|tables| &tables.bindings) }
    }
}

/// The tables as a stage sees them: each is one pointer away.
#[derive(Clone, Copy, Debug)]
pub struct TablesRef<'a> {
    /// Sessions of mobile nodes.
    pub slb: &'a Balancer,
    /// Tunnels to mobile nodes; none: there is no home agent.
    pub mobile: Option<&'a Bindings>,
}
