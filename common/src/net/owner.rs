//! Whose is an address? One map, to which every subsystem contributes its claims at publication.

use super::AddressMap;
use crate::{
    id::{InterfaceId, VserverId},
    mac::MacAddr,
};

/// Owners by address.
pub type Owners = AddressMap<Owner>;

/// Who takes packets to an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The host itself: handed to the kernel. The interface that holds it.
    Host(InterfaceId),
    /// The same, but packets in tunnels to it are taken out of them: it is the home agent's address.
    TunnelEnd(InterfaceId),
    /// Virtual servers; answered by the dataplane, unknown to the kernel.
    Virtual(VirtualAddress),
}

impl Owner {
    /// The virtual address, if it is one.
    #[inline]
    pub fn as_virtual(&self) -> Option<&VirtualAddress> {
        match self {
            Self::Virtual(address) => Some(address),
            Self::Host(_) | Self::TunnelEnd(_) => None,
        }
    }
}

/// A virtual address with at least one virtual server in service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VirtualAddress {
    /// The interface whose subnet holds the address: ARP is answered there.
    pub interface: Option<InterfaceId>,
    /// The MAC that answers (the interface's, or an HSRP group's).
    pub mac: MacAddr,
    /// Virtual servers at this address, in the order of the configuration.
    pub vservers: Vec<VserverId>,
}
