"""Laboratories for the tests, and the daemon's log beside every failure."""

import pathlib
import sys

import pytest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[2] / "tools"), str(pathlib.Path(__file__).parent)]

import netlab
from director import check_invariants
from hugepages import reserved
from scripts import Scripts


def pytest_configure(config):
    """Leaves nothing behind, not even when stopped."""
    netlab.raise_on_sigterm()
    netlab.sweep()


def pytest_collection_modifyitems(items):
    """With `-n 2 --dist loadgroup`: what mostly waits for timers runs beside the rest, of which one runs at a time."""
    waits = [item for item in items if item.path.name.startswith("test_dfp_") and "storm" not in item.name]
    rest = [item for item in items if item not in waits]
    for item in rest:
        item.add_marker(pytest.mark.xdist_group("one at a time"))
    items[:] = rest + waits


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Adds the daemons' logs to a failed report."""
    report = (yield).get_result()
    labs = item.funcargs.get("labs") if hasattr(item, "funcargs") else None
    if report.failed and labs is not None:
        for lab in labs.opened:
            report.sections.append(("homeward", lab.last_words or lab.logs()))


class Labs:
    """Makes laboratories for one test."""

    def __init__(self):
        self.opened = []

    def __call__(self, *arguments, **options):
        lab = netlab.Lab(*arguments, **options)
        lab.last_words = ""
        self.opened.append(lab)
        return lab


@pytest.fixture
def labs():
    """Laboratories; at the end every living director's counters must balance."""
    made = Labs()
    yield made
    try:
        for lab in made.opened:
            for director in lab.directors:
                if director.alive():
                    check_invariants(director)
    finally:
        for lab in made.opened:
            lab.last_words = lab.logs()
            lab.close()


@pytest.fixture
def pages():
    """Huge pages for three programs beside those that others use; what was added is given back."""
    with reserved(512):
        yield


@pytest.fixture
def lab(labs):
    """Dispatched mode, two home agents."""
    return labs()


@pytest.fixture
def directed(labs):
    """Directed mode, two home agents behind a router."""
    return labs("directed")


@pytest.fixture
def scripts():
    """A folder of scripts."""
    made = Scripts()
    yield made
    made.remove()
