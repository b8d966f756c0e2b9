//! `homeward dfp-agent`: reports the weight of a host that runs no subsystem of ours.

mod arguments;
mod weigher;

pub use arguments::{Arguments, Settings};

use std::{net::TcpListener, process::ExitCode, time::Duration};

use anyhow::Context;
use control::{
    dfp::{
        agent::{
            config::{AgentConfig, AgentName},
            fsm::{Agent, Table},
            io::Server,
        },
        counter::{Counter, Counters},
        packet::Row,
        password::DfpPassword,
    },
    manage::log::LogBook,
};
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};

use crate::{logging, run};
use weigher::Weigher;

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

/// The agent's settings; it goes by the name of the home agent's subsystem, which managers never see.
fn config(settings: &Settings) -> anyhow::Result<AgentConfig> {
    let password = settings.password.clone().map(|secret| DfpPassword { secret, timeout: 0 });
    Ok(AgentConfig {
        interval: settings.interval,
        password,
        port: Some(settings.listen.port()),
        inservice: true,
        ..AgentConfig::new("ipmobile".parse::<AgentName>()?)
    })
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
    let alive = run::watchdog()?;
    let config = config(&settings)?;
    let server = Server::start(*settings.listen.ip(), |now| Agent::new(config, now));
    let key = settings.key;
    let mut weigher = Weigher::new(settings.source);
    let weigh = async {
        let mut ready = false;
        loop {
            server.weights_wanted().await;
            let weight = weigher.weigh(server.ask(|_, now| now)).await;
            server.computed(weight.map(|weight| Table {
                rows: vec![Row { key, weight }],
                local: key.address.is_unspecified(),
                binds: Vec::new(),
            }));
            if !std::mem::replace(&mut ready, true) {
                tracing::info!("DFP agent on {}", settings.listen);
                run::notify(NotifyState::Ready);
            }
        }
    };
    let mut pats = tokio::time::interval(PAT);
    let watch = async {
        while server.is_alive() {
            pats.tick().await;
            alive();
        }
    };
    let outcome = tokio::select! {
        () = weigh => Ok(()),
        () = watch => Err(anyhow::anyhow!("the agent has ended")),
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    run::notify(NotifyState::Stopping);
    let counters = server.ask(|agent, _| agent.counters());
    server.end().await;
    tracing::info!("ended{}", summary(&counters));
    outcome
}

/// What has gone wrong meanwhile, if anything.
fn summary(counters: &Counters) -> String {
    let counted = Counter::ALL.into_iter().filter(|counter| counters.get(*counter) > 0);
    let words: Vec<_> =
        counted.map(|counter| format!("{} {}", counter.name(), counters.get(counter))).collect();
    if words.is_empty() { String::new() } else { format!("; unexpected: {}", words.join(", ")) }
}
