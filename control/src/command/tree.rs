//! The commands of all modes, and how a line is matched against them.
//!
//! Matching follows all patterns at once, word by word. Keywords match on any prefix that is unique among the keywords
//! that could stand there; a keyword written in full always wins; keywords win over arguments.

use super::{
    error::Failure,
    mode::{EVERY_CONFIG, EXEC, Mode, USER_EXEC},
    pattern::{Matcher, Program, State, StateId, compile},
    spec::{Form, Forms, Spec},
    value::{Args, Kind, Value},
};

/// Longest line, in bytes.
pub const LINE_LIMIT: usize = 4096;

// What a word of the line was taken for, best first.
const KEYWORD: u128 = 0;
const ARGUMENT: u128 = 1;
const REST: u128 = 2;

#[derive(Debug)]
pub(super) struct Entry<R> {
    pub(super) spec: Spec<R>,
    plain: Program,
    negated: Option<Program>,
}

impl<R> Entry<R> {
    fn program(&self, form: Form) -> Option<&Program> {
        match form {
            Form::Set => Some(&self.plain),
            Form::No | Form::Default => self.negated.as_ref().filter(|_| self.spec.forms.allows(form)),
        }
    }
}

/// All commands of one kind (configuration or EXEC).
#[derive(Debug)]
pub struct Tree<R> {
    pub(super) entries: Vec<Entry<R>>,
    /// Keywords behind which a secret stands, with nothing but arguments between.
    pub(super) leads: Vec<&'static str>,
}

/// A line that is a command.
#[derive(Debug)]
pub struct Match<'t, R> {
    /// Declaration that the line matches.
    pub spec: &'t Spec<R>,
    /// What the line gave it.
    pub args: Args,
    /// Start offsets of the words that are keywords written in full.
    pub(super) exact: Vec<usize>,
}

/// One word of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token<'l> {
    pub(super) text: &'l str,
    pub(super) at: usize,
}

/// Splits a line at blanks.
pub(super) fn tokens(line: &str) -> Vec<Token<'_>> {
    let mut out = Vec::new();
    let mut start = None;
    for (at, c) in line.char_indices() {
        match (c.is_whitespace(), start) {
            (false, None) => start = Some(at),
            (true, Some(from)) => {
                out.push(Token { text: &line[from..at], at: from });
                start = None;
            }
            _ => {}
        }
    }
    if let Some(from) = start {
        out.push(Token { text: &line[from..], at: from });
    }
    out
}

/// One pattern that the line matches so far.
#[derive(Debug)]
pub(super) struct Thread<'t, R> {
    pub(super) entry: &'t Entry<R>,
    program: &'t Program,
    state: StateId,
    /// Two bits a word, keyword before argument before rest of the line: the least is preferred.
    score: u128,
    args: Args,
    exact: Vec<usize>,
    /// An argument took the rest of the line.
    done: bool,
}

impl<R> Clone for Thread<'_, R> {
    fn clone(&self) -> Self {
        Self { args: self.args.clone(), exact: self.exact.clone(), ..*self }
    }
}

impl<'t, R> Thread<'t, R> {
    pub(super) fn state(&self) -> &'t State {
        &self.program.states[self.state]
    }

    pub(super) fn is_done(&self) -> bool {
        self.done
    }
}

/// True when a command of `modes` can be given in `mode`; privileged EXEC has those of user EXEC too.
fn belongs(modes: &[&Mode], mode: &Mode) -> bool {
    modes.contains(&mode)
        || (*mode == EXEC && modes.contains(&&USER_EXEC))
        || (mode.is_configuration() && modes.contains(&&EVERY_CONFIG))
}

/// How a word compares with a keyword.
fn compare(token: &str, word: &str, alias: Option<&str>) -> Option<bool> {
    if token.eq_ignore_ascii_case(word) || alias.is_some_and(|alias| token.eq_ignore_ascii_case(alias)) {
        return Some(true);
    }
    let starts = |word: &str| word.get(..token.len()).is_some_and(|start| start.eq_ignore_ascii_case(token));
    (starts(word) || alias.is_some_and(starts)).then_some(false)
}

fn common_prefix(token: &str, word: &str) -> usize {
    token.bytes().zip(word.bytes()).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count()
}

impl<R> Tree<R> {
    /// Compiles `specs`.
    ///
    /// # Errors
    /// A pattern that makes no sense.
    pub fn new(specs: impl IntoIterator<Item = Spec<R>>) -> Result<Self, String> {
        let mut entries = Vec::new();
        for spec in specs {
            let plain = compile(spec.pattern, false)?;
            let negated =
                if spec.forms == Forms::SetOnly { None } else { Some(compile(spec.pattern, true)?) };
            entries.push(Entry { spec, plain, negated });
        }
        let mut leads: Vec<_> = entries
            .iter()
            .flat_map(|entry| std::iter::once(&entry.plain).chain(&entry.negated))
            .flat_map(Program::secret_leads)
            .collect();
        leads.sort_unstable();
        leads.dedup();
        Ok(Self { entries, leads })
    }

    /// Every mode that has commands of its own, in the order of the declarations.
    pub fn modes(&self) -> Vec<&'static Mode> {
        let mut out = Vec::new();
        for mode in self.entries.iter().flat_map(|entry| entry.spec.modes).copied() {
            if *mode != EVERY_CONFIG && !out.contains(&mode) {
                out.push(mode);
            }
        }
        out
    }

    /// True when a command of the mode has a `no` form.
    pub(super) fn has_negation(&self, mode: &Mode) -> bool {
        self.entries.iter().any(|entry| entry.negated.is_some() && belongs(entry.spec.modes, mode))
    }

    pub(super) fn start(&self, mode: &Mode, form: Form) -> Vec<Thread<'_, R>> {
        self.entries
            .iter()
            .filter(|entry| belongs(entry.spec.modes, mode))
            .filter_map(|entry| {
                let program = entry.program(form)?;
                Some(Thread {
                    entry,
                    program,
                    state: program.start,
                    score: 0,
                    args: Args::default(),
                    exact: Vec::new(),
                    done: false,
                })
            })
            .collect()
    }

    /// Takes one word further; `rest` is the line from that word on.
    pub(super) fn step<'t>(
        threads: &[Thread<'t, R>],
        token: Token<'_>,
        rest: &str,
    ) -> Result<Vec<Thread<'t, R>>, Failure> {
        let mut exact = false;
        let mut abbreviated: Vec<&'static str> = Vec::new();
        for (matcher, _) in threads.iter().filter(|t| !t.done).flat_map(|t| &t.state().edges) {
            if let Matcher::Word { word, alias } = matcher {
                match compare(token.text, word, *alias) {
                    Some(true) => exact = true,
                    Some(false) if !abbreviated.contains(word) => abbreviated.push(word),
                    _ => {}
                }
            }
        }
        if !exact && abbreviated.len() > 1 {
            abbreviated.sort_unstable();
            return Err(Failure::Ambiguous {
                at: token.at,
                end: token.at + token.text.len(),
                candidates: abbreviated.into_iter().map(str::to_owned).collect(),
            });
        }

        let mut next: Vec<Thread<'t, R>> = threads.iter().filter(|t| t.done).cloned().collect();
        for thread in &mut next {
            thread.score = (thread.score << 2) | REST;
        }
        for thread in threads.iter().filter(|t| !t.done) {
            for (matcher, to) in &thread.state().edges {
                if let Some(mut moved) = thread.follow(matcher, *to, token, rest) {
                    match matcher {
                        Matcher::Word { word, alias } => {
                            let full = compare(token.text, word, *alias) == Some(true);
                            if exact && !full {
                                continue;
                            }
                            if full {
                                moved.exact.push(token.at);
                            }
                        }
                        Matcher::Arg { .. } => {}
                    }
                    next.push(moved);
                }
            }
        }
        if next.is_empty() {
            return Err(Failure::Invalid {
                at: token.at + matched_start(threads, token.text),
                expected: expected(threads),
            });
        }
        Ok(next)
    }

    /// Matches the words of `line` from `words` on against one mode.
    pub(super) fn parse_in(
        &self,
        mode: &Mode,
        form: Form,
        line: &str,
        words: &[Token<'_>],
    ) -> Result<Match<'_, R>, Failure> {
        let mut threads = self.start(mode, form);
        for &token in words {
            if !threads.is_empty() && threads.iter().all(|t| t.done) {
                break;
            }
            threads = Self::step(&threads, token, line[token.at..].trim_end())?;
        }
        let best = threads.iter().filter(|t| t.state().accept).min_by_key(|t| t.score);
        match best {
            Some(thread) => {
                Ok(Match { spec: &thread.entry.spec, args: thread.args.clone(), exact: thread.exact.clone() })
            }
            None => Err(Failure::Incomplete { expected: expected(&threads) }),
        }
    }

    /// Matches a line against the modes of `chain`, innermost first. Returns the mode whose command it is.
    pub(super) fn parse(
        &self,
        chain: &[&'static Mode],
        form: Form,
        line: &str,
        words: &[Token<'_>],
    ) -> Result<(&'static Mode, Match<'_, R>), Failure> {
        let mut worst: Option<Failure> = None;
        for &mode in chain {
            match self.parse_in(mode, form, line, words) {
                Ok(found) => {
                    // An inner mode's ambiguity yields only to the full keyword of an outer one.
                    return match worst {
                        Some(Failure::Ambiguous { at, .. }) if !found.exact.contains(&at) => {
                            Err(worst.unwrap_or(Failure::Incomplete { expected: Vec::new() }))
                        }
                        _ => Ok((mode, found)),
                    };
                }
                Err(failure) => {
                    worst = Some(match worst {
                        None => failure,
                        Some(before) => further(before, failure),
                    });
                }
            }
        }
        Err(worst.unwrap_or(Failure::Invalid { at: words.first().map_or(0, |w| w.at), expected: Vec::new() }))
    }
}

/// The failure that lies further in the line; of equals, both expectations.
fn further(inner: Failure, outer: Failure) -> Failure {
    if matches!(inner, Failure::Ambiguous { .. }) || inner.reach() > outer.reach() {
        return inner;
    }
    if outer.reach() > inner.reach() {
        return outer;
    }
    match (inner, outer) {
        (Failure::Invalid { at, mut expected }, Failure::Invalid { expected: more, .. }) => {
            merge(&mut expected, more);
            Failure::Invalid { at, expected }
        }
        (Failure::Incomplete { mut expected }, Failure::Incomplete { expected: more }) => {
            merge(&mut expected, more);
            Failure::Incomplete { expected }
        }
        (inner, _) => inner,
    }
}

fn merge(into: &mut Vec<String>, more: Vec<String>) {
    for word in more {
        if !into.contains(&word) {
            into.push(word);
        }
    }
}

/// How many bytes of a bad word agree with the keyword it is most like.
fn matched_start<R>(threads: &[Thread<'_, R>], token: &str) -> usize {
    let edges = threads.iter().flat_map(|t| &t.state().edges);
    edges
        .map(|(matcher, _)| match matcher {
            Matcher::Word { word, .. } => common_prefix(token, word),
            Matcher::Arg { .. } => 0,
        })
        .max()
        .unwrap_or(0)
        .min(token.len())
}

/// What could stand next: keywords first, in order of the alphabet, then arguments.
fn expected<R>(threads: &[Thread<'_, R>]) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let mut args: Vec<String> = Vec::new();
    for thread in threads.iter().filter(|t| !t.done) {
        for (matcher, _) in &thread.state().edges {
            match matcher {
                Matcher::Word { word, .. } => words.push((*word).to_owned()),
                Matcher::Arg { kind: Kind::Ignored | Kind::Other, .. } => {}
                Matcher::Arg { kind, .. } => args.push(kind.placeholder()),
            }
        }
    }
    words.sort_unstable();
    words.dedup();
    args.sort_unstable();
    args.dedup();
    words.extend(args);
    words
}

impl<R> Thread<'_, R> {
    /// This pattern one word further along `matcher`, if the word fits.
    pub(super) fn follow(
        &self,
        matcher: &Matcher,
        to: StateId,
        token: Token<'_>,
        rest: &str,
    ) -> Option<Self> {
        let mut args = self.args.clone();
        let mut done = false;
        let rank = match matcher {
            Matcher::Word { word, alias } => {
                compare(token.text, word, *alias)?;
                args.words.push(word);
                KEYWORD
            }
            Matcher::Arg { name, kind } => {
                done = kind.takes_rest();
                let text = if done { rest } else { token.text };
                let value: Value = kind.read(text, args.get(name))?;
                args.set(name, value);
                if done { REST } else { ARGUMENT }
            }
        };
        Some(Self {
            entry: self.entry,
            program: self.program,
            state: to,
            score: (self.score << 2) | rank,
            args,
            exact: self.exact.clone(),
            done,
        })
    }
}
