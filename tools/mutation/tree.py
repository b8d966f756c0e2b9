"""A copy of the sources, instrumented and built apart, and what the compiler says of it."""

import collections
import json
import pathlib
import subprocess

from . import instrument
from .instrument import Function
from .sample import Mutant

# Lowest first.
PACKAGES = ("common", "dataplane", "control", "homeward")
# The switch is a module of the crate that all others know.
SWITCH = "common/src/mutation.rs"
LIB = "common/src/lib.rs"
# Nobody debugs a mutant; a mutated body may leave what a lint denies.
CARGO = ("--config", "profile.dev.debug=false", "--config", "profile.dev.incremental=true")
LINTS = ("--config", 'target.x86_64-unknown-linux-gnu.rustflags=["--cap-lints=warn"]')


class Broken(Exception):
    """The compiler refuses what no mutant explains."""


def write(path: pathlib.Path, content: bytes) -> None:
    """Writes it if it is not there, for cargo builds what is newer."""
    if not path.exists() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def copy(source: pathlib.Path, path: pathlib.Path) -> None:
    """Makes `path` like the source."""
    if source.is_symlink():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        path.symlink_to(source.readlink())
        return
    write(path, source.read_bytes())
    path.chmod(source.stat().st_mode)


class Tree:
    def __init__(
        self, root: pathlib.Path, path: pathlib.Path, mutants: list[Mutant], packages: tuple[str, ...], say
    ) -> None:
        self.root, self.path, self.packages, self.say = root, path, packages, say
        self.numbers = {mutant: number for number, mutant in enumerate(mutants, 1)}
        self.texts = {m.file: (root / m.file).read_text() for m in mutants}
        self.sync()
        self.functions, self.apart = instrument.functions(self.texts, mutants)
        self.unviable: list[Mutant] = []
        self.kept_const: set[str] = set()
        for mutant in self.apart:
            del self.numbers[mutant]

    def sync(self) -> None:
        """The sources as they are now, but for those with mutants, which `instrument` writes."""
        listing = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=self.root, check=True, stdout=subprocess.PIPE, text=True,
        ).stdout  # fmt: skip
        wanted = {name for name in listing.split("\0") if name and (self.root / name).exists()}
        for name in wanted - self.texts.keys() - {LIB}:
            copy(self.root / name, self.path / name)
        for path in self.path.rglob("*"):
            name = str(path.relative_to(self.path))
            if not path.is_dir() and not name.startswith("target/") and name not in wanted | {SWITCH}:
                path.unlink()

    def function_of(self) -> dict[Mutant, Function]:
        return {m: f for inside in self.functions.values() for f in inside for m in f.mutants}

    def write(self, file: str, text: str) -> None:
        write(self.path / file, text.encode())

    def instrument(self) -> dict[str, list[tuple[int, int, Mutant]]]:
        lines = {}
        count = 1 + sum(len(inside) for inside in self.functions.values())
        self.write(SWITCH, instrument.SWITCH.replace("FUNCTIONS", str(count)))
        lib = (self.root / LIB).read_text()
        self.write(LIB, f"{lib}pub mod mutation;\n")
        for file, whole in self.texts.items():
            switch = "crate::mutation" if file.startswith("common/") else "common::mutation"
            inside = self.functions.get(file, [])
            text, lines[file] = instrument.instrumented(whole, inside, self.numbers, self.kept_const, switch)
            self.write(file, text)
        return lines

    def cargo(self, packages: tuple[str, ...]) -> tuple[list[dict], list[dict]]:
        """Builds the tests of packages: the artifacts, and the errors."""
        chosen = [word for package in packages for word in ("-p", package)]
        with subprocess.Popen(
            ["nice", "-n", "10", "cargo", "build", "--locked", "--quiet", "--keep-going", "--message-format=json", *CARGO, *LINTS,
             *chosen, "--lib", "--bins", "--tests"],
            cwd=self.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        ) as process:  # fmt: skip
            lines = list(process.stdout)
        messages = [json.loads(line) for line in lines if line.startswith("{")]
        errors = [
            m["message"] for m in messages if m["reason"] == "compiler-message" and m["message"]["level"] == "error"
        ]
        if process.returncode and not errors:
            raise Broken("".join(line for line in lines if not line.startswith("{")))
        return [m for m in messages if m["reason"] == "compiler-artifact"], errors

    def build(self) -> list[dict]:
        """Builds with all mutants that the compiler takes."""
        while True:
            lines = self.instrument()
            artifacts, errors = self.cargo(self.packages)
            if not errors:
                return artifacts
            self.drop(lines, errors)

    def drop(self, lines: dict[str, list[tuple[int, int, Mutant]]], errors: list[dict]) -> None:
        """Takes away the mutants in which the errors are."""
        dropped: collections.Counter[Mutant] = collections.Counter()
        constants: set[str] = set()
        unexplained = []
        for error in errors:
            at = [mutant for span in error["spans"] if span["is_primary"] for mutant in places(lines, span)]
            if error["code"] and error["code"]["code"] == "E0015":
                constants |= {f.name for inside in self.functions.values() for f in inside if f.const} & set(
                    error["message"].replace("`", " ").replace("::", " ").replace("<", " ").split()
                )
            elif at:
                dropped.update(at)
            elif error["spans"]:
                unexplained.append(error["rendered"])
        if not dropped and not constants - self.kept_const:
            raise Broken("\n".join(unexplained))
        self.kept_const |= constants
        for mutant in dropped:
            del self.numbers[mutant]
        self.unviable += dropped
        for inside in self.functions.values():
            for function in inside:
                if function.const and function.name in self.kept_const:
                    self.apart += [m for m in function.mutants if self.numbers.pop(m, None)]
        self.say(f"the compiler refuses {len(dropped)} mutants and {len(constants)} functions that are constant; once more")

    def plant(self, mutant: Mutant) -> None:
        """Puts this one mutant into its file, and takes away the one before it."""
        self.instrument()
        text = self.texts[mutant.file]
        self.write(mutant.file, instrument.changed(text, mutant, 0, len(text)))

    def build_alone(self, package: str) -> list[dict] | None:
        """Builds the tests of one package with what was planted; none if the compiler refuses it."""
        artifacts, errors = self.cargo((package,))
        return None if errors else artifacts


def places(lines: dict[str, list[tuple[int, int, Mutant]]], span: dict | None) -> list[Mutant]:
    """The mutants on whose lines the span is, or the macro call that it comes from."""
    found = []
    while span:
        for first, last, mutant in lines.get(span["file_name"], []):
            if first <= span["line_start"] <= last and mutant not in found:
                found.append(mutant)
        span = span["expansion"] and span["expansion"]["span"]
    return found
