//! A subsystem whose tasks do not live long.

use std::time::Duration;

use common::time::Nanos;
use control::{
    command::ConfigWriter,
    daemon::Clock,
    manage::operator::{Operator as _, lock},
    protocol::{Commands, Cx, Input, Io, Protocol, Shared},
    system::System,
};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use crate::daemon_harness::start;

control::protocols! {
    /// Some ports, and tasks that die.
    FragileList, FragileConfiguration:
    system: System,
    fragile: Fragile,
}

/// Has its tasks die as soon as they have answered.
#[derive(Debug, Default)]
pub struct Fragile {
    /// When they were heard of.
    answers: Vec<Nanos>,
    stragglers: usize,
}

/// From the state to the tasks.
#[derive(Debug)]
pub enum Order {
    /// Answer.
    Answer,
    /// Panic.
    Die,
}

/// From the tasks to the state.
#[derive(Debug, Serialize, Deserialize)]
pub enum Message {
    /// As ordered.
    Answer,
    /// What outlives the tasks says this.
    Straggler,
}

impl Protocol for Fragile {
    const NAME: &'static str = "fragile";
    type Config = ();
    type Message = Message;
    type Order = Order;

    fn new(_: &Shared) -> Self {
        Self::default()
    }

    fn commands() -> Commands<Self> {
        Commands { configuration: Vec::new(), exec: Vec::new(), switches: Vec::new() }
    }

    fn print((): &(), _: &mut ConfigWriter) {}

    fn handle(&mut self, input: Input<'_, Self>, cx: &mut Cx<'_, Self>) {
        match input {
            Input::Ports(_) | Input::TasksDied => cx.order(Order::Answer),
            Input::Message(Message::Answer) => {
                self.answers.push(cx.now());
                cx.order(Order::Die);
            }
            Input::Message(Message::Straggler) => self.stragglers += 1,
            _ => {}
        }
    }

    async fn start(mut io: Io<Self>) {
        let messenger = io.messenger.clone();
        tokio::spawn(async move {
            sleep(Duration::from_millis(50)).await;
            messenger.tell(Message::Straggler);
        });
        while let Some(order) = io.orders.recv().await {
            assert!(matches!(order, Order::Answer), "it was ordered to die");
            io.messenger.tell(Message::Answer);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn tasks_that_die_are_started_again_later_each_time_and_get_the_orders_that_wait() {
    let directory = tempfile::tempdir().unwrap();
    let begun = Instant::now();
    let clock: Clock = std::sync::Arc::new(move || Nanos(begun.elapsed().as_nanos() as u64));
    let (daemon, _) = start::<FragileList>("", directory.path(), clock, Duration::ZERO).await;
    let tasks = || {
        let health = lock(daemon.core()).health();
        assert!(health.live, "a watchdog that ended the process would end what goes on");
        health.conditions.iter().any(|held| (held.condition, &*held.subject) == ("tasks-died", "fragile"))
    };
    sleep(Duration::from_millis(20)).await;
    assert!(tasks());
    sleep(Duration::from_millis(6500)).await;
    {
        let mut operated = lock(daemon.core());
        let state: &Fragile = operated.core_mut().state();
        let since = |at: &Nanos| (at.since(state.answers[0]).as_millis() + 5) / 10 * 10;
        let millis: Vec<_> = state.answers.iter().map(since).collect();
        assert_eq!(millis, [0, 100, 300, 700, 1500, 3100, 6300]);
        assert_eq!(state.stragglers, 0, "who is left of dead tasks is not heard");
    }
    let ending = Instant::now();
    daemon.end().await;
    assert!(ending.elapsed() < Duration::from_millis(100), "tasks that rest do not delay the end");
}
