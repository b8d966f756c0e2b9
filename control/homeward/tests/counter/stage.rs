//! Packets to an address of a counter are counted by their source, and that is their end.

use common::{
    net::Owner,
    verdict::{Class, Declaration, Verdict},
};
use dataplane::{
    backend::Frame,
    batch::{Batch, Next},
    stage::{
        Context,
        stages::{Stage, StageList, Stages},
    },
};

use crate::counter::SOURCES;

/// IP protocol of what is counted: the number for experiments (RFC 3692).
pub const PROTOCOL: u8 = 253;

/// The ends of its packets.
pub const VERDICTS: &[Declaration] =
    &[Declaration { name: "counted", class: Class::Dropped, owner: "counter", counter: None }];

/// How a counted packet ends.
pub const COUNTED: Verdict = Verdict::joined(0);

const COUNT: Stage = Stage::joined(0);

/// The product's stages and this one.
#[derive(Debug)]
pub struct WithCounter;

impl StageList for WithCounter {
    fn run<F: Frame>(stage: Stage, cx: &mut Context<'_>, batch: &mut Batch<F>) {
        match stage {
            Stage::CLASSIFY => {
                classify(cx, batch);
                Stages::run(stage, cx, batch);
            }
            COUNT => count(cx, batch),
            _ => Stages::run(stage, cx, batch),
        }
    }
}

/// What `classify` would say of an owner of its own.
fn classify<F: Frame>(cx: &Context<'_>, batch: &mut Batch<F>) {
    for index in batch.take(Stage::CLASSIFY) {
        let (_, packet) = batch.at(index);
        let owner = cx.snapshot.net.owners.get(&packet.destination);
        let ours = packet.protocol == PROTOCOL && matches!(owner, Some(Owner::Host(_)));
        batch.send(index, Next::To(if ours { COUNT } else { Stage::CLASSIFY }));
    }
}

fn count<F: Frame>(cx: &Context<'_>, batch: &mut Batch<F>) {
    for index in batch.take(COUNT) {
        let (_, packet) = batch.at(index);
        SOURCES.count(packet.source, cx.now.tick());
        batch.send(index, Next::Drop(COUNTED));
    }
}
