//! Who may read over HTTP. It shows everything but secrets, so beyond loopback a token or the operator's explicit word is
//! needed; and no web page that somebody looks at may reach it through his browser.

use std::{
    fs, io,
    net::IpAddr,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use ctutils::CtEq;

/// Fewest bytes of a token.
const SHORTEST: usize = 16;

/// Who may read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum HttpAccess {
    /// Who is on this host.
    #[default]
    Local,
    /// Who sends the token in this file, as `Authorization: Bearer TOKEN`.
    Token(PathBuf),
    /// Whoever reaches the address.
    Unsafe,
}

/// What requests are held to.
#[derive(Debug)]
pub(super) struct Guard {
    /// `Bearer TOKEN`
    authorization: Option<Vec<u8>>,
    /// The address or `localhost` must be asked for: another name may be made to lead here by whoever owns it.
    is_local: bool,
}

impl Guard {
    /// Reads the token, if there is one.
    ///
    /// # Errors
    /// The file cannot be read, is readable by everybody, or holds no token.
    pub fn new(access: &HttpAccess) -> io::Result<Self> {
        let authorization = match access {
            HttpAccess::Token(file) => Some(format!("Bearer {}", read_token(file)?).into_bytes()),
            HttpAccess::Local | HttpAccess::Unsafe => None,
        };
        Ok(Self { authorization, is_local: *access == HttpAccess::Local })
    }

    /// Why a request with these headers is refused.
    fn refuses(&self, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
        let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
        let host = text(header::HOST).unwrap_or_default();
        if self.is_local && !is_own_name(host) {
            return Some((StatusCode::FORBIDDEN, "Host: an address or localhost is expected"));
        }
        if text(header::ORIGIN).is_some_and(|origin| origin != format!("http://{host}")) {
            return Some((StatusCode::FORBIDDEN, "Origin: a page of another site asks"));
        }
        let authorization = self.authorization.as_ref()?;
        let given = headers.get(header::AUTHORIZATION).map(axum::http::HeaderValue::as_bytes);
        let is_right = given.is_some_and(|given| given.ct_eq(authorization.as_slice()).to_bool());
        (!is_right).then_some((StatusCode::UNAUTHORIZED, "Authorization: Bearer TOKEN is expected"))
    }
}

fn read_token(file: &Path) -> io::Result<String> {
    let wrong = |reason: String| io::Error::other(format!("token {}: {reason}", file.display()));
    let metadata = fs::metadata(file).map_err(|error| wrong(error.to_string()))?;
    if metadata.mode() & 0o007 != 0 {
        return Err(wrong("everybody may read it: chmod o= it".into()));
    }
    let text = fs::read_to_string(file).map_err(|error| wrong(error.to_string()))?;
    let token = text.trim();
    if token.len() < SHORTEST || token.contains(|c: char| !c.is_ascii_graphic()) {
        return Err(wrong(format!("one word of at least {SHORTEST} letters is expected")));
    }
    Ok(token.to_owned())
}

/// An address literal or `localhost`, with or without a port.
fn is_own_name(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok()
}

/// Lets a request pass, or says why not.
pub(super) async fn check(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    match guard.refuses(request.headers()) {
        None => next.run(request).await,
        Some((status, reason)) => {
            let body = serde_json::json!({ "error": reason }).to_string();
            let mut response = (status, [(header::CONTENT_TYPE, "application/json")], body).into_response();
            if status == StatusCode::UNAUTHORIZED {
                let scheme = axum::http::HeaderValue::from_static("Bearer");
                response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
            }
            response
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn headers(list: &[(&'static str, &'static str)]) -> HeaderMap {
        list.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn status(guard: &Guard, list: &[(&'static str, &'static str)]) -> Option<u16> {
        guard.refuses(&headers(list)).map(|(status, _)| status.as_u16())
    }

    #[test]
    fn a_page_of_another_site_and_a_name_that_is_made_to_lead_here_are_refused() {
        let guard = Guard::new(&HttpAccess::Local).unwrap();
        for host in ["127.0.0.1:9434", "127.0.0.1", "localhost:9434", "LOCALHOST", "[::1]:9434"] {
            assert_eq!(status(&guard, &[("host", host)]), None, "{host}");
        }
        for host in ["evil.example", "evil.example:9434", "127.0.0.1.evil.example:80", ""] {
            assert_eq!(status(&guard, &[("host", host)]), Some(403), "{host}");
        }
        assert_eq!(status(&guard, &[]), Some(403));
        let own = [("host", "127.0.0.1:9434"), ("origin", "http://127.0.0.1:9434")];
        assert_eq!(status(&guard, &own), None);
        assert_eq!(status(&guard, &[own[0], ("origin", "http://evil.example")]), Some(403));
        let open = Guard::new(&HttpAccess::Unsafe).unwrap();
        assert_eq!(status(&open, &[("host", "lb1.example:9434")]), None);
        assert_eq!(status(&open, &[("host", "lb1.example:9434"), ("origin", "null")]), Some(403));
    }

    #[test]
    fn a_token_must_be_sent_and_its_file_must_be_private() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        let access = HttpAccess::Token(file.clone());
        assert!(Guard::new(&access).unwrap_err().to_string().contains("No such file"));
        fs::write(&file, "0123456789abcdef\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Guard::new(&access).unwrap_err().to_string().contains("everybody may read it"));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        let guard = Guard::new(&access).unwrap();
        let host = ("host", "lb1.example:9434");
        assert_eq!(status(&guard, &[host]), Some(401));
        assert_eq!(status(&guard, &[host, ("authorization", "Bearer 0123456789abcdeF")]), Some(401));
        assert_eq!(status(&guard, &[host, ("authorization", "Bearer 0123456789abcdef")]), None);
        fs::write(&file, "short").unwrap();
        assert!(Guard::new(&access).unwrap_err().to_string().contains("at least 16"));
    }
}
