//! The kernel never holds a virtual address: it would answer ARP, ping and requests for it beside the workers.

use std::net::Ipv4Addr;

use super::view::HostState;

/// A virtual address is also an address of the kernel.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "virtual address {address} is configured on the kernel device {device}, which would answer for it: remove it \
     there (ip address delete {address} dev {device}), or choose another"
)]
pub struct VirtualAddressHeld {
    /// As the kernel holds it.
    pub address: Ipv4Addr,
    /// Kernel name of the device.
    pub device: String,
}

/// Every address that the kernel holds and that `is_virtual`, by device and address.
pub fn held(state: &HostState, is_virtual: impl Fn(Ipv4Addr) -> bool) -> Vec<VirtualAddressHeld> {
    let mut found: Vec<_> = state
        .addresses
        .iter()
        .filter(|known| is_virtual(known.net.addr()))
        .map(|known| VirtualAddressHeld { address: known.net.addr(), device: known.device.clone() })
        .collect();
    found.sort_by(|a, b| (&a.device, a.address).cmp(&(&b.device, b.address)));
    found
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{super::view::KernelAddress, *};

    #[test]
    fn a_virtual_address_in_the_kernel_is_named_with_its_device() {
        let known = |device: &str, net: &str| KernelAddress {
            device: device.to_owned(),
            interface: None,
            net: net.parse().unwrap(),
            secondary: false,
        };
        let state = HostState {
            addresses: vec![known("lo", "127.0.0.1/8"), known("Et0", "10.1.1.10/24")],
            ..HostState::default()
        };
        let vips = BTreeSet::from([Ipv4Addr::new(10, 1, 1, 10), Ipv4Addr::new(10, 1, 1, 11)]);
        let found = held(&state, |address| vips.contains(&address));
        assert_eq!(found.len(), 1);
        assert!(found[0].to_string().contains("ip address delete 10.1.1.10 dev Et0"));
    }
}
