//! Commands from standard input and from Unix sockets, one a line, each with one line of answer.

use std::{
    fs,
    io::{BufRead, BufReader, ErrorKind, Write},
    os::unix::{
        fs::FileTypeExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    str::FromStr,
    sync::mpsc::{self, Receiver, Sender, SyncSender, sync_channel},
    thread,
    time::Duration,
};

/// What can be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// That home agent (or `all`) hears no more requests.
    Deaf(String),
    /// It hears again.
    Hear(String),
    Status,
    /// Come to an end.
    Stop,
}

/// The line is no command.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected deaf NAME, hear NAME (a home agent or all), status or stop; found: {0}")]
pub struct CommandError(String);

impl FromStr for Command {
    type Err = CommandError;

    fn from_str(line: &str) -> Result<Self, CommandError> {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["deaf", name] => Ok(Self::Deaf((*name).into())),
            ["hear", name] => Ok(Self::Hear((*name).into())),
            ["status"] => Ok(Self::Status),
            ["stop"] => Ok(Self::Stop),
            _ => Err(CommandError(line.trim().into())),
        }
    }
}

/// A command and who waits for its answer.
#[derive(Debug)]
pub struct CommandRequest {
    pub command: Command,
    reply_to: SyncSender<String>,
}

impl CommandRequest {
    /// Answers; nobody may wait any more.
    pub fn answer(self, text: String) {
        let _ = self.reply_to.try_send(text);
    }
}

/// Gives commands to a port loop.
#[derive(Clone, Debug)]
pub struct CommandSender(Sender<CommandRequest>);

/// Longest wait for an answer: commands are taken at every step.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Where commands go in, and where they come out.
pub fn channel() -> (CommandSender, Receiver<CommandRequest>) {
    let (sender, receiver) = mpsc::channel();
    (CommandSender(sender), receiver)
}

impl CommandSender {
    /// Gives a command and waits for the answer.
    pub fn command(&self, command: Command) -> String {
        let (reply_to, answer) = sync_channel(1);
        if self.0.send(CommandRequest { command, reply_to }).is_err() {
            return "error: it has ended".into();
        }
        answer.recv_timeout(ANSWER_TIMEOUT).unwrap_or_else(|_| "error: no answer".into())
    }

    /// Gives a command and does not wait.
    pub fn tell(&self, command: Command) {
        let (reply_to, _) = sync_channel(1);
        let _ = self.0.send(CommandRequest { command, reply_to });
    }

    fn line(&self, line: &str) -> String {
        match line.parse() {
            Ok(command) => self.command(command),
            Err(error) => format!("error: {error}"),
        }
    }

    /// Takes commands from standard input until it ends; answers go to standard error.
    pub fn follow_stdin(&self) {
        let sender = self.clone();
        thread::spawn(move || {
            for line in std::io::stdin().lines().map_while(Result::ok) {
                if !line.trim().is_empty() {
                    eprintln!("{}", sender.line(&line));
                }
            }
        });
    }

    /// Takes commands, a line each, from those that connect to a socket at `path`.
    pub fn listen(&self, path: &Path) -> std::io::Result<CommandSocket> {
        self.serve(path, |sender, stream| {
            let Ok(reader) = stream.try_clone() else { return };
            let mut stream = stream;
            for line in BufReader::new(reader).lines().map_while(Result::ok) {
                if writeln!(stream, "{}", sender.line(&line)).is_err() {
                    return;
                }
            }
        })
    }

    /// Writes the status as one JSON document to everybody who connects to a socket at `path`.
    pub fn show_status(&self, path: &Path) -> std::io::Result<CommandSocket> {
        self.serve(path, |sender, mut stream| {
            let _ = writeln!(stream, "{}", sender.command(Command::Status));
        })
    }

    fn serve(&self, path: &Path, serve: fn(&Self, UnixStream)) -> std::io::Result<CommandSocket> {
        let listener = bind(path)?;
        let sender = self.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let sender = sender.clone();
                thread::spawn(move || serve(&sender, stream));
            }
        });
        Ok(CommandSocket(path.into()))
    }
}

/// A socket that somebody killed left behind is in nobody's use and replaced.
fn bind(path: &Path) -> std::io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            let stale = fs::symlink_metadata(path)?.file_type().is_socket()
                && UnixStream::connect(path).is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused);
            if !stale {
                return Err(error);
            }
            fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        result => result,
    }
}

/// A listening socket; its file is removed with it.
#[derive(Debug)]
pub struct CommandSocket(PathBuf);

impl Drop for CommandSocket {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_commands_or_errors_that_say_what_is_expected() {
        assert_eq!("  deaf   ha1 ".parse(), Ok(Command::Deaf("ha1".into())));
        assert_eq!("hear all".parse(), Ok(Command::Hear("all".into())));
        assert_eq!("status".parse(), Ok(Command::Status));
        assert_eq!("stop".parse(), Ok(Command::Stop));
        for bad in ["", "deaf", "deaf a b", "Status", "die"] {
            let error = bad.parse::<Command>().unwrap_err().to_string();
            assert!(error.starts_with("expected deaf NAME") && error.ends_with(bad), "{error}");
        }
    }

    #[test]
    fn a_socket_takes_lines_and_is_gone_afterwards() {
        let directory = tempfile::tempdir().unwrap();
        let (control, status) = (directory.path().join("control"), directory.path().join("status"));
        // Somebody who was killed left this.
        drop(UnixListener::bind(&control).unwrap());
        let (sender, commands) = channel();
        let sockets = (sender.listen(&control).unwrap(), sender.show_status(&status).unwrap());
        assert!(sender.listen(&control).is_err(), "it is in use");
        let port_loop = thread::spawn(move || {
            for request in commands {
                let (text, last) = (format!("{:?}", request.command), request.command == Command::Stop);
                request.answer(text);
                if last {
                    return;
                }
            }
        });
        let mut line = String::new();
        BufReader::new(UnixStream::connect(&status).unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "Status\n");
        let stream = UnixStream::connect(&control).unwrap();
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        for (said, answer) in
            [("deaf ha1", "Deaf(\"ha1\")\n"), ("what", "error: expected"), ("stop", "Stop\n")]
        {
            writeln!(&stream, "{said}").unwrap();
            line.clear();
            reader.read_line(&mut line).unwrap();
            assert!(line.starts_with(answer), "{line}");
        }
        port_loop.join().unwrap();
        assert_eq!(sender.command(Command::Status), "error: it has ended");
        drop(sockets);
        assert!(!control.exists() && !status.exists());
    }
}
