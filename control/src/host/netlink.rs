//! The netlink connection: requests with the kernel's answer, dumps, and the stream of notifications that keeps
//! [`KernelTables`](super::state) equal to the kernel.
//!
//! Two sockets: one only listens, so that a flood of notifications cannot lose the answer to a request. When the
//! listening socket overruns (`ENOBUFS`), everything is read anew. The kernel also drops routes silently when a
//! link goes down; `super::task` reads the routes anew after such an event.

use std::io;

use futures::{StreamExt, channel::mpsc::UnboundedReceiver};
use nix::errno::Errno;
use rtnetlink::{
    Handle, MulticastGroup,
    packet_core::{
        DecodeError, NLM_F_ACK, NLM_F_DUMP, NLM_F_REPLACE, NLM_F_REQUEST, NetlinkDeserializable,
        NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
    },
    packet_route::{
        AddressFamily, RouteNetlinkMessage, address::AddressMessage, link::LinkMessage,
        neighbour::NeighbourMessage, route::RouteMessage,
    },
    proto,
    sys::{AsyncSocket, SocketAddr, protocols::NETLINK_ROUTE},
};

use super::decode::read_next_hop_id;

/// Bytes that the kernel may queue for the listening socket (it doubles them, within `net.core.rmem_max`).
const LISTEN_BUFFER: usize = 4 << 20;

/// What is listened to.
const GROUPS: [MulticastGroup; 4] =
    [MulticastGroup::Link, MulticastGroup::Neigh, MulticastGroup::Ipv4Ifaddr, MulticastGroup::Ipv4Route];

/// Messages about next-hop objects (`linux/rtnetlink.h`): made or changed, deleted.
const NEXT_HOP_MESSAGES: [u16; 2] = [104, 105];

/// A netlink socket could not be opened or has failed.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// No socket.
    #[error("cannot open a netlink socket: {0}")]
    Open(#[from] io::Error),
    /// The connection ended.
    #[error("the netlink connection ended; restart homeward")]
    Closed,
    /// A table could not be read.
    #[error("cannot read the kernel's {table}: {errno}")]
    Dump {
        /// `links`, `addresses`, `neighbours` or `routes`.
        table: &'static str,
        /// What the kernel or the socket answered.
        errno: Errno,
    },
}

/// One notification.
pub(crate) enum Notice {
    /// Something changed; `replace`: a route took another's place.
    Message { message: Box<RouteNetlinkMessage>, replace: bool },
    /// A next-hop object was made, changed or deleted; its id, if the message has one.
    NextHop(Option<u32>),
    /// Notifications were lost.
    Overrun,
}

/// What the listening socket reads: the library's messages, and those that it cannot decode.
#[derive(Debug)]
pub(super) enum Notification {
    Known(RouteNetlinkMessage),
    NextHop(Option<u32>),
}

impl NetlinkDeserializable for Notification {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        if NEXT_HOP_MESSAGES.contains(&header.message_type) {
            return Ok(Self::NextHop(read_next_hop_id(payload)));
        }
        RouteNetlinkMessage::deserialize(header, payload).map(Self::Known)
    }
}

/// Asked for by the library; that socket sends nothing.
impl NetlinkSerializable for Notification {
    fn message_type(&self) -> u16 {
        match self {
            Self::Known(message) => message.message_type(),
            Self::NextHop(_) => NEXT_HOP_MESSAGES[0],
        }
    }

    fn buffer_len(&self) -> usize {
        0
    }

    fn serialize(&self, _: &mut [u8]) {}
}

/// The stream of notifications.
pub(crate) struct Listener(UnboundedReceiver<(NetlinkMessage<Notification>, SocketAddr)>);

impl Listener {
    /// Waits for the next one; `None` once the socket has failed.
    pub(crate) async fn next(&mut self) -> Option<Notice> {
        loop {
            let (message, _) = self.0.next().await?;
            if let Some(notice) = notice(message) {
                return Some(notice);
            }
        }
    }

    /// The next one that is there already.
    pub(crate) fn ready(&mut self) -> Option<Notice> {
        while let Ok((message, _)) = self.0.try_recv() {
            if let Some(notice) = notice(message) {
                return Some(notice);
            }
        }
        None
    }
}

pub(super) fn notice(message: NetlinkMessage<Notification>) -> Option<Notice> {
    let replace = message.header.flags & NLM_F_REPLACE != 0;
    match message.payload {
        NetlinkPayload::InnerMessage(Notification::Known(inner)) => {
            Some(Notice::Message { message: Box::new(inner), replace })
        }
        NetlinkPayload::InnerMessage(Notification::NextHop(id)) => Some(Notice::NextHop(id)),
        NetlinkPayload::Overrun(_) => Some(Notice::Overrun),
        _ => None,
    }
}

/// The socket for requests; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Requests(Handle);

/// Opens both sockets in the network namespace of this thread; their tasks run on the current runtime.
pub(crate) fn connect() -> Result<(Requests, Listener), NetlinkError> {
    let (mut listening, _, notices) = proto::new_connection::<Notification>(NETLINK_ROUTE)?;
    let socket = listening.socket_mut().socket_mut();
    let groups = GROUPS.iter().fold(0, |groups, group| groups | 1 << (*group as u32 - 1));
    socket.bind(&SocketAddr::new(0, groups))?;
    // Refused by kernels that have no next-hop objects (before Linux 5.3).
    let _ = socket.add_membership(MulticastGroup::Nexthop as u32);
    // A smaller buffer only means that an overrun, which is handled, comes earlier.
    let _ = socket.set_rx_buf_sz(LISTEN_BUFFER);
    tokio::spawn(listening);
    let (requesting, handle, _) = rtnetlink::new_connection()?;
    tokio::spawn(requesting);
    Ok((Requests(handle), Listener(notices)))
}

impl Requests {
    /// Sends a request and waits for the kernel's verdict. `flags`: beside `NLM_F_REQUEST` and `NLM_F_ACK`.
    pub(crate) async fn transact(&self, message: RouteNetlinkMessage, flags: u16) -> Result<(), Errno> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK | flags;
        let mut answers = self.0.clone().request(request).map_err(|_| Errno::ENOTCONN)?;
        while let Some(answer) = answers.next().await {
            if let NetlinkPayload::Error(error) = answer.payload
                && error.code.is_some()
            {
                return Err(Errno::from_raw(error.raw_code().saturating_abs()));
            }
        }
        Ok(())
    }

    async fn dump(
        &self,
        table: &'static str,
        message: RouteNetlinkMessage,
        mut take: impl FnMut(&RouteNetlinkMessage),
    ) -> Result<(), NetlinkError> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | NLM_F_DUMP;
        let mut answers = self.0.clone().request(request).map_err(|_| NetlinkError::Closed)?;
        while let Some(answer) = answers.next().await {
            match answer.payload {
                NetlinkPayload::InnerMessage(inner) => take(&inner),
                NetlinkPayload::Error(error) if error.code.is_some() => {
                    let errno = Errno::from_raw(error.raw_code().saturating_abs());
                    return Err(NetlinkError::Dump { table, errno });
                }
                NetlinkPayload::Overrun(_) => {
                    return Err(NetlinkError::Dump { table, errno: Errno::ENOBUFS });
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads links and IPv4 addresses, then neighbours.
    pub(crate) async fn dump_devices(
        &self,
        mut take: impl FnMut(&RouteNetlinkMessage),
    ) -> Result<(), NetlinkError> {
        let links = RouteNetlinkMessage::GetLink(LinkMessage::default());
        self.dump("links", links, &mut take).await?;
        let mut address = AddressMessage::default();
        address.header.family = AddressFamily::Inet;
        self.dump("addresses", RouteNetlinkMessage::GetAddress(address), &mut take).await?;
        let mut neighbour = NeighbourMessage::default();
        neighbour.header.family = AddressFamily::Inet;
        self.dump("neighbours", RouteNetlinkMessage::GetNeighbour(neighbour), &mut take).await
    }

    /// Reads the IPv4 routes.
    pub(crate) async fn dump_routes(
        &self,
        mut take: impl FnMut(&RouteNetlinkMessage),
    ) -> Result<(), NetlinkError> {
        let mut route = RouteMessage::default();
        route.header.address_family = AddressFamily::Inet;
        self.dump("routes", RouteNetlinkMessage::GetRoute(route), &mut take).await
    }
}
