//! Metrics of the home agent.

use super::{
    registration::{Counter, Discard},
    shard::Shard,
};
use crate::protocol::Report;

pub(super) fn report(shard: &Shard, out: &mut Report) {
    let (bindings, counters, unsent) = shard.ask(|registrar| {
        let agent = registrar.agent();
        (agent.bindings(), agent.counters().clone(), registrar.unsent())
    });
    out.gauge("homeward_mobile_bindings", "Mobility bindings", Vec::new(), bindings as f64);
    out.counter("homeward_mobile_replies_unsent", "Registration replies not sent", Vec::new(), unsent);
    for counter in Counter::ALL {
        let labels = vec![("what", counter.words().to_owned())];
        out.counter("homeward_mobile_registrations", "Registration requests", labels, counters.get(counter));
    }
    for reason in Discard::ALL {
        let labels = vec![("reason", reason.word().to_owned())];
        let count = counters.discarded(reason);
        out.counter("homeward_mobile_discards", "Registration requests without an answer", labels, count);
    }
}
