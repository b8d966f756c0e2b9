//! The management socket: one shell a connection.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use futures::{SinkExt, StreamExt};
use tokio::{
    net::{UnixListener, UnixStream, unix::OwnedWriteHalf},
    sync::{Semaphore, broadcast},
};
use tokio_util::codec::{FramedRead, FramedWrite, LinesCodec, LinesCodecError};

use super::{
    log::LogBook,
    operator::{Operator, SharedOperator, lock},
    protocol::{MAX_LINE, Reply, Request, Response},
};

/// Shells at once.
const MAX_SHELLS: usize = 64;

/// Why the socket cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SocketError {
    /// The file system refuses.
    #[error("management socket {path}: {source}")]
    Io {
        /// As configured.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// Another daemon listens there.
    #[error("management socket {0}: another director is running there")]
    InUse(PathBuf),
    /// A file that is no socket stands there.
    #[error("management socket {0}: a file that is not a socket stands there")]
    NotASocket(PathBuf),
    /// No such group.
    #[error("management socket: group {0} does not exist")]
    NoGroup(String),
}

/// The listening socket; its file goes when this is dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Listens at `path` with `mode`, owned by `group` if one is named. A dead daemon's socket is replaced.
    pub fn bind(path: &Path, mode: u32, group: Option<&str>) -> Result<Self, SocketError> {
        let wrap = |source| SocketError::Io { path: path.to_owned(), source };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(wrap)?;
        }
        if let Ok(found) = fs::symlink_metadata(path) {
            if !found.file_type().is_socket() {
                return Err(SocketError::NotASocket(path.to_owned()));
            }
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(SocketError::InUse(path.to_owned()));
            }
            fs::remove_file(path).map_err(wrap)?;
        }
        let listener = UnixListener::bind(path).map_err(wrap)?;
        let socket = Self { listener, path: path.to_owned() };
        if let Some(name) = group {
            let found = nix::unistd::Group::from_name(name).map_err(|errno| wrap(errno.into()))?;
            let group = found.ok_or_else(|| SocketError::NoGroup(name.to_owned()))?;
            std::os::unix::fs::chown(path, None, Some(group.gid.as_raw())).map_err(wrap)?;
        }
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(wrap)?;
        Ok(socket)
    }

    /// Serves shells until dropped.
    pub async fn serve<O: Operator>(self, core: SharedOperator<O>, log: LogBook) {
        let seats = Arc::new(Semaphore::new(MAX_SHELLS));
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                // Out of descriptors: those who hold them must go first.
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
                continue;
            };
            let Ok(seat) = Arc::clone(&seats).try_acquire_owned() else {
                tracing::warn!("a shell was refused: {MAX_SHELLS} are open");
                continue;
            };
            let (core, log) = (Arc::clone(&core), log.clone());
            tokio::spawn(async move {
                let session = lock(&core).open();
                let session = shell(stream, &core, &log, session).await;
                lock(&core).close(session);
                drop(seat);
            });
        }
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

async fn shell<O: Operator>(
    stream: UnixStream,
    core: &SharedOperator<O>,
    log: &LogBook,
    mut session: O::Session,
) -> O::Session {
    let (reader, writer) = stream.into_split();
    let mut requests = FramedRead::new(reader, LinesCodec::new_with_max_length(MAX_LINE));
    let mut responses = FramedWrite::new(writer, LinesCodec::new());
    // An empty line runs nothing and yields the prompt.
    let hello = execute(core, &mut session, "");
    if send(&mut responses, &Response::Reply(hello)).await.is_err() {
        return session;
    }
    let mut feed: Option<broadcast::Receiver<Arc<str>>> = None;
    loop {
        let response = tokio::select! {
            biased;
            line = next_line(&mut feed) => Response::Log(line),
            request = requests.next() => match request.map(|line| line.map(|line| serde_json::from_str(&line))) {
                Some(Ok(Ok(Request::Execute(line)))) => Response::Reply(execute(core, &mut session, &line)),
                Some(Ok(Ok(Request::Help(text)))) => Response::Reply(lock(core).help(&mut session, &text)),
                Some(Ok(Ok(Request::Complete(text)))) => Response::Reply(lock(core).complete(&mut session, &text)),
                Some(Ok(Ok(Request::Monitor(on)))) => {
                    feed = on.then(|| log.listen());
                    Response::Reply(execute(core, &mut session, ""))
                }
                Some(Ok(Err(error))) => Response::Reply(refusal(&format!("% Request not understood: {error}"))),
                Some(Err(LinesCodecError::MaxLineLengthExceeded)) => {
                    // Where the next line begins is unknown, so the connection ends.
                    let refusal = refusal(&format!("% Line over {MAX_LINE} bytes"));
                    Response::Reply(Reply { closed: true, ..refusal })
                }
                Some(Err(LinesCodecError::Io(_))) | None => return session,
            },
        };
        let closed = matches!(&response, Response::Reply(reply) if reply.closed);
        if send(&mut responses, &response).await.is_err() || closed {
            return session;
        }
    }
}

/// Runs a line under the lock, and shows what it says without it.
fn execute<O: Operator>(core: &SharedOperator<O>, session: &mut O::Session, line: &str) -> Reply {
    let show = lock(core).execute(session, line);
    show()
}

fn refusal(text: &str) -> Reply {
    Reply { text: format!("{text}\n"), failed: true, ..Reply::default() }
}

async fn send(
    to: &mut FramedWrite<OwnedWriteHalf, LinesCodec>,
    response: &Response,
) -> Result<(), LinesCodecError> {
    let line = serde_json::to_string(response).map_err(io::Error::from)?;
    to.send(line).await
}

/// The next line for this shell; pends for ever while it does not listen.
async fn next_line(feed: &mut Option<broadcast::Receiver<Arc<str>>>) -> String {
    let Some(feed) = feed else {
        return std::future::pending().await;
    };
    match feed.recv().await {
        Ok(line) => line.to_string(),
        Err(broadcast::error::RecvError::Lagged(lost)) => {
            format!("% {lost} lines lost: the shell is too slow")
        }
        Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
    }
}
