//! The prompt: line editing, history, `?` and Tab.

use std::borrow::Cow;

use control::manage::protocol::Reply;
use reedline::{
    EditCommand, Emacs, ExternalPrinter, KeyCode, KeyModifiers, Prompt, PromptEditMode, PromptHistorySearch,
    Reedline, ReedlineEvent, Signal, default_emacs_keybindings,
};

use super::{client::Client, history::Remembered, pager};

const HELP: &str = "?";
const COMPLETE: &str = "\t";

/// Log lines that may wait while the terminal is busy.
const PRINTER: usize = 256;

struct Line(String);

impl Prompt for Line {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed(&self.0)
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Owned(format!("(search: {}) ", search.term))
    }
}

/// Reads lines until `exit` or end of input.
pub fn run(client: &Client) -> anyhow::Result<()> {
    let mut keys = default_emacs_keybindings();
    for modifier in [KeyModifiers::NONE, KeyModifiers::SHIFT] {
        keys.add_binding(modifier, KeyCode::Char('?'), ReedlineEvent::ExecuteHostCommand(HELP.into()));
    }
    keys.add_binding(KeyModifiers::NONE, KeyCode::Tab, ReedlineEvent::ExecuteHostCommand(COMPLETE.into()));
    let printer = ExternalPrinter::new(PRINTER);
    let sender = printer.sender();
    // A terminal that is not read must not hold up the connection: surplus lines stay in `show logging`.
    client.monitor(move |line| drop(sender.try_send(line.to_owned())))?;
    let history = Remembered::default();
    let mut editor = Reedline::create()
        .with_history(Box::new(history.clone()))
        .with_edit_mode(Box::new(Emacs::new(keys)))
        .with_external_printer(printer)
        .with_ansi_colors(false);

    print!("{}", client.hello().text);
    let mut prompt = Line(client.hello().prompt.clone());
    loop {
        match editor.read_line(&prompt)? {
            Signal::Success(line) => {
                let reply = client.execute(&line)?;
                history.keep(&reply.line);
                pager::print(&reply.text, reply.page)?;
                if reply.closed {
                    return Ok(());
                }
                prompt.0 = reply.prompt;
            }
            Signal::HostCommand(command) if command == HELP => {
                let line = editor.current_buffer_contents().to_owned();
                let reply = client.help(&line)?;
                // The editor leaves its prompt standing and takes the line away.
                println!("\r{}{}?", prompt.0, reply.line);
                pager::print(&reply.text, 0)?;
            }
            Signal::HostCommand(_) => {
                let line = editor.current_buffer_contents().to_owned();
                complete(&mut editor, &prompt, &line, &client.complete(&line)?);
            }
            // Control-C drops the line; in configuration mode it leaves it, as in IOS.
            Signal::CtrlC if prompt.0.contains("(config") => prompt.0 = client.execute("end")?.prompt,
            Signal::CtrlD => return Ok(()),
            _ => {}
        }
    }
}

/// One continuation is typed for the operator; several are listed.
fn complete(editor: &mut Reedline, prompt: &Line, line: &str, reply: &Reply) {
    let typed = line.rsplit(char::is_whitespace).next().unwrap_or("");
    match reply.words.as_slice() {
        [] => {}
        [word] => {
            let commands = typed
                .chars()
                .map(|_| EditCommand::Backspace)
                .chain([EditCommand::InsertString(format!("{word} "))])
                .collect::<Vec<_>>();
            editor.run_edit_commands(&commands);
        }
        words => println!("\r{}{}\n{}", prompt.0, reply.line, words.join("  ")),
    }
}
