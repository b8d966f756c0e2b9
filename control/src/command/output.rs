//! What an EXEC command says: facts, of which text or JSON is made once it is known which is wanted, and after the lock
//! under which they were copied is free.

use std::fmt;

use serde::Serialize;
use serde_json::{Value, json};

/// What of the facts is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Text,
    Json,
}

/// Facts, and how they are shown.
pub struct Output(Box<dyn FnOnce(Format) -> String + Send>);

impl Output {
    /// Facts, whose JSON is theirs, keys in snake_case, and whose text `text` makes: lines, each with its end.
    pub fn of<F: Serialize + Send + 'static>(
        facts: F,
        text: impl FnOnce(&F) -> String + Send + 'static,
    ) -> Self {
        Self(Box::new(move |format| match format {
            Format::Text => text(&facts),
            Format::Json => pretty(&facts),
        }))
    }

    /// The same; in JSON the facts are the value of `name`.
    pub fn named<F: Serialize + Send + 'static>(
        name: &'static str,
        facts: F,
        text: impl FnOnce(&F) -> String + Send + 'static,
    ) -> Self {
        Self(Box::new(move |format| match format {
            Format::Text => text(&facts),
            Format::Json => pretty(&json!({ name: value(&facts) })),
        }))
    }

    /// Text only; as JSON it is `{"text": ...}`.
    pub fn text(text: impl Into<String>) -> Self {
        Self::named("text", text.into(), String::clone)
    }

    /// As the shell prints it.
    pub fn into_text(self) -> String {
        (self.0)(Format::Text)
    }

    /// As `| json` prints it: indented.
    pub fn into_json(self) -> String {
        (self.0)(Format::Json)
    }
}

/// Facts have string keys only: they always serialise.
fn value(facts: &impl Serialize) -> Value {
    serde_json::to_value(facts).unwrap_or_default()
}

fn pretty(facts: &impl Serialize) -> String {
    serde_json::to_string_pretty(&value(facts)).unwrap_or_default()
}

impl Default for Output {
    fn default() -> Self {
        Self::of(Value::Null, |_| String::new())
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Output(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_json_are_made_of_the_same_facts_and_only_when_asked_for() {
        let two = || Output::named("lines", 2, |lines| format!("{lines} lines\n"));
        assert_eq!(two().into_text(), "2 lines\n");
        assert_eq!(two().into_json(), "{\n  \"lines\": 2\n}");
        let never = Output::of(json!({ "a": 1 }), |_| unreachable!("nobody asked for the text"));
        assert_eq!(never.into_json(), "{\n  \"a\": 1\n}");
        assert_eq!(Output::text("x\n").into_json(), "{\n  \"text\": \"x\\n\"\n}");
    }
}
