"""Puts many mutants into one source text: each function with mutants has all its bodies, and chooses when it runs."""

import dataclasses
import re

from .sample import Mutant

# What a brace may hide in: comments, strings (also raw ones), characters; a lifetime is none.
TOKEN = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | b?r(?P<hash>\#*)".*?"(?P=hash) | b?"(?:\\.|[^"\\])*" | b?'(?:\\[^\n]+?|[^'\\\n])'(?!\w) | [(\[{}\])]""",
    re.VERBOSE | re.DOTALL,
)

SWITCH = '''//! Which mutant runs, and which functions with mutants a test reached. Only in the tree that mutants are built in.

use std::{fs::File, io::Write as _, sync::{OnceLock, atomic::{AtomicBool, Ordering::Relaxed}}};

static REACHED: [AtomicBool; FUNCTIONS] = [const { AtomicBool::new(false) }; FUNCTIONS];

/// The number of the mutant that runs, 0 for none; notes that a function with mutants was called.
#[inline]
pub fn at(function: usize) -> u32 {
    static RUNS: OnceLock<(u32, Option<File>)> = OnceLock::new();
    let (number, notes) = RUNS.get_or_init(|| {
        let number = std::env::var("MUTANT_RUNS").ok().and_then(|text| text.parse().ok());
        let notes = std::env::var_os("MUTANT_NOTES");
        (number.unwrap_or(0), notes.and_then(|path| File::options().append(true).create(true).open(path).ok()))
    });
    if let Some(mut notes) = notes.as_ref()
        && !REACHED[function].swap(true, Relaxed)
    {
        let _ = writeln!(notes, "{function}");
    }
    *number
}
'''


@dataclasses.dataclass
class Function:
    """A function with mutants, and where its parts are in the file."""

    number: int
    name: str
    # Offsets of its body, braces included, and of its word `const` if it has one.
    body: tuple[int, int]
    const: tuple[int, int] | None
    mutants: list[Mutant]


class Unreadable(Exception):
    """The text of a function is not what this reader expects."""


def find_body(text: str, start: int, end: int) -> tuple[int, int]:
    """The offsets of the body of the function in text[start:end]."""
    depth = 0
    for token in TOKEN.finditer(text, text.index("fn ", start), end):
        match token.group():
            case "(" | "[":
                depth += 1
            case ")" | "]":
                depth -= 1
            case "{" if depth == 0:
                if text[end - 1] != "}":
                    break
                return token.start(), end
    raise Unreadable(text[start:end])


def functions(texts: dict[str, str], mutants: list[Mutant]) -> tuple[dict[str, list[Function]], list[Mutant]]:
    """The functions with mutants by file, and the mutants that are in none or in a function of a function."""
    found: dict[tuple[str, int, int], Function] = {}
    apart = []
    for mutant in mutants:
        # Bodies of one function have one type, also where it is opaque.
        if mutant.function is None or "impl " in mutant.returns:
            apart.append(mutant)
            continue
        key = (mutant.file, *mutant.function)
        if key not in found:
            text = texts[mutant.file]
            start, end = mutant.function
            body = find_body(text, start, end)
            head = text[start : body[0]]
            const = re.search(r"\bconst (?=(?:unsafe )?fn )", head)
            found[key] = Function(
                number=len(found),
                name=re.search(r"\bfn (\w+)", head)[1],
                body=body,
                const=const and (start + const.start(), start + const.end()),
                mutants=[],
            )
        if found[key].body[0] <= mutant.start and mutant.end <= found[key].body[1]:
            found[key].mutants.append(mutant)
        else:
            apart.append(mutant)
    by_file: dict[str, list[Function]] = {}
    for (file, *_), function in sorted(found.items()):
        inside = by_file.setdefault(file, [])
        if inside and function.body[0] < inside[-1].body[1]:
            apart += function.mutants
        else:
            inside.append(function)
    return by_file, apart


def changed(text: str, mutant: Mutant, start: int, end: int) -> str:
    """text[start:end] as the mutant has it."""
    return text[start : mutant.start] + mutant.replacement + text[mutant.end : end]


def instrumented(
    text: str, inside: list[Function], numbers: dict[Mutant, int], kept_const: set[str], switch: str
) -> tuple[str, list[tuple[int, int, Mutant]]]:
    """The text with the mutants that have numbers, and on which lines each is."""
    parts: list[str] = []
    lines: list[tuple[int, int, Mutant]] = []
    line = 1
    at = 0

    def put(part: str) -> None:
        nonlocal line
        parts.append(part)
        line += part.count("\n")

    for function in inside:
        start, end = function.body
        if function.const and function.name in kept_const:
            continue
        if function.const:
            put(text[at : function.const[0]])
            at = function.const[1]
        put(text[at:start])
        put(f"{{ match {switch}::at({function.number}) {{\n")
        for mutant in function.mutants:
            if mutant in numbers:
                first = line
                put(f"{numbers[mutant]} => {changed(text, mutant, start, end)}\n")
                lines.append((first, line - 1, mutant))
        put("_ => ")
        put(text[start:end])
        put("\n} }")
        at = end
    put(text[at:])
    return "".join(parts), lines
