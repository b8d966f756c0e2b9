"""The table of outcomes and the score."""

import collections
from collections.abc import Callable
import pathlib

from .sample import Mutant

OUTCOMES = ("caught", "timeout", "missed", "unviable")


def line(name: str, counts: collections.Counter) -> str:
    viable = counts["caught"] + counts["timeout"] + counts["missed"]
    score = f"{100 * (counts['caught'] + counts['timeout']) / viable:.1f} %" if viable else "-"
    return f"{name:32}" + "".join(f"{counts[outcome]:10}" for outcome in OUTCOMES) + f"{score:>10}"


def text(listed: int, chosen: list[Mutant], outcome_of: Callable[[Mutant], str | None]) -> str:
    """A line a folder, the sum, and the survivors by name."""
    folders: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    total: collections.Counter = collections.Counter()
    survivors = []
    for mutant in chosen:
        outcome = outcome_of(mutant)
        folders[str(pathlib.Path(mutant.file).parent)][outcome] += 1
        total[outcome] += 1
        if outcome == "missed":
            survivors.append(mutant.place)
    lines = [f"{'folder':32}" + "".join(f"{outcome:>10}" for outcome in OUTCOMES) + f"{'score':>10}"]
    lines += [line(folder, counts) for folder, counts in sorted(folders.items())]
    lines.append(line("all", total))
    lines.append(f"{len(chosen)} of {listed} mutants chosen, {len(chosen) - total[None]} of them judged; score: caught and timeout of the viable")
    lines += [f"missed: {place}" for place in sorted(survivors)]
    return "\n".join(lines)
