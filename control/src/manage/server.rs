//! The management socket: one shell a connection.

use std::{
    fs, io,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use futures::{SinkExt, StreamExt};
use tokio::{
    net::{UnixListener, UnixStream, unix::OwnedWriteHalf},
    sync::broadcast,
    time::Instant,
};
use tokio_util::codec::{FramedRead, FramedWrite, LinesCodec, LinesCodecError};

use super::{
    connections::ACCEPT_PAUSE,
    log::LogBook,
    operator::{Operator, SharedOperator, lock},
    protocol::{MAX_LINE, Reply, Request, Response},
    shells::{MAX_SHELLS, Place, Shells},
};

/// Longest time that a shell does not read what it is sent.
const STALLED: Duration = Duration::from_secs(30);

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

    /// Serves shells until dropped. One that asks nothing for `exec_timeout` is closed; zero: never.
    pub async fn serve<O: Operator>(self, core: SharedOperator<O>, log: LogBook, exec_timeout: Duration) {
        let shells = Shells::default();
        loop {
            let Ok((stream, _)) = self.listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let is_root = stream.peer_cred().is_ok_and(|peer| peer.uid() == 0);
            let Some(place) = shells.admit(is_root) else {
                refuse(&stream);
                continue;
            };
            let (core, log) = (Arc::clone(&core), log.clone());
            tokio::spawn(async move {
                let mut session = lock(&core).open();
                shell(stream, &core, &log, &mut session, &place, exec_timeout).await;
                lock(&core).close(session);
            });
        }
    }
}

/// Says why there is no place, if that can be said at once.
fn refuse(stream: &UnixStream) {
    let text = format!("% {MAX_SHELLS} shells are open: close one, or come as root");
    let reply = Response::Reply(ended(&text));
    let line = serde_json::to_string(&reply).unwrap_or_default() + "\n";
    // Whoever does not read it finds the connection closed.
    let _ = stream.try_write(line.as_bytes());
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Serves one shell until it ends, or its place is taken.
pub(super) async fn shell<O: Operator>(
    stream: UnixStream,
    core: &SharedOperator<O>,
    log: &LogBook,
    session: &mut O::Session,
    place: &Place,
    exec_timeout: Duration,
) {
    let (reader, writer) = stream.into_split();
    let mut requests = FramedRead::new(reader, LinesCodec::new_with_max_length(MAX_LINE));
    let mut responses = FramedWrite::new(writer, LinesCodec::new());
    // An empty line runs nothing and yields the prompt.
    let hello = execute(core, session, "");
    if send(&mut responses, &Response::Reply(hello)).await.is_err() {
        return;
    }
    let mut feed: Option<broadcast::Receiver<Arc<str>>> = None;
    let mut asked = Instant::now();
    loop {
        let idle = async {
            match exec_timeout {
                Duration::ZERO => std::future::pending().await,
                timeout => tokio::time::sleep_until(asked + timeout).await,
            }
        };
        let response = tokio::select! {
            biased;
            () = place.taken() => Response::Reply(ended("% Closed: root needs the place")),
            () = idle => Response::Reply(ended("% Closed: nothing was asked for too long (exec-timeout)")),
            line = next_line(&mut feed) => Response::Log(line),
            request = requests.next() => {
                asked = Instant::now();
                place.used();
                match request.map(|line| line.map(|line| serde_json::from_str(&line))) {
                    Some(Ok(Ok(Request::Execute(line)))) => Response::Reply(execute(core, session, &line)),
                    Some(Ok(Ok(Request::Help(text)))) => Response::Reply(lock(core).help(session, &text)),
                    Some(Ok(Ok(Request::Complete(text)))) => Response::Reply(lock(core).complete(session, &text)),
                    Some(Ok(Ok(Request::Monitor(on)))) => {
                        feed = on.then(|| log.listen());
                        Response::Reply(execute(core, session, ""))
                    }
                    Some(Ok(Err(error))) => Response::Reply(refusal(&format!("% Request not understood: {error}"))),
                    // Where the next line begins is unknown, so the connection ends.
                    Some(Err(LinesCodecError::MaxLineLengthExceeded)) => {
                        Response::Reply(ended(&format!("% Line over {MAX_LINE} bytes")))
                    }
                    Some(Err(LinesCodecError::Io(error))) if error.kind() == io::ErrorKind::InvalidData => {
                        Response::Reply(ended("% Line that is not UTF-8"))
                    }
                    Some(Err(LinesCodecError::Io(_))) | None => return,
                }
            }
        };
        let closed = matches!(&response, Response::Reply(reply) if reply.closed);
        if send(&mut responses, &response).await.is_err() || closed {
            return;
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

/// The last reply of a connection.
fn ended(text: &str) -> Reply {
    Reply { closed: true, ..refusal(text) }
}

/// Sends a response to a shell that reads; one that does not for [`STALLED`] is given up.
async fn send(
    to: &mut FramedWrite<OwnedWriteHalf, LinesCodec>,
    response: &Response,
) -> Result<(), LinesCodecError> {
    let line = serde_json::to_string(response).map_err(io::Error::from)?;
    let sent = tokio::time::timeout(STALLED, to.send(line)).await;
    sent.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut).into()))
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
