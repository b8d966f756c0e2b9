//! Loading configuration from a file's text: all lines or none.

use super::{
    Configuration, Position,
    error::{ConfigError, Failure, FileError, Problem},
    mask::{LineContext, star},
    shell::{edit, split_form},
    tree::{LINE_LIMIT, tokens},
};

/// Largest file, in bytes.
pub const FILE_LIMIT: usize = 4 * 1024 * 1024;

/// Most lines of a file; twice what the most farms, reals, virtual servers and routes take.
pub const FILE_LINES: usize = 131_072;

/// Most errors that are listed.
const ERRORS: usize = 20;

/// A file that loaded.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Loaded<C> {
    /// What it says.
    pub configuration: C,
    /// What the operator should know, each with its place.
    pub warnings: Vec<String>,
}

/// Reads configuration text. `file` is only for messages.
///
/// Indentation is free, lines whose first non-blank character is `!` and empty lines are skipped, `end` ends the file.
///
/// # Errors
/// Every bad line, up to 20, or what the configuration as a whole lacks; then nothing is loaded.
pub fn load<C: Configuration>(file: &str, text: &str) -> Result<Loaded<C>, Vec<FileError>> {
    let error = |line: usize, text: &str, problem| FileError {
        file: file.to_owned(),
        line,
        text: text.to_owned(),
        problem,
    };
    if text.len() > FILE_LIMIT {
        return Err(vec![error(0, "", Problem::Unreadable(format!("larger than {FILE_LIMIT} bytes")))]);
    }
    if text.lines().nth(FILE_LINES).is_some() {
        return Err(vec![error(0, "", Problem::Unreadable(format!("more than {FILE_LINES} lines")))]);
    }
    let mut loaded = Loaded { configuration: C::default(), warnings: Vec::new() };
    let mut position = Position::default();
    let mut errors = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let number = at + 1;
        if line.len() > LINE_LIMIT {
            let reason = format!("line longer than {LINE_LIMIT} bytes");
            errors.push(error(number, "", Problem::Unreadable(reason)));
        } else {
            match run_line(&mut loaded.configuration, &mut position, line) {
                Ok(warnings) => {
                    loaded.warnings.extend(warnings.into_iter().map(|w| format!("{file}:{number}: {w}")));
                }
                Err((problem, masked)) => errors.push(error(number, &masked, problem)),
            }
        }
        if errors.len() >= ERRORS || (position.has_left() && is_end(line)) {
            break;
        }
    }
    if errors.is_empty() {
        match loaded.configuration.check() {
            Ok(warnings) => loaded.warnings.extend(warnings.into_iter().map(|w| format!("{file}: {w}"))),
            Err(refused) => {
                errors.extend(refused.into_iter().take(ERRORS).map(|e| error(0, "", Problem::Refused(e))));
            }
        }
    }
    if errors.is_empty() { Ok(loaded) } else { Err(errors) }
}

fn is_end(line: &str) -> bool {
    tokens(line)
        .first()
        .is_some_and(|word| word.text.len() >= 2 && "end".starts_with(&word.text.to_ascii_lowercase()))
}

/// Runs one line of a file on `configuration`, which a refused line may leave half edited: the caller drops it then.
/// An error comes with the line as it may be repeated.
fn run_line<C: Configuration>(
    configuration: &mut C,
    position: &mut Position,
    line: &str,
) -> Result<Vec<String>, (Problem, String)> {
    let words = tokens(line);
    if words.first().is_none_or(|word| word.text.starts_with('!')) {
        return Ok(Vec::new());
    }
    let (form, words) = split_form(&words);
    if words.is_empty() {
        let failure = Failure::Incomplete { expected: vec!["a command".to_owned()] };
        return Err((Problem::Failure(failure), line.to_owned()));
    }
    let language = C::language();
    let chain = position.chain();
    let masked = || star(line, language.secret_from(&LineContext { chain: &chain, form, line, words }, &[]));
    let (mode, found) =
        language.parse(&chain, form, line, words).map_err(|failure| (Problem::Failure(failure), masked()))?;
    edit(configuration, position, mode, &found, form)
        .map_err(|error: ConfigError| (Problem::Refused(error), masked()))
}
