//! One listener a wire: makes sure that the kernel device under a port (`iface=` of `net_af_packet` and
//! `net_af_xdp`) stays silent, so that only the dataplane answers.
//!
//! Called at start, before the ports are opened. A packet socket sees a frame before the kernel's own stack does, and
//! the stack then sees it too. What silences the stack, with nothing to clean up that could block the device after
//! a crash:
//! - no address: refused if there is one, IPv4 or global IPv6;
//! - `disable_ipv6=1`: no neighbour discovery, no router solicitation, no MLD;
//! - `arp_ignore=8`: no ARP reply for an address of another device, the shadow's among them (Linux answers for
//!   every address on every device unless told otherwise);
//! - `rp_filter=1`: on a device without an address every IPv4 source fails the reverse path check, so a datagram or
//!   a ping for the shadow's address, taken by the packet socket already, is not delivered once more;
//! - `forwarding=0`: a transit packet is forwarded by the dataplane only.
//!
//! The former settings come back when the [`Guard`] is dropped; until then they are on disk ([`Records`]), so that they come back
//! at the next start if the process is killed. The module also brings the device up.

use std::net::IpAddr;

use nix::{errno::Errno, ifaddrs::getifaddrs, net::if_::if_nametoindex};
use rtnetlink::{LinkUnspec, packet_route::RouteNetlinkMessage};

use super::{
    netlink::{self, NetlinkError},
    records::{Record, Records, Setting},
    sysctl::{self, SysctlError},
    view::HostState,
};

const SETTINGS: [(&str, &str, &str); 4] = [
    ("ipv6", "disable_ipv6", "1"),
    ("ipv4", "arp_ignore", "8"),
    ("ipv4", "rp_filter", "1"),
    ("ipv4", "forwarding", "0"),
];

/// The device cannot be a port.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// It is not there.
    #[error("{interface}: there is no kernel device {device}: create it, or correct iface= in `device`")]
    NoDevice {
        /// Interface in the configuration.
        interface: String,
        /// Kernel device.
        device: String,
    },
    /// The kernel would answer too.
    #[error(
        "{interface}: kernel device {device} carries the address {address}, so the kernel would answer beside \
         homeward: remove it (ip address delete {address} dev {device}) and give it to {interface} with `ip address`"
    )]
    HasAddress {
        /// Interface in the configuration.
        interface: String,
        /// Kernel device.
        device: String,
        /// What it carries.
        address: IpAddr,
    },
    /// A setting was refused.
    #[error("{interface}: {source}")]
    Setting {
        /// Interface in the configuration.
        interface: String,
        /// The setting, and what the kernel answered.
        source: SysctlError,
    },
    /// It does not come up.
    #[error("{interface}: kernel device {device} does not come up: {errno} (run with CAP_NET_ADMIN)")]
    Up {
        /// Interface in the configuration.
        interface: String,
        /// Kernel device.
        device: String,
        /// What the kernel said.
        errno: Errno,
    },
    /// No netlink.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// Addresses cannot be listed.
    #[error("cannot list the kernel's addresses: {0}")]
    List(Errno),
}

/// A silenced device. Dropping it gives the device its former settings back.
#[derive(Debug)]
pub struct Guard {
    device: String,
    /// Its kernel index: another device may have its name later.
    index: u32,
    did: Vec<String>,
    former: Vec<Setting>,
    /// The same on disk.
    record: Option<Record>,
}

impl Guard {
    /// Silences `device`, which is under `interface`, and brings it up. What was set before is kept in `records` as long.
    pub async fn secure(interface: &str, device: &str, records: &Records) -> Result<Self, GuardError> {
        let Ok(index) = if_nametoindex(device) else {
            return Err(GuardError::NoDevice { interface: interface.to_owned(), device: device.to_owned() });
        };
        if let Some(address) = addresses(device)?.first() {
            return Err(GuardError::HasAddress {
                interface: interface.to_owned(),
                device: device.to_owned(),
                address: *address,
            });
        }
        let device = device.to_owned();
        let (did, former, record) = Default::default();
        let mut guard = Self { device, index, did, former, record };
        guard.record(records);
        guard.silence().map_err(|source| GuardError::Setting { interface: interface.to_owned(), source })?;
        let Self { device, did, former, .. } = &mut guard;
        did.extend(former.iter().map(|Setting { family, key, value, former }| {
            format!("{interface}: kernel device {device}: net.{family} {key} set to {value} (was {former})")
        }));
        let up = LinkUnspec::new_with_index(index).up().build();
        let (requests, _listener) = netlink::connect()?;
        requests.transact(RouteNetlinkMessage::SetLink(up), 0).await.map_err(|errno| GuardError::Up {
            interface: interface.to_owned(),
            device: device.clone(),
            errno,
        })?;
        did.push(format!(
            "{interface}: kernel device {device} is up, carries no address and is left to the dataplane alone"
        ));
        Ok(guard)
    }

    /// Writes down what will be changed, before it is.
    fn record(&mut self, records: &Records) {
        let changes = SETTINGS.iter().filter_map(|(family, key, value)| {
            let former = sysctl::get(family, &self.device, key).filter(|former| former != value)?;
            Some(Setting::new(family, key, value, former))
        });
        let changes: Vec<_> = changes.collect();
        if changes.is_empty() {
            return;
        }
        match records.write(&self.device, self.index, &changes) {
            Ok(record) => self.record = Some(record),
            Err(error) => tracing::warn!(
                "kernel device {}: its settings are not recorded, a crash would leave them changed: {error}",
                self.device
            ),
        }
    }

    fn silence(&mut self) -> Result<(), SysctlError> {
        for (family, key, value) in SETTINGS {
            let set = sysctl::set(family, &self.device, key, value)?;
            self.former.extend(
                set.filter(|former| former != value).map(|former| Setting::new(family, key, value, former)),
            );
        }
        Ok(())
    }

    /// What was done, one line each, for the log.
    pub fn did(&self) -> &[String] {
        &self.did
    }

    /// The kernel device.
    pub fn device(&self) -> &str {
        &self.device
    }

    /// Addresses that the device was given since; for the health page and the log.
    pub fn violations(&self, state: &HostState) -> Vec<String> {
        state
            .addresses
            .iter()
            .filter(|address| address.device == self.device)
            .map(|address| {
                format!(
                    "kernel device {} was given the address {}: the kernel answers beside homeward; remove it",
                    self.device, address.net
                )
            })
            .collect()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // A device that has gone took its settings along.
        if if_nametoindex(self.device.as_str()) != Ok(self.index) {
            return;
        }
        let put_back = |setting: &Setting| {
            sysctl::set(&setting.family, &self.device, &setting.key, &setting.former).is_ok()
        };
        let left = self.former.drain(..).filter(|setting| !put_back(setting)).count();
        if left > 0
            && let Some(record) = self.record.take()
        {
            // The next start tries again.
            record.keep();
        }
    }
}

/// Addresses of the device other than IPv6 link-local ones, which end with IPv6.
fn addresses(device: &str) -> Result<Vec<IpAddr>, GuardError> {
    let all = getifaddrs().map_err(GuardError::List)?;
    let of_device = all.filter(|entry| entry.interface_name == device).filter_map(|entry| entry.address);
    Ok(of_device
        .filter_map(|address| {
            let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
        })
        .filter(|address| !matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()))
        .collect())
}
