//! Shadow interfaces: one TAP device in the kernel for each layer-3 interface of the dataplane.
//!
//! The device has the port's MAC and MTU; its addresses are put there by `apply`. It is not persistent: the kernel
//! removes it, with its addresses, routes and neighbours, when the process ends in whatever way. IPv6 is off on
//! it. Called by the host task; the frames are moved by the thread of `shadow_io`.

use std::{io, sync::Arc, time::Duration};

use common::mac::MacAddr;
use nix::net::if_::if_nametoindex;
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

use super::sysctl::{self, SysctlError};

/// Settings of every shadow under `net.ipv4.conf`:
/// - `arp_ignore=1`: answer ARP only for addresses of this very device, since `lo` and other shadows hold more;
/// - `arp_announce=2`: ask with a source address of the target's subnet, never with a loopback's;
/// - `rp_filter=2`: a source must be routable, but paths may be asymmetric, as on any router;
/// - `promote_secondaries=1`: removing a primary address keeps the secondary ones;
/// - `arp_notify=1`: tell the neighbours when the device comes up or has a new address on the link;
/// - `ignore_routes_with_linkdown=1`: a route through a port without link gives way to the next best;
/// - `forwarding=1`: the kernel routes between shadows what the dataplane hands it for want of a neighbour;
/// - redirects are neither sent nor believed: the dataplane routes.
const SETTINGS: [(&str, &str); 9] = [
    ("arp_ignore", "1"),
    ("arp_announce", "2"),
    ("rp_filter", "2"),
    ("promote_secondaries", "1"),
    ("arp_notify", "1"),
    ("ignore_routes_with_linkdown", "1"),
    ("forwarding", "1"),
    ("send_redirects", "0"),
    ("accept_redirects", "0"),
];

/// Settings of every shadow under `net.ipv4.neigh`:
/// - `locktime=0`: a station that moves twice within a second is believed twice;
/// - `delay_first_probe_time=1`, `ucast_solicit=1`: an entry that went stale is confirmed a second later, by one question to the
///   station itself;
/// - `mcast_resolicit=3`: if that has no answer everybody is asked, before the entry counts as failed.
const NEIGHBOURS: [(&str, &str); 4] =
    [("locktime", "0"), ("delay_first_probe_time", "1"), ("ucast_solicit", "1"), ("mcast_resolicit", "3")];

/// From the moment that an entry goes stale to the question to everybody, at most: the look that finds it, the delay before the
/// question to the station, the wait for its answer, and one for the answer to the last.
const CONFIRMATION: Duration = Duration::from_secs(3);

/// A shadow could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ShadowError {
    /// Another device has the name.
    #[error(
        "the kernel already has a device {device}, wanted for {interface}: is another homeward running in this \
         network namespace? Else remove it with `ip link delete {device}`"
    )]
    NameInUse {
        /// Kernel name.
        device: String,
        /// Interface in the configuration.
        interface: String,
    },
    /// The TAP device was refused.
    #[error("{interface}: cannot make the TAP device {device}: {source} ({hint})")]
    Create {
        /// Kernel name.
        device: String,
        /// Interface in the configuration.
        interface: String,
        /// What the kernel said.
        source: io::Error,
        /// What to do.
        hint: &'static str,
    },
    /// A setting was refused.
    #[error("{interface}: {source}")]
    Setting {
        /// Interface in the configuration.
        interface: String,
        /// The setting, and what the kernel answered.
        source: SysctlError,
    },
}

/// A TAP device that stands for a layer-3 interface.
pub struct Shadow {
    /// Kernel name.
    pub device: String,
    /// Kernel index.
    pub index: u32,
    /// The open end; the last clone that is dropped removes the device.
    pub tap: Arc<SyncDevice>,
}

impl Shadow {
    /// Makes the device, down and without addresses.
    pub fn create(device: &str, interface: &str, mac: MacAddr, mtu: u16) -> Result<Self, ShadowError> {
        if if_nametoindex(device).is_ok() {
            return Err(ShadowError::NameInUse {
                device: device.to_owned(),
                interface: interface.to_owned(),
            });
        }
        let (tap, index) = open(device, mac, mtu).map_err(|source| ShadowError::Create {
            device: device.to_owned(),
            interface: interface.to_owned(),
            hint: hint(&source),
            source,
        })?;
        let setting = |source| ShadowError::Setting { interface: interface.to_owned(), source };
        sysctl::set("ipv6", device, "disable_ipv6", "1").map_err(setting)?;
        for (key, value) in SETTINGS {
            sysctl::set("ipv4", device, key, value).map_err(setting)?;
        }
        for (key, value) in NEIGHBOURS {
            sysctl::set_neighbour(device, key, value).map_err(setting)?;
        }
        Ok(Self { device: device.to_owned(), index, tap: Arc::new(tap) })
    }
}

impl Shadow {
    /// A neighbour that has silently changed its address is followed within `timeout`.
    pub fn set_arp_timeout(&self, timeout: Duration) -> Result<(), SysctlError> {
        let base = base_reachable(timeout).as_millis().to_string();
        sysctl::set_neighbour(&self.device, "base_reachable_time_ms", &base).map(drop)
    }
}

/// The kernel believes an entry for a random time of half to one and a half times the base (RFC 4861, 6.3.2).
fn base_reachable(timeout: Duration) -> Duration {
    (timeout.saturating_sub(CONFIRMATION) * 2 / 3).max(Duration::from_millis(100))
}

fn open(device: &str, mac: MacAddr, mtu: u16) -> io::Result<(SyncDevice, u32)> {
    let tap = DeviceBuilder::new()
        .name(device)
        .layer(Layer::L2)
        .mac_addr(mac.0)
        .mtu(mtu)
        .enable(false)
        .build_sync()?;
    tap.set_nonblocking(true)?;
    let index = tap.if_index()?;
    Ok((tap, index))
}

fn hint(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::PermissionDenied => "run with CAP_NET_ADMIN",
        io::ErrorKind::NotFound => "load the kernel module: modprobe tun",
        _ => "see `ip link` and the kernel log",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_belief_and_the_confirmation_fit_the_timeout() {
        for (timeout, base) in [(5, 1333), (30, 18_000), (14_400, 9_598_000)] {
            let timeout = Duration::from_secs(timeout);
            assert_eq!(base_reachable(timeout).as_millis(), base);
            assert!(base_reachable(timeout) * 3 / 2 + CONFIRMATION <= timeout);
        }
    }
}
