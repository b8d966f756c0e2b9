"""CPU and memory of a host of its own for a program in a laboratory, where all hosts share one machine's.

The program has files of its own over `/proc/stat` and `/proc/meminfo`, and no control group, in its mount namespace; it
runs unchanged and takes them for the kernel's.
"""

import os
import pathlib

TOTAL = 2_014_412
STAT = "cpu  318411 1203 98420 91533220 10402 0 5120 811 0 0\n" + "".join(
    f"cpu{number} 5000 20 1500 1430000 160 0 80 12 0 0\n" for number in range(64))
COVER = """for name in stat meminfo; do mount --bind "$0/$name" /proc/$name || exit; done
for name in cgroup mountinfo; do mount --bind "$0/none" /proc/$$/$name || exit; done
exec "$@"
"""


class HostLoad:
    """An idle host: a tenth of its memory in use, and no CPU time at all."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        (self.folder / "stat").write_text(STAT)
        (self.folder / "none").touch()
        self.available(0.9)

    def available(self, share):
        """Lets a share of the memory be available. The file stays the same one, and is never seen half written."""
        sizes = {"MemTotal": TOTAL, "MemFree": TOTAL // 10, "MemAvailable": round(TOTAL * share)}
        text = "".join(f"{name + ':':16}{size:10} kB\n" for name, size in sizes.items())
        file = os.open(self.folder / "meminfo", os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(file, text.encode(), 0)
        finally:
            os.close(file)

    def words(self, *words):
        """The words that start a program on this host; to be run in a mount namespace of its own (`Host.spawn`)."""
        return ["sh", "-c", COVER, str(self.folder), *words]
