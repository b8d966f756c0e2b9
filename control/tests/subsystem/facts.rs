//! The bus: what subsystems tell each other, and the order in which all of them are told.

use std::{marker::PhantomData, sync::Arc};

use common::{
    config::Hugepages,
    link::link,
    slb::{Balancer, SessionKey},
    tables::Tables,
    time::Nanos,
};
use control::{
    bus::{Fact, HomeAgent},
    command::ConfigWriter,
    core::{Core, CoreLink},
    manage::log::LogBook,
    protocol::{Commands, Cx, Input, Protocol, Shared},
};

use crate::{
    counter::Counter,
    harness::{BALANCER, Harness},
};

/// Notes in the log what it is told; `N` tells one from another.
#[derive(Debug)]
pub struct Listener<const N: u8>;

impl<const N: u8> Protocol for Listener<N> {
    const NAME: &'static str = "listener";
    type Config = PhantomData<[(); 0]>;
    type Message = ();
    type Order = ();

    fn new(_: &Shared) -> Self {
        Self
    }

    fn commands() -> Commands<Self> {
        Commands { configuration: Vec::new(), exec: Vec::new(), switches: Vec::new() }
    }

    fn print(_: &Self::Config, _: &mut ConfigWriter) {}

    fn handle(&mut self, input: Input<'_, Self>, cx: &mut Cx<'_, Self>) {
        let note = match input {
            Input::Fact(Fact::HomeAgent(Some(load))) => format!("{N} hears {}", load.bindings),
            Input::Fact(fact) => format!("{N} hears {fact:?}"),
            Input::Message(()) => {
                // Two facts of one step, and one that follows from hearing none of them yet.
                for bindings in [1, 2] {
                    let load =
                        HomeAgent { bindings, max_bindings: 9, calls: None, busy: None, max_weight: 100 };
                    cx.tell(Fact::HomeAgent(Some(load)));
                }
                format!("{N} tells")
            }
            Input::Stop => format!("{N} stops"),
            _ => return,
        };
        cx.shared.log.push(&note);
    }
}

control::protocols! {
    /// Without any of the product's.
    Small, SmallConfiguration:
    first: Listener<1>,
    counter: Counter,
    second: Listener<2>,
}

fn small() -> Core<Small> {
    let balancer = Balancer::new(4096, Hugepages::Off, 1, SessionKey::new([7; 16])).unwrap();
    let (_, end) = link(1, 1, Tables::new(balancer));
    Core::new(CoreLink::split(end).0, None, LogBook::new(100), Nanos(0))
}

fn notes(core: &Core<Small>) -> Vec<String> {
    let lines = core.shared().log.view().lines.iter().map(ToString::to_string).collect();
    core.shared().log.clear();
    lines
}

fn standing(core: &Core<Small>) -> Vec<Fact> {
    core.shared().bus.standing().cloned().collect()
}

#[test]
fn facts_reach_everybody_in_order_after_the_step_that_told_them() {
    let mut core = small();
    core.message::<Listener<1>>(());
    assert_eq!(notes(&core), ["1 tells", "1 hears 1", "2 hears 1", "1 hears 2", "2 hears 2"]);
    assert!(matches!(standing(&core)[..], [Fact::HomeAgent(Some(HomeAgent { bindings: 2, .. }))]));
}

#[test]
fn the_last_subsystem_of_the_list_stops_first() {
    let mut core = small();
    core.stop();
    assert_eq!(notes(&core), ["2 stops", "1 stops"]);
}

#[test]
fn what_the_counter_counts_is_told_as_it_changes() {
    let mut core = small();
    let mut shell = Core::shell(Arc::new(Core::commands()), true);
    let mut run = |core: &mut Core<Small>, lines: &str| {
        for line in lines.lines() {
            let reply = core.execute(&mut shell, line).finish();
            assert_eq!(reply.error, None, "{line}: {}", reply.text);
        }
    };
    run(&mut core, "configure terminal\ncounter A\nlimit 7\nend");
    assert_eq!(notes(&core), ["1 hears 0", "2 hears 0", "1 hears 0", "2 hears 0"], "made, and its limit");
    run(&mut core, "counter A add 4\nclear counters\nclear counters");
    assert_eq!(notes(&core), ["1 hears 4", "2 hears 4", "1 hears 0", "2 hears 0"]);
    run(&mut core, "configure terminal\nno counter A\nend");
    assert_eq!(notes(&core), ["1 hears HomeAgent(None)", "2 hears HomeAgent(None)"]);
    assert_eq!(standing(&core), [Fact::HomeAgent(None)]);
}

#[test]
fn who_comes_late_hears_what_stands() {
    let mut harness = Harness::new(BALANCER);
    harness.configure("counter A");
    assert_eq!(harness.json("show counters")["virtual_servers"], 1, "told before anybody counted");
    harness.configure("no ip slb vserver V");
    assert_eq!(harness.json("show counters")["virtual_servers"], 0);
}
