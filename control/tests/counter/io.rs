//! Its task, which may wait: it rings a bell.

use control::protocol::Io;
use serde::{Deserialize, Serialize};

use super::Counter;

/// From the state to the task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Order {
    /// A counter has come to its limit.
    Ring(String),
}

/// From the task to the state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// The bell was rung for this counter.
    Rung(String),
}

/// Takes orders until there are none any more: then the process ends.
pub(super) async fn ring_bell(mut io: Io<Counter>) {
    while let Some(Order::Ring(name)) = io.orders.recv().await {
        tracing::info!("the bell rings for counter {name}");
        io.messenger.tell(Message::Rung(name));
    }
}
