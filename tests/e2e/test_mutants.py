"""The tool that plants mutants: where it finds a function's body, what it makes of it, and which sample it takes."""

import pytest

from mutation import instrument, report, sample, trial
from mutation.sample import Mutant

SOURCE = '''\
impl<'a> Reader<'a> {
    /// A brace in words: {.
    pub const fn first(&self, of: [u8; { 2 + 1 }]) -> char {
        // An unmatched } here.
        let text = ("}", r#"} " "#, b'}', '\\'', '"');
        if of[0] < 1 { '}' } else { text.3 }
    }

    fn second(&self) -> bool { true }
}
'''


def mutant(part, replacement, name, returns="-> char"):
    """What replaces the first `part` of the source, in the function `name`."""
    begin = SOURCE.index("pub const fn first" if name == "first" else "fn second")
    end = SOURCE.index("\n    }\n", begin) + 6 if name == "first" else SOURCE.index("true }") + 6
    start = SOURCE.index(part, begin)
    return Mutant(
        f"f.rs: {replacement} in {name}", f"f.rs:1:1: {replacement}", "f.rs", start, start + len(part), replacement,
        (begin, end), returns,
    )  # fmt: skip


LESS = mutant("<", ">", "first")
FALSE = mutant("true", "false", "second")


def test_a_body_is_found_among_braces_that_are_none():
    start, end = instrument.find_body(SOURCE, *LESS.function)
    assert SOURCE[start:end].startswith("{\n        // An unmatched")
    assert SOURCE[start:end].endswith("text.3 }\n    }")


def test_every_body_is_there_and_the_lines_of_each_mutant_are_known():
    by_file, apart = instrument.functions({"f.rs": SOURCE}, [LESS, FALSE])
    assert not apart
    text, lines = instrument.instrumented(SOURCE, by_file["f.rs"], {LESS: 7, FALSE: 9}, set(), "crate::mutation")
    assert "pub fn first(" in text, "a switch cannot be read in a constant function"
    assert "match crate::mutation::at(0) {\n7 => {" in text and "match crate::mutation::at(1) {\n9 => { false }\n_ => { true }" in text
    assert text.count("of[0] > 1") == 1 and text.count("of[0] < 1") == 1
    for first, last, planted in lines:
        inside = "\n".join(text.split("\n")[first - 1 : last])
        assert inside.startswith(f"{7 if planted is LESS else 9} => {{")
        assert planted.replacement in inside and "_ =>" not in inside


def test_a_function_that_must_stay_constant_is_left_alone():
    by_file, _ = instrument.functions({"f.rs": SOURCE}, [LESS, FALSE])
    text, lines = instrument.instrumented(SOURCE, by_file["f.rs"], {LESS: 1, FALSE: 2}, {"first"}, "crate::mutation")
    assert "pub const fn first(" in text and [planted for *_, planted in lines] == [FALSE]


@pytest.mark.parametrize("returns", ["-> impl Iterator<Item = u8>", "-> Option<impl Fn(u8)>"])
def test_an_opaque_type_has_a_build_of_its_own(returns):
    opaque = mutant("true", "empty()", "second", returns)
    by_file, apart = instrument.functions({"f.rs": SOURCE}, [LESS, opaque])
    assert apart == [opaque] and [m for f in by_file["f.rs"] for m in f.mutants] == [LESS]


def test_a_sample_begins_with_the_smaller_one_and_lines_that_move_do_not_change_it():
    mutants = [Mutant(f"f.rs: {n}", f"f.rs:{n}:1: {n}", "f.rs", n, n + 1, "", None, "") for n in range(100)]
    first = [m.name for m in sample.sample(mutants, 1, 20)]
    assert [m.name for m in sample.sample(mutants, 1, 50)][:20] == first
    assert [m.name for m in sample.sample(mutants, 2, 20)] != first
    moved = [Mutant(m.name, f"f.rs:{m.start + 9}:1", "f.rs", m.start + 9, m.end + 9, "", None, "") for m in mutants]
    assert [m.name for m in sample.sample(moved[::-1], 1, 20)] == first


def test_the_score_counts_what_hangs_as_caught_and_leaves_out_what_does_not_compile():
    outcomes = {LESS: "missed", FALSE: "timeout", mutant("0", "1", "first"): "unviable", mutant("1", "0", "first"): "caught"}
    table = report.text(10, list(outcomes), outcomes.get)
    assert "66.7 %" in table.splitlines()[-3], table
    assert table.endswith(f"missed: {LESS.place}")


@pytest.mark.parametrize(
    ("script", "outcome", "by"),
    [
        ('[ "$MUTANT_RUNS" != 7 ]', "caught", "check::t"),
        ('if [ "$MUTANT_RUNS" = 7 ]; then sleep 60; fi', "timeout", "check::t"),
        ("exit 0", "missed", ""),
        # Failed once, and not when asked again: that proves nothing.
        ('[ -e "$0.again" ] || { touch "$0.again"; exit 1; }', "missed", ""),
    ],
)
def test_a_mutant_is_judged_by_a_test_that_fails_twice_or_hangs(tmp_path, monkeypatch, script, outcome, by):
    binary = tmp_path / "check-0"
    binary.write_text(f"#!/bin/bash\n{script}\n")
    binary.chmod(0o755)
    monkeypatch.setattr(trial, "limit", lambda _: 1)
    test = trial.Test(str(binary), str(tmp_path), "t")
    known = {test: trial.Known(0.1, frozenset())}
    assert trial.judge([test], known, 7) == (outcome, by)
