//! Addresses that a port receives for beside its own: filters of the device, or promiscuous reception where it has none.

use capsule_ffi as ffi;
use common::{mac::MacAddr, port::PortError};

use super::{
    error_text, log,
    port::{Calls, NOT_SUPPORTED, Port, set_mac},
};

/// `-ENOSPC`: the device's filters are all in use.
const NO_SPACE: i32 = -28;

/// What was added to one port.
#[derive(Debug, Default)]
pub(super) struct Macs {
    filtered: Vec<MacAddr>,
    /// Received because the port is promiscuous.
    unfiltered: Vec<MacAddr>,
    /// The operator's setting, while `unfiltered` overrides it.
    promiscuous: bool,
    said: bool,
}

impl Macs {
    /// Lets the port receive frames to `mac`.
    pub fn add(&mut self, port: &Port, mac: MacAddr) -> Result<(), PortError> {
        if self.filtered.contains(&mac) || self.unfiltered.contains(&mac) {
            return Ok(());
        }
        let mut address = ffi::rte_ether_addr { addr_bytes: mac.0 };
        let own = set_mac(&Calls { interface: &port.interface }, port.dev, None)?;
        let (result, said) = log::capture(|| {
            // A device that knows no address of its own has no filter, but DPDK would make this one its own.
            if own == MacAddr::default() {
                return NOT_SUPPORTED;
            }
            // SAFETY: the port is open, the address lives through the call.
            unsafe { ffi::rte_eth_dev_mac_addr_add(port.dev, &raw mut address, 0) }
        });
        match result {
            0 => {
                self.filtered.push(mac);
                return Ok(());
            }
            NOT_SUPPORTED | NO_SPACE => {}
            _ => {
                let reason = log::reason(said, || error_text(result));
                return Err(Calls { interface: &port.interface }.error("rte_eth_dev_mac_addr_add", reason));
            }
        }
        if self.unfiltered.is_empty() {
            self.promiscuous = is_promiscuous(port);
            set_promiscuous(port, true)?;
        }
        self.unfiltered.push(mac);
        if !std::mem::replace(&mut self.said, true) {
            tracing::info!(
                "{}: {} has no filter for one more address: the port is promiscuous",
                port.interface,
                port.info.driver
            );
        }
        Ok(())
    }

    /// Undoes [`Macs::add`].
    pub fn remove(&mut self, port: &Port, mac: MacAddr) -> Result<(), PortError> {
        if let Some(at) = self.filtered.iter().position(|known| *known == mac) {
            self.filtered.remove(at);
            let mut address = ffi::rte_ether_addr { addr_bytes: mac.0 };
            let remove = || {
                // SAFETY: the port is open, the address lives through the call.
                unsafe { ffi::rte_eth_dev_mac_addr_remove(port.dev, &raw mut address) }
            };
            return Calls { interface: &port.interface }.run("rte_eth_dev_mac_addr_remove", remove).map(drop);
        }
        let Some(at) = self.unfiltered.iter().position(|known| *known == mac) else { return Ok(()) };
        self.unfiltered.remove(at);
        if self.unfiltered.is_empty() { set_promiscuous(port, self.promiscuous) } else { Ok(()) }
    }

    /// The same addresses for another device of the port.
    pub fn again(&self, port: &Port) -> Result<Self, PortError> {
        let mut again = Self { said: self.said, ..Self::default() };
        self.filtered.iter().chain(&self.unfiltered).try_for_each(|mac| again.add(port, *mac))?;
        Ok(again)
    }

    /// The operator's setting; in force once no address needs another.
    pub fn set_promiscuous(&mut self, port: &Port, on: bool) -> Result<(), PortError> {
        self.promiscuous = on;
        if self.unfiltered.is_empty() { set_promiscuous(port, on) } else { Ok(()) }
    }
}

/// A device that does not know the setting gives all that it receives.
fn set_promiscuous(port: &Port, on: bool) -> Result<(), PortError> {
    // SAFETY: the port is open.
    let (result, said) = log::capture(|| unsafe {
        if on {
            ffi::rte_eth_promiscuous_enable(port.dev)
        } else {
            ffi::rte_eth_promiscuous_disable(port.dev)
        }
    });
    match result {
        0 | NOT_SUPPORTED => Ok(()),
        _ => {
            let reason = log::reason(said, || error_text(result));
            Err(Calls { interface: &port.interface }.error("promiscuous", reason))
        }
    }
}

fn is_promiscuous(port: &Port) -> bool {
    // SAFETY: the port is open.
    unsafe { ffi::rte_eth_promiscuous_get(port.dev) == 1 }
}
