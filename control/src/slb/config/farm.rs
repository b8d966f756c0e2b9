//! `ip slb serverfarm NAME` and its commands (IOS `config-slb-sfarm`).

use std::net::Ipv4Addr;

use super::{ObjectName, RealConfig};

/// One server farm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FarmConfig {
    /// In upper case, as IOS keeps it.
    pub name: ObjectName,
    /// `nat server`: directed mode, else dispatched.
    pub nat_server: bool,
    /// `nat client POOL`; refused at `inservice` of a virtual server with `service ipmobile`.
    pub nat_client: Option<String>,
    /// How a real is chosen.
    pub predictor: PredictorConfig,
    /// Which DFP weights apply, 0 to 65533.
    pub bindid: u16,
    /// What is asked of each real, in the order of the commands.
    pub probes: Vec<ObjectName>,
    /// `failaction purge`: a failing real's sessions are deleted at once.
    pub purge: bool,
    /// Reals in the order of their creation.
    pub reals: Vec<RealConfig>,
}

/// `predictor`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PredictorConfig {
    /// Weighted round robin in runs.
    #[default]
    RoundRobin,
    /// Least connections; a farm with it cannot serve `ipmobile`.
    LeastConns,
}

impl FarmConfig {
    /// An empty farm.
    pub fn new(name: ObjectName) -> Self {
        Self {
            name,
            nat_server: false,
            nat_client: None,
            predictor: PredictorConfig::default(),
            bindid: 0,
            probes: Vec::new(),
            purge: false,
            reals: Vec::new(),
        }
    }

    /// The real with that address and port.
    pub fn real(&self, address: Ipv4Addr, port: Option<u16>) -> Option<&RealConfig> {
        self.reals.iter().find(|real| real.address == address && real.port == port)
    }

    /// The real with that address and port, made at the end of the list if there is none.
    pub fn real_entry(&mut self, address: Ipv4Addr, port: Option<u16>) -> &mut RealConfig {
        let at = self.reals.iter().position(|real| real.address == address && real.port == port);
        let at = at.unwrap_or_else(|| {
            self.reals.push(RealConfig::new(address, port));
            self.reals.len() - 1
        });
        &mut self.reals[at]
    }
}
