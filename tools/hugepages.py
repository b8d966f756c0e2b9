"""Huge pages of 2 MiB for a while."""

import contextlib
import pathlib

HUGE = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
BYTES = 2 << 20


def free():
    """Those that nobody has or was promised."""
    return int((HUGE / "free_hugepages").read_text()) - int((HUGE / "resv_hugepages").read_text())


def add(more):
    """Adds some to those of the machine, or takes them away."""
    if more:
        there = int((HUGE / "nr_hugepages").read_text())
        (HUGE / "nr_hugepages").write_text(str(max(0, there + more)))


@contextlib.contextmanager
def reserved(wanted):
    """So many beside those that others use; what was added is given back."""
    added = max(0, wanted - free())
    add(added)
    if free() < wanted:
        # Memory may only be in pieces: the kernel moves them together, and drops what it keeps of files.
        for name, what in (("drop_caches", "3"), ("compact_memory", "1")):
            pathlib.Path("/proc/sys/vm", name).write_text(what)
        more = wanted - free()
        add(more)
        added += more
    try:
        if free() < wanted:
            raise OSError(f"{wanted} huge pages of 2 MiB are not to be had")
        yield
    finally:
        add(-added)
