//! One manager's connection.

use std::{io, sync::Arc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    super::fsm::{PeerId, Turn},
    DRAIN, Shared, reset,
};

/// Bytes read at once.
const CHUNK: usize = 4096;

/// Chunks read before others get their turn: 64 KiB.
const CHUNKS: usize = 16;

/// A message on its way to TCP.
#[derive(Default)]
struct Outgoing {
    bytes: Vec<u8>,
    taken: usize,
}

/// Serves the manager until one of both ends it.
pub(super) async fn serve(shared: Arc<Shared>, id: PeerId, mut stream: TcpStream) {
    let mut changed = shared.changed.subscribe();
    let mut buffer = vec![0; CHUNK];
    let mut outgoing = Outgoing::default();
    loop {
        match shared.ask(|agent, now| agent.turn(id, now)) {
            Turn::Wait => {}
            Turn::Write(bytes) => outgoing = Outgoing { bytes, taken: 0 },
            Turn::Finish => {
                if tokio::time::timeout(DRAIN, finish(&mut stream, &outgoing, &mut buffer)).await.is_err() {
                    reset(&stream);
                }
                break;
            }
            Turn::Abort => {
                reset(&stream);
                break;
            }
        }
        if outgoing.is_pending() {
            match outgoing.write(&stream) {
                Ok(true) => {
                    shared.ask(|agent, now| agent.written(id, now));
                    // There may be more to say.
                    continue;
                }
                // The time that the manager has for it runs.
                Ok(false) => shared.tell(|_, _| {}),
                Err(_) => {
                    shared.tell(|agent, now| agent.lost(id, now));
                    break;
                }
            }
        }
        tokio::select! {
            _ = changed.changed() => {}
            _ = stream.writable(), if outgoing.is_pending() => {}
            _ = stream.readable() => {
                if !read(&shared, id, &stream, &mut buffer) {
                    // What is wrong with it was a matter between both; no need for a reset.
                    break;
                }
                tokio::task::yield_now().await;
            }
        }
    }
    drop(stream);
    drop(outgoing);
    let sender = shared.changed.clone();
    drop(shared);
    // For who waits for the last connection.
    sender.send_replace(());
}

impl Outgoing {
    fn is_pending(&self) -> bool {
        self.taken < self.bytes.len()
    }

    /// Offers TCP all that is left, in one write; true if it has taken it.
    fn write(&mut self, stream: &TcpStream) -> io::Result<bool> {
        match stream.try_write(&self.bytes[self.taken..]) {
            Ok(taken) => self.taken += taken,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        Ok(!self.is_pending())
    }
}

/// Hands the agent what has come; false: the connection has ended.
fn read(shared: &Shared, id: PeerId, stream: &TcpStream, buffer: &mut [u8]) -> bool {
    for _ in 0..CHUNKS {
        match stream.try_read(buffer) {
            Ok(0) => {
                shared.tell(|agent, now| agent.finished(id, now));
                return false;
            }
            Ok(length) => {
                if !shared.tell_quietly(|agent, now| agent.input(id, &buffer[..length], now)) {
                    return false;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
            Err(_) => {
                shared.tell(|agent, now| agent.lost(id, now));
                return false;
            }
        }
    }
    true
}

/// Sends what is left and a FIN, then waits for the manager's.
async fn finish(stream: &mut TcpStream, outgoing: &Outgoing, buffer: &mut [u8]) -> io::Result<()> {
    stream.write_all(&outgoing.bytes[outgoing.taken..]).await?;
    stream.shutdown().await?;
    while stream.read(buffer).await? > 0 {}
    Ok(())
}
