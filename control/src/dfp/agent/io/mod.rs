//! The agent on TCP: a listener, a task for each manager, and time.
//!
//! The state machine is behind a lock that is held for one event. Everything asks it by level, so all that a task needs
//! to hear is that something has changed.

mod connection;

use std::{
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use common::time::Nanos;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use super::fsm::{Agent, Table};
use crate::dfp::debug::Facility;

/// Longest time that a connection takes to end in order; then it is reset.
pub const DRAIN: Duration = Duration::from_secs(2);

/// Connections that the kernel keeps while we are busy.
const BACKLOG: i32 = 128;

/// Pause after the system has refused a connection, for want of file descriptors for example.
const PAUSE: Duration = Duration::from_millis(100);

/// Time is looked at no more often than this.
const GRAIN: Duration = Duration::from_millis(5);

/// The idle time after which TCP looks whether a manager still lives, between two looks, and how many fail.
const KEEP_ALIVE: (Duration, Duration, u32) = (Duration::from_mins(1), Duration::from_secs(10), 3);

/// What the tasks of an agent share.
#[derive(Debug)]
struct Shared {
    agent: Mutex<Agent>,
    changed: watch::Sender<()>,
    start: Instant,
    /// Address to listen on.
    address: Ipv4Addr,
}

impl Shared {
    fn now(&self) -> Nanos {
        Nanos::default().after(self.start.elapsed())
    }

    /// Asks or tells the agent something that concerns nobody else.
    fn ask<T>(&self, what: impl FnOnce(&mut Agent, Nanos) -> T) -> T {
        let (answer, notices) = {
            let mut agent = self.agent.lock().unwrap_or_else(PoisonError::into_inner);
            (what(&mut agent, self.now()), agent.take_notices())
        };
        for notice in notices {
            notice.emit(Facility::Agent);
        }
        answer
    }

    /// Tells the agent something, and every task that something has changed.
    fn tell<T>(&self, what: impl FnOnce(&mut Agent, Nanos) -> T) -> T {
        let answer = self.ask(what);
        self.changed.send_replace(());
        answer
    }

    /// As [`Shared::tell`], but others hear of it only if it moves the next deadline or `what` is false.
    fn tell_quietly(&self, what: impl FnOnce(&mut Agent, Nanos) -> bool) -> bool {
        let (quiet, answer) = self.ask(|agent, now| {
            let before = agent.deadline();
            let answer = what(agent, now);
            (answer && agent.deadline() == before, answer)
        });
        if !quiet {
            self.changed.send_replace(());
        }
        answer
    }

    /// Waits until the agent's next deadline. It may come later than that if the agent changes meanwhile.
    async fn deadline(&self) {
        match self.ask(|agent, _| agent.deadline()) {
            None => std::future::pending().await,
            Some(at) => tokio::time::sleep(at.since(self.now()).max(GRAIN)).await,
        }
    }
}

/// A running agent. Ends without further ado when it is dropped.
#[derive(Debug)]
pub struct Server {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Runs the agent that `make` makes, which listens on `address` while it is active. To be called within a tokio
    /// runtime.
    pub fn start(address: Ipv4Addr, make: impl FnOnce(Nanos) -> Agent) -> Self {
        let agent = Mutex::new(make(Nanos::default()));
        let shared =
            Arc::new(Shared { agent, changed: watch::Sender::new(()), start: Instant::now(), address });
        let task = tokio::spawn(run(Arc::clone(&shared)));
        Self { shared, task }
    }

    /// Asks the agent, which does not change.
    pub fn ask<T>(&self, what: impl FnOnce(&Agent, Nanos) -> T) -> T {
        self.shared.ask(|agent, now| what(agent, now))
    }

    /// Tells the agent something; what follows from it is done at once.
    pub fn tell<T>(&self, what: impl FnOnce(&mut Agent, Nanos) -> T) -> T {
        self.shared.tell(what)
    }

    /// True if the weights are wanted now, which [`Server::computed`] answers.
    pub fn wants_weights(&self) -> bool {
        self.shared.ask(Agent::wants_weights)
    }

    /// Waits until the weights are wanted, which [`Server::computed`] answers.
    pub async fn weights_wanted(&self) {
        let mut changed = self.shared.changed.subscribe();
        while !self.wants_weights() {
            tokio::select! {
                _ = changed.changed() => {}
                () = self.shared.deadline() => {}
            }
        }
    }

    /// The weights; none: the subsystem is not active.
    pub fn computed(&self, table: Option<Table>) {
        self.tell(|agent, _| agent.computed(table));
    }

    /// Says whether lines of debug are wanted, and takes those since the last call.
    pub fn exchange(&self, debug: bool) -> Vec<String> {
        self.shared.ask(|agent, _| {
            agent.set_debug(debug);
            agent.take_lines()
        })
    }

    /// True while the tasks run.
    pub fn is_alive(&self) -> bool {
        !self.task.is_finished()
    }

    /// Ends every connection in order, for at most [`DRAIN`], then the agent.
    pub async fn end(mut self) {
        self.tell(|agent, now| {
            let mut config = agent.config().clone();
            config.inservice = false;
            agent.configure(config, now);
        });
        // The task waits for its connections once nothing refers to the agent any more but itself.
        self.shared.changed.send_replace(());
        let mut changed = self.shared.changed.subscribe();
        let drained =
            async { while Arc::strong_count(&self.shared) > 2 && changed.changed().await.is_ok() {} };
        let _ = tokio::time::timeout(DRAIN + GRAIN, drained).await;
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

/// Listens where the agent wants, serves who connects, and keeps the time.
async fn run(shared: Arc<Shared>) {
    let mut changed = shared.changed.subscribe();
    let mut listener: Option<(u16, TcpListener)> = None;
    let mut connections = JoinSet::new();
    loop {
        if shared.ask(|agent, now| agent.deadline().is_some_and(|at| at <= now)) {
            shared.tell(Agent::expire);
        }
        changed.mark_unchanged();
        let (wanted, listening) = shared.ask(|agent, now| (agent.listen(now), agent.is_listening()));
        // A listener that was closed and is wanted again is another one: who connected meanwhile was not to be served.
        if listener.as_ref().map(|(port, _)| *port) != wanted || (wanted.is_some() && !listening) {
            // The old one first: it may be the port of the new one.
            drop(listener.take());
            listener = wanted.and_then(|port| Some((port, listen_on(&shared, port)?)));
        }
        tokio::select! {
            _ = changed.changed() => {}
            () = shared.deadline() => {}
            Some(_) = connections.join_next() => {}
            accepted = accept(listener.as_ref()) => match accepted {
                Ok((stream, remote)) => {
                    if let Some(task) = admit(&shared, stream, remote) {
                        connections.spawn(task);
                    }
                }
                Err(error) => {
                    tracing::debug!("DFP: accept: {error}");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    }
}

fn listen_on(shared: &Shared, port: u16) -> Option<TcpListener> {
    match bind(SocketAddrV4::new(shared.address, port)) {
        Ok(listener) => {
            shared.ask(|agent, _| agent.listening(port));
            Some(listener)
        }
        Err(error) => {
            let news = shared.ask(|agent, now| agent.listen_failed(error.to_string(), now));
            if news {
                let mnemonic = "DFP-3-LISTEN";
                tracing::error!(mnemonic, "DFP agent cannot listen on port {port}: {error}");
            }
            None
        }
    }
}

fn bind(address: SocketAddrV4) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

async fn accept(listener: Option<&(u16, TcpListener)>) -> io::Result<(TcpStream, SocketAddrV4)> {
    let Some((_, listener)) = listener else { return std::future::pending().await };
    match listener.accept().await? {
        (stream, SocketAddr::V4(remote)) => Ok((stream, remote)),
        // An IPv4 socket has no others.
        (_, SocketAddr::V6(_)) => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Takes a connection in, or resets it.
fn admit(
    shared: &Arc<Shared>,
    stream: TcpStream,
    remote: SocketAddrV4,
) -> Option<impl Future<Output = ()> + 'static> {
    let prepared = prepare(&stream).and_then(|()| match stream.local_addr()? {
        SocketAddr::V4(local) => Ok(*local.ip()),
        SocketAddr::V6(_) => Err(io::ErrorKind::Unsupported.into()),
    });
    // One that is gone already has no address any more.
    let local = prepared.ok()?;
    let Some(id) = shared.tell(|agent, now| agent.accept(remote, local, now)) else {
        reset(&stream);
        return None;
    };
    Some(connection::serve(Arc::clone(shared), id, stream))
}

/// One segment a message, and a look now and then whether the manager still lives.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    let (idle, interval, probes) = KEEP_ALIVE;
    stream.set_nodelay(true)?;
    let keep_alive = TcpKeepalive::new().with_time(idle).with_interval(interval).with_retries(probes);
    SockRef::from(stream).set_tcp_keepalive(&keep_alive)
}

/// Makes the end of the connection a reset: the kernel keeps nothing of it.
fn reset(stream: &TcpStream) {
    // Without it the end is only slower.
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

#[cfg(test)]
mod tests;
