//! What is due when: a list a second, in a circle longer than any lifetime.

use super::{
    binding::{Links, Node, Second},
    slab::Slab,
};

/// Seconds of the circle; the longest lifetime is 65 534.
const SLOTS: usize = 1 << 17;
/// No node.
const NONE: u32 = u32::MAX;

/// Nodes by the second in which they are due; setting, changing and taking one out are a few steps.
#[derive(Debug)]
pub(super) struct Wheel {
    heads: Box<[u32]>,
    /// The first second that is not done.
    next: Option<Second>,
}

impl Default for Wheel {
    fn default() -> Self {
        Self { heads: vec![NONE; SLOTS].into_boxed_slice(), next: None }
    }
}

fn slot(second: Second) -> usize {
    second.0 as usize % SLOTS
}

impl Wheel {
    /// Sets when a node is due; [`Second::NEVER`] takes it out. `now` has begun.
    pub fn set(&mut self, nodes: &mut Slab<Node>, at: u32, due: Second, now: Second) {
        self.remove(nodes, at);
        if due == Second::NEVER {
            return;
        }
        let first = *self.next.get_or_insert(now);
        // What is done already is done in the second that comes.
        let due = due.max(first);
        let head = &mut self.heads[slot(due)];
        nodes.get_mut(at).links = Links { previous: NONE, next: *head, due };
        if *head != NONE {
            nodes.get_mut(*head).links.previous = at;
        }
        *head = at;
    }

    pub fn remove(&mut self, nodes: &mut Slab<Node>, at: u32) {
        let Links { previous, next, due } = nodes.get(at).links;
        if due == Second::NEVER {
            return;
        }
        if previous == NONE {
            self.heads[slot(due)] = next;
        } else {
            nodes.get_mut(previous).links.next = next;
        }
        if next != NONE {
            nodes.get_mut(next).links.previous = previous;
        }
        nodes.get_mut(at).links = Links { previous: NONE, next: NONE, due: Second::NEVER };
    }

    /// Takes out a node that is due by `now`; `None`: none is.
    pub fn pop(&mut self, nodes: &mut Slab<Node>, now: Second) -> Option<u32> {
        let mut second = self.next?;
        // After a pause of more than a whole circle each list is still looked at once only.
        second = second.max(Second(now.0.saturating_sub(SLOTS as u32)));
        while second <= now {
            let mut at = self.heads[slot(second)];
            while at != NONE {
                let links = nodes.get(at).links;
                if links.due <= now {
                    self.next = Some(second);
                    self.remove(nodes, at);
                    return Some(at);
                }
                at = links.next;
            }
            second = Second(second.0 + 1);
        }
        self.next = Some(second);
        None
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, net::Ipv4Addr};

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Set(u32, u32),
        Never(u32),
        Wait(u32),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let wait = prop_oneof![8 => 0..4_u32, 1 => 0..70_000_u32, 1 => Just(300_000)];
        let step = prop_oneof![
            4 => (0..8_u32, prop_oneof![0..10_u32, 0..65_535_u32]).prop_map(|(at, after)| Step::Set(at, after)),
            1 => (0..8_u32).prop_map(Step::Never),
            3 => wait.prop_map(Step::Wait),
        ];
        proptest::collection::vec(step, 0..80)
    }

    proptest! {
        #[test]
        fn each_is_due_in_its_second(steps in steps()) {
            let (mut wheel, mut nodes, mut model) = (Wheel::default(), Slab::default(), BTreeMap::new());
            for _ in 0..8 {
                nodes.insert(Node::new(b"", Ipv4Addr::UNSPECIFIED));
            }
            let mut now = Second(1000);
            for step in steps {
                match step {
                    Step::Set(at, after) => {
                        let due = Second(now.0 + after);
                        wheel.set(&mut nodes, at, due, now);
                        model.insert(at, due);
                    }
                    Step::Never(at) => {
                        wheel.set(&mut nodes, at, Second::NEVER, now);
                        model.remove(&at);
                    }
                    Step::Wait(seconds) => now.0 += seconds,
                }
                let mut popped: Vec<u32> = std::iter::from_fn(|| wheel.pop(&mut nodes, now)).collect();
                popped.sort_unstable();
                let due: Vec<u32> = model.iter().filter(|(_, due)| **due <= now).map(|(at, _)| *at).collect();
                model.retain(|_, due| *due > now);
                // What is set for the second that is done comes in the next one.
                let late: Vec<u32> = due.iter().filter(|at| !popped.contains(at)).copied().collect();
                for at in late {
                    model.insert(at, Second(now.0 + 1));
                }
                prop_assert!(popped.iter().all(|at| due.contains(at)));
            }
            now.0 += 200_000;
            let rest = std::iter::from_fn(|| wheel.pop(&mut nodes, now)).count();
            prop_assert_eq!(rest, model.len());
        }
    }
}
