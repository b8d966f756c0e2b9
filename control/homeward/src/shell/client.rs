//! The connection: requests go out, a thread sorts what comes back into replies and log lines.

use std::{
    cell::RefCell,
    io::{BufRead, BufReader, Write},
    os::unix::net::UnixStream,
    path::Path,
    sync::{Arc, Mutex, mpsc},
    thread,
};

use anyhow::{Context, anyhow};
use control::manage::protocol::{Reply, Request, Response};

type Printer = Box<dyn FnMut(&str) + Send>;

/// One session with the daemon.
pub struct Client {
    writer: RefCell<UnixStream>,
    replies: mpsc::Receiver<Reply>,
    printer: Arc<Mutex<Option<Printer>>>,
    hello: Reply,
}

impl Client {
    /// Connects and waits for the first prompt.
    pub fn connect(socket: &Path) -> anyhow::Result<Self> {
        let stream = UnixStream::connect(socket)
            .with_context(|| format!("no daemon at {} (is `homeward run` running?)", socket.display()))?;
        let (sender, replies) = mpsc::channel();
        let printer: Arc<Mutex<Option<Printer>>> = Arc::default();
        let reader = BufReader::new(stream.try_clone()?);
        let shared = Arc::clone(&printer);
        thread::Builder::new().name("socket".into()).spawn(move || read(reader, &sender, &shared))?;
        let mut client = Self { writer: RefCell::new(stream), replies, printer, hello: Reply::default() };
        client.hello = client.reply()?;
        Ok(client)
    }

    /// What the daemon said on connection; carries the first prompt.
    pub fn hello(&self) -> &Reply {
        &self.hello
    }

    /// Runs a command line.
    pub fn execute(&self, line: &str) -> anyhow::Result<Reply> {
        self.request(&Request::Execute(line.to_owned()))
    }

    /// Asks what may follow `text`.
    pub fn help(&self, text: &str) -> anyhow::Result<Reply> {
        self.request(&Request::Help(text.to_owned()))
    }

    /// Asks how the last word of `text` may go on.
    pub fn complete(&self, text: &str) -> anyhow::Result<Reply> {
        self.request(&Request::Complete(text.to_owned()))
    }

    /// Prints log and debug lines from here on.
    pub fn monitor(&self, printer: impl FnMut(&str) + Send + 'static) -> anyhow::Result<()> {
        *self.printer.lock().map_err(|_| anyhow!("the reading thread failed"))? = Some(Box::new(printer));
        self.request(&Request::Monitor(true)).map(drop)
    }

    fn request(&self, request: &Request) -> anyhow::Result<Reply> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        self.writer.borrow_mut().write_all(&line).context("the daemon closed the connection")?;
        self.reply()
    }

    fn reply(&self) -> anyhow::Result<Reply> {
        self.replies.recv().context("the daemon closed the connection")
    }
}

fn read(mut reader: BufReader<UnixStream>, replies: &mpsc::Sender<Reply>, printer: &Mutex<Option<Printer>>) {
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|n| n > 0) {
        match serde_json::from_str(&line) {
            Ok(Response::Reply(reply)) => {
                if replies.send(reply).is_err() {
                    return;
                }
            }
            Ok(Response::Log(text)) => {
                if let Ok(mut printer) = printer.lock()
                    && let Some(printer) = printer.as_mut()
                {
                    printer(&text);
                }
            }
            Err(error) => {
                eprintln!("homeward: the daemon speaks another language ({error}): versions differ?");
                return;
            }
        }
        line.clear();
    }
}
