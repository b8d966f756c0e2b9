//! Pipes behind a `show` command: `| include`, `exclude`, `begin`, `count`, `json`.

use super::{
    error::Failure,
    help::Choice,
    tree::{Token, tokens},
};

/// Memory that a compiled expression may take, in bytes.
const EXPRESSION_LIMIT: usize = 256 * 1024;

/// What happens to a show command's output.
#[derive(Clone, Debug)]
pub(super) enum Pipe {
    Include(regex::Regex),
    Exclude(regex::Regex),
    Begin(regex::Regex),
    Count(regex::Regex),
    Json,
}

const KEYWORDS: &[(&str, &str)] = &[
    ("begin", "Begin with the line that matches"),
    ("count", "Count number of lines which match regexp"),
    ("exclude", "Exclude lines that match"),
    ("include", "Include lines that match"),
    ("json", "The same facts as JSON"),
];

/// Splits `show ... | pipe`; the second part is the offset of the bar.
pub(super) fn split(line: &str) -> (&str, Option<usize>) {
    let bar = tokens(line).into_iter().find(|token| token.text.starts_with('|')).map(|token| token.at);
    match bar {
        Some(at) => (&line[..at], Some(at)),
        None => (line, None),
    }
}

/// What could stand after the bar, with the text before the cursor.
pub(super) fn choices(after: &str) -> Vec<Choice> {
    let partial = after.trim_start();
    if partial.contains(char::is_whitespace) {
        let line = Choice { text: "LINE".to_owned(), help: "Regular Expression".to_owned(), keyword: false };
        return if partial.starts_with(['j', 'J']) { Vec::new() } else { vec![line] };
    }
    let fits = |word: &str| word.get(..partial.len()).is_some_and(|s| s.eq_ignore_ascii_case(partial));
    KEYWORDS.iter().filter(|(word, _)| fits(word)).map(|(word, help)| Choice::word(word, help)).collect()
}

/// Reads the pipe after the bar at `bar`.
pub(super) fn parse(line: &str, bar: usize) -> Result<Pipe, Failure> {
    let names = || KEYWORDS.iter().map(|(word, _)| (*word).to_owned()).collect::<Vec<_>>();
    let after = &line[bar + 1..];
    let words: Vec<Token<'_>> =
        tokens(after).into_iter().map(|t| Token { at: t.at + bar + 1, ..t }).collect();
    let Some(first) = words.first() else {
        return Err(Failure::Incomplete { expected: names() });
    };
    let found = KEYWORDS.iter().find(|(word, _)| {
        word.get(..first.text.len()).is_some_and(|start| start.eq_ignore_ascii_case(first.text))
    });
    let Some((keyword, _)) = found else {
        return Err(Failure::Invalid { at: first.at, expected: names() });
    };
    if *keyword == "json" {
        return match words.get(1) {
            Some(extra) => Err(Failure::Invalid { at: extra.at, expected: Vec::new() }),
            None => Ok(Pipe::Json),
        };
    }
    let Some(second) = words.get(1) else {
        return Err(Failure::Incomplete { expected: vec!["LINE".to_owned()] });
    };
    let expression = regex::RegexBuilder::new(line[second.at..].trim_end())
        .size_limit(EXPRESSION_LIMIT)
        .dfa_size_limit(EXPRESSION_LIMIT)
        .build()
        .map_err(|_| Failure::Invalid { at: second.at, expected: vec!["a regular expression".to_owned()] })?;
    Ok(match *keyword {
        "begin" => Pipe::Begin(expression),
        "count" => Pipe::Count(expression),
        "exclude" => Pipe::Exclude(expression),
        _ => Pipe::Include(expression),
    })
}

impl Pipe {
    /// Applies the pipe to a command's text; `json` is handled by the caller.
    pub(super) fn filter(&self, text: &str) -> String {
        let keep = |wanted: &dyn Fn(&str) -> bool| {
            text.lines().filter(|line| wanted(line)).fold(String::new(), |out, line| out + line + "\n")
        };
        match self {
            Self::Include(re) => keep(&|line| re.is_match(line)),
            Self::Exclude(re) => keep(&|line| !re.is_match(line)),
            Self::Begin(re) => text
                .lines()
                .skip_while(|line| !re.is_match(line))
                .fold(String::new(), |out, line| out + line + "\n"),
            Self::Count(re) => {
                let n = text.lines().filter(|line| re.is_match(line)).count();
                format!("Number of lines which match regexp = {n}\n")
            }
            Self::Json => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pipe(text: &str) -> Pipe {
        let line = format!("show x {text}");
        let (_, bar) = split(&line);
        parse(&line, bar.unwrap()).unwrap()
    }

    #[test]
    fn lines_are_chosen_by_expression() {
        let text = "alpha 1\nbeta 2\ngamma 13\n";
        assert_eq!(pipe("| include 1$").filter(text), "alpha 1\n");
        assert_eq!(pipe("|i a 1|beta").filter(text), "alpha 1\nbeta 2\ngamma 13\n");
        assert_eq!(pipe("| exclude a [12]$").filter(text), "gamma 13\n");
        assert_eq!(pipe("| begin be").filter(text), "beta 2\ngamma 13\n");
        assert_eq!(pipe("| count a").filter(text), "Number of lines which match regexp = 3\n");
    }

    #[test]
    fn wrong_pipes_point_at_the_word() {
        let at = |line: &str| parse(line, split(line).1.unwrap()).unwrap_err();
        assert_eq!(at("show x |").id(), super::super::error::ErrorId::E2);
        assert!(matches!(at("show x | foo"), Failure::Invalid { at: 9, .. }));
        assert!(matches!(at("show x | json y"), Failure::Invalid { at: 14, .. }));
        assert!(matches!(at("show x | inc ("), Failure::Invalid { at: 13, .. }));
        assert!(matches!(at("show x | inc (a{1000}){1000}"), Failure::Invalid { .. }));
    }
}
