"""A director that records, and what it did done again by `homeward replay`."""

import json
import re
import subprocess

from netlab import locate
from director import configuration, register, requests_received, user, wait_operational

SECRETS = ("Gr8Secret", "cisco", "0822455D0A16")


def replay(path):
    """Plays a recording."""
    return subprocess.run([str(locate("HOMEWARD", "homeward")), "replay", str(path)], capture_output=True, text=True,
                          check=False, timeout=30)


def test_a_recording_of_a_director_is_played_again(lab):
    folder = lab.folder / "recordings"
    director = lab.director(configuration(lab, extra="ip slb dfp password Gr8Secret\n!\n"), arguments=("--record", str(folder)))
    wait_operational(director)
    register(lab, [user(number) for number in range(1, 17)])
    assert sum(requests_received(lab)) >= 16
    done = director.shell("configure terminal", "ip slb dfp password 7 0822455D0A16", "ip slb serverfarm HAFARM",
                          "real 10.1.1.53", "inservice", "end", "clear ip slb sessions")
    assert done.returncode == 0, done.stdout
    assert director.stop()[0] == 0

    files = list(folder.iterdir())
    assert len(files) == 1 and files[0].stat().st_mode & 0o777 == 0o600
    text = files[0].read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert lines[0]["homeward_recording"] == 1
    assert lines[-1] == {"end": "stopped"}
    steps = [line["step"] for line in lines if "step" in line]
    inputs = [next(iter(step["input"])) if isinstance(step["input"], dict) else step["input"] for step in steps]
    assert {"ports", "configuration", "host", "command", "stop"} <= set(inputs)
    assert inputs.count("configuration") >= 3
    for secret in SECRETS:
        assert secret not in text

    done = replay(files[0])
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"\d+ steps, all with the same actions; the process ended", done.stdout)

    step = next(at for at, line in enumerate(lines)
                if any("Send(" in did for did in line.get("step", {}).get("did", [])))
    planted = lines[step]["step"]["did"]
    at = next(at for at, did in enumerate(planted) if "Send(" in did)
    planted[at] = planted[at].replace("Send(", "Keep(")
    other = folder / "planted.jsonl"
    other.write_text("".join(json.dumps(line) + "\n" for line in lines))
    done = replay(other)
    assert done.returncode == 1
    assert f"line {step + 1}, " in done.stdout and f"action {at + 1} is another one" in done.stdout
    assert "replayed: slb: Send(" in done.stdout
