//! The socket and HTTP against a core of three commands.

use std::{
    os::unix::fs::PermissionsExt,
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpStream, UnixStream},
};

use super::{
    connections::ConnectionLimits,
    http::Http,
    http_access::HttpAccess,
    log::LogBook,
    operator::{Check, ConditionView, Health, Later, Operator},
    protocol::{MAX_LINE, Reply, Request, Response},
    server::{Socket, SocketError},
    shells::MAX_SHELLS,
};

#[derive(Default)]
struct Echo {
    open: usize,
    live: bool,
    ready: bool,
    /// Bytes of metrics beside their end.
    metrics: usize,
}

impl Operator for Echo {
    type Session = usize;

    fn open(&mut self) -> usize {
        self.open += 1;
        0
    }

    fn open_without_secrets(&mut self) -> usize {
        self.open()
    }

    fn execute(&mut self, lines: &mut usize, line: &str) -> Later<Reply> {
        *lines += 1;
        let reply = Reply {
            text: format!("{line}\n"),
            prompt: format!("{lines}#"),
            failed: line.starts_with("bad") || line.contains("nonsense"),
            closed: line == "exit",
            ..Reply::default()
        };
        Box::new(|| reply)
    }

    fn help(&mut self, _: &mut usize, text: &str) -> Reply {
        Reply { text: format!("help {text}\n"), ..Reply::default() }
    }

    fn complete(&mut self, _: &mut usize, text: &str) -> Reply {
        Reply { words: vec![format!("{text}low")], ..Reply::default() }
    }

    fn close(&mut self, _: usize) {
        self.open -= 1;
    }

    fn health(&mut self) -> Health {
        let check = Check { name: "worker 0".into(), healthy: self.live, reason: "moves".into() };
        let down = ConditionView {
            condition: "port-down",
            subject: "Ethernet0".into(),
            reason: "no link".into(),
            seconds: 1,
            unready: true,
        };
        Health::new(vec![check], if self.ready { Vec::new() } else { vec![down] }, false)
    }

    fn metrics(&mut self) -> Later<String> {
        let text = "#".repeat(self.metrics) + "# EOF\n";
        Box::new(|| text)
    }
}

struct Shell(BufReader<UnixStream>);

impl Shell {
    async fn send(&mut self, bytes: &[u8]) -> Response {
        self.0.get_mut().write_all(bytes).await.unwrap();
        self.read().await
    }

    async fn request(&mut self, request: Request) -> Reply {
        let mut line = serde_json::to_vec(&request).unwrap();
        line.push(b'\n');
        match self.send(&line).await {
            Response::Reply(reply) => reply,
            Response::Log(line) => panic!("{line}"),
        }
    }

    async fn read(&mut self) -> Response {
        let mut line = String::new();
        self.0.read_line(&mut line).await.unwrap();
        serde_json::from_str(&line).unwrap()
    }
}

#[tokio::test]
async fn a_shell_keeps_its_session_and_hears_the_log() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deep/er/homeward.sock");
    let socket = Socket::bind(&path, 0o660, None).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o660);
    assert!(matches!(Socket::bind(&path, 0o660, None), Err(SocketError::InUse(_))));
    let core = Arc::new(Mutex::new(Echo::default()));
    let log = LogBook::new(16);
    let server = tokio::spawn(socket.serve(Arc::clone(&core), log.clone(), Duration::ZERO));

    let mut shell = Shell(BufReader::new(UnixStream::connect(&path).await.unwrap()));
    assert!(matches!(shell.read().await, Response::Reply(reply) if reply.prompt == "1#"));
    let reply = shell.request(Request::Execute("bad".into())).await;
    assert_eq!((reply.text.as_str(), reply.prompt.as_str(), reply.failed), ("bad\n", "2#", true));
    assert_eq!(shell.request(Request::Help("sh".into())).await.text, "help sh\n");
    assert_eq!(shell.request(Request::Complete("f".into())).await.words, ["flow"]);
    let nonsense = shell.send(b"{\"fly\":1}\n").await;
    assert!(matches!(nonsense, Response::Reply(reply) if reply.failed && reply.text.contains("fly")));
    shell.request(Request::Monitor(true)).await;
    log.push("a line");
    assert_eq!(shell.read().await, Response::Log("a line".into()));
    assert!(shell.request(Request::Execute("exit".into())).await.closed);
    let mut rest = Vec::new();
    shell.0.read_to_end(&mut rest).await.unwrap();
    assert!(rest.is_empty());

    let mut flood = Shell(BufReader::new(UnixStream::connect(&path).await.unwrap()));
    flood.read().await;
    let reply = flood.send(&vec![b'x'; MAX_LINE + 1]).await;
    assert!(matches!(reply, Response::Reply(reply) if reply.failed && reply.closed));
    let mut binary = Shell(BufReader::new(UnixStream::connect(&path).await.unwrap()));
    binary.read().await;
    let reply = binary.send(b"\xff\n").await;
    assert!(matches!(reply, Response::Reply(reply) if reply.closed && reply.text.contains("UTF-8")));
    drop((shell, flood, binary));

    server.abort();
    assert!(server.await.is_err());
    assert!(!path.exists());
    while core.lock().unwrap().open > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_file_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    drop(Socket::bind(&path, 0o600, None).unwrap());
    std::fs::write(&path, "precious").unwrap();
    assert!(matches!(Socket::bind(&path, 0o600, None), Err(SocketError::NotASocket(_))));
    std::fs::remove_file(&path).unwrap();
    let error = Socket::bind(&path, 0o600, Some("no-such-group")).unwrap_err();
    assert_eq!(error.to_string(), "management socket: group no-such-group does not exist");
}

/// What the server says; nothing where it has closed the connection.
async fn get(address: std::net::SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut answer = String::new();
    // A connection that is refused is reset.
    let _ = stream.write_all(request.as_bytes()).await;
    let _ = stream.read_to_string(&mut answer).await;
    answer
}

#[tokio::test]
async fn http_serves_metrics_health_and_shows_only() {
    let core = Arc::new(Mutex::new(Echo::default()));
    let http = Http::bind(([127, 0, 0, 1], 0).into(), &HttpAccess::Local, ConnectionLimits::default())
        .await
        .unwrap();
    let address = http.address().unwrap();
    tokio::spawn(http.serve(Arc::clone(&core)));

    assert!(get(address, "/metrics").await.ends_with("# EOF\n"));
    for (live, ready, health, live_code, ready_code) in [
        (false, false, 503, 503, 503),
        (true, false, 503, 200, 503),
        (false, true, 503, 503, 503),
        (true, true, 200, 200, 200),
    ] {
        {
            let mut core = core.lock().unwrap();
            (core.live, core.ready) = (live, ready);
        }
        for (path, code) in [("/health", health), ("/health/live", live_code), ("/health/ready", ready_code)]
        {
            let answer = get(address, path).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {code}")), "{path}: {answer}");
            assert!(answer.contains(&format!(r#""name":"worker 0","healthy":{live}"#)), "{answer}");
            assert_eq!(
                answer.contains(r#""condition":"port-down","subject":"Ethernet0""#),
                !ready,
                "{answer}"
            );
        }
    }
    let show = get(address, "/api/show/ip/slb/reals").await;
    assert!(show.starts_with("HTTP/1.1 200") && show.ends_with("show ip slb reals | json\n"), "{show}");
    assert!(get(address, "/api/show/nonsense").await.starts_with("HTTP/1.1 400"));
    for other in ["/api/configure/terminal", "/api/show/ip%0Areload", "/api/show/x%7Cy", "/"] {
        assert!(get(address, other).await.starts_with("HTTP/1.1 404"), "{other}");
    }
}

#[tokio::test]
async fn a_shell_that_asks_nothing_is_closed_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let socket = Socket::bind(&path, 0o600, None).unwrap();
    let core = Arc::new(Mutex::new(Echo::default()));
    tokio::spawn(socket.serve(Arc::clone(&core), LogBook::new(16), Duration::from_millis(200)));
    let mut shell = Shell(BufReader::new(UnixStream::connect(&path).await.unwrap()));
    shell.read().await;
    // Half a request is none.
    shell.0.get_mut().write_all(b"{\"execute\"").await.unwrap();
    let closed = |response| matches!(response, Response::Reply(reply) if reply.closed && reply.text.contains("exec-timeout"));
    assert!(closed(shell.read().await));
    let mut rest = Vec::new();
    shell.0.read_to_end(&mut rest).await.unwrap();
    while core.lock().unwrap().open > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn root_finds_a_place_among_shells_that_ask_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("s");
    let socket = Socket::bind(&path, 0o600, None).unwrap();
    tokio::spawn(socket.serve(Arc::new(Mutex::new(Echo::default())), LogBook::new(16), Duration::ZERO));
    let mut shells = Vec::new();
    for _ in 0..=MAX_SHELLS {
        let mut shell = Shell(BufReader::new(UnixStream::connect(&path).await.unwrap()));
        assert!(matches!(shell.read().await, Response::Reply(reply) if !reply.closed));
        shells.push(shell);
    }
    // Tests run as root: the first one had to go.
    let first = shells.first_mut().unwrap().read().await;
    assert!(matches!(first, Response::Reply(reply) if reply.closed && reply.text.contains("root")));
}

#[tokio::test]
async fn a_client_that_sends_no_more_is_answered_in_full() {
    // More than a socket holds.
    let metrics = 16 << 20;
    let core = Arc::new(Mutex::new(Echo { metrics, ..Echo::default() }));
    let http = Http::bind(([127, 0, 0, 1], 0).into(), &HttpAccess::Local, ConnectionLimits::default());
    let http = http.await.unwrap();
    let mut stream = TcpStream::connect(http.address().unwrap()).await.unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    stream.shutdown().await.unwrap();
    tokio::spawn(http.serve(core));
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{} bytes", answer.len());
    assert!(answer.len() > metrics && answer.ends_with("# EOF\n"), "{} bytes", answer.len());
}

#[tokio::test]
async fn http_holds_so_many_connections_and_ends_those_that_send_no_head() {
    let core = Arc::new(Mutex::new(Echo::default()));
    let limits = ConnectionLimits { total: 3, per_source: 2 };
    let http = Http::bind(([127, 0, 0, 1], 0).into(), &HttpAccess::Local, limits).await.unwrap();
    let address = http.address().unwrap();
    tokio::spawn(http.serve(core));
    let mut slow = TcpStream::connect(address).await.unwrap();
    slow.write_all(b"GET /health HT").await.unwrap();
    let idle = TcpStream::connect(address).await.unwrap();
    let mut third = TcpStream::connect(address).await.unwrap();
    let mut answer = Vec::new();
    // A third one of that address is closed at once.
    assert!(matches!(third.read_to_end(&mut answer).await, Ok(0) | Err(_)));
    drop(idle);
    while !get(address, "/metrics").await.ends_with("# EOF\n") {
        tokio::task::yield_now().await;
    }
    // One that does not send its head is ended.
    let ended = tokio::time::timeout(Duration::from_secs(20), slow.read_to_end(&mut answer)).await;
    assert!(ended.is_ok(), "it is still open");
}
