"""Control groups with a memory limit, of either version, for programs that must meet one."""

import contextlib
import os
import pathlib

import pytest

ROOTS = [
    (pathlib.Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
    (pathlib.Path("/sys/fs/cgroup"), "memory.max"),
]


@contextlib.contextmanager
def memory_limit(limit):
    """A group that may have `limit` bytes: its limit's file, and what a child calls to enter it."""
    for root, name in ROOTS:
        group = root / f"hwlab{os.getpid()}"
        try:
            group.mkdir()
        except OSError:
            continue
        try:
            if (group / name).exists():
                (group / name).write_text(str(limit))
                yield group / name, lambda group=group: (group / "cgroup.procs").write_text(str(os.getpid()))
                return
        finally:
            group.rmdir()
    pytest.skip("no control group with a memory limit can be made here")
