//! The launcher itself.

use std::{
    env::set_current_dir,
    fs, io,
    os::{
        fd::{AsFd as _, RawFd},
        unix::net,
    },
    path::{PathBuf, absolute},
    process::ExitCode,
};

use anyhow::Context as _;
use control::launcher::{MESSAGE, Outcome, Reply, Request};
use nix::{
    sys::{prctl, signal::Signal},
    unistd::{User, close, getsid, setsid},
};
use tokio::{
    net::UnixDatagram,
    signal::unix::{SignalKind, signal},
    task::JoinSet,
};

use super::{
    family::Family,
    running::{self, Place},
};
use crate::privileges;

/// Most scripts at a time.
const SCRIPTS: usize = 32;

/// Start scripts on request; begun by `homeward run`, with a socket as standard input
#[derive(clap::Args, Debug)]
#[command(hide = true)]
pub struct Arguments {
    /// The folder of scripts
    #[arg(long)]
    pub scripts: PathBuf,
    /// Whom they run as
    #[arg(long)]
    pub scripts_user: String,
}

/// Runs until the other end of the socket is closed, or its process has ended.
///
/// # Errors
/// Privileges that are not given up: then nothing is started.
pub fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    close_inherited()?;
    prctl::set_name(c"homeward-launch")?;
    // No terminal, and none of its signals.
    setsid().or_else(|_| getsid(None))?;
    prctl::set_child_subreaper(true).context("subreaper")?;
    let place = Place { folder: absolute(&arguments.scripts)?, user: user(&arguments.scripts_user) };
    // No file system is held that somebody wants to unmount.
    set_current_dir("/")?;
    if let Err(why) = &place.user {
        eprintln!("homeward: launcher: {why}: no script is started");
    }
    privileges::keep_for_launcher().context("launcher: privileges")?;
    // Also when somebody else has the socket open.
    prctl::set_pdeathsig(DEATH).context("death signal")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(serve(place))?;
    Ok(ExitCode::SUCCESS)
}

/// What the kernel tells when the thread has ended that began the launcher.
const DEATH: Signal = Signal::SIGUSR1;

/// Descriptors that were open before `homeward run` was; its own close by themselves.
fn close_inherited() -> io::Result<()> {
    let names: Vec<_> =
        fs::read_dir("/proc/self/fd")?.map(|entry| entry.map(|entry| entry.file_name())).collect();
    for name in names {
        let descriptor = name?.to_str().and_then(|name| name.parse::<RawFd>().ok());
        if let Some(descriptor) = descriptor.filter(|descriptor| *descriptor > 2) {
            // That of the folder itself is closed already.
            let _ = close(descriptor);
        }
    }
    Ok(())
}

fn user(name: &str) -> Result<(nix::unistd::Uid, nix::unistd::Gid), String> {
    match User::from_name(name) {
        Ok(Some(user)) => Ok((user.uid, user.gid)),
        Ok(None) => Err(format!("there is no user {name}")),
        Err(error) => Err(format!("user {name}: {error}")),
    }
}

async fn serve(place: Place) -> io::Result<()> {
    let socket = net::UnixDatagram::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.set_nonblocking(true)?;
    let socket = UnixDatagram::from_std(socket)?;
    let mut death = signal(SignalKind::user_defined1())?;
    // Not for us: systemd tells them to every process, while the director may still want an answer.
    let _ignored =
        [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?, signal(SignalKind::hangup())?];
    let family = Family::default();
    let mut scripts = JoinSet::new();
    let mut bytes = vec![0; MESSAGE + 1];
    loop {
        tokio::select! {
            _ = death.recv() => break,
            received = socket.recv(&mut bytes) => {
                let Ok(length @ 1..) = received else { break };
                // Who sends what is no request is not answered.
                let Some(Request { id, command }) = Request::decode(&bytes[..length]) else { continue };
                if scripts.len() >= SCRIPTS {
                    answer(&socket, Reply { id, outcome: Outcome::Busy, output: String::new() }).await;
                    continue;
                }
                let (place, family) = (place.clone(), family.clone());
                scripts.spawn(async move {
                    let (outcome, output) = running::run(&command, &place, &family).await;
                    Reply { id, outcome, output }
                });
            }
            Some(Ok(reply)) = scripts.join_next() => answer(&socket, reply).await,
        }
    }
    family.end_all().await;
    Ok(())
}

/// Whoever is gone is not answered; the end of the loop follows.
async fn answer(socket: &UnixDatagram, reply: Reply) {
    if let Some(bytes) = reply.encode() {
        let _ = socket.send(&bytes).await;
    }
}
