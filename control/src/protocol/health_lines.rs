//! The lines under `management` that set conditions, made of what their owners declare.

use super::MANAGEMENT;
use crate::{
    command::{Args, ConfigError, Edit, Form, Forms, Mode, Spec, need},
    health::{Condition, HealthSettings},
};

const MODES: &[&Mode] = &[&MANAGEMENT];

/// Where a configuration keeps the settings of conditions.
pub type HealthPart<W> = fn(&mut W) -> Option<&mut HealthSettings>;

type Change = fn(&mut HealthSettings, &'static Condition, &Args, Form) -> Result<(), ConfigError>;

/// The lines of all `conditions`; none if nobody keeps their settings.
pub fn health_lines<W: Default + 'static>(
    conditions: &[&'static Condition],
    part: HealthPart<W>,
) -> Vec<Spec<Edit<W>>> {
    if part(&mut W::default()).is_none() {
        return Vec::new();
    }
    conditions.iter().flat_map(|condition| lines_of(condition, part)).collect()
}

fn lines_of<W: 'static>(
    condition: &'static Condition,
    part: HealthPart<W>,
) -> impl Iterator<Item = Spec<Edit<W>>> {
    let line = move |pattern, change: Change| Spec {
        modes: MODES,
        pattern,
        help: condition.help,
        forms: Forms::All,
        run: Edit::new(move |whole: &mut W, _, args, form| {
            let settings = part(whole).ok_or_else(|| ConfigError::new("health is nobody's setting"))?;
            change(settings, condition, args, form)?;
            Ok(Vec::new())
        }),
    };
    let lines = condition.lines;
    let above = condition.above.map(|_| line(lines.above, above));
    [line(lines.after, after), line(lines.unready, unready)].into_iter().chain(above)
}

fn after(
    settings: &mut HealthSettings,
    condition: &'static Condition,
    args: &Args,
    form: Form,
) -> Result<(), ConfigError> {
    settings.set_after(condition, if form.clears() { None } else { Some(need(args.int("seconds"))?) });
    Ok(())
}

fn above(
    settings: &mut HealthSettings,
    condition: &'static Condition,
    args: &Args,
    form: Form,
) -> Result<(), ConfigError> {
    settings.set_above(condition, if form.clears() { None } else { Some(need(args.int("percent"))?) });
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "as the others")]
fn unready(
    settings: &mut HealthSettings,
    condition: &'static Condition,
    _: &Args,
    form: Form,
) -> Result<(), ConfigError> {
    let wanted = match form {
        Form::Set => Some(true),
        Form::No => Some(false),
        Form::Default => None,
    };
    settings.set_unready(condition, wanted);
    Ok(())
}
