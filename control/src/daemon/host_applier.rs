//! Makes the kernel equal to the configuration, in a task of its own since that takes time. Of several that wait, only the
//! last one is done.

use std::{collections::BTreeSet, sync::Arc};

use ipnet::Ipv4Net;
use tokio::sync::watch;

use crate::host::{DesiredHost, Host, HostError};

/// What was done last.
#[derive(Clone, Debug, Default)]
struct Done {
    host: Option<Arc<DesiredHost>>,
    failed: Option<Arc<HostError>>,
}

/// Control of the task.
#[derive(Debug)]
pub(super) struct HostApplier {
    desired: watch::Sender<Option<Arc<DesiredHost>>>,
    /// Of the configuration, and what the dataplane serves beside it.
    host: DesiredHost,
    prefixes: BTreeSet<Ipv4Net>,
    done: watch::Receiver<Done>,
}

impl HostApplier {
    /// Starts the task. It ends when this is dropped.
    pub(super) fn start(host: Host) -> Self {
        let (sender, mut orders) = watch::channel::<Option<Arc<DesiredHost>>>(None);
        let (done_sender, done) = watch::channel(Done::default());
        tokio::spawn(async move {
            while orders.changed().await.is_ok() {
                let Some(desired) = orders.borrow_and_update().clone() else { continue };
                let failed = apply(&host, &desired).await.err().map(Arc::new);
                done_sender.send_replace(Done { host: Some(desired), failed });
            }
        });
        Self { desired: sender, host: DesiredHost::default(), prefixes: BTreeSet::new(), done }
    }

    pub(super) fn set_host(&mut self, desired: DesiredHost) {
        self.host = desired;
        self.send();
    }

    pub(super) fn set_prefixes(&mut self, prefixes: BTreeSet<Ipv4Net>) {
        self.prefixes = prefixes;
        self.send();
    }

    fn send(&self) {
        let desired = self.host.clone().with_prefixes(&self.prefixes);
        self.desired.send_replace(Some(Arc::new(desired)));
    }

    /// Waits until the kernel is as it was last desired to be.
    pub(super) async fn done(&self) -> Result<(), Arc<HostError>> {
        let desired = self.desired.borrow().clone();
        let mut done = self.done.clone();
        let is_done = |done: &Done| match (&done.host, &desired) {
            (Some(done), Some(desired)) => Arc::ptr_eq(done, desired),
            (_, desired) => desired.is_none(),
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
