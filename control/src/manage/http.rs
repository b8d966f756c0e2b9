//! HTTP for machines: `/metrics`, `/health` with `/live` and `/ready`, and `/api/show/...`, the JSON of every show. Secrets never leave this way.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

use super::{
    connections::{ACCEPT_PAUSE, ConnectionLimits, Connections},
    http_access::{Guard, HttpAccess, check},
    operator::{Health, Operator, SharedOperator, lock},
};

/// Longest time from one request to the whole head of the next one; the first begins with the connection.
const HEAD: Duration = Duration::from_secs(10);

/// Longest time that a peer takes nothing of what it is sent.
const STALLED: Duration = Duration::from_secs(10);

/// A bound server.
#[derive(Debug)]
pub struct Http {
    listener: TcpListener,
    connections: Connections,
    guard: Arc<Guard>,
}

impl Http {
    /// Listens on TCP at `address`; port 0: one that the kernel chooses.
    ///
    /// # Errors
    /// The address is taken, or the token is none.
    pub async fn bind(
        address: SocketAddr,
        access: &HttpAccess,
        limits: ConnectionLimits,
    ) -> io::Result<Self> {
        let guard = Arc::new(Guard::new(access)?);
        Ok(Self { listener: TcpListener::bind(address).await?, connections: Connections::new(limits), guard })
    }

    /// Where, with the port that the kernel chose if 0 was asked for.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until dropped.
    pub async fn serve<O: Operator>(self, core: SharedOperator<O>) {
        let routes = routes(core, self.guard);
        // Connections end with the server.
        let mut tasks = JoinSet::new();
        loop {
            while tasks.try_join_next().is_some() {}
            let Ok((stream, peer)) = self.listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let Some(permit) = self.connections.admit(peer.ip(), "HTTP") else { continue };
            let routes = routes.clone();
            tasks.spawn(async move {
                // Whatever went wrong with it concerns its peer only.
                let _ = connection(stream, routes).await;
                drop(permit);
            });
        }
    }
}

/// Everything that is answered, to whom the guard lets pass.
pub(super) fn routes<O: Operator>(core: SharedOperator<O>, guard: Arc<Guard>) -> Router {
    Router::new()
        .route("/metrics", get(metrics::<O>))
        .route("/health", health(|health| health.healthy))
        .route("/health/live", health(|health| health.live))
        .route("/health/ready", health(|health| health.ready))
        .route("/api/{*command}", get(show::<O>))
        .fallback(|| async {
            json(StatusCode::NOT_FOUND, r#"{"error":"try /metrics, /health or /api/show/..."}"#.into())
        })
        .with_state(core)
        .layer(from_fn_with_state(guard, check))
}

async fn connection(stream: TcpStream, routes: Router) -> io::Result<()> {
    SockRef::from(&stream).set_tcp_user_timeout(Some(STALLED))?;
    requests(stream, routes).await
}

/// Answers the requests of one connection until it ends.
pub(super) async fn requests(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    routes: Router,
) -> io::Result<()> {
    let mut builder = http1::Builder::new();
    // A client that sends no more still waits for its answer.
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD).half_close(true);
    builder
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes))
        .await
        .map_err(io::Error::other)
}

fn json(status: StatusCode, body: String) -> Response {
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn metrics<O: Operator>(State(core): State<SharedOperator<O>>) -> Response {
    let write = lock(&core).metrics();
    let text = write();
    ([(header::CONTENT_TYPE, "application/openmetrics-text; version=1.0.0; charset=utf-8")], text)
        .into_response()
}

/// 200 or 503 by one of the answers; all of them are in the body.
fn health<O: Operator>(good: fn(&Health) -> bool) -> MethodRouter<SharedOperator<O>> {
    get(move |State(core): State<SharedOperator<O>>| async move {
        let health = lock(&core).health();
        let status = if good(&health) { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        json(status, serde_json::to_string(&health).unwrap_or_default())
    })
}

/// `/api/show/ip/slb/reals` is `show ip slb reals | json`. Only `show` is served: HTTP changes nothing.
async fn show<O: Operator>(State(core): State<SharedOperator<O>>, Path(command): Path<String>) -> Response {
    let words: Vec<&str> = command.split('/').filter(|word| !word.is_empty()).collect();
    let clean = |word: &&str| !word.contains(|c: char| c.is_control() || c.is_whitespace() || c == '|');
    if words.first() != Some(&"show") || !words.iter().all(clean) {
        return json(StatusCode::NOT_FOUND, r#"{"error":"only show commands are served"}"#.into());
    }
    let line = format!("{} | json", words.join(" "));
    let show = {
        let mut core = lock(&core);
        let mut session = core.open_without_secrets();
        let show = core.execute(&mut session, &line);
        core.close(session);
        show
    };
    let reply = show();
    if reply.failed {
        let error = serde_json::json!({ "error": reply.text.trim_end() });
        return json(StatusCode::BAD_REQUEST, error.to_string());
    }
    json(StatusCode::OK, reply.text)
}
