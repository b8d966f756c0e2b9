//! TCP of both roles: listeners, attempts and connections. Nothing here knows the protocol: bytes are told to the state,
//! and what to open, write and close is ordered by it.

mod link;

use std::{
    collections::{BTreeMap, HashMap},
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::Arc,
    task::Poll,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    task::JoinHandle,
};

use crate::manage::connections::{ACCEPT_PAUSE, ConnectionLimits, Connections};

/// Longest time that a connection takes to end in order; then it is reset.
pub const DRAIN: Duration = Duration::from_secs(2);

/// Connections that the kernel keeps while we are busy.
const BACKLOG: u32 = 128;

/// The idle time after which TCP probes whether a peer still lives, between two probes, and how many fail.
const KEEP_ALIVE: (Duration, Duration, u32) = (Duration::from_mins(1), Duration::from_secs(10), 3);

/// A connection, or an attempt at one. Later ones of a kind are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkId {
    /// Accepted, numbered by the sockets.
    Accepted(u64),
    /// Opened, numbered by the state.
    Opened(u64),
}

/// How a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// What was written still goes out, and the peer has [`DRAIN`] to close too.
    Finish,
    /// By a FIN, or by a reset where there is something unread.
    Close,
    /// By a reset: the kernel keeps nothing of it.
    Reset,
}

/// What the state asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SocketOrder {
    /// Accept connections; a former listener on that port is closed first.
    Listen(SocketAddrV4),
    /// Accept none on this port any more.
    Unlisten(u16),
    Connect(LinkId, SocketAddrV4),
    /// Hand a message to TCP, in one write if there is room.
    Write(LinkId, Vec<u8>),
    /// End a connection or an attempt. Nothing more is told of it but by [`End::Finish`].
    End(LinkId, End),
}

/// What the state is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SocketEvent {
    Listening(u16),
    /// It cannot be.
    ListenFailed(u16, String),
    /// Somebody has connected.
    Accepted {
        link: LinkId,
        /// The port that it came to.
        port: u16,
        remote: SocketAddrV4,
        local: Ipv4Addr,
    },
    /// An attempt has led to a connection.
    Connected(LinkId),
    /// An attempt has led to nothing.
    Failed(LinkId, String),
    Input(LinkId, Vec<u8>),
    /// TCP has taken the oldest message.
    Written(LinkId),
    /// The peer has sent its last byte; the connection is closed.
    Finished(LinkId),
    Lost(LinkId),
}

impl SocketEvent {
    /// The attempt or connection that it is about.
    pub fn link(&self) -> Option<LinkId> {
        match self {
            Self::Listening(_) | Self::ListenFailed(..) => None,
            Self::Accepted { link, .. }
            | Self::Connected(link)
            | Self::Failed(link, _)
            | Self::Input(link, _)
            | Self::Written(link)
            | Self::Finished(link)
            | Self::Lost(link) => Some(*link),
        }
    }

    /// What to do about one that is nobody's: who has connected too late is not served.
    pub fn refuse(&self) -> Option<SocketOrder> {
        match self {
            Self::Accepted { link, .. } => Some(SocketOrder::End(*link, End::Reset)),
            _ => None,
        }
    }
}

/// Where sockets tell what happens.
pub type Tell = Arc<dyn Fn(SocketEvent) + Send + Sync>;

struct Link {
    /// Closed: the connection ends at once.
    orders: UnboundedSender<link::Order>,
    task: JoinHandle<()>,
}

/// Every socket. Ends all of them at once when it is dropped.
pub struct Sockets {
    tell: Tell,
    listeners: BTreeMap<u16, TcpListener>,
    /// Accepted ones, those included of which the state has not heard yet: it holds far fewer.
    connections: Connections,
    links: HashMap<LinkId, Link>,
    accepted: u64,
    /// The system has refused a connection.
    refused: bool,
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Sockets {
    /// None yet; `tell` is called from their tasks.
    pub fn new(tell: Tell) -> Self {
        Self {
            tell,
            listeners: BTreeMap::new(),
            connections: Connections::new(ConnectionLimits::default()),
            links: HashMap::new(),
            accepted: 0,
            refused: false,
        }
    }

    /// Does what is ordered. To be called within a tokio runtime.
    pub async fn perform(&mut self, order: SocketOrder) {
        match order {
            SocketOrder::Listen(address) => self.listen(address),
            SocketOrder::Unlisten(port) => drop(self.listeners.remove(&port)),
            SocketOrder::Connect(link, address) => {
                let tell = Arc::clone(&self.tell);
                self.spawn(link, |orders| link::open(link, address, orders, tell));
            }
            SocketOrder::Write(link, bytes) => self.order(link, link::Order::Write(bytes)),
            SocketOrder::End(link, End::Finish) => self.order(link, link::Order::Finish),
            SocketOrder::End(link, how) => {
                let Some(mut link) = self.links.remove(&link) else { return };
                if how == End::Reset {
                    let _ = link.orders.send(link::Order::Reset);
                }
                // The next attempt at the same peer begins when this connection is no more.
                link.orders = mpsc::unbounded_channel().0;
                let _ = (&mut link.task).await;
            }
        }
    }

    fn order(&self, link: LinkId, order: link::Order) {
        // One that has ended has said so, or will.
        let _ = self.links.get(&link).map(|link| link.orders.send(order));
    }

    /// Accepts connections; returns after each. May be dropped and called again.
    pub async fn serve(&mut self) {
        if self.refused {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            self.refused = false;
        }
        let (port, accepted) = accept(&self.listeners).await;
        match accepted {
            Ok((stream, remote)) => self.accepted(port, stream, remote),
            Err(error) => {
                tracing::debug!("DFP: accept: {error}");
                self.refused = true;
            }
        }
    }

    /// Ends what was accepted in order, and all else at once.
    pub async fn end(mut self) {
        self.listeners.clear();
        self.links.retain(|link, _| matches!(link, LinkId::Accepted(_)));
        for link in self.links.values() {
            let _ = link.orders.send(link::Order::Finish);
        }
        for link in self.links.values_mut() {
            let _ = (&mut link.task).await;
        }
    }

    fn listen(&mut self, address: SocketAddrV4) {
        let port = address.port();
        // The old one first: it may be the port of the new one.
        self.listeners.remove(&port);
        match bind(address) {
            Ok(listener) => {
                self.listeners.insert(port, listener);
                (self.tell)(SocketEvent::Listening(port));
            }
            Err(error) => (self.tell)(SocketEvent::ListenFailed(port, error.to_string())),
        }
    }

    fn accepted(&mut self, port: u16, stream: TcpStream, remote: SocketAddrV4) {
        let source = (*remote.ip()).into();
        let Some(permit) = self.connections.admit(source, "DFP agent") else { return };
        let prepared = prepare(&stream).and_then(|()| stream.local_addr());
        // One that is gone already has no address any more.
        let Ok(SocketAddr::V4(local)) = prepared else { return };
        self.accepted += 1;
        let link = LinkId::Accepted(self.accepted);
        (self.tell)(SocketEvent::Accepted { link, port, remote, local: *local.ip() });
        let tell = Arc::clone(&self.tell);
        self.spawn(link, |orders| async move {
            link::serve(link, stream, orders, tell).await;
            drop(permit);
        });
    }

    fn spawn<F: Future<Output = ()> + Send + 'static>(
        &mut self,
        id: LinkId,
        task: impl FnOnce(UnboundedReceiver<link::Order>) -> F,
    ) {
        self.links.retain(|_, link| !link.task.is_finished());
        let (orders, received) = mpsc::unbounded_channel();
        self.links.insert(id, Link { orders, task: tokio::spawn(task(received)) });
    }
}

fn bind(address: SocketAddrV4) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address.into())?;
    socket.listen(BACKLOG)
}

/// The next connection to any of them.
async fn accept(listeners: &BTreeMap<u16, TcpListener>) -> (u16, io::Result<(TcpStream, SocketAddrV4)>) {
    std::future::poll_fn(|context| {
        for (port, listener) in listeners {
            let Poll::Ready(accepted) = listener.poll_accept(context) else { continue };
            let accepted = accepted.and_then(|(stream, remote)| match remote {
                SocketAddr::V4(remote) => Ok((stream, remote)),
                // An IPv4 socket has no others.
                SocketAddr::V6(_) => Err(io::ErrorKind::Unsupported.into()),
            });
            return Poll::Ready((*port, accepted));
        }
        Poll::Pending
    })
    .await
}

/// One segment a message, and a probe now and then whether the peer still lives.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    let (idle, interval, probes) = KEEP_ALIVE;
    stream.set_nodelay(true)?;
    let keep_alive = TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(probes);
    SockRef::from(stream).set_tcp_keepalive(&keep_alive)
}

#[cfg(test)]
mod tests {
    use std::net::TcpStream as Peer;

    use super::*;

    /// A listener with everything that it tells.
    async fn listener() -> (Sockets, SocketAddrV4, mpsc::UnboundedReceiver<SocketEvent>) {
        let (told, events) = mpsc::unbounded_channel();
        let mut sockets = Sockets::new(Arc::new(move |event| drop(told.send(event))));
        // Whose port is free a moment later still, mostly.
        let free = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let address = SocketAddrV4::new(Ipv4Addr::LOCALHOST, free.port());
        sockets.perform(SocketOrder::Listen(address)).await;
        (sockets, address, events)
    }

    #[tokio::test]
    async fn while_the_state_is_slow_one_address_holds_no_more_connections_than_at_any_listener() {
        let (mut sockets, address, mut events) = listener().await;
        let limit = usize::from(ConnectionLimits::default().per_source);
        assert_eq!(events.recv().await, Some(SocketEvent::Listening(address.port())));
        let mut peers = Vec::new();
        for _ in 0..limit + 3 {
            peers.push(Peer::connect(address).unwrap());
            sockets.serve().await;
        }
        assert_eq!(sockets.links.len(), limit);
        let mut links = std::iter::from_fn(|| events.try_recv().ok()).filter_map(|event| event.link());
        let first = links.next().unwrap();
        assert_eq!(links.count(), limit - 1);
        // Room is there again as soon as one has ended.
        sockets.perform(SocketOrder::End(first, End::Reset)).await;
        peers.push(Peer::connect(address).unwrap());
        sockets.serve().await;
        assert!(matches!(events.recv().await, Some(SocketEvent::Accepted { .. })));
    }
}
