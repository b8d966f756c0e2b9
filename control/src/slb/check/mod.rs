//! Checks of a whole configuration before it is put into service: which refusal, in which words.

mod probes;

use std::{collections::HashMap, fmt, net::Ipv4Addr};

use common::id::MAX_REALS;
use ipnet::Ipv4Net;

use crate::{
    command::ConfigError,
    launcher::ScriptNameError,
    slb::config::{
        ObjectName, PredictorConfig, ProbeConfig, ServiceKind, SlbConfig, Transport, VirtualConfig,
        VserverConfig,
    },
};

/// Shortest prefix of a `virtual` address range: each address is answered for by itself.
pub const SHORTEST_VIRTUAL_PREFIX: u8 = 24;

/// Most server farms.
pub const MAX_FARMS: usize = 1024;

/// Most virtual servers.
pub const MAX_VSERVERS: usize = 1024;

/// Most probes: each has a socket.
pub const MAX_PROBES: usize = 64;

/// Why `ip slb` settings are refused; the text follows `% SLB: `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// `inservice` before `virtual`.
    #[error("virtual server {0} has no virtual address")]
    NoVirtual(ObjectName),
    /// `inservice` before `serverfarm`, or the farm does not exist.
    #[error("virtual server {0} has no server farm")]
    NoFarm(ObjectName),
    /// Two virtual servers in service would match the same packets.
    #[error("virtual address {address}:{port} is in use by {by}")]
    AddressInUse {
        /// That both match.
        address: Ipv4Addr,
        /// 0: any.
        port: u16,
        /// Who has it.
        by: ObjectName,
    },
    /// `virtual ... tcp ... service ipmobile`.
    #[error("service ipmobile requires udp")]
    NotUdp,
    /// `predictor leastconns` of a farm in use.
    #[error("predictor leastconns is not supported with service ipmobile")]
    LeastConns,
    /// `nat client` of a farm in use.
    #[error("client NAT is not supported with service ipmobile")]
    ClientNat,
    /// `sticky`, `synguard`, `replicate`.
    #[error("{0} is not supported with service ipmobile")]
    WithIpMobile(&'static str),
    /// `virtual` or `serverfarm` changed while in service.
    #[error("virtual server {0} must be out of service")]
    MustBeOut(ObjectName),
    /// A virtual address is an interface's own.
    #[error("virtual address {0} is an interface address")]
    InterfaceAddress(Ipv4Addr),
    /// A real of a farm in use is a virtual address.
    #[error("real {0} is a virtual address")]
    RealIsVirtual(Ipv4Addr),
    /// `no ip slb serverfarm` of a farm that a virtual server names.
    #[error("server farm {0} is in use")]
    FarmInUse(ObjectName),
    /// `real IP PORT` without `nat server`.
    #[error("real {0} has a port; a port needs nat server")]
    PortWithoutNat(Ipv4Addr),
    /// The primary farm as its own backup.
    #[error("server farm {0} cannot be its own backup")]
    OwnBackup(ObjectName),
    /// A range that is too large.
    #[error("virtual address ranges larger than /{SHORTEST_VIRTUAL_PREFIX} are not supported")]
    RangeTooLarge,
    /// More reals than a session can name.
    #[error("more than {MAX_REALS} real servers are not supported")]
    TooManyReals,
    /// More farms than there are slots.
    #[error("more than {MAX_FARMS} server farms are not supported")]
    TooManyFarms,
    /// More virtual servers than there are slots.
    #[error("more than {MAX_VSERVERS} virtual servers are not supported")]
    TooManyVservers,
    /// `no ip slb probe` of a probe that a farm names.
    #[error("probe {0} is in use")]
    ProbeInUse(ObjectName),
    /// `probe` of a farm before `ip slb probe`.
    #[error("probe {0} does not exist")]
    NoProbe(ObjectName),
    /// `ip slb probe` with another type than before.
    #[error("probe {name} is of type {kind}")]
    ProbeKind {
        /// Of the probe.
        name: ObjectName,
        /// Its type.
        kind: &'static str,
    },
    /// `request`, `response` or `port` of a probe that has none.
    #[error("a probe of type {0} has none")]
    NotOfThisProbe(&'static str),
    /// A NAI has one byte for its length.
    #[error("a NAI has at most 255 bytes")]
    NaiTooLong,
    /// Bytes beyond the end of a datagram.
    #[error("the payload of a probe has at most {} bytes", ProbeConfig::PAYLOAD)]
    PayloadTooLong,
    /// `timeout` above `interval`.
    #[error("timeout {timeout} of probe {name} is longer than its interval {interval}")]
    TimeoutTooLong {
        /// Of the probe.
        name: ObjectName,
        /// Seconds.
        timeout: u16,
        /// Seconds.
        interval: u16,
    },
    /// A `custom udp` in use before `request`.
    #[error("probe {0} has no request")]
    NoRequest(ObjectName),
    /// `response` where the reply decides.
    #[error("probe {0} asks for a registration: any reply is its answer, without response")]
    ResponseToRegistration(ObjectName),
    /// A probe in use that has no port: neither the probe nor the real has one, and the virtual server takes any.
    #[error("probe {0} has no port")]
    NoPort(ObjectName),
    /// `script` with a name that leads elsewhere.
    #[error(transparent)]
    ScriptName(#[from] ScriptNameError),
    /// `script` with too many or too long arguments.
    #[error("the arguments of a script have at most {} characters", ProbeConfig::ARGUMENTS)]
    ArgumentsTooLong,
    /// A script probe in use without a script.
    #[error("probe {0} has no script")]
    NoScript(ObjectName),
    /// More probes than there are sockets for.
    #[error("more than {MAX_PROBES} probes are not supported")]
    TooManyProbes,
    /// A command that would have no effect.
    #[error("{0} is not supported")]
    NotSupported(&'static str),
}

/// Said, but not refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// A real of a dispatched farm behind a router.
    #[error("real {0} is not directly connected; dispatched mode needs layer 2 adjacency")]
    NotAdjacent(Ipv4Addr),
    /// IOS allows 1 to 4.
    #[error("reassign {reassign} of real {real} is above the range of IOS (1 to 4)")]
    LargeReassign {
        /// Address of the real.
        real: Ipv4Addr,
        /// As configured.
        reassign: u8,
    },
}

/// Checks everything that is in service against itself and against the interfaces' addresses with their subnets.
pub fn check(slb: &SlbConfig, interfaces: &[Ipv4Net]) -> Result<Vec<Warning>, Refusal> {
    if slb.farms.iter().map(|farm| farm.reals.len()).sum::<usize>() > MAX_REALS {
        return Err(Refusal::TooManyReals);
    }
    if slb.farms.len() > MAX_FARMS {
        return Err(Refusal::TooManyFarms);
    }
    if slb.vservers.len() > MAX_VSERVERS {
        return Err(Refusal::TooManyVservers);
    }
    probes::check(slb)?;
    for farm in &slb.farms {
        if let Some(real) = farm.reals.iter().find(|real| real.port.is_some() && !farm.nat_server) {
            return Err(Refusal::PortWithoutNat(real.address));
        }
    }
    let in_service: Vec<&VserverConfig> = slb.vservers.iter().filter(|vserver| vserver.inservice).collect();
    for vserver in &in_service {
        check_vserver(slb, vserver, interfaces)?;
    }
    check_addresses(slb, &in_service)?;
    Ok(warnings(slb, interfaces))
}

fn check_vserver(slb: &SlbConfig, vserver: &VserverConfig, interfaces: &[Ipv4Net]) -> Result<(), Refusal> {
    let address = vserver.address.as_ref().ok_or_else(|| Refusal::NoVirtual(vserver.name.clone()))?;
    if vserver.farm.is_none() || vserver.farms().any(|farm| slb.farm(farm).is_none()) {
        return Err(Refusal::NoFarm(vserver.name.clone()));
    }
    let ServiceKind::IpMobile = address.service;
    if address.protocol != Transport::Udp {
        return Err(Refusal::NotUdp);
    }
    for farm in vserver.farms().filter_map(|name| slb.farm(name)) {
        if farm.predictor != PredictorConfig::RoundRobin {
            return Err(Refusal::LeastConns);
        }
        if farm.nat_client.is_some() {
            return Err(Refusal::ClientNat);
        }
    }
    let keywords = [
        ("sticky", vserver.sticky.is_some()),
        ("synguard", vserver.synguard.is_some()),
        ("replicate", vserver.replicate.is_some()),
    ];
    if let Some((keyword, _)) = keywords.into_iter().find(|(_, set)| *set) {
        return Err(Refusal::WithIpMobile(keyword));
    }
    match interfaces.iter().find(|interface| address.network.contains(&interface.addr())) {
        Some(interface) => Err(Refusal::InterfaceAddress(interface.addr())),
        None => Ok(()),
    }
}

/// No two of the same match, and no real among the virtual addresses.
fn check_addresses(slb: &SlbConfig, in_service: &[&VserverConfig]) -> Result<(), Refusal> {
    let mut taken: HashMap<(Ipv4Net, u16), &ObjectName> = HashMap::new();
    let addresses = || in_service.iter().filter_map(|vserver| Some((*vserver, vserver.address?)));
    for (vserver, address) in addresses() {
        if let Some(by) = taken.insert((address.network, address.port), &vserver.name) {
            return Err(Refusal::AddressInUse {
                address: address.network.addr(),
                port: address.port,
                by: by.clone(),
            });
        }
    }
    for farm in slb.farms.iter().filter(|farm| slb.is_farm_in_service(&farm.name)) {
        let is_virtual = |real: Ipv4Addr| addresses().any(|(_, address)| address.network.contains(&real));
        if let Some(real) = farm.reals.iter().find(|real| is_virtual(real.address)) {
            return Err(Refusal::RealIsVirtual(real.address));
        }
    }
    Ok(())
}

fn warnings(slb: &SlbConfig, interfaces: &[Ipv4Net]) -> Vec<Warning> {
    let mut warnings = Vec::new();
    for farm in &slb.farms {
        let dispatched = !farm.nat_server && slb.is_farm_in_service(&farm.name);
        for real in &farm.reals {
            if dispatched && !interfaces.iter().any(|subnet| subnet.contains(&real.address)) {
                warnings.push(Warning::NotAdjacent(real.address));
            }
            if let crate::slb::config::Reassign::After(reassign @ 5..) = real.reassign {
                warnings.push(Warning::LargeReassign { real: real.address, reassign });
            }
        }
    }
    warnings
}

/// True if a change from `old` to `new` touches `virtual` or `serverfarm` of a virtual server that stays in service.
pub fn changed_in_service(old: &VserverConfig, new: &VserverConfig) -> bool {
    old.inservice && (old.address != new.address || old.farm != new.farm)
}

/// What `virtual` alone can be refused for.
pub fn check_virtual(address: &VirtualConfig) -> Result<(), Refusal> {
    if address.network.prefix_len() < SHORTEST_VIRTUAL_PREFIX { Err(Refusal::RangeTooLarge) } else { Ok(()) }
}

/// The balancer's refusal, as the terminal shows it: `% SLB: <reason>`.
pub fn refused(reason: impl AsRef<str>) -> ConfigError {
    ConfigError::new(format!("SLB: {}", reason.as_ref()))
}

/// A line as the terminal shows it.
#[derive(Clone, Copy, Debug)]
pub struct SlbLine<T>(pub T);

impl<T: fmt::Display> fmt::Display for SlbLine<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "% SLB: {}", self.0)
    }
}

#[cfg(test)]
mod tests;
