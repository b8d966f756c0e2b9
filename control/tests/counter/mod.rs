//! A subsystem as small as can be that uses every means there is: named counters, which rise by themselves at intervals.
//!
//! `docs/adding-a-subsystem.md` explains it, file by file.

mod commands;
mod config;
mod debug;
mod exec;
mod fsm;
mod io;
mod metrics;
mod publish;
mod show;
mod table;

pub use self::{
    config::CountersConfig,
    io::{Message, Order},
    table::Sources,
};

use std::{
    collections::{BTreeMap, BTreeSet},
    net::Ipv4Addr,
    sync::{Arc, LazyLock},
};

use common::{snapshot::Snapshot, time::Nanos};
use control::{
    bus::HomeAgent,
    command::ConfigWriter,
    health::{Condition, Found},
    protocol::{Checked, Claims, Commands, Cx, Input, Io, Protocol, Report, Shared},
};

use self::fsm::Count;

/// One for workers and control. In the product it is a field of `Tables`, made at start.
pub static SOURCES: LazyLock<Arc<Sources>> =
    LazyLock::new(|| Arc::new(Sources::new(1024).expect("a few pages of memory")));

/// All counters.
#[derive(Debug)]
pub struct Counter {
    /// What workers count.
    sources: Arc<Sources>,
    counts: BTreeMap<String, Count>,
    /// Addresses that it has claimed in the snapshot.
    claimed: BTreeSet<Ipv4Addr>,
    /// The first snapshot with its newest part.
    generation: u64,
    /// The virtual servers that the balancer has; somebody else's fact.
    virtual_servers: usize,
    /// As the others were last told.
    told: Option<HomeAgent>,
    stopping: bool,
}

impl Protocol for Counter {
    const NAME: &'static str = "counter";
    type Config = CountersConfig;
    type Message = Message;
    type Order = Order;

    fn new(_: &Shared) -> Self {
        Self {
            sources: Arc::clone(&SOURCES),
            counts: BTreeMap::new(),
            claimed: BTreeSet::new(),
            generation: 0,
            virtual_servers: 0,
            told: None,
            stopping: false,
        }
    }

    fn commands() -> Commands<Self> {
        Commands {
            configuration: commands::SPECS
                .iter()
                .map(|line| line.within(|config: &mut CountersConfig| config))
                .collect(),
            exec: exec::SPECS.to_vec(),
            switches: vec![&debug::BEATS],
        }
    }

    fn print(config: &CountersConfig, out: &mut ConfigWriter) {
        config.print(out);
    }

    fn check(config: &CountersConfig, claims: &Claims) -> Checked {
        config.check(claims)
    }

    fn handle(&mut self, input: Input<'_, Self>, cx: &mut Cx<'_, Self>) {
        match input {
            Input::Configured(old) => self.configured(old, cx),
            // A network made anew has the claims of its owner only.
            Input::Network(_) => cx.publish(),
            Input::Published { generation } => self.generation = generation,
            Input::Fact(fact) => self.hear(fact),
            Input::Message(message) => self.take(message),
            Input::Timer => self.beat(cx),
            Input::Stop => {
                self.stopping = true;
                cx.publish();
            }
            Input::TasksDied => self.ring_again(cx),
            Input::Repeated { .. } | Input::Ports(_) | Input::Host(_) | Input::Events(_) | Input::Debug => {}
        }
    }

    fn deadline(&self) -> Option<Nanos> {
        self.counts.values().filter_map(|count| count.due).min()
    }

    fn publish(&mut self, next: &mut Snapshot, cx: &mut Cx<'_, Self>) {
        self.claim(next, cx);
    }

    fn conditions() -> Vec<&'static Condition> {
        vec![&metrics::FULL]
    }

    fn diagnose(&mut self, cx: &mut Cx<'_, Self>) -> Vec<Found> {
        self.full(cx)
    }

    fn report(&mut self, out: &mut Report, _: &mut Cx<'_, Self>) {
        self.metrics(out);
    }

    fn start(io: Io<Self>) -> impl Future<Output = ()> + Send {
        io::ring_bell(io)
    }
}

impl Counter {
    fn configured(&mut self, old: &CountersConfig, cx: &mut Cx<'_, Self>) {
        if old.counters.is_empty() {
            // What was told before anybody counted stands.
            cx.shared.bus.standing().for_each(|fact| self.hear(fact));
        }
        self.place(cx.config, cx.now());
        if old.addresses().ne(cx.config.addresses()) {
            cx.publish();
        }
        self.tell(cx);
    }
}
