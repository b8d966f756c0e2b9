//! What is asked of the launcher and what it answers: one JSON object a datagram, at most [`MESSAGE`] bytes.

use std::{collections::BTreeMap, fmt, str::FromStr};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// Most bytes of a message; what is longer is none.
pub const MESSAGE: usize = 16384;

/// How the names of all variables begin that a script may be given.
pub const VARIABLES: &str = "HOMEWARD_";

/// The name of a file directly in the folder of scripts: letters, digits, `.`, `_` and `-`, the first of them a letter or a
/// digit, so that it is no way out of the folder, no hidden file and no option.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ScriptName(String);

/// Why a text is no [`ScriptName`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the name of a script has at most {} letters, digits, dots, hyphens and underscores, and begins with a letter or a digit",
    ScriptName::LENGTH
)]
pub struct ScriptNameError;

impl ScriptName {
    /// Most characters.
    pub const LENGTH: usize = 63;

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ScriptName {
    type Err = ScriptNameError;

    fn from_str(text: &str) -> Result<Self, ScriptNameError> {
        let begins = text.starts_with(|c: char| c.is_ascii_alphanumeric());
        let all = text.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c));
        if begins && all && text.len() <= Self::LENGTH {
            Ok(Self(text.to_owned()))
        } else {
            Err(ScriptNameError)
        }
    }
}

impl TryFrom<String> for ScriptName {
    type Error = ScriptNameError;

    fn try_from(text: String) -> Result<Self, ScriptNameError> {
        text.parse()
    }
}

impl From<ScriptName> for String {
    fn from(name: ScriptName) -> Self {
        name.0
    }
}

impl fmt::Display for ScriptName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is to be run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// The file.
    pub script: ScriptName,
    /// Its arguments, without its name.
    pub arguments: Vec<String>,
    /// All of its environment but `PATH`; each name begins with [`VARIABLES`].
    pub environment: BTreeMap<String, String>,
    /// Milliseconds after which it is killed.
    pub limit: u32,
}

/// To the launcher.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Comes back with the answer.
    pub id: u64,
    /// What is to be run.
    pub command: Command,
}

/// How it went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It ended with this status.
    Exited(i32),
    /// A signal of this number ended it.
    Signalled(i32),
    /// It was killed at its time limit.
    TimedOut,
    /// It was not started, for this reason.
    NotStarted(String),
    /// It was not started, for as many run as may.
    Busy,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(status) => write!(f, "exit status {status}"),
            Self::Signalled(signal) => write!(f, "ended by signal {signal}"),
            Self::TimedOut => f.write_str("killed at its time limit"),
            Self::NotStarted(why) => write!(f, "not started: {why}"),
            Self::Busy => f.write_str("not started: too many run"),
        }
    }
}

/// From the launcher: one for each request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reply {
    /// Of the request.
    pub id: u64,
    /// How it went.
    pub outcome: Outcome,
    /// What it wrote first: at most a line, and not all of a long one. Anything may be in it.
    pub output: String,
}

macro_rules! message {
    ($($Type:ty),+) => {$(
        impl $Type {
            /// Its bytes; `None` if they are more than a message may have.
            pub fn encode(&self) -> Option<Vec<u8>> {
                serde_json::to_vec(self).ok().filter(|bytes| bytes.len() <= MESSAGE)
            }

            /// What these bytes say; `None` if they are no such message.
            pub fn decode(bytes: &[u8]) -> Option<Self> {
                decode(bytes)
            }
        }
    )+};
}

message!(Request, Reply);

fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    serde_json::from_slice(bytes).ok().filter(|_| bytes.len() <= MESSAGE)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_leaves_the_folder_by_no_way() {
        for name in ["a", "check-ha.sh", "0_x", &"x".repeat(63)] {
            assert_eq!(name.parse::<ScriptName>().unwrap().as_str(), name);
        }
        for name in
            ["", ".", "..", ".hidden", "-rf", "_x", "a/b", "../a", "/bin/sh", "a b", "a\0", "é", "a\n"]
        {
            assert_eq!(name.parse::<ScriptName>(), Err(ScriptNameError), "{name:?}");
        }
        assert!("x".repeat(64).parse::<ScriptName>().is_err());
    }

    #[test]
    fn a_message_with_a_bad_name_or_more_than_it_has_is_none() {
        let good = r#"{"id":7,"command":{"script":"a.sh","arguments":["x"],"environment":{},"limit":1000}}"#;
        let request = Request::decode(good.as_bytes()).unwrap();
        assert_eq!((request.id, request.command.script.as_str(), request.command.limit), (7, "a.sh", 1000));
        assert_eq!(request.encode().unwrap(), good.as_bytes());
        for (from, to) in [
            ("a.sh", "../a.sh"),
            ("1000", "-1"),
            ("1000", "4294967296"),
            (r#""id":7"#, r#""id":7,"more":1"#),
            (r#""id":7,"#, ""),
            ("}}", "}"),
            ("}}", "}}}"),
        ] {
            let bad = good.replacen(from, to, 1);
            assert_eq!(Request::decode(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn a_message_has_a_longest_length() {
        let reply = |length| Reply { id: 1, outcome: Outcome::Busy, output: "x".repeat(length) };
        let rest = reply(0).encode().unwrap().len();
        assert_eq!(reply(MESSAGE - rest).encode().map(|bytes| bytes.len()), Some(MESSAGE));
        assert_eq!(reply(MESSAGE - rest + 1).encode(), None);
        let long = serde_json::to_vec(&reply(MESSAGE)).unwrap();
        assert_eq!(Reply::decode(&long), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Request::decode(&bytes).and_then(|request| request.encode()).is_some(), Request::decode(&bytes).is_some());
            prop_assert_eq!(Reply::decode(&bytes).and_then(|reply| reply.encode()).is_some(), Reply::decode(&bytes).is_some());
        }

        #[test]
        fn what_is_sent_is_what_arrives(id: u64, limit: u32, arguments in proptest::collection::vec(".{0,20}", 0..4), value in ".{0,20}", status: i32) {
            let environment = BTreeMap::from([("HOMEWARD_X".to_owned(), value.clone())]);
            let request = Request { id, command: Command { script: "s".parse().unwrap(), arguments, environment, limit } };
            prop_assert_eq!(Request::decode(&request.encode().unwrap()), Some(request));
            for outcome in [Outcome::Exited(status), Outcome::Signalled(9), Outcome::TimedOut, Outcome::NotStarted(value.clone()), Outcome::Busy] {
                let reply = Reply { id, outcome, output: value.clone() };
                prop_assert_eq!(Reply::decode(&reply.encode().unwrap()), Some(reply));
            }
        }
    }
}
