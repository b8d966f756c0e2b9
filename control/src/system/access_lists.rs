//! The access lists in use: told to those that ask them.

use std::sync::Arc;

use super::{AccessListConfig, System};
use crate::{
    access_list::{AccessList, AccessLists},
    bus::Fact,
    protocol::Cx,
};

impl System {
    /// Tells the others if a list is another; what stays keeps its counts.
    pub(super) fn tell_access_lists(&mut self, cx: &mut Cx<'_, Self>) {
        let lists: AccessLists = cx.config.access_lists.iter().map(|list| self.in_use(list)).collect();
        if lists != self.access_lists {
            self.access_lists = lists;
            cx.tell(Fact::AccessLists(Arc::clone(&self.access_lists)));
        }
    }

    fn in_use(&self, configured: &AccessListConfig) -> Arc<AccessList> {
        let AccessListConfig { name, kind, entries } = configured;
        let before = self.access_lists.iter().find(|list| list.name == *name);
        let new = AccessList::new(name.clone(), *kind, entries, before.map(AsRef::as_ref));
        before.filter(|before| ***before == new).map_or_else(|| Arc::new(new), Arc::clone)
    }

    /// Those of that name, or all.
    pub(super) fn lists(&self, name: Option<&str>) -> Vec<&Arc<AccessList>> {
        let is_asked = |list: &&Arc<AccessList>| name.is_none_or(|name| list.name.as_str() == name);
        self.access_lists.iter().filter(is_asked).collect()
    }
}
