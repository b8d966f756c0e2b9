//! `show access-lists`.

use std::fmt::Write as _;

use serde::Serialize;

use crate::access_list::{AccessList, Rule};

/// A list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AccessListView {
    /// Number or name.
    pub name: String,
    /// `standard` or `extended`.
    pub kind: &'static str,
    /// Without remarks.
    pub lines: Vec<LineView>,
}

/// A line that decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LineView {
    /// Its place.
    pub sequence: u32,
    /// `permit` or `deny`.
    pub action: &'static str,
    /// What it matches, as it is configured.
    pub what: String,
    /// How often it has decided.
    pub matches: u64,
}

impl AccessListView {
    /// Of a list in use.
    pub fn of(list: &AccessList) -> Self {
        let lines = list.lines().filter_map(|(entry, matches)| match entry.rule {
            Rule::Remark(_) => None,
            Rule::Match(action, what) => Some(LineView {
                sequence: entry.sequence,
                action: action.keyword(),
                what: what.text(list.kind),
                matches,
            }),
        });
        Self { name: list.name.to_string(), kind: list.kind.keyword(), lines: lines.collect() }
    }
}

/// The text of `show access-lists`.
pub fn text(lists: &[AccessListView]) -> String {
    let mut out = String::new();
    for list in lists {
        let kind = if list.kind == "standard" { "Standard" } else { "Extended" };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "{kind} IP access list {}", list.name);
        for LineView { sequence, action, what, matches } in &list.lines {
            // A standard line says its wildcard in words.
            let what = match what.split_once(' ') {
                Some((address, wildcard)) if list.kind == "standard" => {
                    format!("{address}, wildcard bits {wildcard}")
                }
                _ => what.clone(),
            };
            let matches = match matches {
                0 => String::new(),
                1 => " (1 match)".to_owned(),
                more => format!(" ({more} matches)"),
            };
            let _ = writeln!(out, "    {sequence} {action:<6} {what}{matches}");
        }
    }
    out
}
