//! Where log lines go: journald when it started us, else stderr; and the book that `show logging` reads.

use control::manage::log::{LogBook, LogLayer};
use tracing::Metadata;
use tracing_subscriber::{
    Layer, Registry,
    filter::{LevelFilter, filter_fn},
    layer::SubscriberExt,
    reload,
    util::SubscriberInitExt,
};

/// Changes the level while the program runs (`logging level`).
pub type Level = reload::Handle<LevelFilter, Registry>;

/// The host of the workers tells of each step that it takes; only its troubles are of interest.
fn is_ours(event: &Metadata<'_>) -> bool {
    !event.target().starts_with("capsule") || *event.level() <= tracing::Level::WARN
}

/// Starts logging at level informational.
pub fn start(book: &LogBook) -> anyhow::Result<Level> {
    let (level, handle) = reload::Layer::new(LevelFilter::INFO);
    // systemd sets JOURNAL_STREAM when stderr is the journal.
    let journal = std::env::var_os("JOURNAL_STREAM").and_then(|_| tracing_journald::layer().ok());
    let stderr = journal.is_none().then(|| {
        tracing_subscriber::fmt::layer().with_writer(std::io::stderr).with_ansi(false).with_target(false)
    });
    let output = journal.map(Layer::boxed).or(stderr.map(Layer::boxed));
    tracing_subscriber::registry()
        .with(level)
        .with(output.with_filter(filter_fn(is_ours)))
        .with(LogLayer(book.clone()).with_filter(filter_fn(is_ours)))
        .try_init()?;
    Ok(handle)
}
