//! A session of the interactive shell: modes, lines, help and completion. Transport and line editing are elsewhere.

use std::sync::Arc;

use super::{
    Configuration, EditResult, Output,
    builtin::{self, Builtin},
    error::{ConfigError, ErrorId, ExecError, Failure, columns},
    help::{self, Choice, split_partial},
    mask::{LineContext, behind_lead, star},
    mode::{EXEC, Mode, Position, USER_EXEC},
    pipe::{self, Pipe},
    spec::{Edit, Exec, ExecSpec, Form},
    tree::{LINE_LIMIT, Match, Token, Tree, tokens},
    value::Args,
};
use crate::secret::Secrets;

/// What a session acts on.
pub trait Runtime {
    /// What is configured.
    type Configuration: Configuration;

    /// The running configuration.
    fn configuration(&self) -> Arc<Self::Configuration>;

    /// Makes `next` the running configuration, wholly or not at all. Returns warnings.
    fn replace(&mut self, next: Self::Configuration) -> EditResult;

    /// A line was entered that changes nothing, since it stands there already. To some it says: once more.
    fn repeated(&mut self, _mode: &'static Mode, _args: &Args, _form: Form) {}

    /// Writes the startup configuration.
    fn save(&mut self, text: &str) -> Result<(), ExecError>;
}

/// A [`Runtime`] that only holds a configuration: for checks, tests and fuzzing.
#[derive(Clone, Debug, Default)]
pub struct Idle<C> {
    /// As it runs.
    pub configuration: Arc<C>,
    /// What was saved last.
    pub saved: Option<String>,
}

impl<C: Configuration> Runtime for Idle<C> {
    type Configuration = C;

    fn configuration(&self) -> Arc<C> {
        self.configuration.clone()
    }

    fn replace(&mut self, next: C) -> EditResult {
        self.configuration = Arc::new(next);
        Ok(Vec::new())
    }

    fn save(&mut self, text: &str) -> Result<(), ExecError> {
        self.saved = Some(text.to_owned());
        Ok(())
    }
}

/// What runs an EXEC command.
enum Run<X: ?Sized> {
    Call(Exec<X>),
    Builtin(Builtin),
}

/// Every EXEC command, shared by all sessions.
pub struct Commands<X: ?Sized> {
    tree: Tree<Run<X>>,
}

impl<X: ?Sized> Commands<X> {
    /// The language's own commands and `specs`.
    ///
    /// # Errors
    /// A declaration that makes no sense.
    pub fn new(specs: impl IntoIterator<Item = ExecSpec<X>>) -> Result<Self, String> {
        let own = builtin::EXEC.iter().map(|spec| spec.map(Run::Builtin));
        let tree = Tree::new(own.chain(specs.into_iter().map(|spec| spec.map(Run::Call))))?;
        Ok(Self { tree })
    }

    /// Keywords and arguments that have no help.
    pub fn without_help(&self) -> Vec<String> {
        self.tree.without_help()
    }
}

/// What a line did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reply {
    /// To print; empty or ends with a line end.
    pub text: String,
    /// The kind of error, if it was one.
    pub error: Option<ErrorId>,
    /// The session ends.
    pub close: bool,
    /// The line left configuration mode (to be logged as `%SYS-5-CONFIG_I`).
    pub left_configuration: bool,
}

/// What a line did, before what it says is shown.
#[derive(Debug, Default)]
pub struct Answer {
    /// All but the output.
    pub reply: Reply,
    output: Option<(Output, Option<Pipe>)>,
}

impl Answer {
    /// Shows the output.
    pub fn finish(self) -> Reply {
        let text = self.output.map(|(output, pipe)| shown(output, pipe.as_ref()));
        Reply { text: text.unwrap_or(self.reply.text), ..self.reply }
    }
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self { reply, output: None }
    }
}

/// What Tab may put in place of the word at the cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Completion {
    /// Byte offset of that word.
    pub start: usize,
    /// Full keywords.
    pub words: Vec<String>,
}

/// One session.
pub struct Shell<X: ?Sized> {
    commands: Arc<Commands<X>>,
    privileged: bool,
    /// `Some` in configuration mode.
    position: Option<Position>,
    /// Lines of the terminal, 0: no paging.
    length: u16,
    /// How `show running-config` shows them.
    secrets: Secrets,
}

/// Takes `no` or `default` off the words of a line.
pub(super) fn split_form<'w, 'l>(words: &'w [Token<'l>]) -> (Form, &'w [Token<'l>]) {
    match words.first() {
        Some(first) if first.text.eq_ignore_ascii_case("no") => (Form::No, &words[1..]),
        Some(first)
            if first.text.len() >= 3
                && "default".get(..first.text.len()).is_some_and(|s| s.eq_ignore_ascii_case(first.text)) =>
        {
            (Form::Default, &words[1..])
        }
        _ => (Form::Set, words),
    }
}

/// As [`split_form`], of an EXEC line, which has no `default`.
fn exec_form<'w, 'l>(words: &'w [Token<'l>]) -> (Form, &'w [Token<'l>]) {
    match split_form(words) {
        (Form::No, rest) => (Form::No, rest),
        _ => (Form::Set, words),
    }
}

/// Runs a configuration command that was found in `mode` on plain data.
pub(super) fn edit<C>(
    configuration: &mut C,
    position: &mut Position,
    mode: &Mode,
    found: &Match<'_, Edit<C>>,
    form: Form,
) -> EditResult {
    position.back_to(mode);
    found.spec.run.run(configuration, position, &found.args, form)
}

/// `do`, and the words behind it.
pub(super) fn split_do<'w, 'l>(words: &'w [Token<'l>]) -> Option<&'w [Token<'l>]> {
    words.split_first().filter(|(first, _)| first.text.eq_ignore_ascii_case("do")).map(|(_, rest)| rest)
}

pub(super) fn is_show(words: &[Token<'_>]) -> bool {
    words.first().is_some_and(|w| {
        w.text.len() >= 2 && "show".get(..w.text.len()).is_some_and(|s| s.eq_ignore_ascii_case(w.text))
    })
}

impl<X: ?Sized> Shell<X> {
    /// A session in EXEC mode.
    pub fn new(commands: Arc<Commands<X>>, privileged: bool) -> Self {
        Self { commands, privileged, position: None, length: 24, secrets: Secrets::Type7 }
    }

    /// A privileged session that stands in configuration mode.
    pub fn at(commands: Arc<Commands<X>>, position: Position) -> Self {
        Self { commands, privileged: true, position: Some(position), length: 24, secrets: Secrets::Type7 }
    }

    /// The same, shown no secret in any notation.
    #[must_use]
    pub fn without_secrets(self) -> Self {
        Self { secrets: Secrets::Hidden, ..self }
    }

    /// The innermost mode.
    pub fn mode(&self) -> &'static Mode {
        self.position.as_ref().map_or_else(|| self.exec_mode(), Position::mode)
    }

    /// Where the session stands in configuration, if it does.
    pub fn position(&self) -> Option<&Position> {
        self.position.as_ref()
    }

    /// Lines of the terminal (`terminal length`), 0: no paging.
    pub fn terminal_length(&self) -> u16 {
        self.length
    }

    /// The prompt, without a blank behind it.
    pub fn prompt(&self, hostname: &str) -> String {
        self.mode().prompt(hostname)
    }

    pub(super) fn exec_mode(&self) -> &'static Mode {
        if self.privileged { &EXEC } else { &USER_EXEC }
    }
}

impl<X: Runtime + ?Sized> Shell<X> {
    /// The text that `?` prints after `line`, the part of the line before it.
    pub fn help(&self, line: &str) -> String {
        let choices = self.choices(line);
        if choices.is_empty() { "% Unrecognized command\n".to_owned() } else { help::print(&choices) }
    }

    /// What Tab may put at the end of `line`.
    pub fn complete(&self, line: &str) -> Completion {
        let (_, partial) = split_partial(line);
        let words = self.choices(line).into_iter().filter(|c| c.keyword).map(|c| c.text).collect();
        Completion { start: partial.at, words }
    }

    /// What could stand at the end of `line`.
    pub fn choices(&self, line: &str) -> Vec<Choice> {
        if line.len() > LINE_LIMIT {
            return Vec::new();
        }
        let (words, partial) = split_partial(line);
        let Some(position) = &self.position else {
            return self.exec_choices(line, &words, partial);
        };
        if let Some(rest) = split_do(&words) {
            return self.exec_choices(line, rest, partial);
        }
        let (form, rest) = split_form(&words);
        let chain = position.chain();
        let mut out = chain
            .iter()
            .find_map(|&mode| X::Configuration::language().choices(mode, form, line, rest, partial))
            .unwrap_or_default();
        if words.is_empty() {
            let own = [
                ("default", "Set a command to its defaults"),
                ("do", "To run exec commands in config mode"),
                ("no", "Negate a command or set its defaults"),
            ];
            add_own(&mut out, &own, partial.text);
        }
        out
    }

    fn exec_choices(&self, line: &str, words: &[Token<'_>], partial: Token<'_>) -> Vec<Choice> {
        if is_show(words)
            && let (_, Some(bar)) = pipe::split(line)
        {
            return pipe::choices(&line[bar + 1..]);
        }
        let (form, rest) = exec_form(words);
        let mut out =
            self.commands.tree.choices(self.exec_mode(), form, line, rest, partial).unwrap_or_default();
        if is_show(words) && out.last().is_some_and(|c| c.text == "<cr>") {
            let bar = Choice { text: "|".to_owned(), help: "Output modifiers".to_owned(), keyword: false };
            out.insert(out.len() - 1, bar);
        }
        if words.is_empty() && self.commands.tree.has_negation(self.exec_mode()) {
            add_own(&mut out, &[("no", "Disable debugging functions")], partial.text);
        }
        out
    }
}

fn add_own(out: &mut Vec<Choice>, own: &[(&str, &str)], partial: &str) {
    for (word, help) in own {
        if word.get(..partial.len()).is_some_and(|start| start.eq_ignore_ascii_case(partial)) {
            out.push(Choice::word(word, help));
        }
    }
    out.sort_by(|a, b| (!a.keyword, &a.text).cmp(&(!b.keyword, &b.text)));
}

/// Why a line was not done.
enum LineError {
    Failure(Failure),
    Refused(String),
}

impl From<Failure> for LineError {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<ConfigError> for LineError {
    fn from(error: ConfigError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<ExecError> for LineError {
    fn from(error: ExecError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl<X: Runtime + ?Sized> Shell<X> {
    /// Runs one line and shows what it says. Whatever happens, the configuration has changed wholly or not at all.
    pub fn execute(&mut self, line: &str, runtime: &mut X) -> Reply {
        self.begin(line, runtime).finish()
    }

    /// Runs one line; what it says is shown by [`Answer::finish`], for which `runtime` is not needed any more.
    pub fn begin(&mut self, line: &str, runtime: &mut X) -> Answer {
        if line.len() > LINE_LIMIT {
            let text = format!("% Line longer than {LINE_LIMIT} bytes\n");
            return Reply { text, error: Some(ErrorId::E1), ..Reply::default() }.into();
        }
        if let Some(before) = line.trim_end().strip_suffix('?') {
            return Reply { text: self.help(before), ..Reply::default() }.into();
        }
        let words = tokens(line);
        if words.first().is_none_or(|word| word.text.starts_with('!')) {
            return Answer::default();
        }
        let done = match (&self.position, split_do(&words)) {
            (Some(_), Some(rest)) => self.exec(line, rest, runtime),
            (Some(position), None) => {
                let position = position.clone();
                self.configure(line, &words, position, runtime).map(Answer::from)
            }
            (None, _) => self.exec(line, &words, runtime),
        };
        done.unwrap_or_else(|stop| match stop {
            LineError::Failure(failure) => {
                let prompt = self.prompt(runtime.configuration().hostname());
                let text = failure.on_terminal(columns(&prompt, prompt.len()), line, &self.masked(line));
                Reply { text, error: Some(failure.id()), ..Reply::default() }.into()
            }
            LineError::Refused(text) => {
                Reply { text: text + "\n", error: Some(ErrorId::E5), ..Reply::default() }.into()
            }
        })
    }

    /// `line` as it may be repeated and remembered, where the session stands now: its secrets are starred, every byte
    /// in its place.
    pub fn masked(&self, line: &str) -> String {
        let language = X::Configuration::language();
        let own = &self.commands.tree;
        if line.len() > LINE_LIMIT {
            return star(line, behind_lead(line, &[language.leads.as_slice(), &own.leads].concat()));
        }
        let words = tokens(line);
        let from = match (&self.position, split_do(&words)) {
            (Some(position), None) => {
                let (form, rest) = split_form(&words);
                let context = LineContext { chain: &position.chain(), form, line, words: rest };
                language.secret_from(&context, &own.leads)
            }
            (_, rest) => {
                let words = rest.filter(|_| self.position.is_some()).unwrap_or(&words);
                let (command, _) = if is_show(words) { pipe::split(line) } else { (line, None) };
                let words: Vec<_> = words.iter().copied().filter(|word| word.at < command.len()).collect();
                let (form, rest) = exec_form(&words);
                let context = LineContext { chain: &[self.exec_mode()], form, line: command, words: rest };
                own.secret_from(&context, &language.leads)
            }
        };
        star(line, from)
    }

    fn configure(
        &mut self,
        line: &str,
        words: &[Token<'_>],
        mut position: Position,
        runtime: &mut X,
    ) -> Result<Reply, LineError> {
        let (form, rest) = split_form(words);
        if rest.is_empty() {
            return Err(Failure::Incomplete { expected: Vec::new() }.into());
        }
        let (mode, found) = X::Configuration::language().parse(&position.chain(), form, line, rest)?;
        let before = runtime.configuration();
        let mut next = X::Configuration::clone(&before);
        let mut warnings = edit(&mut next, &mut position, mode, &found, form)?;
        if next == *before {
            runtime.repeated(mode, &found.args, form);
        } else {
            // What was wrong or worth a warning before is not this line's doing.
            match (before.check(), next.check()) {
                (Ok(known), Ok(now)) => warnings.extend(now.into_iter().filter(|w| !known.contains(w))),
                (Err(_), Ok(now)) => warnings.extend(now),
                (Ok(_), Err(now)) => return Err(first(now, &[]).into()),
                (Err(known), Err(now)) if now.iter().all(|error| known.contains(error)) => {}
                (Err(known), Err(now)) => return Err(first(now, &known).into()),
            }
            warnings.extend(runtime.replace(next)?);
        }
        let left_configuration = position.has_left();
        self.position = if left_configuration { None } else { Some(position) };
        let mark = |warning: &str| if warning.starts_with("% ") { "" } else { "% Warning: " };
        let text = warnings.into_iter().fold(String::new(), |out, w| out + mark(&w) + &w + "\n");
        Ok(Reply { text, left_configuration, ..Reply::default() })
    }

    fn exec(&mut self, line: &str, words: &[Token<'_>], runtime: &mut X) -> Result<Answer, LineError> {
        let (command, bar) = if is_show(words) { pipe::split(line) } else { (line, None) };
        let end = command.len();
        let words: Vec<Token<'_>> = words.iter().copied().filter(|word| word.at < end).collect();
        let (form, rest) = exec_form(&words);
        if rest.is_empty() {
            return Err(Failure::Incomplete { expected: Vec::new() }.into());
        }
        let commands = Arc::clone(&self.commands);
        let (_, found) = commands.tree.parse(&[self.exec_mode()], form, command, rest)?;
        let pipe = bar.map(|at| pipe::parse(line, at)).transpose()?;
        match &found.spec.run {
            Run::Call(run) => {
                let output = run.run(runtime, &found.args, form)?;
                Ok(Answer { reply: Reply::default(), output: Some((output, pipe)) })
            }
            Run::Builtin(builtin) => self.builtin(*builtin, &found, pipe, runtime),
        }
    }

    fn builtin(
        &mut self,
        builtin: Builtin,
        found: &Match<'_, Run<X>>,
        pipe: Option<Pipe>,
        runtime: &mut X,
    ) -> Result<Answer, LineError> {
        let mut reply = Reply::default();
        match builtin {
            Builtin::Configure => {
                self.position = Some(Position::default());
                reply.text = "Enter configuration commands, one per line.  End with CNTL/Z.\n".into();
            }
            Builtin::Copy | Builtin::Write => {
                runtime.save(&runtime.configuration().startup_config())?;
                reply.text = "Building configuration...\n[OK]\n".into();
            }
            Builtin::Disable => self.privileged = false,
            Builtin::Enable => self.privileged = true,
            Builtin::Exit => reply.close = true,
            Builtin::ShowRunning => {
                let text = runtime.configuration().text(self.secrets);
                let output = Output::named("running_config", text, String::clone);
                return Ok(Answer { reply, output: Some((output, pipe)) });
            }
            Builtin::TerminalLength => self.length = found.args.int("lines").unwrap_or(self.length),
        }
        Ok(reply.into())
    }
}

/// The first error that was not known before.
fn first(errors: Vec<ConfigError>, known: &[ConfigError]) -> ConfigError {
    let refused = || ConfigError::new("The configuration is refused");
    errors.into_iter().find(|error| !known.contains(error)).unwrap_or_else(refused)
}

/// An output after its pipe, ending with a line end unless it is empty.
fn shown(output: Output, pipe: Option<&Pipe>) -> String {
    let mut text = match pipe {
        None => output.into_text(),
        Some(Pipe::Json) => output.into_json(),
        Some(pipe) => pipe.filter(&output.into_text()),
    };
    if !text.is_empty() && !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
