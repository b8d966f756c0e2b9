//! What there is of TCP for one agent: nothing, an attempt, or a connection with what waits to be written.

use std::{
    collections::VecDeque,
    future::Future,
    io,
    net::SocketAddrV4,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

use crate::dfp::{inbound::Inbound, packet::Role};

/// Bytes read at once.
pub(super) const CHUNK: usize = 4096;

/// Messages that an agent leaves unread before it is given up.
const MOST_MESSAGES: usize = 64;

/// The idle time after which TCP looks whether an agent still lives, between two looks, and how many fail.
const KEEP_ALIVE: (Duration, Duration, u32) = (Duration::from_mins(1), Duration::from_secs(10), 3);

type Attempt = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

/// The socket; never more than one.
#[derive(Default)]
pub(super) enum Socket {
    #[default]
    None,
    Connecting(Attempt),
    Open(Box<Open>),
}

/// A connection.
pub(super) struct Open {
    pub stream: TcpStream,
    pub inbound: Inbound,
    outgoing: VecDeque<Vec<u8>>,
    /// Bytes of the first one that TCP has.
    taken: usize,
}

/// What a socket is ready for.
pub(super) enum Ready {
    /// The attempt has ended.
    Connected(io::Result<TcpStream>),
    Readable,
    Writable,
}

impl Socket {
    /// Begins an attempt.
    pub fn connect(&mut self, address: SocketAddrV4) {
        *self = Self::Connecting(Box::pin(async move {
            let stream = TcpStream::connect(address).await?;
            prepare(&stream)?;
            Ok(stream)
        }));
    }

    /// The attempt has led to a connection.
    pub fn open(&mut self, stream: TcpStream) {
        let inbound = Inbound::new(Role::Manager);
        *self = Self::Open(Box::new(Open { stream, inbound, outgoing: VecDeque::new(), taken: 0 }));
    }

    /// The connection, if there is one.
    pub fn opened(&mut self) -> Option<&mut Open> {
        match self {
            Self::Open(open) => Some(open),
            Self::None | Self::Connecting(_) => None,
        }
    }

    /// Waits until something can be done. May be dropped and called again.
    pub async fn ready(&mut self) -> Ready {
        match self {
            Self::None => std::future::pending().await,
            Self::Connecting(attempt) => Ready::Connected(Attempted(attempt).await),
            Self::Open(open) => {
                tokio::select! {
                    // An error shows when it is read.
                    _ = open.stream.readable() => Ready::Readable,
                    _ = open.stream.writable(), if !open.outgoing.is_empty() => Ready::Writable,
                }
            }
        }
    }
}

/// An attempt that stays where it is.
struct Attempted<'a>(&'a mut Attempt);

impl Future for Attempted<'_> {
    type Output = io::Result<TcpStream>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(context)
    }
}

impl Open {
    /// Hands a message to TCP, in one write if there is room, or keeps it; false: the agent does not read.
    pub fn send(&mut self, message: Vec<u8>) -> io::Result<bool> {
        if self.outgoing.len() >= MOST_MESSAGES {
            return Ok(false);
        }
        self.outgoing.push_back(message);
        self.flush()?;
        Ok(true)
    }

    /// Writes what there is room for.
    pub fn flush(&mut self) -> io::Result<()> {
        while let Some(message) = self.outgoing.front() {
            match self.stream.try_write(&message[self.taken..]) {
                Ok(taken) => self.taken += taken,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
            if self.taken == message.len() {
                self.outgoing.pop_front();
                self.taken = 0;
            }
        }
        Ok(())
    }
}

/// One segment a message, and a look now and then whether the agent still lives.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    let (idle, interval, probes) = KEEP_ALIVE;
    stream.set_nodelay(true)?;
    let keep_alive = TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(probes);
    SockRef::from(stream).set_tcp_keepalive(&keep_alive)
}
