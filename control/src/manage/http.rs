//! HTTP for machines: `/metrics`, `/health`, and `/api/show/...`, the JSON of every show.

use std::net::SocketAddr;

use axum::{
    Router,
    extract::{Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};

use super::operator::{Operator, SharedOperator, lock};

/// A bound server.
#[derive(Debug)]
pub struct Http(tokio::net::TcpListener);

impl Http {
    /// Listens on TCP at `address`; port 0: one that the kernel chooses.
    pub async fn bind(address: SocketAddr) -> std::io::Result<Self> {
        Ok(Self(tokio::net::TcpListener::bind(address).await?))
    }

    /// Where, with the port that the kernel chose if 0 was asked for.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves until dropped.
    pub async fn serve<O: Operator>(self, core: SharedOperator<O>) {
        let routes = Router::new()
            .route("/metrics", get(metrics::<O>))
            .route("/health", get(health::<O>))
            .route("/api/{*command}", get(show::<O>))
            .fallback(|| async {
                json(StatusCode::NOT_FOUND, r#"{"error":"try /metrics, /health or /api/show/..."}"#.into())
            })
            .with_state(core);
        if let Err(error) = axum::serve(self.0, routes).await {
            tracing::error!("HTTP stopped: {error}");
        }
    }
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

async fn health<O: Operator>(State(core): State<SharedOperator<O>>) -> Response {
    let health = lock(&core).health();
    let status = if health.healthy { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    json(status, serde_json::to_string(&health).unwrap_or_default())
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
        let mut session = core.open();
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
