//! One connection's task.

use std::{collections::VecDeque, io, net::SocketAddrV4, ops::ControlFlow, time::Duration};

use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    sync::mpsc::UnboundedReceiver,
};

use super::{DRAIN, LinkId, SocketEvent, Tell, prepare};

const CHUNK: usize = 4096;

/// Chunks read before others get their turn: 64 KiB.
const CHUNKS: usize = 16;

/// What a connection is told; no more orders: it ends at once.
pub(super) enum Order {
    Write(Vec<u8>),
    Finish,
    Reset,
}

/// Begins an attempt, and serves the connection that it leads to.
pub(super) async fn open(
    id: LinkId,
    address: SocketAddrV4,
    mut orders: UnboundedReceiver<Order>,
    tell: Tell,
) {
    let attempt = async {
        let stream = TcpStream::connect(address).await?;
        prepare(&stream)?;
        io::Result::Ok(stream)
    };
    tokio::select! {
        // Nothing but its end can be ordered of an attempt.
        _ = orders.recv() => {}
        stream = attempt => match stream {
            Ok(stream) => {
                tell(SocketEvent::Connected(id));
                serve(id, stream, orders, tell).await;
            }
            Err(error) => tell(SocketEvent::Failed(id, error.to_string())),
        }
    }
}

/// Serves a connection until one of both ends it.
pub(super) async fn serve(id: LinkId, stream: TcpStream, mut orders: UnboundedReceiver<Order>, tell: Tell) {
    let mut outgoing = Outgoing::default();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(Order::Write(message)) => outgoing.messages.push_back(message),
                Some(Order::Finish) => return finish(stream, outgoing).await,
                Some(Order::Reset) => return reset(&stream),
                None => return,
            },
            // An error shows when it is read.
            _ = stream.writable(), if !outgoing.messages.is_empty() => {}
            _ = stream.readable() => {
                if let ControlFlow::Break(end) = read(id, &stream, &tell) {
                    return tell(end);
                }
                // One peer that has much to say must not keep others waiting.
                tokio::task::yield_now().await;
            }
        }
        match outgoing.write(&stream) {
            Ok(written) => (0..written).for_each(|_| tell(SocketEvent::Written(id))),
            Err(_) => return tell(SocketEvent::Lost(id)),
        }
    }
}

#[derive(Default)]
struct Outgoing {
    messages: VecDeque<Vec<u8>>,
    /// Bytes of the first one that TCP has.
    taken: usize,
}

impl Outgoing {
    /// Writes what there is room for; how many messages TCP has taken whole.
    fn write(&mut self, stream: &TcpStream) -> io::Result<usize> {
        let mut written = 0;
        while let Some(message) = self.messages.front() {
            match stream.try_write(&message[self.taken..]) {
                Ok(taken) => self.taken += taken,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
            if self.taken == message.len() {
                self.messages.pop_front();
                self.taken = 0;
                written += 1;
            }
        }
        Ok(written)
    }
}

/// Tells what has come; breaks with what ends the connection.
fn read(id: LinkId, stream: &TcpStream, tell: &Tell) -> ControlFlow<SocketEvent> {
    let mut buffer = [0; CHUNK];
    for _ in 0..CHUNKS {
        match stream.try_read(&mut buffer) {
            Ok(0) => return ControlFlow::Break(SocketEvent::Finished(id)),
            Ok(length) => tell(SocketEvent::Input(id, buffer[..length].to_vec())),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(_) => return ControlFlow::Break(SocketEvent::Lost(id)),
        }
    }
    ControlFlow::Continue(())
}

/// Sends what is left and a FIN, then waits for the peer's; a peer that takes too long is reset.
async fn finish(mut stream: TcpStream, outgoing: Outgoing) {
    let ended = async {
        let mut taken = outgoing.taken;
        for message in &outgoing.messages {
            stream.write_all(&message[taken..]).await?;
            taken = 0;
        }
        stream.shutdown().await?;
        let mut buffer = [0; CHUNK];
        while stream.read(&mut buffer).await? > 0 {}
        io::Result::Ok(())
    };
    if tokio::time::timeout(DRAIN, ended).await.is_err() {
        reset(&stream);
    }
}

/// Makes the end of the connection a reset.
fn reset(stream: &TcpStream) {
    // Without it the end is only slower.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
