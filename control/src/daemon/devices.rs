//! The devices under ports: what is wrong with one is logged, and one that was deleted and made again is silenced and opened.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use common::{
    config::PortConfig,
    id::PortId,
    port::{PortControl, Trouble},
};
use futures::FutureExt;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    health::{DEVICE_ADDRESS, Found},
    host::{Guard, GuardError, HostState, Records},
};

/// Time between two attempts to open a device.
const RETRY: Duration = Duration::from_secs(1);

/// The device of one port.
#[derive(Debug)]
pub struct PortDevice {
    port: PortId,
    /// Name in the configuration.
    interface: String,
    /// The kernel device that the driver opens by name.
    kernel: Option<String>,
    guard: Option<Guard>,
    records: Records,
    /// What is wrong with it, as it was logged last.
    said: Option<String>,
    /// Why it could not be opened, as it was logged last.
    refused: Option<String>,
    /// It is being opened.
    attempt: Option<AbortOnDropHandle<Result<Option<Guard>, String>>>,
    retry: Option<Instant>,
}

impl PortDevice {
    /// That of `port`. A kernel device under it is to be silenced by [`PortDevice::silence`]; `records` keeps what it was.
    pub fn new(port: &PortConfig, records: &Records) -> Self {
        Self {
            records: records.clone(),
            port: port.id,
            interface: port.name.clone(),
            kernel: port.kernel_device().map(str::to_owned),
            guard: None,
            said: None,
            refused: None,
            attempt: None,
            retry: None,
        }
    }

    /// Silences the kernel device under it, if there is one.
    ///
    /// # Errors
    /// As [`Guard::secure`].
    pub async fn silence(&mut self) -> Result<(), GuardError> {
        if let Some(kernel) = &self.kernel {
            let guard = Guard::secure(&self.interface, kernel, &self.records).await?;
            guard.did().iter().for_each(|line| tracing::info!("{line}"));
            self.guard = Some(guard);
        }
        Ok(())
    }

    /// True if it was opened again just now.
    fn look(&mut self, ports: &Arc<dyn PortControl>, now: Instant) -> bool {
        let trouble = ports.trouble(self.port);
        match self.attempt.as_mut().map(FutureExt::now_or_never) {
            Some(None) => return false,
            Some(Some(ended)) => {
                self.attempt = None;
                return self.ended(ended.unwrap_or_else(|error| Err(error.to_string())), now);
            }
            None => {}
        }
        match trouble {
            None => self.said = None,
            Some(Trouble { reason, present }) => {
                self.say(reason);
                if present && self.retry.is_none_or(|retry| retry <= now) {
                    // What it had set went with the device, or stays on the one that is there now.
                    self.guard = None;
                    let ports = Arc::clone(ports);
                    let kernel = self.kernel.clone();
                    let open = open(ports, self.port, self.interface.clone(), kernel, self.records.clone());
                    self.attempt = Some(AbortOnDropHandle::new(tokio::spawn(open)));
                }
            }
        }
        false
    }

    fn ended(&mut self, result: Result<Option<Guard>, String>, now: Instant) -> bool {
        match result {
            Ok(guard) => {
                let did = guard.iter().flat_map(Guard::did);
                did.for_each(|line| tracing::info!("{line}"));
                (self.guard, self.retry, self.said, self.refused) = (guard, None, None, None);
                let mnemonic = "LINK-5-DEVICE";
                tracing::info!(mnemonic, "{}: the device was opened again", self.interface);
                true
            }
            Err(reason) => {
                self.retry = Some(now + RETRY);
                let reason = format!("the device is not opened again: {reason}");
                if self.refused.as_ref() != Some(&reason) {
                    let mnemonic = "LINK-3-DEVICE";
                    tracing::warn!(mnemonic, "{}: {reason}", self.interface);
                    self.refused = Some(reason);
                }
                false
            }
        }
    }

    /// Once for each thing that is wrong.
    fn say(&mut self, reason: String) {
        if self.said.as_ref() != Some(&reason) {
            let mnemonic = "LINK-3-DEVICE";
            tracing::warn!(mnemonic, "{}: {reason}: the port is down", self.interface);
            self.said = Some(reason);
        }
    }
}

async fn open(
    ports: Arc<dyn PortControl>,
    port: PortId,
    interface: String,
    kernel: Option<String>,
    records: Records,
) -> Result<Option<Guard>, String> {
    let guard = match kernel {
        Some(kernel) => {
            let guard = Guard::secure(&interface, &kernel, &records).await;
            Some(guard.map_err(|error| error.to_string())?)
        }
        None => None,
    };
    // Drivers take their time, and workers a round to let go.
    let opened = tokio::task::spawn_blocking(move || ports.reopen(port)).await;
    opened.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
    Ok(guard)
}

/// Of all ports.
#[derive(Debug)]
pub(super) struct Devices(Vec<PortDevice>);

impl Devices {
    pub(super) fn new(devices: Vec<PortDevice>) -> Self {
        Self(devices)
    }

    /// Looks at all; the ports that were opened again.
    pub(super) fn look(&mut self, ports: &Arc<dyn PortControl>, now: Instant) -> Vec<PortId> {
        let opened = self.0.iter_mut().filter_map(|device| device.look(ports, now).then_some(device.port));
        opened.collect()
    }

    /// Kernel devices that were given an address.
    pub(super) fn found(&self, host: &HostState) -> Vec<Found> {
        let guards = self.0.iter().filter_map(|device| device.guard.as_ref());
        let found = guards.flat_map(|guard| {
            let found = |reason| Found::new(&DEVICE_ADDRESS, guard.device(), reason);
            guard.violations(host).into_iter().map(found)
        });
        found.collect()
    }
}

#[cfg(test)]
mod tests;
