"""Connections in masses: a process for each source address, each with many attempts under way at once.

As a program, `connection_flood.py ADDRESS PORT SOURCE COUNT` makes at least COUNT and goes on until its standard input
ends; then it prints what became of them. `ConnectionFlood` runs several.
An attempt is `opened` when the other side's kernel has answered, `refused` when it said no, `unanswered` when it has
said nothing for half a second, as a kernel does whose queue is full.
"""

import collections
import errno
import json
import os
import select
import socket
import struct
import subprocess
import sys
import time

from children import kill

# Attempts under way and connections held open, in each process.
WAITING, HELD = 256, 200
UNANSWERED_AFTER = 0.5
STOP = 0
RESET = struct.pack("ii", 1, 0)


def abort(connection):
    """Closes with a reset: its port is free at once."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    connection.close()


def attempts(address, port, source, count):
    """Makes attempts; what became of them, and when it began and ended."""
    poll = select.epoll()
    poll.register(STOP, select.EPOLLIN)
    stop = False
    waiting, held = {}, collections.deque()
    tally = collections.Counter(attempts=0, opened=0, refused=0, unanswered=0)
    began = time.time()
    while not stop or tally["attempts"] < count or waiting:
        for _ in range(WAITING - len(waiting) if not stop or tally["attempts"] < count else 0):
            connection = socket.socket()
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_IP, socket.IP_BIND_ADDRESS_NO_PORT, 1)
            connection.bind((source, 0))
            connection.connect_ex((address, port))
            poll.register(connection, select.EPOLLOUT)
            waiting[connection.fileno()] = connection, time.monotonic()
            tally["attempts"] += 1
        for number, _ in poll.poll(0.01):
            if number == STOP:
                poll.unregister(STOP)
                stop = True
                continue
            connection, _ = waiting.pop(number)
            poll.unregister(connection)
            # A connection that the other side has reset by now was open.
            if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) in (0, errno.ECONNRESET):
                tally["opened"] += 1
                held.append(connection)
            else:
                tally["refused"] += 1
                connection.close()
        while len(held) > HELD:
            abort(held.popleft())
        # In the order of their beginning.
        patient = time.monotonic() - UNANSWERED_AFTER
        for number, (connection, since) in list(waiting.items()):
            if since > patient:
                break
            del waiting[number]
            poll.unregister(connection)
            connection.close()
            tally["unanswered"] += 1
    ended = time.time()
    for connection in held:
        abort(connection)
    return {**tally, "began": began, "ended": ended}


class ConnectionFlood:
    """A flood under way. `spawn` starts a program, as `Host.spawn` does."""

    def __init__(self, spawn, address, port, sources, count):
        words = [sys.executable, os.path.abspath(__file__), address, str(port)]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        self.processes = [spawn(*words, source, str(count), **pipes) for source in sources]

    def over(self):
        """Ends it; the sum of what became of the attempts, and attempts and openings a second. Printed, too."""
        parts = []
        for process in self.processes:
            assert process.poll() is None, "it has gone on until now"
            process.stdin.close()
        for process in self.processes:
            process.stdin = None
            out, _ = process.communicate(timeout=120)
            assert process.returncode == 0, "the flood has failed"
            parts.append(json.loads(out))
        whole = {key: sum(part[key] for part in parts) for key in ("attempts", "opened", "refused", "unanswered")}
        whole["seconds"] = max(part["ended"] for part in parts) - min(part["began"] for part in parts)
        for key in ("attempts", "opened"):
            whole[f"{key}_a_second"] = round(whole[key] / whole["seconds"])
        print(f"flood: {json.dumps(whole)}")
        return whole

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes:
            kill(process)


if __name__ == "__main__":
    print(json.dumps(attempts(sys.argv[1], int(sys.argv[2]), sys.argv[3], int(sys.argv[4]))))
