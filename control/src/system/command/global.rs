//! Host name, services, logging, static routes and neighbours.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

use super::{Args, CONFIG, ConfigError, ConfigSpec, EditResult, Form, Forms, Position, need};
use crate::{
    protocol::LoggingLevel,
    system::{Logging, StaticNeighbour, StaticNextHop, StaticRoute, SystemConfig},
};

/// Most static routes, and most static neighbours.
const MOST: usize = 10_000;

pub(super) const SPECS: &[ConfigSpec<SystemConfig>] = &[
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "hostname ~ <name:host>",
        help: &[("hostname", "Set system's network name"), ("<name>", "This system's network name")],
        forms: Forms::All,
        run: hostname,
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "service password-encryption",
        help: &[("service", "Modify use of services"), ("password-encryption", "Encrypt system passwords")],
        forms: Forms::All,
        run: |c, _, _, form| {
            c.password_encryption = !form.clears();
            Ok(Vec::new())
        },
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "service timestamps debug datetime ~ msec",
        help: &[
            ("service", "Modify use of services"),
            ("timestamps", "Timestamp debug messages"),
            ("debug", "Timestamp debug messages"),
            ("datetime", "Timestamp with date and time"),
            ("msec", "Include milliseconds in timestamp"),
        ],
        forms: Forms::All,
        run: |c, _, _, form| {
            c.debug_milliseconds = !form.clears();
            Ok(Vec::new())
        },
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "logging level ~ {error|warning|informational|debugging}",
        help: &[
            ("logging", "Modify message logging"),
            ("level", "What is logged"),
            ("error", "Errors only"),
            ("warning", "Warnings too"),
            ("informational", "What happens, too"),
            ("debugging", "Everything"),
        ],
        forms: Forms::All,
        run: level,
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "logging buffered ~ <lines:16-65536>",
        help: &[
            ("logging", "Modify message logging"),
            ("buffered", "Lines that 'show logging' keeps"),
            ("<lines>", "Lines"),
        ],
        forms: Forms::All,
        run: |c, _, args, form| {
            c.logging.buffered =
                if form.clears() { Logging::default().buffered } else { need(args.int("lines"))? };
            Ok(Vec::new())
        },
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "ip route <net:ip> <mask:mask> ^ {<gateway:ip>|null0|<interface:interface>} ~ [<distance:1-255>]",
        help: &[
            ("route", "Establish static routes"),
            ("<net>", "Destination prefix"),
            ("<mask>", "Destination prefix mask"),
            ("<gateway>", "Forwarding router's address"),
            ("null0", "Discard"),
            ("<interface>", "Interface that the destination is on"),
            ("<distance>", "Distance metric for this route"),
        ],
        forms: Forms::SetNo,
        run: route,
    },
    ConfigSpec {
        modes: &[&CONFIG],
        pattern: "arp <address:ip> ~ <mac:mac>",
        help: &[
            ("arp", "Set a static ARP entry"),
            ("<address>", "IP address of ARP entry"),
            ("<mac>", "48-bit hardware address of ARP entry"),
        ],
        forms: Forms::SetNo,
        run: arp,
    },
];

fn hostname(c: &mut SystemConfig, _: &mut Position, args: &Args, form: Form) -> EditResult {
    c.hostname =
        if form.clears() { SystemConfig::default().hostname } else { need(args.text("name"))?.to_owned() };
    Ok(Vec::new())
}

fn level(c: &mut SystemConfig, _: &mut Position, args: &Args, form: Form) -> EditResult {
    let named = LoggingLevel::WORDS.iter().find(|(word, _)| args.has(word)).map(|(_, level)| *level);
    c.logging.level = named.filter(|_| !form.clears()).unwrap_or_default();
    Ok(Vec::new())
}

fn route(c: &mut SystemConfig, _: &mut Position, args: &Args, form: Form) -> EditResult {
    let (net, mask) = (need(args.ip("net"))?, need(args.ip("mask"))?);
    let prefix = Ipv4Net::with_netmask(net, mask).map_err(|_| inconsistent())?;
    if prefix.network() != net {
        return Err(inconsistent());
    }
    let next_hop = match (args.ip("gateway"), args.interface("interface")) {
        (Some(address), _) => Some(StaticNextHop::Address(address)),
        (_, Some(name)) => Some(StaticNextHop::Interface(name.clone())),
        _ => args.has("null0").then_some(StaticNextHop::Null),
    };
    let routes = &mut c.routes;
    if form.clears() {
        let before = routes.len();
        routes.retain(|r| r.prefix != prefix || next_hop.as_ref().is_some_and(|hop| r.next_hop != *hop));
        return if routes.len() < before {
            Ok(Vec::new())
        } else {
            Err(ConfigError::new("No matching route to delete"))
        };
    }
    let next_hop = need(next_hop)?;
    if matches!(next_hop, StaticNextHop::Address(address) if !is_host(address)) {
        return Err(ConfigError::new("Invalid next hop address"));
    }
    let distance = args.int("distance").unwrap_or(1);
    let full = routes.len() >= MOST;
    match routes.iter_mut().find(|r| r.prefix == prefix && r.next_hop == next_hop) {
        Some(known) => known.distance = distance,
        None if full => {
            return Err(ConfigError::new(format!("more than {MOST} static routes")));
        }
        None => routes.push(StaticRoute { prefix, next_hop, distance }),
    }
    Ok(Vec::new())
}

fn inconsistent() -> ConfigError {
    ConfigError::new("Inconsistent address and mask")
}

/// True for an address that one host can have.
pub(super) fn is_host(address: Ipv4Addr) -> bool {
    !address.is_multicast()
        && !address.is_broadcast()
        && address.octets()[0] != 0
        && address.octets()[0] < 240
}

fn arp(c: &mut SystemConfig, _: &mut Position, args: &Args, form: Form) -> EditResult {
    let address = need(args.ip("address"))?;
    let neighbours = &mut c.neighbours;
    if form.clears() {
        neighbours.retain(|neighbour| neighbour.address != address);
        return Ok(Vec::new());
    }
    let mac = need(args.mac("mac"))?;
    if !is_host(address) || mac.is_multicast() {
        return Err(ConfigError::new("Invalid ARP entry"));
    }
    let full = neighbours.len() >= MOST;
    match neighbours.iter_mut().find(|neighbour| neighbour.address == address) {
        Some(known) => known.mac = mac,
        None if full => {
            return Err(ConfigError::new(format!("more than {MOST} static ARP entries")));
        }
        None => neighbours.push(StaticNeighbour { address, mac }),
    }
    Ok(Vec::new())
}
