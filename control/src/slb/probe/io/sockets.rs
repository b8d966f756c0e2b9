//! The sockets: one for echoes, and one for each probe that sends datagrams. They are opened when they are first needed and
//! held: a look at the world needs no descriptor each time.

use std::{
    collections::BTreeMap,
    future::poll_fn,
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, UdpSocket as StdUdpSocket},
    os::fd::AsRawFd,
    task::{Context, Poll},
};

use nix::sys::socket::{SockaddrIn, recvfrom, setsockopt, sockopt::RcvBufForce};
use socket2::{Domain, Protocol, SockRef, Socket, Type};
use tokio::{io::Interest, net::UdpSocket};

use super::super::packet;
use crate::slb::config::ObjectName;

/// Room for answers while the process has lost its processor, in bytes.
const RECEIVE_BUFFER: usize = 4 << 20;

/// Longest datagram that is read whole, in bytes.
const LONGEST: usize = 2048;

/// Most datagrams that are read in one go.
const MOST: usize = 1024;

/// Which socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Datagram {
    /// That of echoes, which have this identifier. Payloads begin with the IPv4 header.
    Echo(u16),
    /// That of a probe.
    Udp(ObjectName),
}

/// What came.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub socket: Datagram,
    pub from: SocketAddrV4,
    pub payload: Vec<u8>,
}

/// A raw socket too: what is read and written is the same.
type Held = UdpSocket;

#[derive(Debug, Default)]
pub(super) struct Sockets {
    echo: Option<(u16, Held)>,
    udp: BTreeMap<ObjectName, Held>,
    /// Tells by which address something leaves; nothing is sent from it.
    route: Option<StdUdpSocket>,
}

impl Sockets {
    /// Closes those of probes that `keep` rejects.
    pub fn keep(&mut self, keep: impl Fn(&ObjectName) -> bool) {
        self.udp.retain(|probe, _| keep(probe));
    }

    /// Sends an echo request.
    pub fn echo(&mut self, nonce: u32, to: Ipv4Addr) -> io::Result<()> {
        if self.echo.is_none() {
            let identifier = nonce as u16;
            let socket =
                Socket::new(Domain::IPV4, Type::RAW.nonblocking().cloexec(), Some(Protocol::ICMPV4))?;
            self.echo = Some((identifier, hold(socket)?));
        }
        let Some((identifier, socket)) = &self.echo else { return Ok(()) };
        let message = packet::echo(*identifier, nonce);
        SockRef::from(socket).send_to(&message, &SocketAddrV4::new(to, 0).into()).map(drop)
    }

    /// Sends a datagram of a probe.
    pub fn send(&mut self, probe: &ObjectName, payload: &[u8], to: SocketAddrV4) -> io::Result<()> {
        if !self.udp.contains_key(probe) {
            self.udp.insert(probe.clone(), hold(udp()?)?);
        }
        let Some(socket) = self.udp.get(probe) else { return Ok(()) };
        SockRef::from(socket).send_to(payload, &to.into()).map(drop)
    }

    /// The address from which the kernel sends there.
    pub fn source(&mut self, to: SocketAddrV4) -> io::Result<Ipv4Addr> {
        let socket = match &mut self.route {
            Some(socket) => socket,
            none => none.insert(udp()?.into()),
        };
        socket.connect(to)?;
        match socket.local_addr()? {
            SocketAddr::V4(address) => Ok(*address.ip()),
            SocketAddr::V6(_) => Err(ErrorKind::AddrNotAvailable.into()),
        }
    }

    /// Waits for datagrams.
    pub async fn receive(&self) -> Vec<Received> {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    /// Datagrams that are there, also those that the runtime has not noticed yet.
    pub fn drain(&self) -> Vec<Received> {
        let mut received = Vec::new();
        for (socket, held) in self.all() {
            read(&socket, || next(held), &mut received);
        }
        received
    }

    fn poll_receive(&self, cx: &mut Context<'_>) -> Poll<Vec<Received>> {
        let mut received = Vec::new();
        for (socket, held) in self.all() {
            while let Poll::Ready(Ok(())) = held.poll_recv_ready(cx) {
                if !read(&socket, || held.try_io(Interest::READABLE, || next(held)), &mut received) {
                    break;
                }
            }
        }
        if received.is_empty() { Poll::Pending } else { Poll::Ready(received) }
    }

    fn all(&self) -> impl Iterator<Item = (Datagram, &Held)> {
        let echo = self.echo.iter().map(|(identifier, held)| (Datagram::Echo(*identifier), held));
        echo.chain(self.udp.iter().map(|(probe, held)| (Datagram::Udp(probe.clone()), held)))
    }
}

fn udp() -> io::Result<Socket> {
    Socket::new(Domain::IPV4, Type::DGRAM.nonblocking().cloexec(), Some(Protocol::UDP))
}

fn hold(socket: Socket) -> io::Result<Held> {
    // Without the privilege the kernel's own size must do.
    let _ = setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER);
    UdpSocket::from_std(socket.into())
}

/// One datagram, as much of it as there is room for, with its length.
type Next = io::Result<([u8; LONGEST], usize, Option<SocketAddrV4>)>;

fn next(held: &Held) -> Next {
    let mut buffer = [0; LONGEST];
    let (length, from) = recvfrom::<SockaddrIn>(held.as_raw_fd(), &mut buffer)?;
    Ok((buffer, length.min(LONGEST), from.map(SocketAddrV4::from)))
}

/// Reads what is there; false if more may be left.
fn read(socket: &Datagram, next: impl Fn() -> Next, received: &mut Vec<Received>) -> bool {
    for _ in 0..MOST {
        match next() {
            Ok((buffer, length, Some(from))) => {
                received.push(Received { socket: socket.clone(), from, payload: buffer[..length].to_vec() });
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
            // An error that an earlier datagram met, told once.
            Ok(_) | Err(_) => {}
        }
    }
    false
}
