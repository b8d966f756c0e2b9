//! What gives the weight of a host that runs no subsystem of ours: a number, its idle CPU and memory, these with the
//! bindings of its home agent, or a command that knows better.

use crate::dfp::host_load::weight::DEFAULT_MAX_WEIGHT;

/// What gives the weight.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// Always this one.
    Static(u16),
    /// By what is left of CPU and memory.
    Cpu {
        /// The weight while all is left.
        max_weight: u16,
    },
    /// By the home agent's equation.
    Bindings {
        /// A command for `/bin/sh`, which prints how many bindings there are.
        command: String,
        /// What the home agent can hold and take.
        limits: Limits,
    },
    /// A command for `/bin/sh`, which prints the weight.
    Exec(String),
}

/// What a home agent can hold and take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bindings, at least 1 (`max-binding`).
    pub max_bindings: u32,
    /// Calls per second, at least 1 (`max-cps`); none: they do not count.
    pub max_calls: Option<u32>,
    /// The weight of an idle home agent (`dfp-max-weight`).
    pub max_weight: u16,
}

impl Default for Limits {
    /// As `ip mobile home-agent max-binding` has it.
    fn default() -> Self {
        Self { max_bindings: 235_000, max_calls: None, max_weight: DEFAULT_MAX_WEIGHT }
    }
}

/// The words name no source.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseSourceError {
    /// Another first word, or words too many or too few.
    #[error("expected `static N`, `cpu [MAX]`, `bindings COMMAND` or `exec COMMAND`")]
    Words,
    /// No weight.
    #[error("a weight is a number from 0 to 65535, not `{0}`")]
    Weight(String),
}

impl Source {
    /// The source that `words` name: `static N`, `cpu [MAX]`, `bindings COMMAND` (with the usual limits),
    /// `exec COMMAND`.
    ///
    /// # Errors
    /// They name none.
    pub fn parse(words: &[String]) -> Result<Self, ParseSourceError> {
        let number = |text: &String| text.parse().map_err(|_| ParseSourceError::Weight(text.clone()));
        match words {
            [word, weight] if word == "static" => Ok(Self::Static(number(weight)?)),
            [word] if word == "cpu" => Ok(Self::Cpu { max_weight: DEFAULT_MAX_WEIGHT }),
            [word, most] if word == "cpu" => Ok(Self::Cpu { max_weight: number(most)? }),
            [word, command] if word == "bindings" && !command.trim().is_empty() => {
                Ok(Self::Bindings { command: command.clone(), limits: Limits::default() })
            }
            [word, command] if word == "exec" && !command.trim().is_empty() => {
                Ok(Self::Exec(command.clone()))
            }
            _ => Err(ParseSourceError::Words),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Source, ParseSourceError> {
        Source::parse(&words.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    #[test]
    fn words_name_a_source() {
        assert_eq!(parse(&["static", "0"]), Ok(Source::Static(0)));
        assert_eq!(parse(&["cpu"]), Ok(Source::Cpu { max_weight: 25 }));
        assert_eq!(parse(&["cpu", "100"]), Ok(Source::Cpu { max_weight: 100 }));
        assert_eq!(parse(&["exec", "echo 5"]), Ok(Source::Exec("echo 5".into())));
        let bindings = Source::Bindings { command: "echo 5".into(), limits: Limits::default() };
        assert_eq!(parse(&["bindings", "echo 5"]), Ok(bindings));
        assert_eq!(parse(&["static", "65536"]), Err(ParseSourceError::Weight("65536".into())));
        for words in [
            &["static"][..],
            &["exec"],
            &["exec", " "],
            &["bindings"],
            &["bindings", " "],
            &["exec", "a", "b"],
            &["memory"],
            &[],
        ] {
            assert_eq!(parse(words), Err(ParseSourceError::Words), "{words:?}");
        }
    }
}
