//! `show ip route`.

use std::{fmt::Write as _, net::IpAddr};

use ipnet::Ipv4Net;
use serde::Serialize;

use crate::host::view::Unusable;

/// One route in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RouteView {
    /// Destination network.
    pub prefix: Ipv4Net,
    /// Who installed it.
    pub source: Source,
    /// Administrative distance, where ours; the kernel's metric otherwise.
    pub distance: u32,
    /// Where it leads; several share the flows by their weights.
    pub next_hops: Vec<NextHopView>,
    /// The kernel's next-hop object that it goes by; with no next hops the kernel does not say where that leads.
    pub object: Option<u32>,
}

/// One next hop of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NextHopView {
    /// Its address; without one the destination is directly connected.
    pub gateway: Option<IpAddr>,
    /// Full name of the interface, or the kernel's name of a device that is not ours; `Null0`.
    pub interface: String,
    /// Its share beside the others'.
    pub weight: u16,
    /// Why nothing is sent there.
    pub unusable: Option<Unusable>,
}

impl NextHopView {
    /// The line behind the prefix; `metric` in brackets, the weight if it is one of several.
    fn text(&self, metric: &str, is_one_of_several: bool) -> String {
        let Self { gateway, interface, weight, unusable } = self;
        let mut text = match gateway {
            Some(IpAddr::V4(gateway)) => format!("{metric} via {gateway}, {interface}"),
            Some(IpAddr::V6(gateway)) => format!("{metric} via inet6 {gateway}, {interface}"),
            None if *unusable == Some(Unusable::OtherFamily) => format!("{metric} via ?, {interface}"),
            None => format!("is directly connected, {interface}"),
        };
        // Writing to a string cannot fail.
        if is_one_of_several {
            let _ = write!(text, ", weight {weight}");
        }
        if let Some(why) = unusable {
            let _ = write!(text, ", unusable: {}", why.text());
        }
        text
    }
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

/// Why it is not known where a next-hop object leads.
const NOT_TOLD: &str = "net.ipv4.nexthop_compat_mode is 0";

/// The text of `show ip route`.
pub fn text(routes: &[RouteView]) -> String {
    let mut out =
        "Codes: C - connected, S - static, B - BGP, O - OSPF, K - kernel, * - default\n\n".to_owned();
    let default = routes.iter().find(|route| route.prefix.prefix_len() == 0);
    let usable = default.and_then(|route| route.next_hops.iter().find(|hop| hop.unusable.is_none()));
    match usable.and_then(|hop| hop.gateway) {
        Some(gateway) => {
            let _ = writeln!(out, "Gateway of last resort is {gateway} to network 0.0.0.0\n");
        }
        None => out.push_str("Gateway of last resort is not set\n\n"),
    }
    for route in routes {
        let star = if route.prefix.prefix_len() == 0 { '*' } else { ' ' };
        let mut start = format!("{}{star}    {} ", route.source.letter(), route.prefix);
        let metric = format!("[{}/0]", route.distance);
        for hop in &route.next_hops {
            let _ = writeln!(out, "{start}{}", hop.text(&metric, route.next_hops.len() > 1));
            // The further ones stand below the first.
            start = " ".repeat(start.len());
        }
        if let (Some(object), true) = (route.object, route.next_hops.is_empty()) {
            let _ = writeln!(out, "{start}{metric} via nexthop {object}, unusable: {NOT_TOLD}");
        }
    }
    out
}
