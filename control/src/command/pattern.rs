//! The notation in which a command is declared, and the state machine it compiles to.
//!
//! `faildetect numconns ~ <count:1-255> [numclients <clients:1-8>]`: words are keywords, `<name:type>` an argument
//! ([`Kind`]), `[ ]` optional, `{a|b}` a choice, `a/b` the keyword `a` with the hidden spelling `b`. What follows `~`
//! may be left out, or be anything, after `no` and `default`; what follows `^` may be left out there, not be anything.
//! `<name:secret>` takes its type too: `TEXT`, `0 TEXT` or `7 TEXT`; the type is one only if another word follows.

use std::collections::BTreeSet;

use super::value::Kind;

/// What one word of the line must be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Matcher {
    /// A keyword, with a hidden second spelling.
    Word { word: &'static str, alias: Option<&'static str> },
    /// An argument.
    Arg { name: &'static str, kind: Kind },
}

/// The words before a secret that say how it is written.
const TYPES: [(&str, Kind); 2] = [("0", Kind::Secret), ("7", Kind::Type7)];

/// Index of a [`State`].
pub(super) type StateId = usize;

/// Edges out of a state; `accept`: the line may end here.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub(super) edges: Vec<(Matcher, StateId)>,
    pub(super) accept: bool,
}

/// A compiled pattern; it has no loops.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) states: Vec<State>,
    pub(super) start: StateId,
}

#[derive(Clone, Debug)]
enum Item {
    One(Matcher),
    Optional(Vec<Item>),
    Choice(Vec<Vec<Item>>),
    Loose,
    Early,
}

/// Compiles `pattern`; `negated` for its `no` and `default` forms.
pub(super) fn compile(pattern: &'static str, negated: bool) -> Result<Program, String> {
    let mut rest = pattern;
    let items = parse(&mut rest, None, pattern)?.swap_remove(0);
    let mut program = Program { states: vec![State { edges: Vec::new(), accept: true }], start: 0 };
    program.start = program.sequence(&items, 0, negated);
    Ok(program)
}

/// Reads alternatives up to `close`.
fn parse(rest: &mut &'static str, close: Option<char>, whole: &str) -> Result<Vec<Vec<Item>>, String> {
    let mut choices = vec![Vec::new()];
    loop {
        *rest = rest.trim_start();
        let Some(first) = rest.chars().next() else {
            return if close.is_none() { Ok(choices) } else { Err(format!("unclosed group in `{whole}`")) };
        };
        let item = match first {
            '[' => {
                *rest = &rest[1..];
                let inner = parse(rest, Some(']'), whole)?;
                Some(Item::Optional(vec![Item::Choice(inner)]))
            }
            '{' => {
                *rest = &rest[1..];
                Some(Item::Choice(parse(rest, Some('}'), whole)?))
            }
            '|' if close.is_some() => {
                *rest = &rest[1..];
                choices.push(Vec::new());
                None
            }
            '~' => {
                *rest = &rest[1..];
                Some(Item::Loose)
            }
            '^' => {
                *rest = &rest[1..];
                Some(Item::Early)
            }
            '<' => {
                let end = rest.find('>').ok_or_else(|| format!("unclosed argument in `{whole}`"))?;
                let (name, kind) = rest[1..end]
                    .split_once(':')
                    .ok_or_else(|| format!("argument without type in `{whole}`"))?;
                let kind =
                    Kind::from_pattern(kind).ok_or_else(|| format!("unknown type `{kind}` in `{whole}`"))?;
                *rest = &rest[end + 1..];
                Some(Item::One(Matcher::Arg { name, kind }))
            }
            c if Some(c) == close => {
                *rest = &rest[1..];
                return Ok(choices);
            }
            c if c.is_ascii_alphanumeric() || c == '-' => {
                let end = rest
                    .find(|c: char| !(c.is_ascii_alphanumeric() || "-_/.".contains(c)))
                    .unwrap_or(rest.len());
                let (text, after) = rest.split_at(end);
                *rest = after;
                let (word, alias) = match text.split_once('/') {
                    Some((word, alias)) => (word, Some(alias)),
                    None => (text, None),
                };
                Some(Item::One(Matcher::Word { word, alias }))
            }
            c => return Err(format!("`{c}` in `{whole}`")),
        };
        if let (Some(item), Some(last)) = (item, choices.last_mut()) {
            last.push(item);
        }
    }
}

impl State {
    /// True if a secret may stand here.
    pub(super) fn takes_secret(&self) -> bool {
        self.edges
            .iter()
            .any(|(matcher, _)| matches!(matcher, Matcher::Arg { kind: Kind::Secret | Kind::Type7, .. }))
    }
}

impl Program {
    /// The keywords behind which a secret stands, with nothing but arguments between.
    pub(super) fn secret_leads(&self) -> Vec<&'static str> {
        let reached = self.reached();
        let edges = reached.iter().flat_map(|at| &self.states[*at].edges);
        let leading = edges.filter(|(_, to)| self.leads_to_secret(*to));
        leading
            .filter_map(|(matcher, _)| match matcher {
                Matcher::Word { word, .. } if TYPES.iter().any(|(kind, _)| kind == word) => None,
                Matcher::Word { word, alias } => Some(std::iter::once(*word).chain(*alias)),
                Matcher::Arg { .. } => None,
            })
            .flatten()
            .collect()
    }

    /// The states that a line can come to.
    fn reached(&self) -> BTreeSet<StateId> {
        let mut reached = BTreeSet::from([self.start]);
        let mut waiting = vec![self.start];
        while let Some(at) = waiting.pop() {
            let next = self.states[at].edges.iter().map(|(_, to)| *to);
            waiting.extend(next.filter(|to| reached.insert(*to)));
        }
        reached
    }

    fn leads_to_secret(&self, at: StateId) -> bool {
        let state = &self.states[at];
        let arguments = state.edges.iter().filter(|(matcher, _)| matches!(matcher, Matcher::Arg { .. }));
        state.takes_secret() || arguments.into_iter().any(|(_, to)| self.leads_to_secret(*to))
    }

    /// The state from which `items` lead to `next`.
    fn sequence(&mut self, items: &[Item], next: StateId, negated: bool) -> StateId {
        let mut at = next;
        for item in items.iter().rev() {
            at = match item {
                Item::One(Matcher::Arg { name, kind: Kind::Interface }) => {
                    let number = self.edge(Matcher::Arg { name, kind: Kind::InterfaceNumber }, at);
                    let split = self.edge(Matcher::Arg { name, kind: Kind::InterfaceType }, number);
                    let whole = self.edge(Matcher::Arg { name, kind: Kind::Interface }, at);
                    self.union(&[whole, split])
                }
                Item::One(Matcher::Arg { name, kind: Kind::Secret }) => {
                    let mut starts = vec![self.edge(Matcher::Arg { name, kind: Kind::Secret }, at)];
                    for (word, kind) in TYPES {
                        let text = self.edge(Matcher::Arg { name, kind }, at);
                        starts.push(self.edge(Matcher::Word { word, alias: None }, text));
                    }
                    self.union(&starts)
                }
                Item::One(matcher) => self.edge(matcher.clone(), at),
                Item::Optional(inner) => {
                    let taken = self.sequence(inner, at, negated);
                    self.union(&[taken, at])
                }
                Item::Choice(choices) => {
                    let starts: Vec<StateId> =
                        choices.iter().map(|choice| self.sequence(choice, at, negated)).collect();
                    self.union(&starts)
                }
                Item::Loose if negated => {
                    let end = self.add(State { edges: Vec::new(), accept: true });
                    let ignored = self.edge(Matcher::Arg { name: "", kind: Kind::Ignored }, end);
                    self.union(&[at, ignored, end])
                }
                Item::Early if negated => {
                    let end = self.add(State { edges: Vec::new(), accept: true });
                    self.union(&[at, end])
                }
                Item::Loose | Item::Early => at,
            };
        }
        at
    }

    fn add(&mut self, state: State) -> StateId {
        self.states.push(state);
        self.states.len() - 1
    }

    fn edge(&mut self, matcher: Matcher, next: StateId) -> StateId {
        self.add(State { edges: vec![(matcher, next)], accept: false })
    }

    fn union(&mut self, parts: &[StateId]) -> StateId {
        let mut all = State::default();
        for &part in parts {
            all.edges.extend(self.states[part].edges.iter().cloned());
            all.accept |= self.states[part].accept;
        }
        self.add(all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_makes_no_sense_says_so() {
        for bad in ["a [b", "a {b|c", "<n>", "<n:1-", "<n:5-1>", "<n:what>", "a ]", "a ? b", "a > b"] {
            assert!(compile(bad, false).is_err(), "{bad}");
        }
    }

    #[test]
    fn words_before_a_secret_are_known() {
        let leads = |pattern| compile(pattern, true).unwrap().secret_leads();
        assert_eq!(leads("ip a password ~ <secret:secret> [<timeout:0-9>]"), ["password"]);
        let mut several = leads("key <id:1-9> [md5/hash] <text:secret> name <n:word>");
        several.sort_unstable();
        several.dedup();
        assert_eq!(several, ["hash", "key", "md5"]);
        assert_eq!(leads("rss key <key:hex>"), Vec::<&str>::new());
    }

    #[test]
    fn optional_parts_and_the_loose_tail_accept_early() {
        let plain = compile("weight ~ <w:1-255>", false).unwrap();
        let after = |p: &Program| p.states[p.states[p.start].edges[0].1].accept;
        assert!(!after(&plain));
        assert!(after(&compile("weight ~ <w:1-255>", true).unwrap()));
        assert!(after(&compile("bindid [<id:0-65533>]", false).unwrap()));
    }
}
