//! One Ethernet port: configured, refined and started by direct calls, because capsule's own builder fixes one
//! queue pair a core, buffer release without reference counts, and knows no offload, key or MTU.

use std::{
    ffi::CStr,
    ptr::NonNull,
    sync::{
        Arc,
        atomic::Ordering::{Relaxed, Release},
    },
};

use arrayvec::ArrayVec;
use capsule_ffi as ffi;
use common::{
    config::{PortConfig, RssFields},
    id::PortId,
    mac::MacAddr,
    port::{PortCounters, PortError, PortInfo, Trouble},
};

use super::{
    device::Device,
    error_text, events,
    kernel::KernelDevice,
    log,
    queue::{DpdkQueue, PortState, Tx},
    shared_tx::SharedTx,
    sockets::PacketSockets,
};

/// `-ENOTSUP`: the driver does not have the call.
pub(super) const NOT_SUPPORTED: i32 = -95;

/// A configured port.
#[derive(Debug)]
pub(super) struct Port {
    /// Number of the port in DPDK.
    pub dev: u16,
    /// The interface's name in the configuration.
    pub interface: String,
    /// What it was configured from.
    pub config: PortConfig,
    /// How many workers share its queues.
    pub workers: u16,
    /// The device of it.
    pub named: Device,
    /// As control sees it.
    pub info: PortInfo,
    /// The kernel device under it.
    pub under: Option<KernelDevice>,
    /// Its packet sockets.
    pub sockets: Option<PacketSockets>,
    /// Why no device is open; `None`: one is.
    pub away: Option<String>,
    /// What devices counted that were open before this one.
    pub before: PortCounters,
    /// The device takes one segment a frame.
    one_segment: bool,
    /// Shared with its queues.
    pub state: Arc<PortState>,
    tx: Vec<Option<Arc<SharedTx>>>,
}

impl Port {
    /// Configures the device `dev` for `workers` workers with buffers from `pool`; does not start it.
    pub fn configure(
        config: &PortConfig,
        named: &Device,
        dev: u16,
        workers: u16,
        pool: NonNull<ffi::rte_mempool>,
    ) -> Result<Self, PortError> {
        let call = Calls { interface: &config.name };
        let mut device = ffi::rte_eth_dev_info::default();
        // SAFETY: the port exists; the structure is ours.
        call.run("rte_eth_dev_info_get", || unsafe { ffi::rte_eth_dev_info_get(dev, &raw mut device) })?;
        let rx_queues = queues(config, "rx-queues", config.rx_queues, workers, device.max_rx_queues);
        let tx_queues = queues(config, "tx-queues", config.tx_queues, workers, device.max_tx_queues);

        let mut key = rss_key(config, &device)?;
        let rss = if rx_queues > 1 { rss_fields(config.rss) & device.flow_type_rss_offloads } else { 0 };
        let mut conf = ffi::rte_eth_conf::default();
        if rss != 0 {
            conf.rxmode.mq_mode = ffi::SHIM_MQ_RX_RSS;
            conf.rx_adv_conf.rss_conf.rss_hf = rss;
            if let Some(key) = &mut key {
                conf.rx_adv_conf.rss_conf.rss_key = key.as_mut_ptr();
                conf.rx_adv_conf.rss_conf.rss_key_len = key.len() as u8;
            }
        } else if config.rss_key.is_some() && rx_queues > 1 {
            tracing::warn!("{}: the device has no receive-side scaling, rss key is not used", config.name);
        }
        let rx_wanted =
            ffi::SHIM_RX_OFFLOAD_IPV4_CKSUM | ffi::SHIM_RX_OFFLOAD_UDP_CKSUM | ffi::SHIM_RX_OFFLOAD_RSS_HASH;
        conf.rxmode.offloads = rx_wanted & device.rx_offload_capa;
        if rss == 0 {
            conf.rxmode.offloads &= !ffi::SHIM_RX_OFFLOAD_RSS_HASH;
        }
        // Never MBUF_FAST_FREE: it forbids shared frames and more than one pool.
        let checksums = ffi::SHIM_TX_OFFLOAD_IPV4_CKSUM | ffi::SHIM_TX_OFFLOAD_UDP_CKSUM;
        let checksum_offload = device.tx_offload_capa & checksums == checksums;
        if checksum_offload {
            conf.txmode.offloads |= checksums;
        }
        conf.txmode.offloads |= device.tx_offload_capa & ffi::SHIM_TX_OFFLOAD_MULTI_SEGS;
        events::ask_for(&mut conf, &device);

        // SAFETY: the port is not started; the structure and the key in it live through the call.
        call.run("rte_eth_dev_configure", || unsafe {
            ffi::rte_eth_dev_configure(dev, rx_queues, tx_queues, &raw const conf)
        })?;
        events::listen(&call, dev, &conf)?;
        let under = config.kernel_device().map(|device| {
            KernelDevice::new(device).map_err(|error| call.error("link", format!("{device}: {error}")))
        });
        let under = under.transpose()?;
        set_mtu(&call, dev, under.as_ref().filter(|_| named.packet_socket().is_some()), config.mtu)?;
        let (rx_descriptors, tx_descriptors) = setup_queues(&call, config, named, dev, &device, pool)?;
        let mac = set_mac(&call, dev, config.mac)?;
        // SAFETY: returns a string constant of the driver.
        let driver = unsafe { text(device.driver_name) };
        // SAFETY: reads a number of the port.
        let socket = unsafe { ffi::rte_eth_dev_socket_id(dev) };
        let sockets = named.packet_socket().and_then(|device| match PacketSockets::new(device) {
            Ok(sockets) => {
                if let Err(error) = sockets.mark_foreign_tags() {
                    tracing::warn!("{}: service tags on {device} are taken for 802.1Q: {error}", config.name);
                }
                Some(sockets)
            }
            Err(error) => {
                tracing::warn!("{}: the packet sockets on {device} are not watched: {error}", config.name);
                None
            }
        });
        let port = Self {
            dev,
            interface: config.name.clone(),
            config: config.clone(),
            workers,
            named: named.clone(),
            info: PortInfo {
                id: config.id,
                mac,
                driver,
                rx_queues,
                tx_queues,
                rx_descriptors,
                tx_descriptors,
                mtu: config.mtu,
                checksum_offload,
                socket: u8::try_from(socket).ok(),
                rss,
            },
            under,
            sockets,
            away: None,
            before: PortCounters::default(),
            one_segment: device.tx_offload_capa & ffi::SHIM_TX_OFFLOAD_MULTI_SEGS == 0
                && !passes_chains(device.driver_name),
            state: Arc::default(),
            tx: (0..tx_queues)
                .map(|queue| (tx_queues < workers).then(|| Arc::new(SharedTx::new(dev, queue))))
                .collect(),
        };
        port.state.dev.store(dev, Relaxed);
        // SAFETY: the port is configured.
        port.optional("rte_eth_allmulticast_enable", unsafe { ffi::rte_eth_allmulticast_enable(dev) });
        let promiscuous = if config.promiscuous {
            // SAFETY: the port is configured.
            unsafe { ffi::rte_eth_promiscuous_enable(dev) }
        } else {
            // SAFETY: the port is configured.
            unsafe { ffi::rte_eth_promiscuous_disable(dev) }
        };
        port.optional("promiscuous", promiscuous);
        Ok(port)
    }

    /// Lets traffic flow.
    pub fn start(&self) -> Result<(), PortError> {
        let call = Calls { interface: &self.interface };
        // SAFETY: the port is configured and all its queues are set up.
        call.run("rte_eth_dev_start", || unsafe { ffi::rte_eth_dev_start(self.dev) })?;
        self.state.up.store(true, Release);
        Ok(())
    }

    /// The kernel device of a packet socket.
    pub fn packet_socket(&self) -> Option<&KernelDevice> {
        self.under.as_ref().filter(|_| self.named.packet_socket().is_some())
    }

    /// Why its device carries nothing any more.
    pub fn trouble(&self) -> Option<Trouble> {
        let index = self.under.as_ref().map(KernelDevice::index);
        if let Some(reason) = &self.away {
            return Some(Trouble { reason: reason.clone(), present: index.is_none_or(|at| at.is_some()) });
        }
        if events::is_removed(self.dev) {
            return Some(Trouble { reason: "the device was removed".to_owned(), present: true });
        }
        let under = self.under.as_ref()?;
        let name = under.name();
        let Some(index) = index? else {
            return Some(Trouble { reason: format!("kernel device {name} is gone"), present: false });
        };
        let same = self.sockets.as_ref().map_or(index == under.opened(), |sockets| sockets.are_bound(index));
        let reason = || format!("kernel device {name} is another one than was opened");
        (!same).then(|| Trouble { reason: reason(), present: true })
    }

    /// Takes the place of `old`, whose queues the workers still hold. They must be left ([`PortState::is_left`]).
    pub fn replace(mut self, old: &mut Self) -> Result<(), PortError> {
        let queues = |port: &Self| {
            let info = &port.info;
            (info.rx_queues, info.tx_queues, info.checksum_offload, port.one_segment)
        };
        if queues(&self) != queues(old) {
            Self::close_device(self.dev);
            self.named.detach();
            let reason = "the device has other queues or offloads than the one before; restart needed";
            return Err(Calls { interface: &self.interface }.error("reopen", reason.to_owned()));
        }
        self.state = Arc::clone(&old.state);
        self.state.dev.store(self.dev, Relaxed);
        self.tx = std::mem::take(&mut old.tx);
        self.share(Some(self.dev));
        self.before = std::mem::take(&mut old.before);
        *old = self;
        Ok(())
    }

    /// Where shared transmit queues send to.
    pub fn share(&self, dev: Option<u16>) {
        self.tx.iter().flatten().for_each(|shared| shared.set_device(dev));
    }

    /// Stops the port and gives its resources back. No worker may poll it any more.
    pub fn close(&self) {
        self.state.up.store(false, Relaxed);
        if self.away.is_none() {
            Self::close_device(self.dev);
        }
    }

    /// The same of a device by its number.
    pub fn close_device(dev: u16) {
        events::forget(dev);
        // SAFETY: the port exists and no thread polls it.
        let (stopped, closed) = unsafe { (ffi::rte_eth_dev_stop(dev), ffi::rte_eth_dev_close(dev)) };
        for (call, result) in [("rte_eth_dev_stop", stopped), ("rte_eth_dev_close", closed)] {
            if result != 0 {
                tracing::debug!("port {dev}: {call}: {}", error_text(result));
            }
        }
    }

    /// What `worker` of `workers` polls and sends on. Receive queue `q` of port `p` goes to worker `(p + q) mod
    /// workers`, so that single-queue ports spread over the workers.
    pub fn queue(&self, worker: u16, workers: u16, pool: NonNull<ffi::rte_mempool>) -> DpdkQueue {
        let rx: ArrayVec<u16, { super::queue::MAX_QUEUES }> = (0..self.info.rx_queues)
            .filter(|queue| {
                (usize::from(*queue) + self.info.id.index()) % usize::from(workers) == usize::from(worker)
            })
            .collect();
        let tx = worker % self.info.tx_queues;
        let tx =
            self.tx[usize::from(tx)].as_ref().map_or(Tx::Own(tx), |shared| Tx::Shared(Arc::clone(shared)));
        DpdkQueue {
            port: PortId(self.info.id.0),
            bit: DpdkQueue::hold(&self.state, worker),
            rx,
            turn: 0,
            tx,
            pool,
            state: Arc::clone(&self.state),
            one_segment: self.one_segment,
            checksum_offload: self.info.checksum_offload,
        }
    }

    /// Lets go of what the port itself holds of its shared transmit queues.
    pub fn release(&mut self) {
        self.tx.clear();
    }

    /// True while a worker holds a queue of the port.
    pub fn in_use(&self) -> bool {
        Arc::strong_count(&self.state) > 1
    }

    /// Notes a call that a device need not have.
    fn optional(&self, call: &'static str, result: i32) {
        if result != 0 {
            tracing::debug!("{}: {call}: {}", self.interface, error_text(result));
        }
    }
}

/// Calls whose failure ends the port.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calls<'a> {
    /// Named in errors.
    pub interface: &'a str,
}

impl Calls<'_> {
    /// Runs `f`; a negative result becomes an error with what DPDK said.
    pub fn run(&self, call: &'static str, f: impl FnOnce() -> i32) -> Result<i32, PortError> {
        let (result, said) = log::capture(f);
        if result >= 0 {
            return Ok(result);
        }
        Err(self.error(call, log::reason(said, || error_text(result))))
    }

    /// The error of `call`.
    pub fn error(&self, call: &'static str, reason: String) -> PortError {
        PortError::Driver { interface: self.interface.to_owned(), call, reason }
    }
}

/// Queues that the port gets: what is asked for (else one a worker) as far as the device has them.
fn queues(config: &PortConfig, name: &str, asked: Option<u16>, workers: u16, most: u16) -> u16 {
    let wanted = asked.unwrap_or(workers).clamp(1, super::queue::MAX_QUEUES as u16);
    let given = wanted.min(most.max(1));
    if asked.is_some_and(|asked| asked != given) {
        tracing::info!("{}: {name} {wanted}: the device has {most}", config.name);
    }
    given
}

fn rss_fields(fields: RssFields) -> u64 {
    match fields {
        RssFields::Ip => ffi::SHIM_RSS_IP,
        RssFields::Udp | RssFields::Symmetric => ffi::SHIM_RSS_IP | ffi::SHIM_RSS_UDP | ffi::SHIM_RSS_TCP,
    }
}

/// The configured key, or for `symmetric` the one of repeated 6d5a, under which swapped addresses and ports hash
/// alike; `None` is the driver's own.
fn rss_key(config: &PortConfig, device: &ffi::rte_eth_dev_info) -> Result<Option<Vec<u8>>, PortError> {
    let size = match usize::from(device.hash_key_size) {
        0 => 40,
        size => size,
    };
    match &config.rss_key {
        Some(key) if device.hash_key_size != 0 && key.len() != size => Err(Calls { interface: &config.name }
            .error("rss key", format!("{} bytes, the device takes {size}", key.len()))),
        Some(key) => Ok(Some(key.clone())),
        None if config.rss == RssFields::Symmetric => {
            Ok(Some([0x6d, 0x5a].into_iter().cycle().take(size).collect()))
        }
        None => Ok(None),
    }
}

/// Sets the MTU. A packet socket's is that of its kernel device; a device that does not know one carries what fits
/// its frames.
pub(super) fn set_mtu(
    call: &Calls<'_>,
    dev: u16,
    kernel: Option<&KernelDevice>,
    mtu: u16,
) -> Result<(), PortError> {
    if let Some(device) = kernel {
        return device.set_mtu(mtu).map_err(|error| call.error("mtu", format!("{}: {error}", device.name())));
    }
    let mut present = 0;
    // SAFETY: the port exists, the number is ours.
    let known = unsafe { ffi::rte_eth_dev_get_mtu(dev, &raw mut present) };
    if known == 0 && present == mtu {
        return Ok(());
    }
    // SAFETY: the port is configured; a driver that must be stopped for it says so.
    let (result, said) = log::capture(|| unsafe { ffi::rte_eth_dev_set_mtu(dev, mtu) });
    match result {
        0 | NOT_SUPPORTED => Ok(()),
        _ => Err(call.error("rte_eth_dev_set_mtu", log::reason(said, || error_text(result)))),
    }
}

/// Sets up every queue; returns the descriptors as the device takes them.
fn setup_queues(
    call: &Calls<'_>,
    config: &PortConfig,
    named: &Device,
    dev: u16,
    device: &ffi::rte_eth_dev_info,
    pool: NonNull<ffi::rte_mempool>,
) -> Result<(u16, u16), PortError> {
    let (mut rx, mut tx) = match named.descriptors() {
        Some(given) => (given, given),
        None => (config.rx_descriptors, config.tx_descriptors),
    };
    // SAFETY: the port is configured, the numbers are ours.
    call.run("rte_eth_dev_adjust_nb_rx_tx_desc", || unsafe {
        ffi::rte_eth_dev_adjust_nb_rx_tx_desc(dev, &raw mut rx, &raw mut tx)
    })?;
    if (rx, tx) != (config.rx_descriptors, config.tx_descriptors) {
        tracing::info!("{}: the device takes {rx} receive and {tx} transmit descriptors", config.name);
    }
    // What was configured for the port holds for its queues; `configure` cleared the rest.
    let mut present = ffi::rte_eth_dev_info::default();
    // SAFETY: the port exists; the structure is ours.
    call.run("rte_eth_dev_info_get", || unsafe { ffi::rte_eth_dev_info_get(dev, &raw mut present) })?;
    let mut rx_conf = device.default_rxconf;
    rx_conf.offloads = 0;
    let mut tx_conf = device.default_txconf;
    tx_conf.offloads = 0;
    // SAFETY: reads a number of the port; -1 means any node.
    let socket = unsafe { ffi::rte_eth_dev_socket_id(dev) } as u32;
    for queue in 0..present.nb_rx_queues {
        // SAFETY: the queue exists, the port is not started, the pool outlives the port.
        call.run("rte_eth_rx_queue_setup", || unsafe {
            ffi::rte_eth_rx_queue_setup(dev, queue, rx, socket, &raw const rx_conf, pool.as_ptr())
        })?;
    }
    for queue in 0..present.nb_tx_queues {
        // SAFETY: the queue exists, the port is not started.
        call.run("rte_eth_tx_queue_setup", || unsafe {
            ffi::rte_eth_tx_queue_setup(dev, queue, tx, socket, &raw const tx_conf)
        })?;
    }
    Ok((rx, tx))
}

/// Sets the address if one is configured; returns the one in use. A device without addresses (a ring, a file)
/// carries any.
pub(super) fn set_mac(call: &Calls<'_>, dev: u16, mac: Option<MacAddr>) -> Result<MacAddr, PortError> {
    if let Some(mac) = mac {
        let mut address = ffi::rte_ether_addr { addr_bytes: mac.0 };
        // SAFETY: the port is configured, the address lives through the call.
        let (result, said) =
            log::capture(|| unsafe { ffi::rte_eth_dev_default_mac_addr_set(dev, &raw mut address) });
        return match result {
            0 | NOT_SUPPORTED => Ok(mac),
            _ => {
                Err(call.error("rte_eth_dev_default_mac_addr_set", log::reason(said, || error_text(result))))
            }
        };
    }
    let mut address = ffi::rte_ether_addr::default();
    // SAFETY: the port exists, the address is ours.
    call.run("rte_eth_macaddr_get", || unsafe { ffi::rte_eth_macaddr_get(dev, &raw mut address) })?;
    Ok(MacAddr(address.addr_bytes))
}

/// Virtual devices that walk or pass on chains of segments without announcing it.
fn passes_chains(driver: *const std::os::raw::c_char) -> bool {
    // SAFETY: a string constant of the driver.
    let driver = unsafe { text(driver) };
    ["net_ring", "net_null", "net_pcap", "net_af_packet", "net_tap"].contains(&driver.as_str())
}

/// Copies a C string; null is empty.
///
/// # Safety
///
/// `pointer` is null or points to a C string.
unsafe fn text(pointer: *const std::os::raw::c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}
