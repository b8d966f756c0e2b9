"""What a running director may still do."""

import pathlib

from director import register, start, user

NET_BIND_SERVICE, NET_ADMIN, NET_RAW, CHOWN = 10, 12, 13, 0


def test_privileges_are_dropped_after_the_start(lab):
    director = start(lab)
    register(lab, [user(1)])
    held = {}
    for thread in pathlib.Path(f"/proc/{director.process.pid}/task").iterdir():
        fields = dict(line.split(":", 1) for line in (thread / "status").read_text().splitlines())
        assert fields["NoNewPrivs"].strip() == "1", thread.name
        held[thread.name, fields["Name"].strip()] = {name: int(fields[name], 16) for name in ("CapPrm", "CapEff")}
    control = 1 << NET_BIND_SERVICE | 1 << NET_ADMIN | 1 << NET_RAW | 1 << CHOWN
    kinds = {}
    for (_, name), caps in held.items():
        for value in caps.values():
            kinds.setdefault(name, set()).add(value)
    assert kinds["homeward-contro"] == {control} and kinds["homeward-shadow"] == {control}
    workers = [values for name, values in kinds.items() if name.startswith(("worker", "homeward-core"))]
    assert workers == [{0}]
