//! Tunnels, each with how many bindings go through it.

use std::{collections::HashMap, net::Ipv4Addr};

use super::{effects::Tunnel, udp_tunnel::Encapsulation};

/// What tells one tunnel from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TunnelEnds {
    /// Our end.
    pub local: Ipv4Addr,
    /// The other end.
    pub remote: Ipv4Addr,
    /// What is put around packets.
    pub encapsulation: Encapsulation,
}

impl From<&Tunnel> for TunnelEnds {
    fn from(tunnel: &Tunnel) -> Self {
        Self { local: tunnel.local, remote: tunnel.remote, encapsulation: tunnel.encapsulation }
    }
}

/// Those in use.
#[derive(Debug, Default)]
pub(super) struct Tunnels(HashMap<TunnelEnds, u32>);

impl Tunnels {
    pub fn enter(&mut self, tunnel: &Tunnel) {
        *self.0.entry(tunnel.into()).or_default() += 1;
    }

    pub fn leave(&mut self, tunnel: &Tunnel) {
        let ends = tunnel.into();
        if let Some(users) = self.0.get_mut(&ends) {
            *users -= 1;
            if *users == 0 {
                self.0.remove(&ends);
            }
        }
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&TunnelEnds, u32)> {
        self.0.iter().map(|(ends, users)| (ends, *users))
    }
}
