//! The `device` of a port: what it names, what is added for the queues and frames that the port must carry, and
//! how it is brought into EAL.

use std::ffi::CString;

use common::{config::PortConfig, port::PortError};

use super::{error_text, log};

/// Ethernet header, two VLAN tags: what a frame has beside its layer-3 bytes.
pub(super) const FRAME_OVERHEAD: usize = 14 + 2 * 4;

/// What the kernel puts in front of a frame in a packet socket's ring, with room to spare (`TPACKET2_HDRLEN`,
/// `sockaddr_ll`, alignment).
const PACKET_RING_HEADER: usize = 128;

/// Bytes of data in the small buffers of a small MTU.
const SMALL_ROOM: usize = 256;

/// A device as EAL wants it named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    /// `pci` or `vdev`.
    pub bus: &'static str,
    /// `0000:3b:00.0` or `net_ring0`.
    pub name: String,
    /// What follows the first comma.
    pub arguments: String,
}

impl Device {
    /// Reads the device string of `port` and adds what `queues` queue pairs of its MTU need and the string does
    /// not say.
    pub fn new(port: &PortConfig, queues: u16) -> Self {
        let (name, arguments) = port.device.split_once(',').unwrap_or((&port.device, ""));
        let bus = if is_pci(name) { "pci" } else { "vdev" };
        let mut device = Self { bus, name: name.to_owned(), arguments: arguments.to_owned() };
        if device.driver("net_af_packet") {
            let frame = packet_ring_frame(port.mtu);
            let count = port.rx_descriptors.max(port.tx_descriptors).next_power_of_two().max(512);
            device.add("qpairs", u64::from(queues));
            if device.argument("framesz").is_none() {
                device.add("framesz", frame as u64);
                device.add("blocksz", frame.max(4096) as u64);
            }
            device.add("framecnt", u64::from(count));
        } else if queues > 1 && (device.driver("net_virtio_user") || device.driver("net_vhost")) {
            device.add("queues", u64::from(queues));
        }
        device
    }

    /// The kernel device of a packet socket.
    pub fn packet_socket(&self) -> Option<&str> {
        self.driver("net_af_packet").then(|| self.argument("iface")).flatten()
    }

    /// Descriptors that the device has come with, whatever a queue asks for: a packet socket's rings.
    pub fn descriptors(&self) -> Option<u16> {
        let ring = self.driver("net_af_packet").then(|| self.argument("framecnt"));
        ring.flatten().and_then(|count| count.parse().ok())
    }

    /// Bytes of data that a buffer must hold for `mtu`, headroom apart.
    pub fn room(&self, mtu: u16) -> usize {
        let frame = usize::from(mtu) + FRAME_OVERHEAD;
        // Devices without hardware take buffers of any size.
        let soft = ["net_pcap", "net_null"].iter().any(|driver| self.driver(driver));
        if soft && frame <= SMALL_ROOM {
            return SMALL_ROOM;
        }
        let ring = if self.driver("net_af_packet") {
            self.argument("framesz").and_then(|size| size.parse().ok()).unwrap_or(0)
        } else {
            0
        };
        frame.next_multiple_of(1024).max(2048).max(ring)
    }

    /// Brings the device up in EAL and returns its port number.
    pub fn attach(&self, port: &PortConfig) -> Result<u16, PortError> {
        let missing = |reason: String| PortError::NoDevice {
            interface: port.name.clone(),
            device: port.device.clone(),
            reason,
        };
        let text = |text: &str| CString::new(text).map_err(|error| missing(error.to_string()));
        let (bus, name, arguments) = (text(self.bus)?, text(&self.name)?, text(&self.arguments)?);
        let mut number = 0;
        // SAFETY: the strings live through the calls, the number is ours.
        let mut find =
            || unsafe { capsule_ffi::rte_eth_dev_get_port_by_name(name.as_ptr(), &raw mut number) == 0 };
        if find() {
            // A PCI device of the allow list was probed when EAL started; two ports cannot share one.
            return if self.bus == "pci" { Ok(number) } else { Err(missing("used twice".to_owned())) };
        }
        // SAFETY: EAL runs, the strings live through the call.
        let (result, said) = log::capture(|| unsafe {
            capsule_ffi::rte_eal_hotplug_add(bus.as_ptr(), name.as_ptr(), arguments.as_ptr())
        });
        if result < 0 {
            return Err(missing(log::reason(said, || error_text(result))));
        }
        if find() { Ok(number) } else { Err(missing(log::reason(said, || "it is no port".to_owned()))) }
    }

    /// Takes the device out of EAL once its port is closed, so that it can be attached again.
    pub fn detach(&self) {
        let (Ok(bus), Ok(name)) = (CString::new(self.bus), CString::new(self.name.as_str())) else { return };
        // SAFETY: EAL runs, the strings live through the call.
        let (result, said) =
            log::capture(|| unsafe { capsule_ffi::rte_eal_hotplug_remove(bus.as_ptr(), name.as_ptr()) });
        if result < 0 {
            tracing::debug!("{}: remove: {}", self.name, log::reason(said, || error_text(result)));
        }
    }

    fn driver(&self, driver: &str) -> bool {
        self.name.starts_with(driver)
    }

    fn argument(&self, key: &str) -> Option<&str> {
        self.arguments.split(',').find_map(|part| part.strip_prefix(key)?.strip_prefix('='))
    }

    fn add(&mut self, key: &str, value: u64) {
        if self.argument(key).is_none() {
            let comma = if self.arguments.is_empty() { "" } else { "," };
            self.arguments = format!("{}{comma}{key}={value}", self.arguments);
        }
    }
}

/// A frame of a packet socket's ring that holds `mtu`; a power of two, so that frames fill blocks.
fn packet_ring_frame(mtu: u16) -> usize {
    (usize::from(mtu) + FRAME_OVERHEAD + PACKET_RING_HEADER).next_power_of_two().max(2048)
}

/// `0000:3b:00.0` or `3b:00.0`.
pub(super) fn is_pci(name: &str) -> bool {
    let hex =
        |text: &str, digits: usize| text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let Some((address, function)) = name.rsplit_once('.') else { return false };
    let parts: Vec<&str> = address.split(':').collect();
    let address = match parts[..] {
        [domain, bus, device] => hex(domain, 4) && hex(bus, 2) && hex(device, 2),
        [bus, device] => hex(bus, 2) && hex(device, 2),
        _ => false,
    };
    address && matches!(function.as_bytes(), [b'0'..=b'7'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backend::dpdk::tests::port;

    #[test]
    fn tells_pci_addresses_from_virtual_devices() {
        for pci in ["0000:3b:00.0", "3b:00.1", "0001:Ff:1f.7"] {
            assert!(is_pci(pci), "{pci}");
        }
        for vdev in ["net_ring0", "0000:3b:00.8", "0000:3b:00", "000:3b:00.0", "net_pcap0.1", ""] {
            assert!(!is_pci(vdev), "{vdev}");
        }
    }

    #[test]
    fn packet_sockets_get_queues_and_frames_for_the_mtu() {
        let mut config = port(0, "net_af_packet0,iface=veth0");
        let device = Device::new(&config, 2);
        assert_eq!(
            (device.name.as_str(), device.arguments.as_str()),
            ("net_af_packet0", "iface=veth0,qpairs=2,framesz=2048,blocksz=4096,framecnt=1024")
        );
        assert_eq!((device.room(config.mtu), device.descriptors()), (2048, Some(1024)));
        config.tx_descriptors = 1500;
        assert_eq!(Device::new(&config, 2).descriptors(), Some(2048));

        config.mtu = 9600;
        let device = Device::new(&config, 1);
        assert_eq!(device.arguments, "iface=veth0,qpairs=1,framesz=16384,blocksz=16384,framecnt=2048");
        assert_eq!(device.room(9600), 16384);
    }

    #[test]
    fn what_the_string_says_stays() {
        let device = Device::new(&port(0, "net_af_packet0,iface=v,qpairs=4,framesz=4096,blocksz=8192"), 2);
        assert_eq!(device.arguments, "iface=v,qpairs=4,framesz=4096,blocksz=8192,framecnt=1024");
        let device = Device::new(&port(0, "net_pcap0,rx_pcap=a.pcap,infinite_rx=1"), 2);
        assert_eq!(device.arguments, "rx_pcap=a.pcap,infinite_rx=1");
        assert_eq!(device.bus, "vdev");
        assert_eq!(device.room(9000), 9216);
        assert_eq!((device.room(230), device.room(1500)), (256, 2048));
    }
}
