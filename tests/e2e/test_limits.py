"""What happens at the limits of the machine: too little memory, dry pools, full rings, peers that vanish."""

import subprocess

import pytest
from groups import memory_limit
from netlab import locate

MB = 1 << 20
SESSIONS = 4_000_000
# 47 bytes a session in whole huge pages, and what the rest of the program is left with.
TABLE, REST = 188743680, 128 * MB


def homeward(*words, **options):
    """Runs the program to its end."""
    return subprocess.run([str(locate("HOMEWARD", "homeward")), *words], capture_output=True, text=True, check=False,
                          timeout=30, **options)


@pytest.fixture
def large(tmp_path):
    """A configuration with a table of 180 MB."""
    file = tmp_path / "large.conf"
    file.write_text(f"dataplane\n sessions {SESSIONS}\n hugepages off\n!\nmanagement\n socket {tmp_path}/sock\n!\n")
    return file


def test_a_table_larger_than_the_groups_memory_is_refused_with_figures_and_what_to_do(large):
    with memory_limit(300 * MB) as (limit, enter):
        done = homeward("run", "--config", str(large), preexec_fn=enter)
        checked = homeward("check", str(large), preexec_fn=enter)
    assert done.returncode == 1
    words = (f"sessions {SESSIONS} needs {TABLE} bytes of memory for its table, ", "configure at most `sessions ",
             f"or raise the limit in {limit}")
    assert all(word in done.stderr for word in words), done.stderr
    available = int(done.stderr.split("for its table, ")[1].split()[0])
    assert 100 * MB < available <= 300 * MB - REST
    assert checked.returncode == 0, "the file is good, this machine is small"
    assert all(word in checked.stderr for word in ("warning: on this machine now: ", *words)), checked.stderr


def test_the_capacity_that_the_refusal_names_is_accepted(large):
    with memory_limit(300 * MB) as (_, enter):
        refused = homeward("check", str(large), preexec_fn=enter)
        fits = int(refused.stderr.split("at most `sessions ")[1].split("`")[0])
        # What the program itself takes differs a little from run to run.
        large.write_text(large.read_text().replace(f"sessions {SESSIONS}", f"sessions {fits - 100_000}"))
        done = homeward("check", str(large), preexec_fn=enter)
    assert 1_000_000 < fits < SESSIONS
    assert done.returncode == 0 and done.stderr == ""
