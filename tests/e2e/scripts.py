"""A folder of scripts for the launcher of a director."""

import pathlib
import shutil
import tempfile

LAUNCHER = "homeward-launch"


class Scripts:
    """The folder; who runs the scripts may read it."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="homeward-scripts-"))
        self.folder.chmod(0o755)

    def write(self, name, text, mode=0o755):
        """A shell script."""
        path = self.folder / name
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(mode)

    @property
    def arguments(self):
        """Of `homeward run`."""
        return ("--scripts", str(self.folder))

    def remove(self):
        """The folder is gone."""
        shutil.rmtree(self.folder, ignore_errors=True)


def status(pid):
    """`/proc/PID/status` by field."""
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, value in (line.split(":", 1) for line in lines)}


def processes():
    """(pid, parent, name) of everything that lives."""
    for folder in pathlib.Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                fields = status(folder.name)
            except (FileNotFoundError, ProcessLookupError):
                continue
            if not fields["State"].startswith("Z"):
                yield int(folder.name), int(fields["PPid"]), fields["Name"]


def below(pid):
    """Everything that this process has started, by name: {name: [pid, ...]}."""
    everything = list(processes())
    found, parents = {}, [pid]
    while parents:
        parent = parents.pop()
        for child, of, name in everything:
            if of == parent:
                parents.append(child)
                found.setdefault(name, []).append(child)
    return found


def lives(pid):
    """Whether it is there, and not only its number."""
    try:
        return not status(pid)["State"].startswith("Z")
    except (FileNotFoundError, ProcessLookupError):
        return False
