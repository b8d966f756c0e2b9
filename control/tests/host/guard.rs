//! One listener a wire: the kernel device under a port is silent.

use std::{
    io::Read,
    net::{SocketAddr, UdpSocket},
    os::fd::{AsRawFd, OwnedFd},
    path::Path,
    process::Command,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use control::host::{Guard, GuardError, Records};
use nix::{
    ifaddrs::getifaddrs,
    sched::{CloneFlags, setns, unshare},
    sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, bind, socket},
};

use socket2::{Domain, Protocol, Socket, Type};

use crate::support::*;

#[test]
fn a_device_with_an_address_and_one_that_is_not_there_are_refused_by_name() {
    in_namespace(|| async {
        let error = Guard::secure("Ethernet0", "veth0", &records()).await.unwrap_err();
        assert!(matches!(error, GuardError::NoDevice { .. }));
        assert!(error.to_string().starts_with("Ethernet0: there is no kernel device veth0"), "{error}");
        ip("link add veth0 type veth peer name veth1");
        for address in ["10.1.1.1/24", "2001:db8::1/64"] {
            ip(&format!("addr add {address} dev veth0"));
            let error = Guard::secure("Ethernet0", "veth0", &records()).await.unwrap_err();
            let plain = address.split('/').next().unwrap();
            let wanted = format!("Ethernet0: kernel device veth0 carries the address {plain}");
            assert!(error.to_string().starts_with(&wanted), "{error}");
            ip(&format!("addr del {address} dev veth0"));
        }
        assert_eq!(setting("ipv6/conf/veth0/disable_ipv6"), "0", "a refused device is left alone");
    });
}

/// Where nothing can be written.
fn records() -> Records {
    Records::new(Path::new("/proc/nowhere"))
}

/// The settings that tell a guarded device from others.
fn silent() -> [String; 3] {
    ["ipv6/conf/veth0/disable_ipv6", "ipv4/conf/veth0/arp_ignore", "ipv4/conf/veth0/rp_filter"].map(setting)
}

/// Ends as a killed process does: nothing is put back, the lock goes.
fn kill(guard: Guard, directory: &Path) {
    let stands = |path: &Path| (path.to_owned(), std::fs::read(path).unwrap());
    let files: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| stands(&entry.unwrap().path())).collect();
    drop(guard);
    for (path, bytes) in files {
        std::fs::write(path, bytes).unwrap();
    }
    for (key, value) in [("ipv6/conf/veth0/disable_ipv6", "1"), ("ipv4/conf/veth0/arp_ignore", "8")] {
        std::fs::write(format!("/proc/sys/net/{key}"), value).unwrap();
    }
}

#[test]
fn what_a_killed_process_changed_is_put_back_once_it_is_dead() {
    in_namespace(|| async {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::new(folder.path());
        let files = || std::fs::read_dir(folder.path()).unwrap().count();
        ip("link add veth0 type veth peer name veth1");
        let before = silent();
        let guard = Guard::secure("Ethernet0", "veth0", &records).await.unwrap();
        assert_eq!((silent()[1].as_str(), files()), ("8", 1));
        // Its owner lives.
        assert_eq!(records.restore(), [""; 0]);
        assert_eq!((silent()[1].as_str(), files()), ("8", 1));
        kill(guard, folder.path());
        assert_eq!((silent()[1].as_str(), files()), ("8", 1));
        // Somebody has set this one since: it stays.
        std::fs::write("/proc/sys/net/ipv4/conf/veth0/rp_filter", "2").unwrap();
        let said = records.restore();
        assert_eq!(silent(), [before[0].as_str(), &before[1], "2"]);
        assert_eq!((said.len(), files()), (2, 0), "{said:?}");
        assert!(
            said.contains(&format!(
                "kernel device veth0: net.ipv4 arp_ignore set back to {}, as it was before a crash",
                before[1]
            )),
            "{said:?}"
        );
        assert_eq!(records.restore(), [""; 0]);
    });
}

#[test]
fn another_device_of_the_name_is_left_alone() {
    in_namespace(|| async {
        let folder = tempfile::tempdir().unwrap();
        let records = Records::new(folder.path());
        ip("link add veth0 type veth peer name veth1");
        let guard = Guard::secure("Ethernet0", "veth0", &records).await.unwrap();
        ip("link del veth0");
        ip("link add name veth0 index 99 type veth peer name veth1");
        std::fs::write("/proc/sys/net/ipv4/conf/veth0/arp_ignore", "8").unwrap();
        drop(guard);
        assert_eq!(silent()[1], "8", "the guard is of the device before");
        let guard = Guard::secure("Ethernet0", "veth0", &records).await.unwrap();
        kill(guard, folder.path());
        ip("link del veth0");
        ip("link add veth0 type veth peer name veth1");
        std::fs::write("/proc/sys/net/ipv4/conf/veth0/arp_ignore", "8").unwrap();
        assert_eq!(records.restore(), [""; 0]);
        assert_eq!((silent()[1].as_str(), std::fs::read_dir(folder.path()).unwrap().count()), ("8", 0));
    });
}

#[test]
fn a_guarded_device_is_up_without_ipv6_and_gets_its_settings_back() {
    in_namespace(|| async {
        ip("link add veth0 type veth peer name veth1");
        ip("link set veth1 up");
        let guard = Guard::secure("Ethernet0", "veth0", &records()).await.unwrap();
        assert_eq!(ip_json("link show veth0")[0]["operstate"], "UP");
        assert_eq!(ip_json("addr show veth0")[0]["addr_info"].as_array().unwrap().len(), 0);
        assert_eq!(silent(), ["1", "8", "1"]);
        assert!(
            guard.did().iter().any(|line| {
                line == "Ethernet0: kernel device veth0: net.ipv6 disable_ipv6 set to 1 (was 0)"
            }),
            "{:?}",
            guard.did()
        );
        let harness = Harness::start().await;
        assert_eq!(guard.violations(&harness.host.state().borrow()), [""; 0]);
        ip("addr add 10.3.3.3/24 dev veth0");
        harness.state("the address", |s| !guard.violations(s).is_empty()).await;
        drop(guard);
        assert_eq!(silent(), ["0", "0", "0"]);
        harness.host.shutdown().await;
    });
}

/// A packet socket on a veth plays the port: what it takes is punted. The peer is in a namespace of its own.
#[test]
fn one_ping_gets_one_reply_and_one_datagram_arrives_once() {
    in_namespace(|| async {
        ip("link add veth0 type veth peer name veth1");
        ip("link set veth0 address 02:00:5e:00:00:01");
        ip("link set veth1 address 02:00:5e:00:00:02");
        let peer = peer_namespace("veth1");
        let _guard = Guard::secure("Ethernet0", "veth0", &records()).await.unwrap();
        let mut harness = Harness::with_ethernet0().await;
        let port = packet_socket("veth0");
        let listener = UdpSocket::bind((HOST, 434)).unwrap();
        listener.set_nonblocking(true).unwrap();

        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| shuttle(&port, &mut harness, &stop));
            let _guard = Stop(&stop);
            let replies = peer.run(|| {
                let replies = pings(5);
                let sender = UdpSocket::bind((PEER, 4000)).unwrap();
                sender.send_to(b"once", (HOST, 434)).unwrap();
                sender.send_to(b"last", (HOST, 434)).unwrap();
                replies
            });
            assert_eq!(replies, [1, 2, 3, 4, 5]);
            let mut got: Vec<Vec<u8>> = Vec::new();
            let end = Instant::now() + DEADLINE;
            let mut buffer = [0; 64];
            while got.last().is_none_or(|last| last != b"last") {
                match listener.recv_from(&mut buffer) {
                    Ok((length, _)) => got.push(buffer[..length].to_vec()),
                    Err(_) => std::thread::sleep(Duration::from_millis(1)),
                }
                assert!(Instant::now() < end, "{got:?}");
            }
            assert_eq!(got, [b"once".to_vec(), b"last".to_vec()]);
        });
        // The peer learnt the address from one answer, and the kernel's other door stayed shut.
        assert_eq!(listener.recv_from(&mut [0; 64]).unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
        harness.host.shutdown().await;
    });
}

/// Ends the shuttle, also when a test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Sends echo requests 1 to `count` to the host, each after the reply to the one before, and returns the sequence
/// numbers of all replies: a second reply to one would stand before the reply to the next.
fn pings(count: u8) -> Vec<u8> {
    let mut socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::ICMPV4)).unwrap();
    socket.set_read_timeout(Some(DEADLINE)).unwrap();
    socket.connect(&SocketAddr::from((HOST, 0)).into()).unwrap();
    let mut replies = Vec::new();
    let mut buffer = [0; 256];
    for sequence in 1..=count {
        socket.send(&echo_request(0x7777, sequence.into())).unwrap();
        while replies.last() != Some(&sequence) {
            let length = socket.read(&mut buffer).unwrap();
            assert!(length >= 28 && buffer[20] == 0, "an echo reply");
            replies.push(buffer[27]);
        }
    }
    replies
}

struct Peer {
    namespace: std::fs::File,
}

impl Peer {
    /// Runs `action` on a thread of its own inside the namespace.
    fn run<T: Send>(&self, action: impl FnOnce() -> T + Send) -> T {
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&self.namespace, CloneFlags::CLONE_NEWNET).unwrap();
                action()
            });
            inside.join().unwrap()
        })
    }
}

/// A namespace with the other end of the wire, 10.1.1.2.
fn peer_namespace(device: &str) -> Peer {
    let namespace = std::thread::spawn(|| {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        std::fs::File::open("/proc/thread-self/ns/net").unwrap()
    });
    let peer = Peer { namespace: namespace.join().unwrap() };
    let target = format!("/proc/{}/fd/{}", std::process::id(), peer.namespace.as_raw_fd());
    ip(&format!("link set {device} netns {target}"));
    peer.run(|| {
        ip(&format!("addr add 10.1.1.2/24 dev {device}"));
        ip(&format!("link set {device} up"));
        // A veth leaves checksums to the other end, which a packet socket cannot fill in.
        assert!(Command::new("ethtool").args(["-K", device, "tx", "off"]).output().unwrap().status.success());
    });
    peer
}

fn packet_socket(device: &str) -> OwnedFd {
    let kind = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(AddressFamily::Packet, SockType::Raw, kind, SockProtocol::EthAll).unwrap();
    let mut entries = getifaddrs().unwrap().filter(|entry| entry.interface_name == device);
    let address = entries.find_map(|entry| entry.address?.as_link_addr().copied()).unwrap();
    bind(socket.as_raw_fd(), &address).unwrap();
    socket
}

/// Moves frames between the packet socket and the rings, as a worker would.
fn shuttle(port: &OwnedFd, harness: &mut Harness, stop: &AtomicBool) {
    let mut buffer = [0; 2048];
    let mut frame = Vec::new();
    while !stop.load(Ordering::Relaxed) {
        while let Ok(length) = nix::unistd::read(port, &mut buffer) {
            // What this side sends shows up here too.
            if buffer[6..12] != PORT_MAC.0 {
                assert!(harness.punt.send(ETHERNET0, &buffer[..length]));
            }
        }
        while harness.inject.receive(&mut frame).is_some() {
            nix::unistd::write(port, &frame).unwrap();
        }
        std::thread::sleep(Duration::from_micros(100));
    }
}
