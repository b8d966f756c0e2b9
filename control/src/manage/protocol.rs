//! What a shell and the daemon say to each other: one JSON object a line, both ways.

use serde::{Deserialize, Serialize};

/// Longest line that either side accepts, in bytes, the line feed included.
pub const MAX_LINE: usize = 64 * 1024;

/// From the shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Run a command line.
    Execute(String),
    /// `?` after this text.
    Help(String),
    /// Tab after this text.
    Complete(String),
    /// Send log and debug lines from here on, or stop.
    Monitor(bool),
}

/// From the daemon: one `Reply` to each request, and `Log` at any time once asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// First line of every connection, and the answer to every request.
    Reply(Reply),
    /// A log or debug line.
    Log(String),
}

/// What a request led to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// To print as it is; ends in a line feed unless empty.
    pub text: String,
    /// The prompt that follows.
    pub prompt: String,
    /// The line was refused (errors E1 to E5).
    #[serde(default)]
    pub failed: bool,
    /// The session is over (`exit` in EXEC mode).
    #[serde(default)]
    pub closed: bool,
    /// Screen length in lines, 0: no paging (`terminal length`).
    #[serde(default)]
    pub page: usize,
    /// Answers to `Complete`: whole words.
    #[serde(default)]
    pub words: Vec<String>,
    /// The line of the request as it may be repeated and remembered: its secrets starred, every byte in its place.
    #[serde(default)]
    pub line: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wire_form_is_stable() {
        let request = serde_json::to_string(&Request::Execute("show clock".into())).unwrap();
        assert_eq!(request, r#"{"execute":"show clock"}"#);
        let reply: Response = serde_json::from_str(r#"{"reply":{"text":"x\n","prompt":"r#"}}"#).unwrap();
        assert_eq!(
            reply,
            Response::Reply(Reply { text: "x\n".into(), prompt: "r#".into(), ..Reply::default() })
        );
    }
}
