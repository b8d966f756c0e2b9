//! The log as the shell sees it: a ring of the last lines (`show logging`) and a live feed (`debug`).
//!
//! Lines carry IOS's shape, `Mmm dd HH:MM:SS.mmm: %FACILITY-SEVERITY-NAME: text`. Structured output to stderr or
//! journald is the program's own layer beside this one.

use std::{
    collections::VecDeque,
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use tokio::sync::broadcast;
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{Layer, layer::Context};

/// Lines that a slow shell may lag behind before it loses some.
const FEED: usize = 4096;

/// The ring and the feed; cheap to clone.
#[derive(Clone, Debug)]
pub struct LogBook(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    ring: Mutex<Ring>,
    feed: broadcast::Sender<Arc<str>>,
}

#[derive(Debug)]
struct Ring {
    lines: VecDeque<Arc<str>>,
    capacity: usize,
    total: u64,
}

/// What `show logging` shows.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LogView {
    /// Lines that the ring holds at most.
    pub capacity: usize,
    /// Lines since start.
    pub total: u64,
    /// The last ones, oldest first.
    pub lines: Vec<Arc<str>>,
}

impl LogBook {
    /// An empty book for `capacity` lines (`logging buffered`).
    pub fn new(capacity: usize) -> Self {
        let ring = Ring { lines: VecDeque::new(), capacity: capacity.max(1), total: 0 };
        Self(Arc::new(Inner { ring: Mutex::new(ring), feed: broadcast::channel(FEED).0 }))
    }

    /// Changes the capacity; the oldest lines go first.
    pub fn set_capacity(&self, capacity: usize) {
        let mut ring = self.ring();
        ring.capacity = capacity.max(1);
        let surplus = ring.lines.len().saturating_sub(ring.capacity);
        ring.lines.drain(..surplus);
    }

    /// Appends a finished line and feeds it to the shells that listen.
    pub fn push(&self, line: &str) {
        let line: Arc<str> = Arc::from(line);
        {
            let mut ring = self.ring();
            if ring.lines.len() == ring.capacity {
                ring.lines.pop_front();
            }
            ring.lines.push_back(Arc::clone(&line));
            ring.total += 1;
        }
        // No listener is no error.
        let _ = self.0.feed.send(line);
    }

    /// Lines from here on.
    pub fn listen(&self) -> broadcast::Receiver<Arc<str>> {
        self.0.feed.subscribe()
    }

    /// What the ring holds.
    pub fn view(&self) -> LogView {
        let ring = self.ring();
        LogView { capacity: ring.capacity, total: ring.total, lines: ring.lines.iter().cloned().collect() }
    }

    /// Empties the ring (`clear logging`).
    pub fn clear(&self) {
        self.ring().lines.clear();
    }

    fn ring(&self) -> std::sync::MutexGuard<'_, Ring> {
        // A panic while a line was pushed leaves a whole ring: go on with it.
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Feeds the log book from `tracing`.
#[derive(Clone, Debug)]
pub struct LogLayer(pub LogBook);

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut text = Text::default();
        event.record(&mut text);
        let (severity, word) = match *event.metadata().level() {
            Level::ERROR => (3, "ERROR"),
            Level::WARN => (4, "WARNING"),
            Level::INFO => (6, "INFO"),
            Level::DEBUG | Level::TRACE => (7, "DEBUG"),
        };
        let stamp = stamp(SystemTime::now(), true);
        let name = text
            .mnemonic
            .unwrap_or_else(|| format!("{}-{severity}-{word}", facility(event.metadata().target())));
        let line = format!("{stamp}: %{name}: {}{}", text.message, text.fields);
        self.0.push(&line);
    }
}

/// `control::slb::core` -> `SLB`, `homeward` -> `HOMEWARD`.
fn facility(target: &str) -> String {
    let mut parts = target.split("::");
    let first = parts.next().unwrap_or(target);
    let part = if matches!(first, "control" | "common" | "dataplane") { parts.next() } else { None };
    part.unwrap_or(first).to_ascii_uppercase()
}

#[derive(Default)]
struct Text {
    message: String,
    fields: String,
    mnemonic: Option<String>,
}

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            "mnemonic" => self.mnemonic = Some(value.to_owned()),
            name => {
                let _ = write!(self.fields, " {name}={value}");
            }
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            let _ = write!(self.message, "{value:?}");
        } else {
            let _ = write!(self.fields, " {}={value:?}", field.name());
        }
    }
}

/// `Apr 21 15:26:03`, with `.513` if `millis`: UTC, the day padded with a blank (IOS `service timestamps`).
pub fn stamp(at: SystemTime, millis: bool) -> String {
    let at = jiff::Timestamp::try_from(at).unwrap_or_default().to_zoned(jiff::tz::TimeZone::UTC);
    at.strftime(if millis { "%b %e %H:%M:%S%.3f" } else { "%b %e %H:%M:%S" }).to_string()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[test]
    fn stamps_are_those_of_ios() {
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_120_195_525_513);
        assert_eq!(stamp(at, true), "Jul  1 05:25:25.513");
        assert_eq!(stamp(at, false), "Jul  1 05:25:25");
    }

    #[test]
    fn the_ring_keeps_the_last_lines_and_the_feed_has_all() {
        let book = LogBook::new(2);
        let mut feed = book.listen();
        for line in ["a", "b", "c"] {
            book.push(line);
        }
        let view = book.view();
        assert_eq!((view.total, view.lines.len(), &*view.lines[0]), (3, 2, "b"));
        assert_eq!(&*feed.try_recv().unwrap(), "a");
        book.set_capacity(1);
        assert_eq!(&*book.view().lines[0], "c");
    }

    #[test]
    fn events_become_lines_with_facility_and_severity() {
        let book = LogBook::new(8);
        let subscriber = tracing_subscriber::registry().with(LogLayer(book.clone()));
        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(target: "control::slb::core", real = "10.1.1.51", "real failed");
            tracing::info!(mnemonic = "SYS-5-CONFIG_I", "Configured from console by console");
        });
        let lines = book.view().lines;
        assert!(lines[0].ends_with(": %SLB-4-WARNING: real failed real=10.1.1.51"), "{}", lines[0]);
        assert!(lines[1].ends_with(": %SYS-5-CONFIG_I: Configured from console by console"), "{}", lines[1]);
    }
}
