//! The sockets: one for echoes, and one for each probe that sends datagrams. They are opened when they are first needed and
//! held: a look at the world needs no descriptor each time. What goes out at a time goes in one system call, and the kernel
//! stamps what comes in: how long an answer took does not depend on when it is read.

use std::{
    collections::{BTreeMap, HashMap},
    future::poll_fn,
    io::{self, ErrorKind, IoSlice, IoSliceMut},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket as StdUdpSocket},
    os::fd::AsRawFd,
    task::{Context, Poll},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use common::time::Nanos;
use nix::{
    cmsg_space,
    sys::{
        socket::{
            ControlMessageOwned, MsgFlags, MultiHeaders, SockaddrIn, recvmsg, sendmmsg, setsockopt,
            sockopt::{RcvBufForce, ReceiveTimestampns},
        },
        time::TimeSpec,
    },
};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;

use crate::slb::config::ObjectName;

/// Room for answers while the process has lost its processor, in bytes.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Longest datagram that is read whole, in bytes.
const LONGEST: usize = 2048;

/// Most datagrams that are read, or written, in one go.
const MOST: usize = 1024;

/// For how long the address that the kernel sends from is taken to stay.
const SOURCE_KEPT: Duration = Duration::from_secs(10);

/// Which socket.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Datagram {
    /// That of echoes. Payloads that come begin with the IPv4 header.
    Echo,
    /// That of a probe.
    Udp(ObjectName),
}

/// What came.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub socket: Datagram,
    pub from: SocketAddrV4,
    pub payload: Vec<u8>,
    /// How long it has waited to be read.
    pub waited: Duration,
}

/// What is to be sent.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub nonce: u32,
    pub to: SocketAddrV4,
    pub payload: Vec<u8>,
}

/// All sockets.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    /// A raw socket is read and written like the others.
    open: BTreeMap<Datagram, UdpSocket>,
    /// Tells by which address something leaves; nothing is sent from it.
    route: Option<StdUdpSocket>,
    sources: HashMap<Ipv4Addr, (Ipv4Addr, Nanos)>,
}

impl Sockets {
    /// Closes those that `keep` rejects.
    pub fn keep(&mut self, keep: impl Fn(&Datagram) -> bool) {
        self.open.retain(|socket, _| keep(socket));
        self.sources.clear();
    }

    /// Sends all of these; those that cannot be sent, and why.
    pub fn send(&mut self, socket: &Datagram, outgoing: &[Outgoing]) -> Vec<(u32, io::Error)> {
        let mut failed = Vec::new();
        let held = match self.opened(socket) {
            Ok(held) => SockRef::from(held),
            Err(error) => {
                let same = |one: &Outgoing| (one.nonce, io::Error::new(error.kind(), error.to_string()));
                return outgoing.iter().map(same).collect();
            }
        };
        let mut left = outgoing;
        while let [first, rest @ ..] = left {
            let sent = send_many(held.as_raw_fd(), left);
            left = &left[sent.min(left.len())..];
            if sent == 0 {
                // By itself, to hear why.
                if let Err(error) = held.send_to(&first.payload, &first.to.into()) {
                    failed.push((first.nonce, error));
                }
                left = rest;
            }
        }
        failed
    }

    /// The address from which the kernel sends there.
    pub fn source(&mut self, to: SocketAddrV4, now: Nanos) -> io::Result<Ipv4Addr> {
        if let Some((source, since)) = self.sources.get(to.ip())
            && now.since(*since) < SOURCE_KEPT
        {
            return Ok(*source);
        }
        let socket = match &mut self.route {
            Some(socket) => socket,
            none => none.insert(open(Type::DGRAM, Protocol::UDP)?.into()),
        };
        socket.connect(to)?;
        let SocketAddr::V4(source) = socket.local_addr()? else {
            return Err(ErrorKind::AddrNotAvailable.into());
        };
        self.sources.insert(*to.ip(), (*source.ip(), now));
        Ok(*source.ip())
    }

    /// Waits until there is something to read.
    pub async fn readable(&self) {
        poll_fn(|cx| self.poll_readable(cx)).await;
    }

    /// Everything that is there, also what the runtime has not noticed yet.
    pub fn drain(&self) -> Vec<Received> {
        let mut received = Vec::new();
        for (socket, held) in &self.open {
            // What is noticed from here on is new.
            let _ = held.try_io(tokio::io::Interest::READABLE, || Err::<(), _>(ErrorKind::WouldBlock.into()));
            read(socket, held, &mut received);
        }
        received
    }

    fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<()> {
        let ready = self.open.values().filter(|held| held.poll_recv_ready(cx).is_ready()).count();
        if ready > 0 { Poll::Ready(()) } else { Poll::Pending }
    }

    fn opened(&mut self, socket: &Datagram) -> io::Result<&UdpSocket> {
        if !self.open.contains_key(socket) {
            let opened = match socket {
                Datagram::Echo => open(Type::RAW, Protocol::ICMPV4)?,
                Datagram::Udp(_) => open(Type::DGRAM, Protocol::UDP)?,
            };
            // Without the privilege the kernel's own size must do, and without stamps the time of reading.
            let _ = setsockopt(&opened, RcvBufForce, &RECEIVE_BUFFER);
            let _ = setsockopt(&opened, ReceiveTimestampns, &true);
            self.open.insert(socket.clone(), UdpSocket::from_std(opened.into())?);
        }
        self.open.get(socket).ok_or_else(|| ErrorKind::NotConnected.into())
    }
}

fn open(kind: Type, protocol: Protocol) -> io::Result<Socket> {
    Socket::new(Domain::IPV4, kind.nonblocking().cloexec(), Some(protocol))
}

/// How many of these, from the first on, the kernel took.
fn send_many(socket: i32, outgoing: &[Outgoing]) -> usize {
    let batch = &outgoing[..outgoing.len().min(MOST)];
    let payloads: Vec<_> = batch.iter().map(|one| [IoSlice::new(&one.payload)]).collect();
    let to: Vec<_> = batch.iter().map(|one| Some(SockaddrIn::from(one.to))).collect();
    let mut headers = MultiHeaders::preallocate(batch.len(), None);
    sendmmsg(socket, &mut headers, &payloads, &to, [], MsgFlags::empty()).map_or(0, Iterator::count)
}

/// Reads what is there, within bounds.
fn read(socket: &Datagram, held: &UdpSocket, received: &mut Vec<Received>) {
    let mut buffer = [0; LONGEST];
    let mut control = cmsg_space!(TimeSpec);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    for _ in 0..MOST {
        let mut room = [IoSliceMut::new(&mut buffer)];
        let message =
            recvmsg::<SockaddrIn>(held.as_raw_fd(), &mut room, Some(&mut control), MsgFlags::empty());
        let (length, from, stamp) = match message {
            Ok(message) => {
                let stamp = message.cmsgs().ok().and_then(|mut all| {
                    all.find_map(|one| match one {
                        ControlMessageOwned::ScmTimestampns(stamp) => Some(Duration::from(stamp)),
                        _ => None,
                    })
                });
                (message.bytes, message.address, stamp)
            }
            Err(nix::Error::EAGAIN) => return,
            // An error that an earlier datagram met, told once.
            Err(_) => continue,
        };
        let Some(from) = from.map(SocketAddrV4::from) else { continue };
        let waited = now.saturating_sub(stamp.unwrap_or(now));
        let payload = buffer[..length.min(LONGEST)].to_vec();
        received.push(Received { socket: socket.clone(), from, payload, waited });
    }
}
