//! `homeward shell`: a client of the management socket, interactive or for scripts.

mod client;
mod history;
mod interactive;
mod pager;

use std::{
    io::{BufRead, IsTerminal, Write},
    path::Path,
    process::ExitCode,
};

use client::Client;

/// Runs the shell: the given commands, or lines from standard input, or a prompt on a terminal.
///
/// Exits with 1 when a command of a script was refused.
pub fn run(socket: &Path, commands: &[String]) -> anyhow::Result<ExitCode> {
    let client = Client::connect(socket)?;
    if !commands.is_empty() {
        return script(&client, commands.iter().map(|line| Ok(line.clone())));
    }
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        interactive::run(&client)?;
        return Ok(ExitCode::SUCCESS);
    }
    client.monitor(|line| println!("{line}"))?;
    script(&client, stdin.lock().lines())
}

fn script(client: &Client, lines: impl Iterator<Item = std::io::Result<String>>) -> anyhow::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    let mut out = std::io::stdout();
    for line in lines {
        let reply = client.execute(&line?)?;
        if let Err(error) = out.write_all(reply.text.as_bytes()).and_then(|()| out.flush()) {
            // `homeward shell -c ... | head` closes the pipe: not our failure.
            if error.kind() == std::io::ErrorKind::BrokenPipe {
                return Ok(code);
            }
            return Err(error.into());
        }
        if reply.failed {
            code = ExitCode::FAILURE;
        }
        if reply.closed {
            break;
        }
    }
    Ok(code)
}
