//! Opens the device of a port once more while workers run: a kernel device that was deleted and made again, a function that
//! was taken out and put back. Workers keep their queues; [`PortState`] says how they let go of the device meanwhile.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering::Relaxed},
    thread,
    time::{Duration, Instant},
};

use capsule_ffi as ffi;
use common::{
    config::PortConfig,
    id::PortId,
    port::{PortCounters, PortError},
};

use super::{
    control::{Control, closed, totals},
    device::Device,
    pool::Pool,
    port::{Calls, Port},
    queue::PortState,
};

/// Longest wait for workers to let go of the device; each needs one round.
const LEAVE: Duration = Duration::from_secs(1);

const CALL: &str = "reopen";

impl Control {
    /// [`common::port::PortControl::reopen`].
    pub(super) fn reopen_device(&self, id: PortId) -> Result<(), PortError> {
        let _turn = self.turn();
        let port =
            self.port(id, |port| (Arc::clone(&port.state), port.interface.clone(), port.away.is_none()));
        let (state, interface, open) = port.ok_or_else(|| closed(id, CALL))?;
        if open {
            leave(&state, &interface)?;
            self.close_device(id)?;
        }
        self.open_device(id).inspect_err(|error| {
            let reason = match error {
                PortError::Driver { call, reason, .. } => format!("{call}: {reason}"),
                PortError::NoDevice { reason, .. } => reason.clone(),
                other => other.to_string(),
            };
            self.change_port(id, |port| port.away = Some(format!("the device cannot be opened: {reason}")));
        })
    }

    /// Gives the old device back. Workers must have left it.
    fn close_device(&self, id: PortId) -> Result<(), PortError> {
        let taken = self.change_port(id, |port| {
            port.before = PortCounters { extended: Vec::new(), ..totals(port) };
            port.share(None);
            port.sockets = None;
            port.away = Some("the device is being opened".to_owned());
            (port.dev, port.named.clone())
        });
        let (dev, named) = taken.ok_or_else(|| closed(id, CALL))?;
        // Outside the lock: a driver takes its time.
        Port::close_device(dev);
        named.detach();
        Ok(())
    }

    /// Opens what is there by the same name, and gives it to the workers.
    fn open_device(&self, id: PortId) -> Result<(), PortError> {
        let before = self.port(id, |port| (port.config.clone(), port.named.clone(), port.workers));
        let (config, named, workers) = before.ok_or_else(|| closed(id, CALL))?;
        let (config, shut) = self.as_changed(config);
        let dev = named.attach(&config)?;
        let ready = self.make_ready(&config, &named, dev, workers, shut);
        let port = ready.inspect_err(|_| {
            Port::close_device(dev);
            named.detach();
        })?;
        let replaced = self.change_port(id, |old| {
            port.replace(old)?;
            old.state.come_back(!shut);
            Ok(())
        });
        replaced.unwrap_or_else(|| Err(closed(id, CALL)))
    }

    /// With what was set at run time, and whether the port is shut down.
    fn as_changed(&self, mut config: PortConfig) -> (PortConfig, bool) {
        let changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(now) = changed.get(&config.id.0) else { return (config, false) };
        config.mtu = now.mtu.unwrap_or(config.mtu);
        config.mac = now.mac.or(config.mac);
        config.promiscuous = now.promiscuous.unwrap_or(config.promiscuous);
        (config, now.shut)
    }

    /// Configures and starts the device `dev`.
    fn make_ready(
        &self,
        config: &PortConfig,
        named: &Device,
        dev: u16,
        workers: u16,
        shut: bool,
    ) -> Result<Port, PortError> {
        // SAFETY: the port exists.
        let node = unsafe { ffi::rte_eth_dev_socket_id(dev) };
        let pool = self.with(|open| {
            let near = open.pools.iter().find(|pool| pool.socket == node);
            near.or(open.pools.first()).map(Pool::raw)
        });
        // Pools stay while it is this one's turn.
        let pool = pool.flatten().ok_or_else(|| closed(config.id, CALL))?;
        let port = Port::configure(config, named, dev, workers, pool)?;
        {
            let mut changed = self.changed.lock().unwrap_or_else(PoisonError::into_inner);
            let macs = &mut changed.entry(config.id.0).or_default().macs;
            *macs = macs.again(&port)?;
        }
        port.start()?;
        if shut {
            // SAFETY: the port is open; a driver whose device has no link of its own refuses.
            unsafe { ffi::rte_eth_dev_set_link_down(dev) };
        }
        Ok(port)
    }

    fn change_port<T>(&self, id: PortId, f: impl FnOnce(&mut Port) -> T) -> Option<T> {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        open.as_mut().and_then(|open| open.ports.get_mut(id.index())).map(f)
    }
}

/// Waits until no worker touches the device.
fn leave(state: &PortState, interface: &str) -> Result<(), PortError> {
    let up = state.up.load(Relaxed);
    state.ask_away();
    let until = Instant::now() + LEAVE;
    while !state.is_left() {
        if Instant::now() > until {
            state.come_back(up);
            return Err(Calls { interface }.error(CALL, "a worker does not let go of the device".to_owned()));
        }
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
