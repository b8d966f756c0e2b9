//! The entries of the fuzz targets.

use std::{sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, duplex},
    net::UnixStream,
    runtime::Runtime,
};

use super::{
    http::{requests, routes},
    http_access::{Guard, HttpAccess},
    log::LogBook,
    operator::{Operator, SharedOperator, lock},
    protocol::Response,
    server::shell,
    shells::Shells,
};

/// Bytes on the way in one direction of a connection.
const IN_FLIGHT: usize = 64 * 1024;

/// Longest time for one input, which has no reason to wait for anything.
const LONGEST: Duration = Duration::from_secs(5);

fn run<T>(work: impl Future<Output = T>) -> T {
    thread_local! {
        static RUNTIME: Runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime on this thread");
    }
    RUNTIME.with(|runtime| {
        runtime
            .block_on(async { tokio::time::timeout(LONGEST, work).await.expect("a connection that hangs") })
    })
}

/// Feeds arbitrary bytes to the management socket, as one shell. Each line must be answered once, by a line that shells
/// understand.
///
/// # Panics
/// When it is not.
pub fn fuzz_shell<O: Operator>(core: &SharedOperator<O>, log: &LogBook, bytes: &[u8]) -> Vec<Response> {
    let mut answers = Vec::new();
    run(async {
        let (ours, theirs) = UnixStream::pair().expect("two sockets");
        let (mut reader, mut writer) = ours.into_split();
        let place = Shells::default().admit(true).expect("nobody else is there");
        let mut session = lock(core).open();
        let write = async {
            // The shell may end first.
            let _ = writer.write_all(bytes).await;
            drop(writer);
        };
        let serve = shell(theirs, core, log, &mut session, &place, Duration::ZERO);
        let ((), (), read) = tokio::join!(write, serve, reader.read_to_end(&mut answers));
        // A shell that ends with something unread resets the connection.
        let _ = read;
        lock(core).close(session);
    });
    let lines = answers.split_inclusive(|byte| *byte == b'\n');
    let answers: Vec<Response> =
        lines.map(|line| serde_json::from_slice(line).expect("a line that shells understand")).collect();
    let replies = answers.iter().filter(|answer| matches!(answer, Response::Reply(_))).count();
    let asked = bytes.split_inclusive(|byte| *byte == b'\n').count();
    assert!(replies <= 1 + asked, "{replies} replies to {asked} lines");
    let ended = answers.iter().position(|answer| matches!(answer, Response::Reply(reply) if reply.closed));
    match ended {
        Some(at) => assert_eq!(at + 1, answers.len(), "something follows the last reply"),
        // What ends without a line feed is a line too.
        None => assert_eq!(replies, 1 + asked, "a line without a reply"),
    }
    answers
}

/// Feeds arbitrary bytes to the HTTP port, as one connection; what is answered.
///
/// # Panics
/// When that is no HTTP, or the server failed.
pub fn fuzz_http<O: Operator>(core: &SharedOperator<O>, bytes: &[u8]) -> Vec<u8> {
    let guard = Arc::new(Guard::new(&HttpAccess::Local).expect("there is no token to read"));
    let answer = run(async {
        let (ours, theirs) = duplex(IN_FLIGHT);
        let (mut reader, mut writer) = tokio::io::split(ours);
        let mut answer = Vec::new();
        let write = async {
            let _ = writer.write_all(bytes).await;
            let _ = writer.shutdown().await;
        };
        let serve = requests(theirs, routes(Arc::clone(core), guard));
        let ((), _, read) = tokio::join!(write, serve, reader.read_to_end(&mut answer));
        read.expect("nothing fails in memory");
        answer
    });
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "no HTTP");
    let status: Option<u16> =
        answer.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    assert!(answer.is_empty() || status.is_some_and(|status| (200..=504).contains(&status) && status != 500));
    answer
}
