//! `homeward dfp-agent`: the program around the agent without a director.

mod arguments;

pub use arguments::Arguments;

use std::{net::TcpListener, process::ExitCode, time::Duration};

use anyhow::Context;
use control::{
    dfp::standalone::{Settings, Standalone},
    manage::log::LogBook,
};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};

use crate::{logging, run};

/// How often the watchdog of systemd is patted.
const PAT: Duration = Duration::from_secs(1);

/// Lines of the log that are kept; nobody shows them here.
const LINES: usize = 16;

/// Reports until SIGTERM or SIGINT.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let settings = arguments.settings()?;
    logging::start(&LogBook::new(LINES))?;
    // Said at once, not only once there is a weight to report.
    drop(TcpListener::bind(settings.listen).with_context(|| format!("--listen {}", settings.listen))?);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(serve(settings))?;
    Ok(ExitCode::SUCCESS)
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    let alive = run::watchdog()?;
    let listen = settings.listen;
    let mut agent = Standalone::new(settings);
    let ready = || {
        tracing::info!("DFP agent on {listen}");
        run::notify(NotifyState::Ready);
    };
    let mut pats = tokio::time::interval(PAT);
    let watch = async {
        loop {
            pats.tick().await;
            alive();
        }
    };
    tokio::select! {
        () = agent.run(ready) => {}
        () = watch => {}
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    run::notify(NotifyState::Stopping);
    let counted = agent.end().await;
    let words: Vec<_> = counted.iter().map(|(name, count)| format!("{name} {count}")).collect();
    let unexpected =
        if words.is_empty() { String::new() } else { format!("; unexpected: {}", words.join(", ")) };
    tracing::info!("ended{unexpected}");
    Ok(())
}
