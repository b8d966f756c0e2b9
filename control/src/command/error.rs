//! Errors of a command line, and how a terminal and a file show them.

use std::fmt::Write as _;

/// The kinds of error that an operator meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub enum ErrorId {
    /// Invalid input, with a caret.
    E1,
    /// Incomplete command.
    E2,
    /// Ambiguous command.
    E3,
    /// Not a command; shown as E1, because no name is ever looked up.
    E4,
    /// The command is well formed but refused.
    E5,
}

/// A well-formed command that the configuration refuses (E5). Displays as the whole line, `% <reason>`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    /// `% <reason>`
    pub fn new(reason: impl AsRef<str>) -> Self {
        Self(format!("% {}", one_line(reason.as_ref())))
    }
}

/// An EXEC command that could not be done. Displays as the whole line, with its `% `.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("% {0}")]
pub struct ExecError(String);

impl ExecError {
    /// `% <reason>`
    pub fn new(reason: impl AsRef<str>) -> Self {
        Self(one_line(reason.as_ref()))
    }
}

impl From<ConfigError> for ExecError {
    fn from(error: ConfigError) -> Self {
        Self(error.0.trim_start_matches("% ").to_owned())
    }
}

fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

/// Why a line is not a command. Offsets are bytes from the start of the line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The first bad character is at `at`.
    Invalid {
        /// Offset of the caret.
        at: usize,
        /// What could stand there: keywords and argument forms.
        expected: Vec<String>,
    },
    /// The line ends too early.
    Incomplete {
        /// What could follow.
        expected: Vec<String>,
    },
    /// A word abbreviates more than one keyword.
    Ambiguous {
        /// Offset of the word.
        at: usize,
        /// End of the word.
        end: usize,
        /// The keywords it may mean.
        candidates: Vec<String>,
    },
}

impl Failure {
    /// E1, E2 or E3.
    pub fn id(&self) -> ErrorId {
        match self {
            Self::Invalid { .. } => ErrorId::E1,
            Self::Incomplete { .. } => ErrorId::E2,
            Self::Ambiguous { .. } => ErrorId::E3,
        }
    }

    /// How far the line made sense, to choose among several modes' failures.
    pub(super) fn reach(&self) -> usize {
        match self {
            Self::Invalid { at, .. } => *at,
            Self::Incomplete { .. } => usize::MAX,
            Self::Ambiguous { end, .. } => *end,
        }
    }

    /// The terminal's text, to follow a prompt of `prompt` columns and `line`; `masked` is that line as it may be
    /// repeated.
    pub fn on_terminal(&self, prompt: usize, line: &str, masked: &str) -> String {
        match self {
            Self::Invalid { at, .. } => {
                format!(
                    "{}^\n% Invalid input detected at '^' marker.\n\n",
                    " ".repeat(prompt + columns(line, *at))
                )
            }
            Self::Incomplete { .. } => "% Incomplete command.\n\n".to_owned(),
            Self::Ambiguous { .. } => format!("% Ambiguous command:  \"{}\"\n", masked.trim_end()),
        }
    }

    /// One sentence for a file's error list.
    fn sentence(&self) -> String {
        match self {
            Self::Invalid { expected, .. } if expected.is_empty() => {
                "invalid input, expected the end of the line".to_owned()
            }
            Self::Invalid { expected, .. } => format!("invalid input, expected {}", list(expected)),
            Self::Incomplete { expected } => format!("incomplete command, expected {}", list(expected)),
            Self::Ambiguous { candidates, .. } => format!("ambiguous command, may be {}", list(candidates)),
        }
    }

    fn column(&self, line: &str) -> usize {
        match self {
            Self::Invalid { at, .. } | Self::Ambiguous { at, .. } => columns(line, *at),
            Self::Incomplete { .. } => columns(line, line.trim_end().len()),
        }
    }
}

/// Characters before the byte offset `at`.
pub(super) fn columns(line: &str, at: usize) -> usize {
    line.char_indices().take_while(|&(offset, _)| offset < at).count()
}

fn list(words: &[String]) -> String {
    const SHOWN: usize = 24;
    let mut text = words.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if words.len() > SHOWN {
        let _ = write!(text, ", ... ({} more)", words.len() - SHOWN);
    }
    text
}

/// What is wrong with one line of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The line is not a command.
    Failure(Failure),
    /// The line, or the configuration as a whole, is refused.
    Refused(ConfigError),
    /// The file cannot be read as configuration at all.
    Unreadable(String),
}

/// An error in a configuration file. Displays as file, line, column, reason, the line itself and a caret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileError {
    /// The file as the operator named it.
    pub file: String,
    /// Line number from 1; 0: the file as a whole.
    pub line: usize,
    /// The line's text, its secrets starred.
    pub text: String,
    /// What is wrong.
    pub problem: Problem,
}

impl std::fmt::Display for FileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let printable: String = self.text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let caret = match &self.problem {
            Problem::Failure(failure) => Some(failure.column(&self.text)),
            Problem::Refused(_) | Problem::Unreadable(_) => None,
        };
        write!(f, "{}", self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if let Some(column) = caret {
            write!(f, ":{}", column + 1)?;
        }
        match &self.problem {
            Problem::Failure(failure) => write!(f, ": {}", failure.sentence())?,
            Problem::Refused(error) => write!(f, ": {error}")?,
            Problem::Unreadable(reason) => write!(f, ": {reason}")?,
        }
        if self.line > 0 {
            write!(f, "\n  {printable}")?;
        }
        if let Some(column) = caret {
            write!(f, "\n  {}^", " ".repeat(column))?;
        }
        Ok(())
    }
}

impl std::error::Error for FileError {}
