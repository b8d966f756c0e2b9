//! The kernel's socket of the home agent: UDP port 434 of every address of this machine.

use std::{
    io::{self, IoSlice, IoSliceMut},
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    os::fd::AsRawFd,
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

/// Bytes of messages that wait.
const RECEIVE_BUFFER: usize = 8 << 20;

/// The socket; its calls do not wait.
pub fn open() -> io::Result<UdpSocket> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, MOBILE_IP))?;
    setsockopt(&socket, Ipv4PacketInfo, &true)?;
    // Without the privilege the kernel's own size must do.
    let _ = setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER);
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// A message: its length, its source, and the address that it came to.
pub fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, [SocketAddrV4; 2])> {
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

/// Sends a reply from one of our addresses.
pub fn send(socket: &UdpSocket, reply: &[u8], from: SocketAddrV4, to: SocketAddrV4) -> io::Result<()> {
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
