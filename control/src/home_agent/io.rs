//! The home agent's task: keeps its thread, and tells its debug lines.

use std::{
    fmt,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread::{self, JoinHandle},
};

use arc_swap::ArcSwap;
use common::{mobile::MobileTables, snapshot::Snapshot};
use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};

use super::{
    HomeAgent,
    server::{Server, Switches},
    shard::Shard,
};
use crate::protocol::Io;

/// Debug lines that wait to be told.
const LINES: usize = 1024;

/// What is asked of the task.
#[derive(Clone)]
pub enum Order {
    /// Have a thread serve registrations.
    Serve {
        /// With this registrar.
        shard: Arc<Shard>,
        /// Where workers open their rings.
        tables: Option<Arc<MobileTables>>,
        /// What workers see.
        published: Arc<ArcSwap<Snapshot>>,
    },
    /// Open the socket, or close it.
    Listen(bool),
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Serve { .. } => f.write_str("Serve"),
            Self::Listen(on) => write!(f, "Listen({on})"),
        }
    }
}

/// What the task tells.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// What became of a request, in words; told only while that is debugged.
    Debug(String),
}

/// The thread; it ends with this.
struct Serving {
    switches: Arc<Switches>,
    thread: Option<JoinHandle<()>>,
    /// Says that the thread has ended.
    ended: oneshot::Receiver<()>,
}

impl Serving {
    fn start(server: Server) -> std::io::Result<Self> {
        let switches = Arc::clone(&server.switches);
        let (alive, ended) = oneshot::channel();
        let thread = thread::Builder::new().name("homeward-mobile".to_owned()).spawn(move || {
            server.run();
            drop(alive);
        })?;
        Ok(Self { switches, thread: Some(thread), ended })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.switches.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            // It ends within a batch; a panic there has been reported already.
            let _ = thread.join();
        }
    }
}

/// Keeps the thread until there are no more orders. Ends if the thread does.
pub(super) async fn run(mut io: Io<HomeAgent>) {
    let (lines, mut told) = mpsc::channel(LINES);
    let mut serving: Option<Serving> = None;
    loop {
        tokio::select! {
            biased;
            order = io.orders.recv() => match order {
                Some(Order::Serve { shard, tables, published }) => {
                    drop(serving.take());
                    let (clock, lines) = (Arc::clone(&io.clock), lines.clone());
                    let switches = Arc::default();
                    match Serving::start(Server { shard, tables, published, clock, lines, switches }) {
                        Ok(started) => serving = Some(started),
                        Err(error) => return tracing::error!("the home agent has no thread: {error}"),
                    }
                }
                Some(Order::Listen(on)) => {
                    if let Some(serving) = &serving {
                        serving.switches.listen.store(on, Relaxed);
                    }
                }
                None => return,
            },
            Some(line) = told.recv() => io.messenger.tell(Message::Debug(line)),
            () = ended(serving.as_mut()) => return,
        }
    }
}

async fn ended(serving: Option<&mut Serving>) {
    match serving {
        Some(serving) => drop((&mut serving.ended).await),
        None => std::future::pending().await,
    }
}
