//! Metrics of the home agent.

use super::{
    registrar::Registrar,
    registration::{Counter, Discard},
};
use crate::protocol::Report;

pub(super) fn report(registrar: &Registrar, out: &mut Report) {
    let agent = registrar.agent();
    out.gauge("homeward_mobile_bindings", "Mobility bindings", Vec::new(), agent.bindings() as f64);
    for counter in Counter::ALL {
        let labels = vec![("what", counter.words().to_owned())];
        out.counter(
            "homeward_mobile_registrations",
            "Registration requests",
            labels,
            agent.counters().get(counter),
        );
    }
    for reason in Discard::ALL {
        let labels = vec![("reason", reason.word().to_owned())];
        let count = agent.counters().discarded(reason);
        out.counter("homeward_mobile_discards", "Registration requests without an answer", labels, count);
    }
}
