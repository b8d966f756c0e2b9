//! One snapshot for all that has changed.

use std::sync::Arc;

use common::snapshot::Snapshot;

use super::{Core, steps::Surroundings};
use crate::protocol::{Action, Input, Instance, Member, Protocol, Protocols, Visitor};

/// Whether any part has changed.
#[derive(Default)]
struct Changed(bool);

impl<L: Protocols> Visitor<L> for Changed {
    fn visit<P: Protocol>(&mut self, instance: &mut Instance<P>)
    where
        L: Member<P>,
    {
        self.0 |= instance.is_changed();
    }
}

/// Builds the next snapshot, part by part. Who stands behind the network's owner in the list is told of a new network
/// before it is asked for its part.
struct Build<'a, L: Protocols> {
    at: Surroundings<'a, L>,
    old: &'a Snapshot,
    next: Snapshot,
    /// By position: whose part is another one.
    published: Vec<bool>,
}

impl<L: Protocols> Visitor<L> for Build<'_, L> {
    fn visit<P: Protocol>(&mut self, instance: &mut Instance<P>)
    where
        L: Member<P>,
    {
        let Self { at, old, next, published } = self;
        let config = L::config(at.running);
        if !Arc::ptr_eq(&next.net, &old.net) {
            instance.handle(Input::Network(&next.net), config, at.shared, at.out);
        }
        published.push(instance.is_changed());
        if instance.is_changed() {
            instance.publish(next, config, at.shared, at.out);
        }
    }
}

/// Tells those whose part was published.
struct Tell<'a, L: Protocols> {
    at: Surroundings<'a, L>,
    generation: u64,
    published: std::vec::IntoIter<bool>,
}

impl<L: Protocols> Visitor<L> for Tell<'_, L> {
    fn visit<P: Protocol>(&mut self, instance: &mut Instance<P>)
    where
        L: Member<P>,
    {
        let Self { at, generation, published } = self;
        if published.next() == Some(true) {
            let input = Input::Published { generation: *generation };
            instance.handle(input, L::config(at.running), at.shared, at.out);
        }
    }
}

/// The names of those whose part was published.
struct Names<'a>(std::slice::Iter<'a, bool>, Vec<&'static str>);

impl<L: Protocols> Visitor<L> for Names<'_> {
    fn visit<P: Protocol>(&mut self, _: &mut Instance<P>)
    where
        L: Member<P>,
    {
        if self.0.next() == Some(&true) {
            self.1.push(P::NAME);
        }
    }
}

impl<L: Protocols> Core<L> {
    /// Leaves to be done what waited for a snapshot that every worker has now. To be called when all is published: what is new
    /// among it waits for that.
    pub(super) fn release_settled(&mut self) {
        let Self { out, shared, .. } = self;
        let generation = shared.publisher.generation();
        out.unsettled.extend(out.announcements.drain(..).map(|effect| (generation, effect)));
        while let Some((_, effect)) =
            out.unsettled.pop_front_if(|(generation, _)| shared.is_settled(*generation))
        {
            out.effects.push(effect);
        }
    }

    /// Publishes what has changed; false: nothing has.
    pub(super) fn publish(&mut self) -> bool {
        let mut changed = Changed::default();
        Protocols::each(&mut self.list, &mut changed);
        if !changed.0 {
            return false;
        }
        let old = self.shared.snapshot();
        let (list, at) = self.parts();
        let mut build = Build { at, old: &old, next: Snapshot::clone(&old), published: Vec::new() };
        list.each(&mut build);
        let Build { next, published, .. } = build;
        if next.shares_all(&old) {
            // What had changed comes to the same.
            return true;
        }
        drop(old);
        let generation = self.shared.publisher.publish(next);
        if self.out.actions.is_some() {
            let mut names = Names(published.iter(), Vec::new());
            Protocols::each(&mut self.list, &mut names);
            let action = Action::Published { generation, parts: names.1 };
            self.out.actions.get_or_insert_default().push(action);
        }
        let (list, at) = self.parts();
        list.each(&mut Tell { at, generation, published: published.into_iter() });
        true
    }
}
