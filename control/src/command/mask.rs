//! A line as it may be repeated to a screen, a log or a history: its secrets are starred.
//!
//! The grammar says where they are. Of a line that is a command, everything from the position of a secret on is starred;
//! of one that is none, also what follows a word that is like a keyword before a secret.

use super::{
    mode::Mode,
    spec::Form,
    tree::{Thread, Token, Tree, tokens},
};

/// A line, and where it is given.
pub(super) struct LineContext<'p, 'l> {
    /// Modes that it is tried in.
    pub(super) chain: &'p [&'static Mode],
    pub(super) form: Form,
    pub(super) line: &'l str,
    /// Its words behind `no`, `default` or `do`.
    pub(super) words: &'p [Token<'l>],
}

/// Stars every word from the offset `from` on. Every byte keeps its position, so that offsets still point.
pub(super) fn star(line: &str, from: Option<usize>) -> String {
    let (clear, secret) = line.split_at(from.unwrap_or(line.len()));
    let mut out = String::with_capacity(line.len());
    out.push_str(clear);
    for c in secret.chars() {
        if c.is_whitespace() {
            out.push(c);
        } else {
            out.extend(std::iter::repeat_n('*', c.len_utf8()));
        }
    }
    out
}

/// Offset of what follows the first word that is like a word of `leads`: an abbreviation, or begins like it.
pub(super) fn behind_lead(line: &str, leads: &[&str]) -> Option<usize> {
    /// Characters that make a word like a longer keyword.
    const LIKE: usize = 4;
    let is_like = |word: &str| {
        leads.iter().any(|lead| {
            let same = word.bytes().zip(lead.bytes()).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
            same == word.len() || same >= LIKE.min(lead.len())
        })
    };
    let words = tokens(line);
    let at = words.iter().position(|word| is_like(word.text))?;
    words.get(at + 1).map(|word| word.at)
}

impl<R> Tree<R> {
    /// Where the first word stands that is, or would be, a secret; `leads` are further keywords before secrets.
    pub(super) fn secret_from(&self, context: &LineContext<'_, '_>, leads: &[&str]) -> Option<usize> {
        let exact = context.chain.iter().filter_map(|mode| self.secret_in(mode, context)).min();
        if self.parse(context.chain, context.form, context.line, context.words).is_ok() {
            return exact;
        }
        let like = behind_lead(context.line, &[&self.leads, leads].concat());
        exact.into_iter().chain(like).min()
    }

    /// Follows every reading of the line in one mode, also those that an ambiguous word leaves open.
    fn secret_in(&self, mode: &Mode, context: &LineContext<'_, '_>) -> Option<usize> {
        let mut threads = self.start(mode, context.form);
        for &token in context.words {
            let going = threads.iter().filter(|thread| !thread.is_done());
            if going.clone().any(|thread| thread.state().takes_secret()) {
                return Some(token.at);
            }
            let rest = context.line[token.at..].trim_end();
            threads = going.flat_map(|thread| Self::readings(thread, token, rest)).collect();
        }
        None
    }

    fn readings<'t>(thread: &Thread<'t, R>, token: Token<'_>, rest: &str) -> Vec<Thread<'t, R>> {
        let edges = thread.state().edges.iter();
        edges.filter_map(|(matcher, to)| thread.follow(matcher, *to, token, rest)).collect()
    }
}
