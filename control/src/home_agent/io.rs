//! The socket of the home agent: UDP port 434 of every address of this machine, through the shadows.

use std::{
    fmt,
    io::{self, IoSlice, IoSliceMut},
    net::{Ipv4Addr, SocketAddrV4},
    os::fd::AsRawFd,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use common::wire::udp::MOBILE_IP;
use nix::{
    cmsg_space,
    libc::{in_addr, in_pktinfo},
    sys::socket::{
        ControlMessage, ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, sendmsg, setsockopt,
        sockopt::{Ipv4PacketInfo, RcvBufForce},
    },
};
use serde::{Deserialize, Serialize};
use tokio::{
    net::UdpSocket,
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    HomeAgent,
    registrar::{Registrar, lock, now},
    registration::Outcome,
};
use crate::protocol::Io;

/// Bytes of a message at most; what is longer is cut, and found to be no message.
const LONGEST: usize = 4096;

/// Messages that are processed in one go.
const BATCH: usize = 64;

/// Bytes of messages that wait.
const RECEIVE_BUFFER: usize = 8 << 20;

/// Time between two looks for bindings that have ended (RFC 5944, section 3.8.1: lifetimes are seconds).
const EXPIRE: Duration = Duration::from_secs(1);

/// Time until a socket that could not be opened is tried again.
const RETRY: Duration = Duration::from_secs(5);

/// What is asked of the tasks.
#[derive(Clone)]
pub enum Order {
    /// Process registrations with this.
    Serve(Arc<Mutex<Registrar>>),
    /// Open the socket, or close it.
    Listen(bool),
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serve(_) => f.write_str("Serve"),
            Self::Listen(on) => write!(f, "Listen({on})"),
        }
    }
}

/// What the tasks tell.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// What became of a request, in words; told only while that is debugged.
    Debug(String),
}

struct Server {
    io: Io<HomeAgent>,
    registrar: Option<Arc<Mutex<Registrar>>>,
    wanted: bool,
    socket: Option<UdpSocket>,
    reply: Vec<u8>,
}

/// Serves registrations until there are no more orders.
pub(super) async fn run(io: Io<HomeAgent>) {
    let mut server = Server { io, registrar: None, wanted: false, socket: None, reply: Vec::new() };
    let mut expire = interval(EXPIRE);
    expire.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        server.open();
        let missing = server.wanted && server.socket.is_none();
        tokio::select! {
            biased;
            order = server.io.orders.recv() => match order {
                Some(Order::Serve(registrar)) => server.registrar = Some(registrar),
                Some(Order::Listen(on)) => server.wanted = on,
                None => return,
            },
            _ = expire.tick() => server.expire().await,
            () = readable(server.socket.as_ref()) => server.serve(),
            () = sleep(RETRY), if missing => {}
        }
    }
}

async fn readable(socket: Option<&UdpSocket>) {
    match socket {
        // An error is read like a message.
        Some(socket) => drop(socket.readable().await),
        None => std::future::pending().await,
    }
}

impl Server {
    fn open(&mut self) {
        if !self.wanted {
            self.socket = None;
        } else if self.socket.is_none() {
            match open() {
                Ok(socket) => self.socket = Some(socket),
                Err(error) => {
                    tracing::error!(
                        mnemonic = "IPMOBILE-3-SOCKET",
                        "UDP port {MOBILE_IP} cannot be opened: {error}"
                    );
                }
            }
        }
    }

    async fn expire(&mut self) {
        let Some(registrar) = self.registrar.clone() else { return };
        loop {
            let done = lock(&registrar).expire(now((self.io.clock)(), SystemTime::now()));
            if done {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    /// Processes what has come.
    fn serve(&mut self) {
        let (Some(socket), Some(registrar)) = (&self.socket, &self.registrar) else { return };
        let mut registrar = lock(registrar);
        let time = now((self.io.clock)(), SystemTime::now());
        let mut buffer = [0; LONGEST];
        for _ in 0..BATCH {
            let received = socket.try_io(tokio::io::Interest::READABLE, || receive(socket, &mut buffer));
            let (length, ends) = match received {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // Of an earlier answer: told once.
                Err(_) => continue,
            };
            let outcome = registrar.process(ends, &buffer[..length], time, &mut self.reply);
            if let Outcome::Reply { from, to, .. } = outcome
                && let Err(error) = answer(socket, &self.reply, from, to)
            {
                tracing::debug!("registration reply to {to}: {error}");
            }
        }
        for line in registrar.take_lines() {
            self.io.messenger.tell(Message::Debug(line));
        }
    }
}

fn open() -> io::Result<UdpSocket> {
    let socket = std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, MOBILE_IP))?;
    setsockopt(&socket, Ipv4PacketInfo, &true)?;
    // Without the privilege the kernel's own size must do.
    let _ = setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER);
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket)
}

/// A message: its length, its source, and the address that it came to.
fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, [SocketAddrV4; 2])> {
    let mut room = [IoSliceMut::new(buffer)];
    let mut control = cmsg_space!(in_pktinfo);
    let message =
        recvmsg::<SockaddrIn>(socket.as_raw_fd(), &mut room, Some(&mut control), MsgFlags::MSG_DONTWAIT)?;
    let destination = message.cmsgs()?.find_map(|one| match one {
        ControlMessageOwned::Ipv4PacketInfo(info) => Some(Ipv4Addr::from(info.ipi_addr.s_addr.to_ne_bytes())),
        _ => None,
    });
    let (Some(source), Some(destination)) = (message.address.map(SocketAddrV4::from), destination) else {
        return Err(io::ErrorKind::InvalidData.into());
    };
    Ok((message.bytes, [source, SocketAddrV4::new(destination, MOBILE_IP)]))
}

fn answer(socket: &UdpSocket, reply: &[u8], from: SocketAddrV4, to: SocketAddrV4) -> io::Result<()> {
    let source = in_addr { s_addr: u32::from_ne_bytes(from.ip().octets()) };
    let info = in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: in_addr { s_addr: 0 } };
    let control = [ControlMessage::Ipv4PacketInfo(&info)];
    sendmsg(
        socket.as_raw_fd(),
        &[IoSlice::new(reply)],
        &control,
        MsgFlags::MSG_DONTWAIT,
        Some(&SockaddrIn::from(to)),
    )?;
    Ok(())
}
