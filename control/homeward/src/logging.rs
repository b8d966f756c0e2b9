//! Where log lines go: journald when it started us, else stderr; and the book that `show logging` reads.

use control::manage::log::{LogBook, LogLayer};
use tracing_subscriber::{
    Layer, Registry, filter::LevelFilter, layer::SubscriberExt, reload, util::SubscriberInitExt,
};

/// Changes the level while the program runs (`logging level`).
pub type Level = reload::Handle<LevelFilter, Registry>;

/// Starts logging at level informational.
pub fn start(book: &LogBook) -> anyhow::Result<Level> {
    let (level, handle) = reload::Layer::new(LevelFilter::INFO);
    // systemd sets JOURNAL_STREAM when stderr is the journal.
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    let stderr = journal.is_none().then(|| {
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false)
    });
    let output = journal.map(Layer::boxed).or(stderr.map(Layer::boxed));
    tracing_subscriber::registry().with(level).with(output).with(LogLayer(book.clone())).try_init()?;
    Ok(handle)
}
