//! Control's end of the socket.

use std::{
    collections::HashMap,
    fmt, io,
    os::{fd::OwnedFd, unix::net},
    process::Child,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tokio::{net::UnixDatagram, sync::oneshot, time::timeout};

use super::message::{Command, MESSAGE, Outcome, Reply, Request};

/// How long after its time limit a script may be answered for.
const SLACK: Duration = Duration::from_secs(5);

/// The launcher as it was started.
#[derive(Debug)]
pub struct LauncherProcess {
    /// Our end of a pair of `SOCK_SEQPACKET` sockets.
    pub socket: OwnedFd,
    /// The process, to learn how it ended.
    pub child: Child,
}

/// Why no script was run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LaunchError {
    /// It has ended, or there was none.
    #[error("there is no launcher")]
    Gone,
    /// It says nothing.
    #[error("the launcher does not answer")]
    Silent,
    /// The command is longer than a message may be.
    #[error("the command is too long")]
    TooLong,
}

/// What has become of commands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LauncherTotals {
    /// Scripts that were started.
    pub started: u64,
    /// Scripts that were not, since too many ran.
    pub busy: u64,
    /// Scripts that were not, for another reason.
    pub not_started: u64,
}

/// Has scripts run. Cheap to clone; the default has none run.
#[derive(Clone, Default)]
pub struct Launcher(Option<Arc<Inner>>);

struct Inner {
    /// Of type `SOCK_SEQPACKET`, which the library's name for it does not say: messages as they were sent, and an end.
    socket: UnixDatagram,
    waiting: Mutex<Waiting>,
    started: AtomicU64,
    busy: AtomicU64,
    not_started: AtomicU64,
}

/// Who waits for an answer; none once the launcher has ended.
#[derive(Default)]
struct Waiting {
    last: u64,
    by_id: Option<HashMap<u64, oneshot::Sender<Reply>>>,
}

impl Launcher {
    /// Takes over the launcher's socket; within a runtime of tokio.
    ///
    /// # Errors
    /// What the kernel says.
    pub fn attach(LauncherProcess { socket, child }: LauncherProcess) -> io::Result<Self> {
        let launcher = Self::over(socket)?;
        if let Some(inner) = launcher.0.clone() {
            tokio::spawn(async move {
                inner.read().await;
                // Its end of the socket is closed, so it ends.
                let ended = tokio::task::spawn_blocking({
                    let mut child = child;
                    move || child.wait()
                });
                let how = match ended.await {
                    Ok(Ok(status)) => status.to_string(),
                    Ok(Err(error)) => error.to_string(),
                    Err(error) => error.to_string(),
                };
                tracing::error!(
                    mnemonic = "SYS-2-LAUNCHER",
                    "The launcher has ended ({how}): no script is started until Homeward is"
                );
            });
        }
        Ok(launcher)
    }

    fn over(socket: OwnedFd) -> io::Result<Self> {
        let socket = net::UnixDatagram::from(socket);
        socket.set_nonblocking(true)?;
        let socket = UnixDatagram::from_std(socket)?;
        Ok(Self(Some(Arc::new(Inner {
            socket,
            waiting: Mutex::new(Waiting { last: 0, by_id: Some(HashMap::new()) }),
            started: AtomicU64::new(0),
            busy: AtomicU64::new(0),
            not_started: AtomicU64::new(0),
        }))))
    }

    /// Has it run, and waits for its end.
    ///
    /// # Errors
    /// The launcher did not answer; whether the script was run is not known then.
    pub async fn run(&self, command: Command) -> Result<Reply, LaunchError> {
        let inner = self.0.as_ref().ok_or(LaunchError::Gone)?;
        let limit = Duration::from_millis(command.limit.into()) + SLACK;
        let (id, answer) = inner.expect()?;
        let bytes = Request { id, command }.encode().ok_or(LaunchError::TooLong);
        let outcome = match bytes {
            Ok(bytes) => timeout(limit, inner.exchange(&bytes, answer)).await,
            Err(error) => Ok(Err(error)),
        };
        let outcome = outcome.unwrap_or(Err(LaunchError::Silent));
        inner.forget(id);
        if let Ok(reply) = &outcome {
            let counter = match reply.outcome {
                Outcome::Busy => &inner.busy,
                Outcome::NotStarted(_) => &inner.not_started,
                Outcome::Exited(_) | Outcome::Signalled(_) | Outcome::TimedOut => &inner.started,
            };
            counter.fetch_add(1, Relaxed);
        }
        outcome
    }

    /// True once the launcher has ended. One that there never was has not.
    pub fn has_ended(&self) -> bool {
        self.0.as_ref().is_some_and(|inner| inner.waiting().by_id.is_none())
    }

    /// What has become of commands; `None` if there never was a launcher.
    pub fn totals(&self) -> Option<LauncherTotals> {
        self.0.as_ref().map(|inner| LauncherTotals {
            started: inner.started.load(Relaxed),
            busy: inner.busy.load(Relaxed),
            not_started: inner.not_started.load(Relaxed),
        })
    }
}

impl Inner {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A number for a request, and where its answer comes.
    fn expect(&self) -> Result<(u64, oneshot::Receiver<Reply>), LaunchError> {
        let mut waiting = self.waiting();
        waiting.last += 1;
        let id = waiting.last;
        let (sender, receiver) = oneshot::channel();
        waiting.by_id.as_mut().ok_or(LaunchError::Gone)?.insert(id, sender);
        Ok((id, receiver))
    }

    fn forget(&self, id: u64) -> Option<oneshot::Sender<Reply>> {
        self.waiting().by_id.as_mut()?.remove(&id)
    }

    async fn exchange(&self, bytes: &[u8], answer: oneshot::Receiver<Reply>) -> Result<Reply, LaunchError> {
        self.socket.send(bytes).await.map_err(|_| LaunchError::Gone)?;
        answer.await.map_err(|_| LaunchError::Gone)
    }

    /// Hands out answers until the launcher ends.
    async fn read(&self) {
        let mut bytes = vec![0; MESSAGE + 1];
        loop {
            let Ok(length @ 1..) = self.socket.recv(&mut bytes).await else { break };
            let Some(reply) = Reply::decode(&bytes[..length]) else { continue };
            if let Some(sender) = self.forget(reply.id) {
                // Who has given up waiting hears nothing.
                let _ = sender.send(reply);
            }
        }
        self.waiting().by_id = None;
    }
}

impl fmt::Debug for Launcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Launcher").field(&self.totals()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use socket2::{Domain, Socket, Type};

    use super::*;

    fn command(script: &str) -> Command {
        Command {
            script: script.parse().unwrap(),
            arguments: Vec::new(),
            environment: [].into(),
            limit: 1000,
        }
    }

    /// A launcher, and the other end of its socket.
    fn pair() -> (Launcher, Socket) {
        let (ours, theirs) = Socket::pair(Domain::UNIX, Type::SEQPACKET, None).unwrap();
        let launcher = Launcher::over(ours.into()).unwrap();
        let inner = launcher.0.clone().unwrap();
        tokio::spawn(async move { inner.read().await });
        (launcher, theirs)
    }

    fn request(socket: &mut Socket) -> Request {
        let mut bytes = vec![0; MESSAGE];
        let length = socket.read(&mut bytes).unwrap();
        Request::decode(&bytes[..length]).unwrap()
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn answers_find_who_waits_for_them_and_are_counted() {
        let (launcher, mut socket) = pair();
        let outcomes =
            [("a", Outcome::Exited(3)), ("b", Outcome::Busy), ("c", Outcome::NotStarted("why".into()))];
        let other = tokio::task::spawn_blocking(move || {
            let mut requests: Vec<_> = (0..3).map(|_| request(&mut socket)).collect();
            requests.reverse();
            socket.write_all(b"rubbish").unwrap();
            for Request { id, command } in requests {
                let (_, outcome) =
                    outcomes.iter().find(|(script, _)| *script == command.script.as_str()).unwrap();
                let reply = Reply { id, outcome: outcome.clone(), output: command.script.to_string() };
                socket.write_all(&reply.encode().unwrap()).unwrap();
            }
            socket
        });
        let runs = ["a", "b", "c"].map(|script| launcher.run(command(script)));
        for (reply, script) in futures::future::join_all(runs).await.into_iter().zip(["a", "b", "c"]) {
            assert_eq!(reply.unwrap().output, script);
        }
        assert_eq!(launcher.totals(), Some(LauncherTotals { started: 1, busy: 1, not_started: 1 }));
        drop(other.await.unwrap());
    }

    #[tokio::test]
    async fn who_waits_hears_of_the_launchers_end_and_nobody_waits_after_it() {
        assert_eq!(Launcher::default().run(command("a")).await, Err(LaunchError::Gone));
        assert!(!Launcher::default().has_ended());
        let (launcher, mut socket) = pair();
        let waiting = tokio::spawn({
            let launcher = launcher.clone();
            async move { launcher.run(command("a")).await }
        });
        let asked = tokio::task::spawn_blocking(move || (request(&mut socket), socket)).await.unwrap();
        assert!(!launcher.has_ended());
        drop(asked);
        assert_eq!(waiting.await.unwrap(), Err(LaunchError::Gone));
        assert!(launcher.has_ended());
        assert_eq!(launcher.run(command("a")).await, Err(LaunchError::Gone));
    }

    #[tokio::test(start_paused = true)]
    async fn a_launcher_that_says_nothing_is_not_waited_for_for_ever() {
        let (launcher, _socket) = pair();
        assert_eq!(launcher.run(command("a")).await, Err(LaunchError::Silent));
        let long = Command { arguments: vec!["x".repeat(MESSAGE)], ..command("a") };
        assert_eq!(launcher.run(long).await, Err(LaunchError::TooLong));
        assert_eq!(launcher.0.as_ref().unwrap().waiting().by_id.as_ref().unwrap().len(), 0);
    }
}
