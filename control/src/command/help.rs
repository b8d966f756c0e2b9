//! What `?` lists and what Tab completes.

use super::{
    mode::Mode,
    pattern::Matcher,
    spec::Form,
    tree::{Thread, Token, Tree, tokens},
    value::Kind,
};

/// Help for keywords that many commands share; a command's own help goes first.
const COMMON: &[(&str, &str)] = &[
    ("ip", "IP configuration and state"),
    ("show", "Show running system information"),
    ("clear", "Reset functions"),
    ("debug", "Debugging functions (see also 'undebug')"),
    ("undebug", "Disable debugging functions (see also 'debug')"),
    ("detail", "Every field"),
    ("name", "One object by its name"),
    ("0", "The secret follows in clear text"),
    ("7", "The secret follows in type 7 notation"),
];

/// One thing that could stand at the cursor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Choice {
    /// Keyword, argument form such as `<1-255>`, or `<cr>`.
    pub text: String,
    /// What it means; may be empty.
    pub help: String,
    /// True for a keyword, which completion may insert.
    pub keyword: bool,
}

impl Choice {
    /// A keyword.
    pub fn word(text: &str, help: &str) -> Self {
        Self { text: text.to_owned(), help: help.to_owned(), keyword: true }
    }
}

/// Words before the cursor, and the word that the cursor touches (empty after a blank).
pub(super) fn split_partial(line: &str) -> (Vec<Token<'_>>, Token<'_>) {
    let mut words = tokens(line);
    if line.chars().next_back().is_some_and(|c| !c.is_whitespace())
        && let Some(last) = words.pop()
    {
        return (words, last);
    }
    (words, Token { text: "", at: line.len() })
}

impl<R> Tree<R> {
    /// What could stand after `words` and begin with `partial`, in one mode. `None`: `words` are no start of a command there.
    pub(super) fn choices(
        &self,
        mode: &Mode,
        form: Form,
        line: &str,
        words: &[Token<'_>],
        partial: Token<'_>,
    ) -> Option<Vec<Choice>> {
        let mut threads = self.start(mode, form);
        for &token in words {
            threads = Self::step(&threads, token, line[token.at..].trim_end()).ok()?;
        }
        let mut out: Vec<Choice> = Vec::new();
        for thread in &threads {
            list(thread, partial.text, &mut out);
        }
        if !partial.text.is_empty() {
            return if out.is_empty() { None } else { Some(sorted(out)) };
        }
        let end = threads.iter().any(|t| t.state().accept);
        let mut out = sorted(out);
        if end && !words.is_empty() {
            out.push(Choice { text: "<cr>".to_owned(), help: String::new(), keyword: false });
        }
        if out.is_empty() { None } else { Some(out) }
    }

    /// Keywords and arguments that have no help, for the test that keeps it complete.
    pub fn without_help(&self) -> Vec<String> {
        let mut out = Vec::new();
        for entry in &self.entries {
            for word in keywords_of(entry.spec.pattern) {
                if lookup(entry.spec.help, &word).is_none() {
                    out.push(format!("{word} in `{}`", entry.spec.pattern));
                }
            }
        }
        out
    }
}

/// Keywords (`weight`) and arguments (`<weight>`) of a pattern.
fn keywords_of(pattern: &str) -> Vec<String> {
    pattern
        .split(|c: char| c.is_whitespace() || "[]{}|~^".contains(c))
        .filter(|part| !part.is_empty())
        .map(|part| match part.strip_prefix('<').and_then(|p| p.split_once(':')) {
            Some((name, _)) => format!("<{name}>"),
            None => part.split('/').next().unwrap_or(part).to_owned(),
        })
        .collect()
}

fn lookup(help: &'static [(&'static str, &'static str)], key: &str) -> Option<&'static str> {
    help.iter().chain(COMMON).find(|(k, _)| *k == key).map(|(_, text)| *text)
}

fn list<R>(thread: &Thread<'_, R>, partial: &str, out: &mut Vec<Choice>) {
    if thread.is_done() {
        return;
    }
    let help = thread.entry.spec.help;
    for (matcher, _) in &thread.state().edges {
        let choice = match matcher {
            Matcher::Word { word, .. } => {
                let fits = word.get(..partial.len()).is_some_and(|start| start.eq_ignore_ascii_case(partial));
                fits.then(|| Choice::word(word, lookup(help, word).unwrap_or("")))
            }
            Matcher::Arg {
                kind: Kind::Ignored | Kind::Other | Kind::InterfaceNumber | Kind::InterfaceType,
                ..
            } => None,
            Matcher::Arg { name, kind } => {
                let fits = partial.is_empty() || kind.read(partial, None).is_some();
                let text = lookup(help, &format!("<{name}>")).unwrap_or("");
                fits.then(|| Choice { text: kind.placeholder(), help: text.to_owned(), keyword: false })
            }
        };
        if let Some(choice) = choice {
            match out.iter_mut().find(|c| c.text == choice.text) {
                Some(known) if known.help.is_empty() => known.help = choice.help,
                Some(_) => {}
                None => out.push(choice),
            }
        }
    }
}

/// Keywords in order of the alphabet, then arguments.
fn sorted(mut choices: Vec<Choice>) -> Vec<Choice> {
    choices.sort_by(|a, b| (!a.keyword, &a.text).cmp(&(!b.keyword, &b.text)));
    choices
}

/// Prints choices as `?` does.
pub(super) fn print(choices: &[Choice]) -> String {
    let width = choices.iter().map(|c| c.text.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for choice in choices {
        let line = format!("  {:<width$}  {}", choice.text, choice.help);
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
