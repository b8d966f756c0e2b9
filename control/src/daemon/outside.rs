//! What takes time outside, done one after the other by a task of its own: settings of ports and of the kernel. Of several
//! that wait, only the last one is done.

use std::{collections::BTreeMap, sync::Arc};

use common::{id::PortId, port::PortControl};
use tokio::sync::{Notify, watch};

use crate::{
    host::{DesiredHost, Host, HostError},
    protocol::PortSettings,
};

type Ports = BTreeMap<PortId, PortSettings>;

/// The task's ear.
#[derive(Debug)]
pub(super) struct Outside {
    ports: watch::Sender<Ports>,
    host: watch::Sender<Option<Arc<DesiredHost>>>,
    done: watch::Receiver<Done>,
}

/// What has been done.
#[derive(Clone, Debug, Default)]
struct Done {
    host: Option<Arc<DesiredHost>>,
    failed: Option<Arc<HostError>>,
}

impl Outside {
    /// Starts the task; it notifies `ports_set` when ports were set. It ends when this is dropped.
    pub(super) fn start(host: Host, ports: Arc<dyn PortControl>, ports_set: Arc<Notify>) -> Self {
        let (port_sender, mut port_orders) = watch::channel(Ports::new());
        let (host_sender, mut host_orders) = watch::channel(None);
        let (done_sender, done) = watch::channel(Done::default());
        tokio::spawn(async move {
            loop {
                tokio::select! {
                    changed = port_orders.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        let settings = port_orders.borrow_and_update().clone();
                        let ports = Arc::clone(&ports);
                        // A driver may take its time.
                        let _ = tokio::task::spawn_blocking(move || set(&*ports, &settings)).await;
                        ports_set.notify_one();
                    }
                    changed = host_orders.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        let desired: Option<Arc<DesiredHost>> = host_orders.borrow_and_update().clone();
                        let Some(desired) = desired else { continue };
                        let failed = apply(&host, &desired).await.err().map(Arc::new);
                        done_sender.send_replace(Done { host: Some(desired), failed });
                    }
                }
            }
        });
        Self { ports: port_sender, host: host_sender, done }
    }

    pub(super) fn set_ports(&self, settings: Ports) {
        self.ports.send_if_modified(|old| {
            let changed = *old != settings;
            *old = settings;
            changed
        });
    }

    pub(super) fn set_host(&self, desired: DesiredHost) {
        self.host.send_replace(Some(Arc::new(desired)));
    }

    /// Waits until the kernel holds what it was last told to.
    pub(super) async fn host_done(&self) -> Result<(), Arc<HostError>> {
        let wanted = self.host.borrow().clone();
        let mut done = self.done.clone();
        let is_done = |done: &Done| match (&done.host, &wanted) {
            (Some(done), Some(wanted)) => Arc::ptr_eq(done, wanted),
            (_, wanted) => wanted.is_none(),
        };
        match done.wait_for(is_done).await {
            Ok(done) => done.failed.clone().map_or(Ok(()), Err),
            Err(_) => Err(Arc::new(HostError::Ended)),
        }
    }
}

async fn apply(host: &Host, desired: &DesiredHost) -> Result<(), HostError> {
    match host.apply(desired.clone()).await {
        Ok(pending) => {
            for pending in pending {
                tracing::warn!("{pending}");
            }
            Ok(())
        }
        Err(error) => {
            tracing::error!("{error}");
            Err(error)
        }
    }
}

fn set(ports: &dyn PortControl, settings: &Ports) {
    for (port, wanted) in settings {
        let mac = wanted.mac.map(|mac| ports.set_mac(*port, mac));
        for result in
            [ports.set_up(*port, wanted.up), ports.set_mtu(*port, wanted.mtu)].into_iter().chain(mac)
        {
            if let Err(error) = result {
                tracing::error!("{error}");
            }
        }
    }
}
