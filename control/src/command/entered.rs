//! What is kept of an entered line, so that it can be entered once more.

use super::{
    Configuration,
    mode::Mode,
    shell::{Runtime, Shell, is_show, split_do, split_form},
    spec::Form,
    tree::{LINE_LIMIT, tokens},
    value::Args,
};

impl<X: Runtime + ?Sized> Shell<X> {
    /// A line that a state machine may hear of, its secrets starred, with the mode in which it is entered. None: it asks for
    /// help, shows something, or says nothing.
    pub fn entered(&self, line: &str) -> Option<(&'static Mode, String)> {
        let words = tokens(line);
        let first = words.first()?;
        if line.len() > LINE_LIMIT || line.trim_end().ends_with('?') || first.text.starts_with('!') {
            return None;
        }
        let masked = self.masked(line);
        let (mode, words) = match (self.position(), split_do(&words)) {
            (Some(position), None) => (position.mode(), &*words),
            (Some(_), Some(rest)) => (self.exec_mode(), rest),
            (None, _) => (self.exec_mode(), &*words),
        };
        if !mode.is_configuration() && is_show(words) {
            return None;
        }
        Some((mode, masked.get(words.first()?.at..)?.to_owned()))
    }
}

/// A configuration command as it was given: the mode that it was found in, what it was given, and its form.
pub type Given = (&'static Mode, Args, Form);

/// The command that [`Shell::entered`] has kept of the mode of that name. None: there is no such mode or command.
pub fn given<C: Configuration>(mode: &str, line: &str) -> Option<Given> {
    let language = C::language();
    let mode = language.modes().into_iter().find(|known| known.name == mode)?;
    let chain: Vec<_> = std::iter::successors(Some(mode), |mode| mode.parent).collect();
    let words = tokens(line);
    let (form, rest) = split_form(&words);
    let (mode, found) = language.parse(&chain, form, line, rest).ok()?;
    Some((mode, found.args, form))
}
