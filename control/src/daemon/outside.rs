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

/// What the outside shall be like.
#[derive(Clone, Debug, Default)]
struct Wanted {
    ports: Ports,
    host: Option<Arc<DesiredHost>>,
    /// Rises with each change.
    serial: u64,
}

/// What was done last.
#[derive(Clone, Debug, Default)]
struct Done {
    serial: u64,
    failed: Option<Arc<HostError>>,
}

/// The task's ear.
#[derive(Debug)]
pub(super) struct Outside {
    wanted: watch::Sender<Wanted>,
    done: watch::Receiver<Done>,
}

impl Outside {
    /// Starts the task; it notifies `ports_set` when ports were set. It ends when this is dropped.
    pub(super) fn start(host: Host, ports: Arc<dyn PortControl>, ports_set: Arc<Notify>) -> Self {
        let (sender, mut orders) = watch::channel(Wanted::default());
        let (done_sender, done) = watch::channel(Done::default());
        tokio::spawn(async move {
            let mut is = Wanted::default();
            while orders.changed().await.is_ok() {
                let wanted = orders.borrow_and_update().clone();
                // The kernel first: a port that has link while its interface is still down loses what comes.
                let failed = match &wanted.host {
                    Some(desired) if !is.host.as_ref().is_some_and(|is| Arc::ptr_eq(is, desired)) => {
                        apply(&host, desired).await.err().map(Arc::new)
                    }
                    _ => None,
                };
                if wanted.ports != is.ports {
                    let (ports, settings) = (Arc::clone(&ports), wanted.ports.clone());
                    // A driver may take its time.
                    let _ = tokio::task::spawn_blocking(move || set(&*ports, &settings)).await;
                    ports_set.notify_one();
                }
                done_sender.send_replace(Done { serial: wanted.serial, failed });
                is = wanted;
            }
        });
        Self { wanted: sender, done }
    }

    pub(super) fn set_ports(&self, settings: Ports) {
        self.want(|wanted| wanted.ports = settings);
    }

    pub(super) fn set_host(&self, desired: DesiredHost) {
        self.want(|wanted| wanted.host = Some(Arc::new(desired)));
    }

    fn want(&self, change: impl FnOnce(&mut Wanted)) {
        self.wanted.send_modify(|wanted| {
            change(wanted);
            wanted.serial += 1;
        });
    }

    /// Waits until ports and kernel are as they were last wanted.
    pub(super) async fn done(&self) -> Result<(), Arc<HostError>> {
        let wanted = self.wanted.borrow().serial;
        let mut done = self.done.clone();
        match done.wait_for(|done| done.serial >= wanted).await {
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
