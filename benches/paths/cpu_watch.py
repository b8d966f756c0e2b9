"""What the machine is doing meanwhile: CPU time that others take, threads that matter."""

import contextlib
import os
import pathlib
import threading
import time

from netlab import LabError

GENERATOR_CPU, FORWARDER_CPU = 0, 1
CPUS = {"generator": GENERATOR_CPU, "forwarder": FORWARDER_CPU}
# Above what compilers and the like have; not real-time, which could lock the machine up.
NICE = -20
# A thread that had to wait for its CPU for a larger share than this was disturbed.
DISTURBED = 0.005
# A thread that runs for so many nanoseconds in a tenth of a second polls.
POLLS = 5_000_000
# Seconds after the beginning when a run is in its first trial or load, for long enough.
AMID = 9
# Share of the CPUs' time that others may take while the machine counts as quiet.
BUSY = 0.05


def schedstat(pid, tid):
    """Nanoseconds on a CPU and in its queue."""
    ran, waited, _ = pathlib.Path(f"/proc/{pid}/task/{tid}/schedstat").read_text().split()
    return int(ran), int(waited)


def threads(pid):
    """Of a process."""
    return [int(name) for name in os.listdir(f"/proc/{pid}/task")]


def worker(pid, cpu, deadline=20):
    """The thread that polls: of those that have only this CPU the one that runs most in a tenth of a second."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        try:
            pinned = [tid for tid in threads(pid) if os.sched_getaffinity(tid) == {cpu}]
            before = {tid: schedstat(pid, tid)[0] for tid in pinned}
            time.sleep(0.1)
            ran = {tid: schedstat(pid, tid)[0] - before[tid] for tid in pinned}
        except OSError:
            # A thread that ended meanwhile.
            ran = {}
        if ran and max(ran.values()) > POLLS:
            return max(ran, key=ran.get)
        time.sleep(0.05)
    raise LabError(f"process {pid} does not poll on CPU {cpu}")


def ticks():
    """Clock ticks of all CPUs: in all, idle, in which the host ran somebody else."""
    line = [int(word) for word in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return sum(line), line[3] + line[4], line[7]


def wait_until_idle(patience):
    """Waits until others leave the CPUs alone for two seconds; false if they do not."""
    end = time.monotonic() + patience
    calm, (total, idle, _) = 0, ticks()
    while time.monotonic() < end:
        time.sleep(0.5)
        now, resting, _ = ticks()
        calm = calm + 1 if resting - idle >= (1 - BUSY) * (now - total) else 0
        total, idle = now, resting
        if calm >= 4:
            return True
    return False


def raise_priority(pid):
    """Runs a process that has just begun, and the threads it will have, rather than those of others. The kernel may group
    processes by session and weigh the groups."""
    os.setpriority(os.PRIO_PROCESS, pid, NICE)
    group = pathlib.Path(f"/proc/{pid}/autogroup")
    if group.exists() and os.getsid(pid) == pid:
        group.write_text(f"{NICE}\n")


def restore_priority(pid, worker_tid):
    """All threads but this one are as those of others again."""
    for tid in threads(pid):
        if tid != worker_tid:
            with contextlib.suppress(ProcessLookupError):
                os.setpriority(os.PRIO_PROCESS, tid, 0)


class CpuWatch:
    """Follows the polling thread of processes, by name, until stopped: how long each was kept from its CPU. `ask` is called
    once, amid the first trial or load."""

    def __init__(self, pids, ask):
        self.workers = {name: (pid, worker(pid, CPUS[name])) for name, pid in pids.items()}
        for pid, tid in self.workers.values():
            restore_priority(pid, tid)
        self.began, self.load, self.steal = time.monotonic(), [os.getloadavg()[0]], ticks()[2]
        self.first, self.last = self.read(), {}
        self.ask, self.answer = ask, None
        self.over = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def read(self):
        """Of each, while it is there."""
        seen = {}
        for name, (pid, tid) in self.workers.items():
            try:
                seen[name] = schedstat(pid, tid)
            except OSError:
                pass
        return seen

    def run(self):
        """Often enough for a short run: a process that has ended has no last reading any more."""
        while not self.over.wait(0.25):
            self.last.update(self.read())
            self.load.append(os.getloadavg()[0])
            if self.answer is None and time.monotonic() - self.began >= AMID:
                self.answer = self.ask() or {}

    def stop(self):
        """Shares of the time in which each thread waited for its CPU, and the machine's load."""
        self.over.set()
        self.thread.join()
        self.last.update(self.read())
        waits = {}
        for name, (ran, waited) in self.last.items():
            ran, waited = ran - self.first[name][0], waited - self.first[name][1]
            waits[name] = round(waited / max(1, ran + waited), 5)
        seconds = time.monotonic() - self.began
        stolen = (ticks()[2] - self.steal) / os.sysconf("SC_CLK_TCK") / seconds / os.cpu_count()
        disturbance = max([stolen, *waits.values()])
        return {"waits": waits, "stolen": round(stolen, 5), **(self.answer or {}), "load": round(max(self.load), 2),
                "disturbance": round(disturbance, 5), "disturbed": disturbance > DISTURBED}
