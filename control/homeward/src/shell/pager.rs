//! ` --More-- `: long output a screen at a time.

use std::io::{self, Write};

use crossterm::{
    event::{Event, KeyCode, KeyEventKind, KeyModifiers, read},
    terminal,
};

/// Prints `text`, stopping after every `page` lines: blank goes on a page, return a line, anything else ends.
///
/// A page of 0 lines never stops (`terminal length 0`).
pub fn print(text: &str, page: usize) -> io::Result<()> {
    let mut out = io::stdout();
    let mut left = page;
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        writeln!(out, "{line}")?;
        if page == 0 || lines.peek().is_none() {
            continue;
        }
        left = left.saturating_sub(1);
        if left <= 1 {
            left = match more(&mut out)? {
                KeyCode::Char(' ') => page,
                KeyCode::Enter => 2,
                _ => return Ok(()),
            };
        }
    }
    Ok(())
}

fn more(out: &mut impl Write) -> io::Result<KeyCode> {
    write!(out, " --More-- ")?;
    out.flush()?;
    terminal::enable_raw_mode()?;
    let key = loop {
        match read() {
            Ok(Event::Key(key)) if key.kind != KeyEventKind::Release => {
                break Ok(if key.modifiers.contains(KeyModifiers::CONTROL) {
                    KeyCode::Esc
                } else {
                    key.code
                });
            }
            Ok(_) => {}
            Err(error) => break Err(error),
        }
    };
    terminal::disable_raw_mode()?;
    write!(out, "\r          \r")?;
    key
}
