//! What the kernel is told when the configuration changes, whichever way.

use super::{Harness, SYSTEM_LINES};
use crate::{host::DesiredHost, protocol::Effect};

/// What the kernel shall hold, if it was told since the last call.
fn told(harness: &mut Harness) -> Option<DesiredHost> {
    let effects = harness.core.take_effects().into_iter();
    effects.rev().find_map(|effect| if let Effect::Host(desired) = effect { Some(desired) } else { None })
}

#[test]
fn addresses_and_routes_reach_the_kernel_from_a_shell_and_from_a_file() {
    let mut harness = Harness::new("");
    told(&mut harness);
    harness.configure("ip route 20.0.0.0 255.0.0.0 10.1.1.2");
    let desired = told(&mut harness).expect("a route");
    assert_eq!(desired.routes[0].prefix.to_string(), "20.0.0.0/8");
    harness.configure("interface Ethernet0\nip address 10.1.1.7 255.255.255.0 secondary");
    let desired = told(&mut harness).expect("an address");
    assert_eq!(desired.interfaces[0].addresses[1].to_string(), "10.1.1.7/24");
    harness.configure("arp 10.1.1.8 0200.5e00.0008");
    assert_eq!(told(&mut harness).expect("a neighbour").neighbours.len(), 1);
    // The file has none of it, and another route.
    let text = format!("{SYSTEM_LINES}ip route 30.0.0.0 255.0.0.0 10.1.1.2\n");
    harness.apply_file("reloaded.conf", &text).unwrap();
    let desired = told(&mut harness).expect("the file's");
    assert_eq!(
        desired.routes.iter().map(|route| route.prefix.to_string()).collect::<Vec<_>>(),
        ["30.0.0.0/8"]
    );
    assert_eq!((desired.interfaces[0].addresses.len(), desired.neighbours.len()), (1, 0));
    harness.configure("no ip route 30.0.0.0 255.0.0.0 10.1.1.2");
    assert!(told(&mut harness).expect("no route").routes.is_empty());
}
