"""Connections that are only held: many at every listener, some idle, some with half a request, some that never read.

As a program, `held_connections.py COUNT TARGET...` keeps COUNT open, opens another one for each that is closed, and goes on until
its standard input ends; then it prints how many it has opened. A target is ADDRESS:PORT or the path of a Unix socket.
"""

import itertools
import json
import os
import resource
import select
import socket
import subprocess
import sys

from children import kill

HALF = {"http": b"GET /metrics HT", "shell": b'{"execute":"show', "dfp": b"\x01\x02\x03"}
WHOLE = {"http": b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n", "shell": b'{"execute":"show running-config"}\n', "dfp": b""}


def dial(target):
    """A connection under way, and what it speaks; none: there is no room in the listener's queue."""
    unix = target.startswith("/")
    connection = socket.socket(socket.AF_UNIX if unix else socket.AF_INET)
    connection.setblocking(False)
    address = target if unix else (target.split(":")[0], int(target.split(":")[1]))
    try:
        connection.connect(address)
    except BlockingIOError:
        if unix:
            connection.close()
            return None
    except OSError:
        connection.close()
        return None
    return connection, "shell" if unix else "http" if address[1] == 9434 else "dfp"


def hold(count, targets):
    """Holds them until standard input ends; how many were opened."""
    poll = select.epoll()
    poll.register(0, select.EPOLLIN)
    kinds = itertools.cycle(itertools.product(("idle", "half", "deaf"), targets))
    held, waiting, opened = {}, {}, 0
    while True:
        for kind, target in itertools.islice(kinds, min(count - len(held) - len(waiting), 200)):
            dialled = dial(target)
            if dialled:
                connection, protocol = dialled
                waiting[connection.fileno()] = connection, protocol, kind
                poll.register(connection, select.EPOLLOUT)
        for number, events in poll.poll(0.05):
            if number == 0:
                return opened
            if number in waiting:
                connection, protocol, kind = waiting.pop(number)
                try:
                    connection.send({"idle": b"", "half": HALF[protocol], "deaf": WHOLE[protocol] * 200}[kind])
                except OSError:
                    pass
                opened += 1
                held[number] = connection
                # Who is deaf hears of the end only.
                poll.modify(number, select.EPOLLRDHUP | (0 if kind == "deaf" else select.EPOLLIN))
                continue
            connection = held[number]
            try:
                closed = events & ~select.EPOLLIN or not connection.recv(65536)
            except OSError:
                closed = True
            if closed:
                poll.unregister(number)
                del held[number]
                connection.close()


class HeldConnections:
    """Holds them while the block runs. `spawn` starts a program, as `Host.spawn` does."""

    def __init__(self, spawn, count, targets):
        words = [sys.executable, os.path.abspath(__file__), str(count), *targets]
        self.process = spawn(*words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def end(self):
        """Ends it; how many connections were opened."""
        assert self.process.poll() is None, "it has gone on until now"
        out, _ = self.process.communicate(timeout=60)
        assert self.process.returncode == 0
        return json.loads(out)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        kill(self.process)


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (20_000, 20_000))
    # Nobody's, so that what is kept for root stays free.
    os.setgroups([])
    os.setuid(65534)
    print(hold(int(sys.argv[1]), sys.argv[2:]))
