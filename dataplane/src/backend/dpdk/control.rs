//! What control may ask of the ports while workers run, from any thread; after the ports are closed every answer
//! is empty.

use std::{
    collections::HashMap,
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::Ordering::{Relaxed, Release},
    },
};

use capsule_ffi as ffi;
use common::{
    id::PortId,
    mac::MacAddr,
    port::{Link, PoolInfo, PortControl, PortCounters, PortError, PortInfo, Trouble},
};

use super::{
    device::FRAME_OVERHEAD,
    error_text, events, fixed_text,
    kernel::KernelDevice,
    log,
    macs::Macs,
    pool::Pool,
    port::{Calls, NOT_SUPPORTED, Port, set_mac, set_mtu},
    sockets::PacketSockets,
};

/// Ports and pools, and whether they are still there.
#[derive(Debug)]
pub(super) struct Control {
    /// Held shared by every call, exclusively while the ports are closed. `None`: closed.
    pub(super) open: RwLock<Option<Open>>,
    /// Changes are made one at a time, and a device is opened again while nothing else changes.
    pub(super) turn: Mutex<()>,
    /// What was changed of what [`Port::info`] says.
    pub(super) changed: Mutex<HashMap<u16, Changed>>,
}

/// Settings of a port that were changed at run time.
#[derive(Debug, Default)]
pub(super) struct Changed {
    pub mtu: Option<u16>,
    pub mac: Option<MacAddr>,
    pub promiscuous: Option<bool>,
    pub macs: Macs,
    /// `shutdown`
    pub shut: bool,
}

#[derive(Debug)]
pub(super) struct Open {
    pub ports: Vec<Port>,
    pub pools: Vec<Pool>,
}

impl Control {
    pub fn new(ports: Vec<Port>, pools: Vec<Pool>) -> Self {
        let (turn, changed) = Default::default();
        Self { open: RwLock::new(Some(Open { ports, pools })), turn, changed }
    }

    /// Takes ports and pools out; from here on every call finds nothing.
    pub fn close(&self) -> Option<(Vec<Port>, Vec<Pool>)> {
        let _turn = self.turn();
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        open.take().map(|open| (open.ports, open.pools))
    }

    pub(super) fn turn(&self) -> std::sync::MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn with<T>(&self, f: impl FnOnce(&Open) -> T) -> Option<T> {
        self.open.read().unwrap_or_else(PoisonError::into_inner).as_ref().map(f)
    }

    pub(super) fn port<T>(&self, id: PortId, f: impl FnOnce(&Port) -> T) -> Option<T> {
        self.with(|open| open.ports.get(id.index()).map(f)).flatten()
    }

    /// Runs a change of `port`, one at a time.
    fn change(
        &self,
        id: PortId,
        call: &'static str,
        f: impl FnOnce(&Port, &mut Changed) -> Result<(), PortError>,
    ) -> Result<(), PortError> {
        let _turn = self.turn();
        let change = |port: &Port| {
            if let Some(reason) = &port.away {
                return Err(Calls { interface: &port.interface }.error(call, reason.clone()));
            }
            let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
            f(port, changed.entry(port.info.id.0).or_default())
        };
        self.port(id, change).unwrap_or_else(|| Err(closed(id, call)))
    }
}

/// The error of a call after the end.
pub(super) fn closed(id: PortId, call: &'static str) -> PortError {
    PortError::Driver { interface: format!("port {id}"), call, reason: "the port is closed".to_owned() }
}

/// A call that either works, is not offered by the driver, or fails with a reason.
fn offered(port: &Port, call: &'static str, must: bool, f: impl FnOnce() -> i32) -> Result<(), PortError> {
    let (result, said) = log::capture(f);
    match result {
        0 => Ok(()),
        NOT_SUPPORTED if !must => Ok(()),
        _ => Err(Calls { interface: &port.interface }.error(call, log::reason(said, || error_text(result)))),
    }
}

/// What the kernel dropped in front of the device.
fn dropped(port: &Port) -> u64 {
    port.sockets.as_ref().map_or(0, PacketSockets::total)
}

impl PortControl for Control {
    fn ports(&self) -> Vec<PortInfo> {
        let changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        self.with(|open| {
            let info = open.ports.iter().map(|port| {
                let mut info = port.info.clone();
                if let Some(&Changed { mtu, mac, .. }) = changed.get(&info.id.0) {
                    (info.mtu, info.mac) = (mtu.unwrap_or(info.mtu), mac.unwrap_or(info.mac));
                }
                info
            });
            info.collect()
        })
        .unwrap_or_default()
    }

    fn counters(&self, port: PortId) -> PortCounters {
        self.port(port, |port| {
            let extended = if port.away.is_some() { Vec::new() } else { extended(port.dev) };
            PortCounters { extended, ..totals(port) }
        })
        .unwrap_or_default()
    }

    fn lost(&self, port: PortId) -> u64 {
        let lost = self.port(port, |port| {
            let counters = totals(port);
            counters.rx_missed + counters.rx_no_mbuf
        });
        lost.unwrap_or_default()
    }

    fn link(&self, port: PortId) -> Link {
        self.port(port, |port| {
            if port.trouble().is_some() {
                return Link::default();
            }
            let (mut speed, mut up, mut full) = (0, 0, 0);
            // SAFETY: the port is open, the numbers are ours.
            let result = unsafe { ffi::shim_eth_link(port.dev, &raw mut speed, &raw mut up, &raw mut full) };
            let known = result == 0;
            let carrier = port.packet_socket().is_none_or(KernelDevice::is_running);
            Link {
                up: known && up != 0 && carrier && port.state.up.load(Relaxed),
                speed_mbps: if known { speed } else { 0 },
                full_duplex: known && full != 0,
            }
        })
        .unwrap_or_default()
    }

    fn pools(&self) -> Vec<PoolInfo> {
        self.with(|open| open.pools.iter().map(Pool::info).collect()).unwrap_or_default()
    }

    fn set_promiscuous(&self, port: PortId, on: bool) -> Result<(), PortError> {
        self.change(port, "promiscuous", |port, now| {
            now.promiscuous = Some(on);
            now.macs.set_promiscuous(port, on)
        })
    }

    fn set_allmulticast(&self, port: PortId, on: bool) -> Result<(), PortError> {
        self.change(port, "allmulticast", |port, _| {
            // SAFETY: the port is open.
            offered(port, "allmulticast", false, || unsafe {
                if on {
                    ffi::rte_eth_allmulticast_enable(port.dev)
                } else {
                    ffi::rte_eth_allmulticast_disable(port.dev)
                }
            })
        })
    }

    fn set_mtu(&self, port: PortId, mtu: u16) -> Result<(), PortError> {
        let room = self.with(|open| open.pools.iter().map(|pool| pool.room).min()).flatten().unwrap_or(0);
        self.change(port, "mtu", |port, now| {
            if usize::from(mtu) + FRAME_OVERHEAD > room {
                let reason = format!("packet buffers hold {room} bytes; restart needed");
                return Err(Calls { interface: &port.interface }.error("mtu", reason));
            }
            set_mtu(&Calls { interface: &port.interface }, port.dev, port.packet_socket(), mtu)?;
            now.mtu = Some(mtu);
            Ok(())
        })
    }

    fn set_mac(&self, port: PortId, mac: MacAddr) -> Result<(), PortError> {
        self.change(port, "mac-address", |port, now| {
            now.mac = Some(set_mac(&Calls { interface: &port.interface }, port.dev, Some(mac))?);
            Ok(())
        })
    }

    fn add_mac(&self, port: PortId, mac: MacAddr) -> Result<(), PortError> {
        self.change(port, "add mac", |port, now| now.macs.add(port, mac))
    }

    fn remove_mac(&self, port: PortId, mac: MacAddr) -> Result<(), PortError> {
        self.change(port, "remove mac", |port, now| now.macs.remove(port, mac))
    }

    /// Workers go on polling: a port that is down throws away what arrives and takes nothing. Where the device
    /// has a link of its own, that goes down with it, so that the neighbour sees it.
    fn set_up(&self, port: PortId, up: bool) -> Result<(), PortError> {
        self.change(port, "shutdown", |port, now| {
            now.shut = !up;
            if !up {
                port.state.up.store(false, Relaxed);
            }
            // SAFETY: the port is open.
            offered(port, "link", false, || unsafe {
                if up {
                    ffi::rte_eth_dev_set_link_up(port.dev)
                } else {
                    ffi::rte_eth_dev_set_link_down(port.dev)
                }
            })?;
            if up {
                port.state.up.store(true, Release);
            }
            Ok(())
        })
    }

    fn trouble(&self, port: PortId) -> Option<Trouble> {
        self.port(port, Port::trouble).flatten()
    }

    fn reopen(&self, port: PortId) -> Result<(), PortError> {
        self.reopen_device(port)
    }

    fn on_event(&self, f: Box<dyn Fn() + Send + Sync>) {
        events::tell(f);
    }
}

/// What all its devices counted, but for extended statistics.
pub(super) fn totals(port: &Port) -> PortCounters {
    let before = &port.before;
    if port.away.is_some() {
        return before.clone();
    }
    let stats = basic(port);
    PortCounters {
        rx_packets: before.rx_packets + stats.ipackets,
        rx_bytes: before.rx_bytes + stats.ibytes,
        tx_packets: before.tx_packets + stats.opackets,
        tx_bytes: before.tx_bytes + stats.obytes,
        rx_missed: before.rx_missed + stats.imissed + dropped(port),
        rx_errors: before.rx_errors + stats.ierrors,
        rx_no_mbuf: before.rx_no_mbuf + stats.rx_nombuf,
        tx_errors: before.tx_errors + stats.oerrors,
        extended: Vec::new(),
    }
}

/// The statistics that every device has.
fn basic(port: &Port) -> ffi::rte_eth_stats {
    let mut stats = ffi::rte_eth_stats::default();
    // SAFETY: the port is open, the structure is ours.
    let result = unsafe { ffi::rte_eth_stats_get(port.dev, &raw mut stats) };
    if result != 0 {
        tracing::debug!("{}: rte_eth_stats_get: {}", port.interface, error_text(result));
    }
    stats
}

/// The device's own statistics, by name.
fn extended(dev: u16) -> Vec<(String, u64)> {
    // SAFETY: with no room given, both calls return how many there are.
    let count = unsafe { ffi::rte_eth_xstats_get_names(dev, std::ptr::null_mut(), 0) };
    let Ok(count) = u32::try_from(count) else { return Vec::new() };
    let mut names = vec![ffi::rte_eth_xstat_name::default(); count as usize];
    let mut values = vec![ffi::rte_eth_xstat::default(); count as usize];
    // SAFETY: both arrays have `count` entries.
    let (named, valued) = unsafe {
        (
            ffi::rte_eth_xstats_get_names(dev, names.as_mut_ptr(), count),
            ffi::rte_eth_xstats_get(dev, values.as_mut_ptr(), count),
        )
    };
    let known = usize::try_from(valued.min(named)).unwrap_or(0).min(count as usize);
    let named = |value: &ffi::rte_eth_xstat| {
        names.get(value.id as usize).map(|name| (fixed_text(&name.name), value.value))
    };
    values[..known].iter().filter_map(named).collect()
}
