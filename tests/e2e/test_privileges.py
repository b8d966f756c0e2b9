"""What a running director may still do, thread by thread."""

import os
import pathlib

from director import configuration, register, start, user, wait_operational
from netlab import wait_until
from scripts import LAUNCHER, below, status

NET_BIND_SERVICE, NET_ADMIN, NET_RAW, CHOWN = 10, 12, 13, 0
KILL, SETGID, SETUID = 5, 6, 7
NOBODY = "65534"
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
    wait_operational(director)
    register(lab, [user(1)])
    for name, several in threads(director).items():
        assert {fields["Seccomp"] for fields in several} == {NOT_FILTERED}, name


def test_the_launcher_may_only_change_users_and_kill_and_its_scripts_may_nothing(lab, scripts):
    scripts.write("hang.sh", "exec sleep 614")
    before = "ip slb probe P script\n interval 60\n timeout 60\n script hang.sh\n!\n"
    director = lab.director(configuration(lab, farm_lines=["probe P"], before=before), arguments=scripts.arguments)
    wait_operational(director)
    wait_until(lambda: len(below(director.process.pid).get("sleep", [])) == 2, 10, "a script for each home agent")
    found = below(director.process.pid)
    assert set(found) == {LAUNCHER, "sleep"}
    [launcher] = found[LAUNCHER]
    fields = status(launcher)
    assert fields["NoNewPrivs"] == "1" and int(fields["CapBnd"], 16) == int(fields["CapAmb"], 16) == 0
    assert int(fields["CapPrm"], 16) == int(fields["CapEff"], 16) == 1 << KILL | 1 << SETGID | 1 << SETUID
    assert int(fields["CapInh"], 16) == 1 << SETGID | 1 << SETUID
    # Standard descriptors, the socket, and what its loop waits on: no port, no file, nothing of the director.
    targets = {os.readlink(one) for one in pathlib.Path(f"/proc/{launcher}/fd").iterdir() if os.path.lexists(one)}
    files = {target for target in targets if target.startswith("/") and target != "/dev/null"}
    assert files <= {str(director.log_file)}
    for script in found["sleep"]:
        fields = status(script)
        assert {fields[name] for name in ("CapPrm", "CapEff", "CapInh", "CapBnd", "CapAmb")} == {"0" * 16}
        assert fields["NoNewPrivs"] == "1" and fields["Groups"] == ""
        assert set(fields["Uid"].split()) == set(fields["Gid"].split()) == {NOBODY}
        descriptors = {one.name: os.readlink(one) for one in pathlib.Path(f"/proc/{script}/fd").iterdir()}
        assert set(descriptors) == {"0", "1", "2"} and descriptors["0"] == descriptors["2"] == "/dev/null"
    for fields in (fields for several in threads(director).values() for fields in several):
        # The director itself still starts nothing: the filter that refuses it is on every thread.
        assert fields["Seccomp"] == FILTERED and held(fields) & (1 << SETUID | 1 << SETGID | 1 << KILL) == 0
