//! With ports that fail on demand.

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use common::{
    mac::MacAddr,
    port::{Link, PoolInfo, PortCounters, PortError, PortInfo},
};
use tracing_subscriber::layer::SubscriberExt as _;

use super::*;
use crate::manage::log::{LogBook, LogLayer};

/// One port: what is wrong with it, what its opening says, how often it was opened.
#[derive(Debug, Default)]
struct Fails {
    trouble: Mutex<Option<Trouble>>,
    refusal: Mutex<Option<String>>,
    attempts: Mutex<usize>,
}

fn at<T>(cell: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    cell.lock().unwrap_or_else(PoisonError::into_inner)
}

impl PortControl for Fails {
    fn ports(&self) -> Vec<PortInfo> {
        Vec::new()
    }

    fn counters(&self, _: PortId) -> PortCounters {
        PortCounters::default()
    }

    fn link(&self, _: PortId) -> Link {
        Link::default()
    }

    fn pools(&self) -> Vec<PoolInfo> {
        Vec::new()
    }

    fn set_promiscuous(&self, _: PortId, _: bool) -> Result<(), PortError> {
        Ok(())
    }

    fn set_allmulticast(&self, _: PortId, _: bool) -> Result<(), PortError> {
        Ok(())
    }

    fn set_mtu(&self, _: PortId, _: u16) -> Result<(), PortError> {
        Ok(())
    }

    fn set_mac(&self, _: PortId, _: MacAddr) -> Result<(), PortError> {
        Ok(())
    }

    fn add_mac(&self, _: PortId, _: MacAddr) -> Result<(), PortError> {
        Ok(())
    }

    fn remove_mac(&self, _: PortId, _: MacAddr) -> Result<(), PortError> {
        Ok(())
    }

    fn set_up(&self, _: PortId, _: bool) -> Result<(), PortError> {
        Ok(())
    }

    fn trouble(&self, _: PortId) -> Option<Trouble> {
        at(&self.trouble).clone()
    }

    fn reopen(&self, _: PortId) -> Result<(), PortError> {
        *at(&self.attempts) += 1;
        if let Some(reason) = at(&self.refusal).clone() {
            return Err(PortError::Driver { interface: "Ethernet3".into(), call: "probe", reason });
        }
        *at(&self.trouble) = None;
        Ok(())
    }
}

/// A device on a PCI bus, its port and the log.
struct Bench {
    devices: Devices,
    port: Arc<Fails>,
    control: Arc<dyn PortControl>,
    log: LogBook,
    _logs: tracing::subscriber::DefaultGuard,
}

impl Bench {
    fn new() -> Self {
        let config = PortConfig::new(PortId(3), "Ethernet3", "0000:3b:00.0");
        let log = LogBook::new(100);
        let subscriber = tracing_subscriber::registry().with(LogLayer(log.clone()));
        let port = Arc::new(Fails::default());
        Self {
            devices: Devices::new(vec![PortDevice::new(&config, &Records::new(Path::new("/nowhere")))]),
            control: Arc::clone(&port) as Arc<dyn PortControl>,
            port,
            log,
            _logs: tracing::subscriber::set_default(subscriber),
        }
    }

    /// Looks at `now`, and again once an attempt that this began has ended.
    async fn look(&mut self, now: Instant) -> Vec<PortId> {
        let mut opened = self.devices.look(&self.control, now);
        while let Some(attempt) = &self.devices.0[0].attempt {
            if attempt.is_finished() {
                opened.extend(self.devices.look(&self.control, now));
                break;
            }
            tokio::task::yield_now().await;
        }
        opened
    }

    fn goes(&self, reason: &str, present: bool) {
        *at(&self.port.trouble) = Some(Trouble { reason: reason.into(), present });
    }

    /// What was logged since the last call, from the mnemonic on.
    fn said(&self) -> Vec<String> {
        let lines = self.log.view().lines;
        self.log.clear();
        lines.iter().filter_map(|line| Some(line.split_once(": %")?.1.to_owned())).collect()
    }
}

#[tokio::test]
async fn a_device_that_goes_is_said_once_and_opened_when_it_is_there_again() {
    let mut bench = Bench::new();
    let start = Instant::now();
    assert_eq!((bench.look(start).await, bench.said()), (vec![], vec![]));
    bench.goes("the device was removed", false);
    for ms in [100, 200, 5000] {
        assert_eq!(bench.look(start + Duration::from_millis(ms)).await, []);
    }
    assert_eq!(bench.said(), ["LINK-3-DEVICE: Ethernet3: the device was removed: the port is down"]);
    assert_eq!(*at(&bench.port.attempts), 0, "there is nothing to open");
    bench.goes("another one", true);
    assert_eq!(bench.look(start + Duration::from_secs(6)).await, [PortId(3)]);
    assert_eq!(
        bench.said(),
        [
            "LINK-3-DEVICE: Ethernet3: another one: the port is down",
            "LINK-5-DEVICE: Ethernet3: the device was opened again",
        ]
    );
    assert_eq!(bench.look(start + Duration::from_secs(7)).await, []);
    assert_eq!(*at(&bench.port.attempts), 1);
}

#[tokio::test]
async fn what_cannot_be_opened_is_tried_once_a_second() {
    let mut bench = Bench::new();
    let start = Instant::now();
    bench.goes("the device was removed", true);
    *at(&bench.port.refusal) = Some("busy".into());
    for ms in [0, 100, 900, 1000, 1900] {
        assert_eq!(bench.look(start + Duration::from_millis(ms)).await, []);
    }
    assert_eq!(*at(&bench.port.attempts), 2);
    *at(&bench.port.refusal) = None;
    assert_eq!(bench.look(start + Duration::from_secs(2)).await, [PortId(3)]);
    let refused = "LINK-3-DEVICE: Ethernet3: the device is not opened again: Ethernet3: probe: busy";
    assert_eq!(
        bench.said(),
        [
            "LINK-3-DEVICE: Ethernet3: the device was removed: the port is down",
            refused,
            "LINK-5-DEVICE: Ethernet3: the device was opened again",
        ],
        "the same refusal is said once"
    );
}
