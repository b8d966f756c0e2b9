//! What the `ip slb` part of the configuration says, as plain data in the order in which it was made.

mod farm;
mod name;
mod print;
mod probe;
mod real;
mod vserver;

#[cfg(test)]
mod tests;

use std::net::SocketAddrV4;

pub use farm::{FarmConfig, PredictorConfig};
pub use name::{ObjectName, ParseNameError};
pub use probe::{Bytes, Exchange, ProbeConfig, ProbeKind, Script, UdpRequest};
pub use real::{FailDetect, RealConfig, Reassign};
pub use vserver::{
    FarmChoice, Replicate, ServiceKind, Sticky, SynGuard, Transport, VirtualConfig, VserverConfig,
};

/// All of `ip slb`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlbConfig {
    /// Probes in the order of their creation.
    pub probes: Vec<ProbeConfig>,
    /// Server farms in the order of their creation.
    pub farms: Vec<FarmConfig>,
    /// Virtual servers in the order of their creation.
    pub vservers: Vec<VserverConfig>,
}

impl SlbConfig {
    /// The farm of that name.
    pub fn farm(&self, name: &ObjectName) -> Option<&FarmConfig> {
        self.farms.iter().find(|farm| farm.name == *name)
    }

    /// The farm of that name, made at the end of the list if there is none.
    pub fn farm_entry(&mut self, name: &ObjectName) -> &mut FarmConfig {
        let at = self.farms.iter().position(|farm| farm.name == *name).unwrap_or_else(|| {
            self.farms.push(FarmConfig::new(name.clone()));
            self.farms.len() - 1
        });
        &mut self.farms[at]
    }

    /// The probe of that name.
    pub fn probe(&self, name: &ObjectName) -> Option<&ProbeConfig> {
        self.probes.iter().find(|probe| probe.name == *name)
    }

    /// The virtual server of that name.
    pub fn vserver(&self, name: &ObjectName) -> Option<&VserverConfig> {
        self.vservers.iter().find(|vserver| vserver.name == *name)
    }

    /// The virtual server of that name, made at the end of the list if there is none.
    pub fn vserver_entry(&mut self, name: &ObjectName) -> &mut VserverConfig {
        let at = self.vservers.iter().position(|vserver| vserver.name == *name).unwrap_or_else(|| {
            self.vservers.push(VserverConfig::new(name.clone()));
            self.vservers.len() - 1
        });
        &mut self.vservers[at]
    }

    /// Whom a probe asks for a real of a farm; port 0 where it has none, or a script may do without. `None`: no port is known.
    pub fn probed(&self, probe: &ProbeConfig, farm: &FarmConfig, real: &RealConfig) -> Option<SocketAddrV4> {
        let address = probe.address.unwrap_or(real.address);
        if probe.kind == ProbeKind::Ping {
            return Some(SocketAddrV4::new(address, 0));
        }
        let users = self.vservers.iter().filter(|vserver| vserver.farms().any(|name| *name == farm.name));
        let service = || {
            users.filter_map(|vserver| vserver.address).map(|address| address.port).find(|port| *port != 0)
        };
        let port = probe.port.or(real.port).or_else(service);
        let port = if let ProbeKind::Script(_) = probe.kind { port.unwrap_or(0) } else { port? };
        Some(SocketAddrV4::new(address, port))
    }

    /// True while a virtual server names the farm, as primary or backup.
    pub fn is_farm_used(&self, name: &ObjectName) -> bool {
        self.vservers.iter().any(|vserver| vserver.farms().any(|used| used == name))
    }

    /// True while a virtual server in service names the farm.
    pub fn is_farm_in_service(&self, name: &ObjectName) -> bool {
        self.vservers.iter().any(|vserver| vserver.inservice && vserver.farms().any(|used| used == name))
    }
}
