//! What subsystems claim of what all of them share, so that one can see a conflict without knowing the other.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// All claims of one configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    subnets: Vec<Ipv4Net>,
}

impl Claims {
    /// An interface has this address on this subnet.
    pub fn interface_address(&mut self, address: Ipv4Net) {
        self.subnets.push(address);
    }

    /// Addresses of interfaces with their subnets, in the order of the configuration.
    pub fn subnets(&self) -> &[Ipv4Net] {
        &self.subnets
    }

    /// True if an interface has this address.
    pub fn is_interface_address(&self, address: Ipv4Addr) -> bool {
        self.subnets.iter().any(|subnet| subnet.addr() == address)
    }
}
