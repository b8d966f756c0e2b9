//! `show ip route`.

use std::{fmt::Write as _, net::Ipv4Addr};

use ipnet::Ipv4Net;
use serde::Serialize;

/// One route in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteView {
    /// Destination network.
    pub prefix: Ipv4Net,
    /// Who installed it.
    pub source: Source,
    /// Administrative distance, where ours; the kernel's metric otherwise.
    pub distance: u32,
    /// Next hop.
    pub gateway: Option<Ipv4Addr>,
    /// Full name of the interface, or the kernel's name of a device that is not ours; `Null0`.
    pub interface: String,
}

/// Where a route comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// An address of an interface.
    Connected,
    /// `ip route`.
    Static,
    /// BGP, by a routing daemon.
    Bgp,
    /// OSPF, by a routing daemon.
    Ospf,
    /// Anything else that the kernel holds.
    Kernel,
}

impl Source {
    /// By the kernel's protocol number (rtnetlink(7), `/etc/iproute2/rt_protos`); `ours` is our own number.
    pub fn from_kernel(protocol: u8, gateway: bool, ours: u8) -> Self {
        match protocol {
            p if p == ours => Self::Static,
            2 if !gateway => Self::Connected,
            186 => Self::Bgp,
            188 => Self::Ospf,
            _ => Self::Kernel,
        }
    }

    fn letter(self) -> char {
        match self {
            Self::Connected => 'C',
            Self::Static => 'S',
            Self::Bgp => 'B',
            Self::Ospf => 'O',
            Self::Kernel => 'K',
        }
    }
}

/// The text of `show ip route`.
pub fn text(routes: &[RouteView]) -> String {
    let mut out =
        "Codes: C - connected, S - static, B - BGP, O - OSPF, K - kernel, * - default\n\n".to_owned();
    let default = routes.iter().find(|route| route.prefix.prefix_len() == 0);
    match default.and_then(|route| route.gateway) {
        Some(gateway) => {
            let _ = writeln!(out, "Gateway of last resort is {gateway} to network 0.0.0.0\n");
        }
        None => out.push_str("Gateway of last resort is not set\n\n"),
    }
    for route in routes {
        let star = if route.prefix.prefix_len() == 0 { '*' } else { ' ' };
        let _ = write!(out, "{}{star}    {}", route.source.letter(), route.prefix);
        let _ = match route.gateway {
            Some(gateway) => writeln!(out, " [{}/0] via {gateway}, {}", route.distance, route.interface),
            None => writeln!(out, " is directly connected, {}", route.interface),
        };
    }
    out
}
