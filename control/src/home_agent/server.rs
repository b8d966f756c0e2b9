//! The thread of the home agent, `homeward-mobile`: requests come by a ring from each worker, and from the kernel's socket what
//! workers leave to it, such as datagrams in fragments. A reply leaves where its request came from. While there is nothing the
//! thread sleeps as [`RingWait`] has it.

use std::{
    io,
    net::{SocketAddrV4, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use arc_swap::{ArcSwap, Cache};
use common::{
    id::InterfaceId, mac::MacAddr, mobile::MobileTables, net::Network, ring_wait::RingWait,
    snapshot::Snapshot, stream::StreamEnd, time::Nanos, wire::udp::MOBILE_IP,
};
use tokio::sync::mpsc;

use super::{
    frame::RequestFrame,
    registrar::{Datagram, Registrar, now},
    registration::{Now, Outcome},
    shard::{Held, Shard},
    socket,
};

/// Requests that are processed of one ring, or of the socket, before others have their turn.
const BATCH: usize = 128;
/// Bytes of a message at most; what is longer is cut, and found to be no message.
const LONGEST: usize = 4096;
/// Time between two looks for bindings that have ended (RFC 5944, section 3.8.1: lifetimes are seconds).
const EXPIRE: Duration = Duration::from_secs(1);
/// Time until a socket that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// What the thread is told from outside while it runs.
#[derive(Debug, Default)]
pub struct Switches {
    /// End.
    pub stop: AtomicBool,
    /// Have the socket open.
    pub listen: AtomicBool,
}

/// What the thread needs.
pub struct Server {
    /// The registrar.
    pub shard: Arc<Shard>,
    /// Where workers open their rings.
    pub tables: Option<Arc<MobileTables>>,
    /// For the ways of replies.
    pub published: Arc<ArcSwap<Snapshot>>,
    /// Time for lifetimes.
    pub clock: Arc<dyn Fn() -> Nanos + Send + Sync>,
    /// Takes debug lines.
    pub lines: mpsc::Sender<String>,
    /// What others want of it.
    pub switches: Arc<Switches>,
}

struct Serving {
    snapshot: Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>,
    socket: Option<UdpSocket>,
    retry: Option<Instant>,
    expire: Nanos,
    /// A frame from a ring.
    frame: Vec<u8>,
    /// A message from the socket.
    message: Vec<u8>,
    reply: Vec<u8>,
    out: Vec<u8>,
    /// Debug lines that nobody took.
    lost: u64,
}

impl Server {
    /// Serves until it is told to stop.
    pub fn run(&self) {
        let mut held = self.shard.hold();
        let mut serving = Serving {
            snapshot: Cache::new(Arc::clone(&self.published)),
            socket: None,
            retry: None,
            expire: (self.clock)(),
            frame: Vec::with_capacity(LONGEST),
            message: vec![0; LONGEST],
            reply: Vec::with_capacity(LONGEST),
            out: Vec::with_capacity(LONGEST),
            lost: 0,
        };
        let mut pace = RingWait::default();
        while !self.switches.stop.load(Relaxed) {
            if self.turn(&mut held, &mut serving) {
                pace.moved();
            } else {
                thread::park_timeout(pace.sleep());
            }
        }
    }

    /// Something of everything that waits; true if there was something.
    fn turn(&self, held: &mut Held, serving: &mut Serving) -> bool {
        let mut any = held.work();
        let Held { registrar, streams, .. } = held;
        let time = now((self.clock)(), SystemTime::now());
        if let Some(tables) = &self.tables {
            streams.extend(tables.registrations.accept());
        }
        any |= serving.rings(streams, registrar, time);
        serving.open(self.switches.listen.load(Relaxed));
        any |= serving.datagrams(registrar, time);
        if time.monotonic >= serving.expire {
            any = true;
            if registrar.expire(time) {
                serving.expire = time.monotonic.after(EXPIRE);
            }
        }
        for line in registrar.take_lines() {
            serving.lost += u64::from(self.lines.try_send(line).is_err());
        }
        if serving.lost > 0 && self.lines.try_send(format!("MobileIP: {} lines lost", serving.lost)).is_ok() {
            serving.lost = 0;
        }
        any
    }
}

impl Serving {
    /// Processes what workers have sent.
    fn rings(&mut self, streams: &mut [StreamEnd], registrar: &mut Registrar, time: Now) -> bool {
        let mut any = false;
        let Self { snapshot, frame, reply, out, .. } = self;
        for stream in streams {
            for _ in 0..BATCH {
                let Some(interface) = stream.receiver.receive(frame) else { break };
                any = true;
                let Some(request) = RequestFrame::parse(frame) else { continue };
                let outcome = registrar.process(&request.datagram, time, reply);
                let Outcome::Reply { from, to, .. } = outcome else { continue };
                let next_hop = neighbour(&snapshot.load().net, to, interface);
                request.reply([from, to], next_hop, reply, out);
                if !stream.sender.send(interface, out) {
                    registrar.count_unsent();
                }
            }
        }
        any
    }

    /// Has the socket as it is wanted.
    fn open(&mut self, wanted: bool) {
        if !wanted {
            (self.socket, self.retry) = (None, None);
        } else if self.socket.is_none() && self.retry.is_none_or(|retry| Instant::now() >= retry) {
            match socket::open() {
                Ok(socket) => (self.socket, self.retry) = (Some(socket), None),
                Err(error) => {
                    self.retry = Some(Instant::now() + RETRY);
                    tracing::error!(
                        mnemonic = "IPMOBILE-3-SOCKET",
                        "UDP port {MOBILE_IP} cannot be opened: {error}"
                    );
                }
            }
        }
    }

    /// Processes what has come to the socket.
    fn datagrams(&mut self, registrar: &mut Registrar, time: Now) -> bool {
        let Some(socket) = &self.socket else { return false };
        for done in 0..BATCH {
            let (length, ends) = match socket::receive(socket, &mut self.message) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return done > 0,
                // Of an earlier answer: told once.
                Err(_) => continue,
            };
            // The kernel has looked at the checksum.
            let datagram = Datagram { ends, checksum_ok: true, payload: &self.message[..length] };
            if let Outcome::Reply { from, to, .. } = registrar.process(&datagram, time, &mut self.reply)
                && socket::send(socket, &self.reply, from, to).is_err()
            {
                registrar.count_unsent();
            }
        }
        true
    }
}

/// The link address on this interface of the next hop to `to`, if it is there and known; else the reply goes back to the sender.
fn neighbour(net: &Network, to: SocketAddrV4, interface: InterfaceId) -> Option<MacAddr> {
    let mut here = net.routed_next_hops(*to.ip()).filter(|next_hop| next_hop.interface == interface);
    here.find_map(|next_hop| net.neighbours.get(&next_hop).copied())
}
