"""The mutants that cargo-mutants knows, and a seeded sample of them that outlives edits elsewhere in the sources."""

import collections
import dataclasses
import hashlib
import json
import pathlib
import re
import subprocess


@dataclasses.dataclass(frozen=True)
class Mutant:
    # Without line and column: file, what is done, in which function, and which of those alike it is.
    name: str
    # As cargo-mutants prints it, with line and column.
    place: str
    file: str
    # Offsets in the file's text: what is replaced, and by what.
    start: int
    end: int
    replacement: str
    # The function around it: its offsets and what it returns; none for a mutant in a constant.
    function: tuple[int, int] | None
    returns: str

    @property
    def package(self) -> str:
        return self.file.split("/")[0]


def offsets(text: str) -> list[int]:
    """Where each line begins."""
    begins = [0]
    for line in text.split("\n"):
        begins.append(begins[-1] + len(line) + 1)
    return begins


def listed(root: pathlib.Path) -> list[Mutant]:
    """Every mutant of the files that .cargo/mutants.toml names, without the accepted ones."""
    listing = subprocess.run(
        ["cargo", "mutants", "--list", "--json"], cwd=root, check=True, stdout=subprocess.PIPE
    ).stdout
    begins: dict[str, list[int]] = {}
    alike: collections.Counter[str] = collections.Counter()
    mutants = []
    for entry in json.loads(listing):
        file = entry["file"]
        if file not in begins:
            begins[file] = offsets((root / file).read_text())

        def offset(place: dict) -> int:
            return begins[file][place["line"] - 1] + place["column"] - 1

        kind = re.sub(r"^([^:]*):\d+:\d+: ", r"\1: ", entry["name"])
        alike[kind] += 1
        function = entry["function"]
        mutants.append(
            Mutant(
                name=kind if alike[kind] == 1 else f"{kind} #{alike[kind]}",
                place=entry["name"],
                file=file,
                start=offset(entry["span"]["start"]),
                end=offset(entry["span"]["end"]),
                replacement=entry["replacement"],
                function=function and (offset(function["span"]["start"]), offset(function["span"]["end"])),
                returns=function["return_type"] if function else "",
            )
        )
    return mutants


def sample(mutants: list[Mutant], seed: int, count: int) -> list[Mutant]:
    """The first `count` in an order that only the seed and the names decide: each prefix is a fair sample too."""
    return sorted(mutants, key=lambda m: hashlib.sha256(f"{seed}:{m.name}".encode()).digest())[:count]
