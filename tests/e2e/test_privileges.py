"""What a running director may still do, thread by thread."""

import pathlib

from director import register, start, user

NET_BIND_SERVICE, NET_ADMIN, NET_RAW, CHOWN = 10, 12, 13, 0
CONTROL = 1 << NET_BIND_SERVICE | 1 << NET_ADMIN | 1 << NET_RAW | 1 << CHOWN
FILTERED, NOT_FILTERED = "2", "0"


def threads(director):
    """`/proc/PID/task/TID/status` of every thread, as {name: [fields, ...]}."""
    found = {}
    for thread in pathlib.Path(f"/proc/{director.process.pid}/task").iterdir():
        fields = {key: value.strip() for key, value in
                  (line.split(":", 1) for line in (thread / "status").read_text().splitlines())}
        found.setdefault(fields["Name"], []).append(fields)
    return found


def held(fields):
    """Every capability that a thread has or could have."""
    return int(fields["CapPrm"], 16) | int(fields["CapEff"], 16) | int(fields["CapInh"], 16)


def test_every_thread_keeps_few_privileges_and_few_system_calls(lab):
    director = start(lab)
    register(lab, [user(1)])
    found = threads(director)
    for name, several in found.items():
        for fields in several:
            assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == FILTERED, name
            assert held(fields) | CONTROL == CONTROL, f"{name} may {held(fields):#x}"
    assert [held(fields) for fields in found["homeward-contro"]] == [CONTROL] * 2
    workers = [name for name in found if name.startswith(("worker", "homeward-core"))]
    idle = [held(fields) for name in [*workers, "eal-intr-thread"] for fields in found[name]]
    assert len(idle) >= 2 and set(idle) == {0}


def test_the_filter_can_be_left_out(lab):
    director = start(lab)
    director.stop()
    director.start(arguments=["--no-seccomp"])
    register(lab, [user(1)])
    for name, several in threads(director).items():
        assert {fields["Seccomp"] for fields in several} == {NOT_FILTERED}, name
