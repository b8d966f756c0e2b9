//! How a command is declared: modes, pattern, help, forms, and what runs it.

use std::{fmt, sync::Arc};

use super::{
    Args, EditResult, ExecResult,
    mode::{Mode, Position, SHOW},
};

/// How a command is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As it is.
    Set,
    /// After `no`.
    No,
    /// After `default`.
    Default,
}

impl Form {
    /// True for `no` and `default`.
    pub fn clears(self) -> bool {
        self != Self::Set
    }
}

/// Which forms a command has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forms {
    /// Only the command itself.
    SetOnly,
    /// Also after `no`.
    SetNo,
    /// Also after `no` and `default`.
    All,
}

impl Forms {
    pub(super) fn allows(self, form: Form) -> bool {
        match form {
            Form::Set => true,
            Form::No => self != Self::SetOnly,
            Form::Default => self == Self::All,
        }
    }
}

/// A command, declared once. `R` is what runs it.
#[derive(Clone, Copy, Debug)]
pub struct Spec<R> {
    /// The modes it belongs to.
    pub modes: &'static [&'static Mode],
    /// Its words and arguments, see `pattern`.
    pub pattern: &'static str,
    /// Help for its keywords (`"weight"`) and arguments (`"<weight>"`); common keywords have theirs already.
    pub help: &'static [(&'static str, &'static str)],
    /// Whether it takes `no` and `default`.
    pub forms: Forms,
    /// What runs it.
    pub run: R,
}

impl<R> Spec<R> {
    /// A `show` command: for everybody, and without forms.
    pub fn show(pattern: &'static str, help: &'static [(&'static str, &'static str)], run: R) -> Self {
        Self { modes: SHOW, pattern, help, forms: Forms::SetOnly, run }
    }

    /// The same command, run by something else.
    pub fn map<S>(self, run: impl FnOnce(R) -> S) -> Spec<S> {
        let Self { modes, pattern, help, forms, run: old } = self;
        Spec { modes, pattern, help, forms, run: run(old) }
    }
}

/// A configuration command: a pure edit of its subsystem's configuration `C` and of the session's position.
pub type EditFn<C> = fn(&mut C, &mut Position, &Args, Form) -> EditResult;

/// A configuration command's declaration.
pub type ConfigSpec<C> = Spec<EditFn<C>>;

type DynEdit<W> = dyn Fn(&mut W, &mut Position, &Args, Form) -> EditResult + Send + Sync;

/// A configuration command on the whole configuration `W`, whichever part it edits.
pub struct Edit<W: ?Sized>(Arc<DynEdit<W>>);

impl<W: ?Sized> Edit<W> {
    /// From what runs it.
    pub fn new(
        run: impl Fn(&mut W, &mut Position, &Args, Form) -> EditResult + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(run))
    }

    pub(super) fn run(&self, whole: &mut W, position: &mut Position, args: &Args, form: Form) -> EditResult {
        (self.0)(whole, position, args, form)
    }
}

impl<W: ?Sized> Clone for Edit<W> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<W: ?Sized> fmt::Debug for Edit<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Edit(..)")
    }
}

impl<C: 'static> Spec<EditFn<C>> {
    /// The same command on the whole configuration, of which `part` is what it edits.
    pub fn within<W: 'static>(self, part: fn(&mut W) -> &mut C) -> Spec<Edit<W>> {
        self.map(|run| {
            Edit::new(move |whole: &mut W, position, args, form| run(part(whole), position, args, form))
        })
    }
}

impl<C: 'static> Spec<Edit<C>> {
    /// The same command on what holds `C` in its turn.
    pub fn within<W: 'static>(self, part: fn(&mut W) -> &mut C) -> Spec<Edit<W>> {
        self.map(|edit| {
            Edit::new(move |whole: &mut W, position, args, form| edit.run(part(whole), position, args, form))
        })
    }
}

type DynExec<X> = dyn Fn(&mut X, &Args, Form) -> ExecResult + Send + Sync;

/// An EXEC command; `Form::No` for `no debug ...`.
pub struct Exec<X: ?Sized>(Arc<DynExec<X>>);

impl<X: ?Sized> Exec<X> {
    /// From what runs it.
    pub fn new(run: impl Fn(&mut X, &Args, Form) -> ExecResult + Send + Sync + 'static) -> Self {
        Self(Arc::new(run))
    }

    pub(super) fn run(&self, on: &mut X, args: &Args, form: Form) -> ExecResult {
        (self.0)(on, args, form)
    }
}

impl<X: ?Sized> Clone for Exec<X> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<X: ?Sized> fmt::Debug for Exec<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Exec(..)")
    }
}

/// An EXEC command's declaration.
pub type ExecSpec<X> = Spec<Exec<X>>;
