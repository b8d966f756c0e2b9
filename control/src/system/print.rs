//! The system part of `show running-config`: only what differs from the defaults.

use std::fmt::{self, Write};

use common::{
    config::{Hugepages, Poll, RssFields},
    net::VerifySource,
};
use ipnet::Ipv4Net;

use super::config::{
    AccessListConfig, DEFAULT_ARP_TIMEOUT, DEFAULT_DESCRIPTORS, DataplaneSettings, InterfaceConfig, Logging,
    StaticNextHop, SystemConfig, Workers, reachable_via,
};
use crate::{
    command::{ConfigWriter, print_cpus, rank},
    health::HealthSettings,
    manage::{connections::ConnectionLimits, http_access::HttpAccess},
    protocol::{LoggingLevel, Management, Settings},
};

/// Writes the part's text.
pub fn print(system: &SystemConfig, out: &mut ConfigWriter) {
    // Writing to a string cannot fail.
    let _ = write(system, out);
}

fn write(system: &SystemConfig, out: &mut ConfigWriter) -> fmt::Result {
    out.lines(rank::GLOBAL);
    if system.hostname != Settings::DEFAULT_HOSTNAME {
        writeln!(out, "hostname {}", system.hostname)?;
    }
    out.lines(rank::SERVICES);
    if system.debug_milliseconds {
        writeln!(out, "service timestamps debug datetime msec")?;
    }
    if system.password_encryption {
        writeln!(out, "service password-encryption")?;
    }
    out.lines(rank::LOGGING);
    let standard = Logging::default();
    if system.logging.level != standard.level {
        let word = LoggingLevel::WORDS.iter().find(|(_, level)| *level == system.logging.level);
        writeln!(out, "logging level {}", word.map_or("informational", |(word, _)| word))?;
    }
    if system.logging.buffered != standard.buffered {
        writeln!(out, "logging buffered {}", system.logging.buffered)?;
    }
    write_dataplane(&system.dataplane, out)?;
    system.interfaces.iter().try_for_each(|interface| write_interface(interface, out))?;
    out.lines(rank::ROUTES);
    for route in &system.routes {
        write!(out, "ip route {} {} ", route.prefix.addr(), route.prefix.netmask())?;
        match &route.next_hop {
            StaticNextHop::Address(address) => write!(out, "{address}")?,
            StaticNextHop::Interface(name) => write!(out, "{name}")?,
            StaticNextHop::Null => write!(out, "Null0")?,
        }
        if route.distance != 1 {
            write!(out, " {}", route.distance)?;
        }
        writeln!(out)?;
    }
    out.lines(rank::ARP);
    for neighbour in &system.neighbours {
        writeln!(out, "arp {} {}", neighbour.address, neighbour.mac)?;
    }
    system.access_lists.iter().try_for_each(|list| write_access_list(list, out))?;
    write_management(&system.management, &system.health, out)
}

/// In single lines if these give the entries the numbers that they have.
fn write_access_list(list: &AccessListConfig, out: &mut ConfigWriter) -> fmt::Result {
    let AccessListConfig { name, kind, entries } = list;
    if name.is_number() && !entries.is_empty() && list.has_default_sequence() {
        out.lines(rank::ACCESS_LISTS);
        return entries
            .iter()
            .try_for_each(|entry| writeln!(out, "access-list {name} {}", entry.rule.text(*kind)));
    }
    out.block(rank::NAMED_ACCESS_LISTS);
    writeln!(out, "ip access-list {} {name}", kind.keyword())?;
    entries.iter().try_for_each(|entry| writeln!(out, " {} {}", entry.sequence, entry.rule.text(*kind)))
}

fn write_dataplane(settings: &DataplaneSettings, out: &mut ConfigWriter) -> fmt::Result {
    let standard = DataplaneSettings::default();
    if *settings == standard {
        return Ok(());
    }
    out.block(rank::DATAPLANE);
    writeln!(out, "dataplane")?;
    match &settings.workers {
        Workers::Count(1) => {}
        Workers::Count(count) => writeln!(out, " workers {count}")?,
        Workers::Cores(cores) => writeln!(out, " cores {}", print_cpus(cores))?,
    }
    if settings.sessions != standard.sessions {
        writeln!(out, " sessions {}", settings.sessions)?;
    }
    match settings.hugepages {
        Hugepages::Auto => {}
        Hugepages::Required => writeln!(out, " hugepages required")?,
        Hugepages::Off => writeln!(out, " hugepages off")?,
    }
    if let Some(memory) = settings.memory_mb {
        writeln!(out, " memory {memory}")?;
    }
    match settings.poll {
        Poll::Adaptive => {}
        Poll::Always => writeln!(out, " poll always")?,
    }
    if let Some(eal) = &settings.eal {
        writeln!(out, " eal {eal}")?;
    }
    Ok(())
}

fn write_interface(interface: &InterfaceConfig, out: &mut ConfigWriter) -> fmt::Result {
    out.block(rank::INTERFACES);
    writeln!(out, "interface {}", interface.name)?;
    if let Some(text) = &interface.description {
        writeln!(out, " description {text}")?;
    }
    if let Some(device) = &interface.device {
        writeln!(out, " device {device}")?;
    }
    if let Some(vlan) = interface.vlan {
        writeln!(out, " encapsulation dot1q {vlan}")?;
    }
    if let Some(mac) = interface.mac {
        writeln!(out, " mac-address {mac}")?;
    }
    if let Some(mtu) = interface.mtu {
        writeln!(out, " mtu {mtu}")?;
    }
    if let Some(address) = interface.address {
        write_address(address, "", out)?;
    }
    for &address in &interface.secondary {
        write_address(address, " secondary", out)?;
    }
    if let Some(VerifySource { via, allow_default }) = interface.verify_source {
        let via = reachable_via(via);
        let default = if allow_default { " allow-default" } else { "" };
        writeln!(out, " ip verify unicast source reachable-via {via}{default}")?;
    }
    if interface.arp_timeout != DEFAULT_ARP_TIMEOUT {
        writeln!(out, " arp timeout {}", interface.arp_timeout)?;
    }
    for (keyword, queues) in [("rx-queues", interface.rx_queues), ("tx-queues", interface.tx_queues)] {
        if let Some(queues) = queues {
            writeln!(out, " {keyword} {queues}")?;
        }
    }
    let descriptors =
        [("rx-descriptors", interface.rx_descriptors), ("tx-descriptors", interface.tx_descriptors)];
    for (keyword, descriptors) in descriptors {
        if descriptors != DEFAULT_DESCRIPTORS {
            writeln!(out, " {keyword} {descriptors}")?;
        }
    }
    match interface.rss {
        RssFields::Udp => {}
        RssFields::Ip => writeln!(out, " rss ip")?,
        RssFields::Symmetric => writeln!(out, " rss symmetric")?,
    }
    if let Some(key) = &interface.rss_key {
        write!(out, " rss key ")?;
        key.iter().try_for_each(|byte| write!(out, "{byte:02x}"))?;
        writeln!(out)?;
    }
    if interface.shutdown != InterfaceConfig::shut_by_default(interface.name.kind()) {
        writeln!(out, " {}shutdown", if interface.shutdown { "" } else { "no " })?;
    }
    Ok(())
}

fn write_address(address: Ipv4Net, tail: &str, out: &mut ConfigWriter) -> fmt::Result {
    writeln!(out, " ip address {} {}{tail}", address.addr(), address.netmask())
}

fn write_management(management: &Management, health: &HealthSettings, out: &mut ConfigWriter) -> fmt::Result {
    let standard = Management::default();
    if *management == standard && *health == HealthSettings::default() {
        return Ok(());
    }
    out.block(rank::MANAGEMENT);
    writeln!(out, "management")?;
    let ours = (&management.socket, &management.group, management.mode);
    if ours != (&standard.socket, &standard.group, standard.mode) {
        write!(out, " socket {}", management.socket.display())?;
        if let Some(group) = &management.group {
            write!(out, " group {group}")?;
        }
        if management.mode != Management::DEFAULT_MODE {
            write!(out, " mode {:04o}", management.mode)?;
        }
        writeln!(out)?;
    }
    if let Some(http) = management.http {
        let access = match &management.http_access {
            HttpAccess::Local => String::new(),
            HttpAccess::Token(file) => format!(" token {}", file.display()),
            HttpAccess::Unsafe => " unsafe".into(),
        };
        writeln!(out, " http {http}{access}")?;
    }
    let ConnectionLimits { total, per_source } = management.http_connections;
    if management.http_connections != standard.http_connections {
        writeln!(out, " http max-connections {total} per-source {per_source}")?;
    }
    if management.exec_timeout != standard.exec_timeout {
        let seconds = management.exec_timeout.as_secs();
        writeln!(out, " exec-timeout {} {}", seconds / 60, seconds % 60)?;
    }
    health.print(out)
}
