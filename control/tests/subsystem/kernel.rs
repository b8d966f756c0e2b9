//! What the kernel and the port say of Ethernet0.

use common::{
    id::InterfaceId,
    mac::MacAddr,
    net::{Route, Routes},
};
use control::host::{
    HostState, PortState,
    view::{KernelAddress, ShadowLink},
};

/// Ethernet0 is 10.1.1.1/24.
pub const INTERFACE: &str =
    "interface Ethernet0\n device net_null0\n ip address 10.1.1.1 255.255.255.0\n no shutdown\n!\n";

/// Its port.
pub const PORT: PortState = PortState { mac: MacAddr([2, 0, 0, 0, 0, 1]), mtu: 1500, link_up: true };

/// The kernel with its address.
pub fn state() -> HostState {
    let mut routes = Routes::default();
    routes.insert("10.1.1.0/24".parse().unwrap(), Route::Connected(InterfaceId(0)));
    let mut host = HostState { generation: 1, routes, ..HostState::default() };
    let device = "Et0".to_owned();
    host.addresses.push(KernelAddress {
        device: device.clone(),
        interface: Some(InterfaceId(0)),
        net: "10.1.1.1/24".parse().unwrap(),
        secondary: false,
    });
    let link = ShadowLink { device, index: 10, up: true, running: true, mtu: 1500, mac: PORT.mac };
    host.links.insert(InterfaceId(0), link);
    host
}
