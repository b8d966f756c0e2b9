//! A list in use: its lines, and how often each has decided.

use std::{
    fmt,
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use super::{Action, Entry, Kind, Name, Rule};

/// Every list that is configured.
pub type AccessLists = Arc<[Arc<AccessList>]>;

/// A list; what no line matches is not permitted.
#[derive(Clone)]
pub struct AccessList {
    /// What it is called.
    pub name: Name,
    /// Which rules it has.
    pub kind: Kind,
    lines: Vec<(Entry, Arc<AtomicU64>)>,
}

/// Counts are no part of what a list is.
impl PartialEq for AccessList {
    fn eq(&self, other: &Self) -> bool {
        let same = |(one, another): (&(Entry, _), &(Entry, _))| one.0 == another.0;
        (&self.name, self.kind, self.lines.len()) == (&other.name, other.kind, other.lines.len())
            && self.lines.iter().zip(&other.lines).all(same)
    }
}

/// As recordings keep it: without counts.
impl fmt::Debug for AccessList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self
            .lines
            .iter()
            .map(|(Entry { sequence, rule }, _)| format!("{sequence} {}", rule.text(self.kind)))
            .collect();
        f.debug_struct("AccessList")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("lines", &lines)
            .finish()
    }
}

impl AccessList {
    /// Of these entries, ascending; lines that `before` had keep its counts.
    pub fn new(name: Name, kind: Kind, entries: &[Entry], before: Option<&Self>) -> Self {
        let counted = |entry: &Entry| {
            let known = before.and_then(|list| list.lines.iter().find(|(known, _)| known == entry));
            (entry.clone(), known.map_or_else(Arc::default, |(_, count)| Arc::clone(count)))
        };
        Self { name, kind, lines: entries.iter().map(counted).collect() }
    }

    /// Packets from this address are permitted; counts the line that says so. For standard lists: of an extended one
    /// every line is taken as if it said nothing but the source.
    pub fn permits_source(&self, address: Ipv4Addr) -> bool {
        for (entry, count) in &self.lines {
            if let Rule::Match(action, what) = &entry.rule
                && what.source.contains(address)
            {
                count.fetch_add(1, Relaxed);
                return *action == Action::Permit;
            }
        }
        false
    }

    /// Its lines, with how often each has decided.
    pub fn lines(&self) -> impl Iterator<Item = (&Entry, u64)> {
        self.lines.iter().map(|(entry, count)| (entry, count.load(Relaxed)))
    }

    /// Counts from 0 again.
    pub fn clear(&self) {
        self.lines.iter().for_each(|(_, count)| count.store(0, Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::{Addresses, Match},
        *,
    };

    fn entry(sequence: u32, action: Action, addresses: Addresses) -> Entry {
        Entry { sequence, rule: Rule::Match(action, Match::source(addresses)) }
    }

    fn list(entries: &[Entry], before: Option<&AccessList>) -> AccessList {
        AccessList::new(Name::parse("10", Kind::Standard).unwrap(), Kind::Standard, entries, before)
    }

    const NET: [u8; 4] = [10, 1, 1, 0];

    #[test]
    fn the_first_line_that_matches_decides_and_what_none_matches_is_denied() {
        let one = Ipv4Addr::new(10, 1, 1, 7);
        let entries = [
            Entry { sequence: 5, rule: Rule::Remark("all but one".into()) },
            entry(10, Action::Deny, Addresses::host(one)),
            entry(20, Action::Permit, Addresses::new(NET.into(), Ipv4Addr::new(0, 0, 0, 255))),
        ];
        let list = list(&entries, None);
        let asked = [[10, 1, 1, 7], [10, 1, 1, 8], [10, 1, 1, 9], [10, 1, 2, 1]];
        assert_eq!(asked.map(|address| list.permits_source(address.into())), [false, true, true, false]);
        assert_eq!(list.lines().map(|(_, count)| count).collect::<Vec<_>>(), [0, 1, 2]);
        list.clear();
        assert_eq!(list.lines().map(|(_, count)| count).sum::<u64>(), 0);
    }

    #[test]
    fn lines_that_stay_keep_their_counts_and_equal_lists_may_have_counted_differently() {
        let stays = entry(10, Action::Permit, Addresses::host(NET.into()));
        let old = list(&[stays.clone(), entry(20, Action::Deny, Addresses::ANY)], None);
        assert!(old.permits_source(NET.into()));
        let new = list(&[stays, entry(20, Action::Permit, Addresses::ANY)], Some(&old));
        assert!(new.permits_source([9; 4].into()));
        assert_eq!(new.lines().map(|(_, count)| count).collect::<Vec<_>>(), [1, 1]);
        assert_ne!(new, old);
        let again = list(&new.lines().map(|(entry, _)| entry.clone()).collect::<Vec<_>>(), None);
        assert_eq!(again, new);
    }

    #[test]
    fn an_empty_list_permits_nothing() {
        assert!(!list(&[], None).permits_source(NET.into()));
    }
}
