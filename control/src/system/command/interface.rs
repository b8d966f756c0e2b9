//! `interface` and what stands under it.

use std::net::Ipv4Addr;

use common::{
    config::RssFields,
    net::{ReachableVia, VerifySource},
};
use ipnet::Ipv4Net;

use super::{
    Args, CONFIG, ConfigError, ConfigSpec, EditResult, Form, Forms, INTERFACE, Mode, Position, SUBINTERFACE,
    global::is_host, need,
};
use crate::{
    command::InterfaceName,
    system::{
        InterfaceConfig, SystemConfig,
        config::{DEFAULT_ARP_TIMEOUT, DEFAULT_DESCRIPTORS},
    },
};

/// Interfaces that are ports.
const PORT: &[&Mode] = &[&INTERFACE];
/// Modes of lines that only subinterfaces have.
const SUB: &[&Mode] = &[&SUBINTERFACE];
/// Modes of lines that interfaces and subinterfaces have.
const ANY: &[&Mode] = &[&INTERFACE, &SUBINTERFACE];

/// Most interfaces.
const MOST: usize = 4096;
/// Longest description in characters.
const DESCRIPTION: usize = 240;

pub(super) const SPECS: &[ConfigSpec<SystemConfig>] = &[
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "interface <interface:interface>",
        help: &[("interface", "Select an interface to configure"), ("<interface>", "Type and number")],
        forms: Forms::SetNo,
        run: enter,
    },
    ConfigSpec {
        modes: PORT,
        pattern: "device ~ <device:word>",
        help: &[
            ("device", "The port of this interface"),
            ("<device>", "PCI address, or DPDK device such as net_af_packet0,iface=veth0"),
        ],
        forms: Forms::All,
        run: device,
    },
    ConfigSpec {
        modes: ANY,
        pattern: "description ~ <text:line>",
        help: &[("description", "Interface specific description"), ("<text>", "Up to 240 characters")],
        forms: Forms::All,
        run: description,
    },
    ConfigSpec {
        modes: ANY,
        pattern: "ip address ^ <address:ip> <mask:mask> [secondary]",
        help: &[
            ("address", "Set the IP address of an interface"),
            ("<address>", "IP address"),
            ("<mask>", "IP subnet mask"),
            ("secondary", "Make this IP address a secondary address"),
        ],
        forms: Forms::All,
        run: address,
    },
    ConfigSpec {
        modes: ANY,
        pattern: "ip verify unicast source ~ reachable-via {rx|any} [allow-default]",
        help: &[
            ("verify", "Verify packets that come in"),
            ("unicast", "Unicast reverse path forwarding"),
            ("source", "Their source address"),
            ("reachable-via", "It must be reachable, by the routing table"),
            ("rx", "Through this interface"),
            ("any", "Through any interface"),
            ("allow-default", "The default route counts too"),
        ],
        forms: Forms::All,
        run: verify_source,
    },
    ConfigSpec {
        modes: ANY,
        pattern: "arp timeout ~ <seconds:5-14400>",
        help: &[
            ("arp", "Set how neighbours are resolved"),
            ("timeout", "Set how soon a neighbour that has silently moved is followed"),
            ("<seconds>", "Seconds"),
        ],
        forms: Forms::All,
        run: |c, at, args, form| {
            let seconds = if form.clears() { DEFAULT_ARP_TIMEOUT } else { need(args.int("seconds"))? };
            set_port(c, at, |interface| interface.arp_timeout = seconds)
        },
    },
    ConfigSpec {
        modes: PORT,
        pattern: "mac-address ~ <mac:mac>",
        help: &[("mac-address", "Set the interface's MAC address"), ("<mac>", "48-bit address")],
        forms: Forms::All,
        run: mac,
    },
    ConfigSpec {
        modes: ANY,
        pattern: "mtu ~ <size:576-9600>",
        help: &[("mtu", "Set the interface's Maximum Transmission Unit"), ("<size>", "Bytes")],
        forms: Forms::All,
        run: |c, at, args, form| {
            let size = if form.clears() { None } else { Some(need(args.int("size"))?) };
            set(c, at, |interface| interface.set_mtu(size))
        },
    },
    ConfigSpec {
        modes: SUB,
        pattern: "encapsulation dot1q ~ <vlan:1-4094>",
        help: &[
            ("encapsulation", "Set encapsulation type of the subinterface"),
            ("dot1q", "IEEE 802.1Q Virtual LAN"),
            ("<vlan>", "VLAN ID"),
        ],
        forms: Forms::All,
        run: |c, at, args, form| {
            let vlan = if form.clears() { None } else { Some(need(args.int("vlan"))?) };
            set(c, at, |interface| interface.vlan = vlan)
        },
    },
    ConfigSpec {
        modes: PORT,
        pattern: "{rx-queues|tx-queues} ~ <count:1-64>",
        help: &[
            ("rx-queues", "Receive queues"),
            ("tx-queues", "Transmit queues"),
            ("<count>", "Queues (by default one a worker)"),
        ],
        forms: Forms::All,
        run: |c, at, args, form| {
            let count = if form.clears() { None } else { Some(need(args.int("count"))?) };
            let receive = args.has("rx-queues");
            set_port(c, at, |i| *(if receive { &mut i.rx_queues } else { &mut i.tx_queues }) = count)
        },
    },
    ConfigSpec {
        modes: PORT,
        pattern: "{rx-descriptors|tx-descriptors} ~ <count:64-8192>",
        help: &[
            ("rx-descriptors", "Descriptors of a receive queue"),
            ("tx-descriptors", "Descriptors of a transmit queue"),
            ("<count>", "Descriptors, rounded to what the device takes"),
        ],
        forms: Forms::All,
        run: |c, at, args, form| {
            let count = if form.clears() { DEFAULT_DESCRIPTORS } else { need(args.int("count"))? };
            let receive = args.has("rx-descriptors");
            set_port(c, at, |i| {
                *(if receive { &mut i.rx_descriptors } else { &mut i.tx_descriptors }) = count;
            })
        },
    },
    ConfigSpec {
        modes: PORT,
        pattern: "rss key ~ <key:hex>",
        help: &[
            ("rss", "Receive side scaling"),
            ("key", "Set the hash key"),
            ("<key>", "40 or 52 bytes in hexadecimal"),
        ],
        forms: Forms::All,
        run: rss_key,
    },
    ConfigSpec {
        modes: PORT,
        pattern: "rss ~ {ip|udp|symmetric}",
        help: &[
            ("rss", "Receive side scaling"),
            ("ip", "Hash addresses"),
            ("udp", "Hash addresses and ports"),
            ("symmetric", "Hash both directions of a flow alike"),
        ],
        forms: Forms::All,
        run: |c, at, args, form| {
            let rss = match args.which(&["ip", "symmetric"]) {
                Some("ip") if !form.clears() => RssFields::Ip,
                Some("symmetric") if !form.clears() => RssFields::Symmetric,
                _ => RssFields::Udp,
            };
            set_port(c, at, |interface| interface.rss = rss)
        },
    },
    ConfigSpec {
        modes: ANY,
        pattern: "shutdown",
        help: &[("shutdown", "Shutdown the selected interface")],
        forms: Forms::All,
        run: |c, at, _, form| {
            set(c, at, |interface| {
                interface.shutdown = match form {
                    Form::Set => true,
                    Form::No => false,
                    Form::Default => InterfaceConfig::shut_by_default(interface.name.kind()),
                }
            })
        },
    },
];

fn enter(c: &mut SystemConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let name = need(args.interface("interface"))?;
    if form.clears() {
        c.interfaces.retain(|interface| interface.name != *name);
        return Ok(Vec::new());
    }
    if c.interface(name).is_none() {
        if c.interfaces.len() >= MOST {
            return Err(ConfigError::new(format!("more than {MOST} interfaces")));
        }
        c.interfaces.push(InterfaceConfig::new(name.clone()));
    }
    let mode = if name.sub().is_some() { &SUBINTERFACE } else { &INTERFACE };
    position.enter(mode, name.to_string());
    Ok(Vec::new())
}

/// The interface that the session edits.
fn current<'c>(c: &'c mut SystemConfig, position: &Position) -> Result<&'c mut InterfaceConfig, ConfigError> {
    let key = position.key(&INTERFACE).or_else(|| position.key(&SUBINTERFACE));
    let name: Option<InterfaceName> = key.and_then(|key| key.parse().ok());
    let found = c.interfaces.iter_mut().find(|interface| Some(&interface.name) == name.as_ref());
    found.ok_or_else(|| ConfigError::new("The interface no longer exists"))
}

fn set(c: &mut SystemConfig, position: &Position, change: impl FnOnce(&mut InterfaceConfig)) -> EditResult {
    change(current(c, position)?);
    Ok(Vec::new())
}

/// As [`set`], of what only a port has.
fn set_port(
    c: &mut SystemConfig,
    position: &Position,
    change: impl FnOnce(&mut InterfaceConfig),
) -> EditResult {
    let interface = current(c, position)?;
    if interface.is_loopback() {
        return Err(ConfigError::new(format!("{} has no device", interface.name)));
    }
    change(interface);
    Ok(Vec::new())
}

fn device(c: &mut SystemConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let device = if form.clears() { None } else { Some(need(args.text("device"))?.to_owned()) };
    set_port(c, position, |interface| interface.device = device)
}

fn description(c: &mut SystemConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let text = if form.clears() { None } else { Some(need(args.text("text"))?.to_owned()) };
    if text.as_ref().is_some_and(|text| text.chars().count() > DESCRIPTION) {
        return Err(ConfigError::new(format!("description is longer than {DESCRIPTION} characters")));
    }
    set(c, position, |interface| interface.description = text)
}

fn mac(c: &mut SystemConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let mac = if form.clears() { None } else { Some(need(args.mac("mac"))?) };
    if mac.is_some_and(|mac| mac.is_multicast() || mac.0 == [0; 6]) {
        return Err(ConfigError::new("Invalid MAC address"));
    }
    set_port(c, position, |interface| interface.mac = mac)
}

fn rss_key(c: &mut SystemConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let key = if form.clears() { None } else { Some(need(args.bytes("key"))?.to_vec()) };
    if key.as_ref().is_some_and(|key| key.len() != 40 && key.len() != 52) {
        return Err(ConfigError::new("rss key needs 40 or 52 bytes"));
    }
    set_port(c, position, |interface| interface.rss_key = key)
}

fn address(c: &mut SystemConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let interface = current(c, position)?;
    let given = match (args.ip("address"), args.ip("mask")) {
        (Some(address), Some(mask)) => Some(subnet(address, mask)?),
        _ => None,
    };
    let Some(given) = given else {
        interface.address = None;
        interface.secondary.clear();
        return Ok(Vec::new());
    };
    let secondary = args.has("secondary");
    match (form.clears(), secondary) {
        (true, true) => interface.secondary.retain(|known| *known != given),
        (true, false) if interface.address != Some(given) => {
            return Err(ConfigError::new("Invalid address"));
        }
        (true, false) if !interface.secondary.is_empty() => {
            return Err(ConfigError::new("Must delete secondary before deleting primary"));
        }
        (true, false) => interface.address = None,
        (false, true) if interface.address.is_none() => {
            return Err(ConfigError::new("Primary address must be set before secondary"));
        }
        (false, true) if interface.secondary.contains(&given) => {}
        (false, true) => interface.secondary.push(given),
        (false, false) => interface.address = Some(given),
    }
    Ok(Vec::new())
}

fn verify_source(c: &mut SystemConfig, position: &mut Position, args: &Args, form: Form) -> EditResult {
    let via = if args.has("any") { ReachableVia::Any } else { ReachableVia::Rx };
    let verify = VerifySource { via, allow_default: args.has("allow-default") };
    set_port(c, position, |interface| interface.verify_source = (!form.clears()).then_some(verify))
}

/// An address with its subnet, if a host can have it there.
fn subnet(address: Ipv4Addr, mask: Ipv4Addr) -> Result<Ipv4Net, ConfigError> {
    let bad = |length: u8| ConfigError::new(format!("Bad mask /{length} for address {address}"));
    let net = Ipv4Net::with_netmask(address, mask).map_err(|_| bad(0))?;
    let reserved = net.prefix_len() < 31 && (net.network() == address || net.broadcast() == address);
    if net.prefix_len() == 0 || reserved || !is_host(address) || address.is_loopback() {
        return Err(bad(net.prefix_len()));
    }
    Ok(net)
}
