"""The tests of the tree, each a process: how long it takes, what it reaches, and whether it sees a mutant."""

import dataclasses
import json
import os
import pathlib
import resource
import signal
import subprocess
import tempfile
import time

# What a mutant that allocates without end may take; a test's own tables are far below.
MEMORY = 4 << 30


@dataclasses.dataclass(frozen=True)
class Test:
    binary: str
    folder: str
    name: str

    def __str__(self) -> str:
        return f"{pathlib.Path(self.binary).name.rsplit('-', 1)[0]}::{self.name}"


@dataclasses.dataclass
class Known:
    """What the run without a mutant showed of a test."""

    seconds: float
    reached: frozenset[int]


def listed(artifacts: list[dict]) -> list[Test]:
    """All tests of the built binaries that are not ignored."""
    tests = []
    for artifact in artifacts:
        binary = artifact["executable"]
        if not binary or not artifact["profile"]["test"]:
            continue
        folder = str(pathlib.Path(artifact["manifest_path"]).parent)

        def names(*more: str) -> set[str]:
            text = subprocess.run(
                [binary, "--list", "--format", "terse", *more], cwd=folder, check=True, stdout=subprocess.PIPE, text=True
            ).stdout
            return {line.removesuffix(": test") for line in text.splitlines() if line.endswith(": test")}

        tests += [Test(binary, folder, name) for name in sorted(names() - names("--ignored"))]
    return tests


def run(test: Test, limit: float, mutant: int = 0, notes: str | None = None) -> str:
    """Runs one test: "passed", "failed" or "timeout"."""
    environment = os.environ | {
        "MUTANT_RUNS": str(mutant),
        "CARGO_MANIFEST_DIR": test.folder,
        "INSTA_UPDATE": "no",
        "PROPTEST_DISABLE_FAILURE_PERSISTENCE": "1",
        "PROPTEST_MAX_SHRINK_ITERS": "0",
        "RUST_BACKTRACE": "0",
    }
    if notes:
        environment["MUTANT_NOTES"] = notes
    process = subprocess.Popen(
        [test.binary, "--exact", test.name],
        cwd=test.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY)) or os.nice(10),
    )
    try:
        return "passed" if process.wait(limit) == 0 else "failed"
    except subprocess.TimeoutExpired:
        return "timeout"
    finally:
        # Also what the test started.
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def baseline(test: Test) -> Known | None:
    """The test without a mutant; none if it fails then."""
    with tempfile.TemporaryDirectory() as folder:
        notes = f"{folder}/notes"
        began = time.monotonic()
        outcome = run(test, 300, notes=notes)
        seconds = time.monotonic() - began
        reached = pathlib.Path(notes).read_text().split() if os.path.exists(notes) else []
    return Known(seconds, frozenset(map(int, reached))) if outcome == "passed" else None


def limit(known: Known) -> float:
    """When a test is taken to hang: far more than it needs on a machine that has other work."""
    return 20 + 10 * known.seconds


def judge(tests: list[Test], known: dict[Test, Known], mutant: int) -> tuple[str, str]:
    """Runs the tests until one sees the mutant: "caught", "timeout" or "missed", and by which."""
    for test in tests:
        outcome = run(test, limit(known[test]), mutant)
        # Once more, so that a test that fails by itself now and then is no proof.
        if outcome == "failed" and run(test, limit(known[test]), mutant) != "passed":
            return "caught", str(test)
        if outcome == "timeout":
            return "timeout", str(test)
    return "missed", ""
