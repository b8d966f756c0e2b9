//! What no single line of the system part can see.

use std::collections::BTreeMap;

use super::config::SystemConfig;
use crate::command::{ConfigError, InterfaceName};

/// Most ports (`RTE_MAX_ETHPORTS`).
const MAX_PORTS: usize = 32;

/// Every reason for which the system part as a whole is refused.
pub fn check(system: &SystemConfig) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    devices(system, &mut errors);
    subinterfaces(system, &mut errors);
    addresses(system, &mut errors);
    errors
}

/// The parts of a device string by which two of them are the same port: its name, and the kernel device under it.
fn identities(device: &str) -> impl Iterator<Item = String> {
    let name = device.split(',').next().unwrap_or(device).to_ascii_lowercase();
    // `3b:00.0` is `0000:3b:00.0`.
    let short_pci = name.len() == 7 && name.as_bytes()[2] == b':' && name.as_bytes()[5] == b'.';
    let name = if short_pci { format!("0000:{name}") } else { name };
    let kernel = device.split(',').skip(1).find(|part| part.starts_with("iface=")).map(str::to_owned);
    std::iter::once(name).chain(kernel)
}

fn devices(system: &SystemConfig, errors: &mut Vec<ConfigError>) {
    let mut used: BTreeMap<String, &InterfaceName> = BTreeMap::new();
    for (_, interface, device) in system.ports() {
        let other = identities(device).find_map(|identity| used.get(&identity).copied());
        if let Some(other) = other {
            errors
                .push(ConfigError::new(format!("{}: device {device} is in use by {other}", interface.name)));
        }
        for identity in identities(device) {
            used.entry(identity).or_insert(&interface.name);
        }
    }
    if system.ports().count() > MAX_PORTS {
        errors.push(ConfigError::new(format!("more than {MAX_PORTS} devices")));
    }
}

fn subinterfaces(system: &SystemConfig, errors: &mut Vec<ConfigError>) {
    let mut used: BTreeMap<(InterfaceName, u16), &InterfaceName> = BTreeMap::new();
    for interface in &system.interfaces {
        let (Some(parent), Some(vlan)) = (interface.name.parent(), interface.vlan) else {
            continue;
        };
        if system.interface(&parent).is_none_or(|parent| parent.device.is_none()) {
            errors.push(ConfigError::new(format!("{}: {parent} has no device", interface.name)));
        }
        if let Some(other) = used.insert((parent, vlan), &interface.name) {
            errors.push(ConfigError::new(format!("{}: VLAN {vlan} is in use by {other}", interface.name)));
        }
    }
}

fn addresses(system: &SystemConfig, errors: &mut Vec<ConfigError>) {
    let mut used = BTreeMap::new();
    for interface in &system.interfaces {
        for address in interface.addresses() {
            if let Some(other) = used.insert(address.addr(), &interface.name) {
                let text = format!("{}: address {} is in use by {other}", interface.name, address.addr());
                errors.push(ConfigError::new(text));
            }
        }
    }
}

/// What of `next` a running director cannot take on, in words.
pub fn restart_needed(now: &SystemConfig, next: &SystemConfig) -> Vec<&'static str> {
    let (old, new) = (now.dataplane_config(), next.dataplane_config());
    let changes = [
        (old.workers != new.workers || old.cores != new.cores, "workers"),
        (old.sessions != new.sessions, "session capacity"),
        (old.hugepages != new.hugepages || old.memory_mb != new.memory_mb, "memory"),
        (old.poll != new.poll, "poll"),
        (old.eal != new.eal, "eal"),
        (old.ports != new.ports, "devices"),
        (now.management != next.management, "management"),
    ];
    changes.into_iter().filter(|(changed, _)| *changed).map(|(_, what)| what).collect()
}
