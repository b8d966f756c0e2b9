//! The lines that arrow keys and Control-R bring back: only what the daemon lets be remembered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use reedline::{
    FileBackedHistory, History, HistoryItem, HistoryItemId, HistorySessionId, Result, SearchQuery,
};

/// A history in memory. The editor's own entries, lines as they were typed, are not kept.
#[derive(Clone, Default)]
pub struct Remembered(Arc<Mutex<FileBackedHistory>>);

impl Remembered {
    /// Keeps a line, in the form that the daemon gave it.
    pub fn keep(&self, line: &str) {
        if !line.trim().is_empty() {
            // In memory, nothing can fail.
            let _ = self.lines().save(HistoryItem::from_command_line(line));
        }
    }

    fn lines(&self) -> MutexGuard<'_, FileBackedHistory> {
        // A panic while a line was kept leaves whole lines: go on with them.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl History for Remembered {
    fn save(&mut self, item: HistoryItem) -> Result<HistoryItem> {
        Ok(HistoryItem { id: None, ..item })
    }

    fn load(&self, id: HistoryItemId) -> Result<HistoryItem> {
        self.lines().load(id)
    }

    fn count(&self, query: SearchQuery) -> Result<i64> {
        self.lines().count(query)
    }

    fn search(&self, query: SearchQuery) -> Result<Vec<HistoryItem>> {
        self.lines().search(query)
    }

    fn update(&mut self, id: HistoryItemId, updater: &dyn Fn(HistoryItem) -> HistoryItem) -> Result<()> {
        self.lines().update(id, updater)
    }

    fn clear(&mut self) -> Result<()> {
        self.lines().clear()
    }

    fn delete(&mut self, id: HistoryItemId) -> Result<()> {
        self.lines().delete(id)
    }

    fn sync(&mut self) -> std::io::Result<()> {
        self.lines().sync()
    }

    fn session(&self) -> Option<HistorySessionId> {
        self.lines().session()
    }
}

#[cfg(test)]
mod tests {
    use reedline::SearchDirection;

    use super::*;

    #[test]
    fn what_was_typed_is_forgotten_and_what_may_be_remembered_is_kept() {
        let kept = Remembered::default();
        let mut editors = kept.clone();
        let typed = editors.save(HistoryItem::from_command_line("password Cookies")).unwrap();
        assert_eq!(typed.id, None);
        kept.keep("password *******");
        kept.keep(" ");
        let all = editors.search(SearchQuery::everything(SearchDirection::Forward, None)).unwrap();
        let lines: Vec<_> = all.into_iter().map(|item| item.command_line).collect();
        assert_eq!(lines, ["password *******"]);
    }
}
