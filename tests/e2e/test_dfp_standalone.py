"""`homeward dfp-agent` over real TCP, with managers written from the draft alone."""

import contextlib
import os
import re
import signal
import socket
import subprocess
import time

import dfp
import pytest
from children import kill
from netlab import locate, resident, wait_until
from connection_flood import ConnectionFlood

OWN = f"127.{os.getpid() >> 16 & 0x7F | 0x40}.{os.getpid() >> 8 & 255}.{os.getpid() & 255 or 1}"
HELLO = {"type": "preference_information", "loads": []}


class Agent:
    """A running agent; `ended` gives its log and what it counted."""

    def __init__(self, *arguments, port=8600, listen=OWN):
        words = [str(locate("HOMEWARD", "homeward")), "dfp-agent", "--listen", f"{listen}:{port}", *arguments]
        self.port = port
        self.address = OWN if listen == "0.0.0.0" else listen
        environment = {name: value for name, value in os.environ.items() if name != "JOURNAL_STREAM"}
        self.process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, env=environment)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        kill(self.process)

    def manager(self, last=1, *, password=None, wait=10.0):
        """A manager's connection, from an address of its own."""
        end = time.monotonic() + wait
        while True:
            try:
                return dfp.connect(self.address, self.port, password=password, source=f"127.9.0.{last}")
            except ConnectionRefusedError:
                assert self.process.poll() is None and time.monotonic() < end, "the agent does not listen"
                time.sleep(0.02)

    def ended(self):
        """SIGTERM; the log."""
        self.process.send_signal(signal.SIGTERM)
        log = self.process.communicate(timeout=10)[1]
        assert self.process.returncode == 0, log
        return log

    def counted(self):
        """{what: how often} of what was unexpected, at the end."""
        log = self.ended()
        found = re.search(r"ended(?:; unexpected: (.*))?$", log, re.M)
        assert found, log
        pairs = [item.rsplit(" ", 1) for item in (found[1] or "").split(", ") if item]
        return {name: int(count) for name, count in pairs}


def weight_of(message, address=OWN):
    """The weight of the one row that a home agent reports."""
    assert set(dfp.rows(message)) == {(address, 17, 434, 65535)}
    return dfp.rows(message)[address, 17, 434, 65535]


def test_two_managers_are_told_the_weight_at_once_for_the_address_they_reached():
    # A port of its own: another test's agent may hold the usual one at an address meanwhile.
    with Agent("--weight-from", "static", "24", listen="0.0.0.0", port=8601) as agent:
        for manager in [agent.manager(1), agent.manager(2)]:
            assert weight_of(manager.receive()) == 24
            assert len(manager.writes) == 1, "one message, one write"
            manager.send({"type": "bindid_request"})
            assert manager.expect("bindid_report") == dfp.END
        assert agent.counted() == {}


def test_everything_of_a_row_can_be_named():
    with Agent("--weight-from", "static", "0", "--host", "10.1.1.9", "--protocol", "any", "--port", "0",
               "--bind-id", "7") as agent:
        assert dfp.rows(agent.manager().receive()) == {("10.1.1.9", 0, 0, 7): 0}


def test_a_command_gives_the_weight_and_only_changes_are_sent(tmp_path):
    file = tmp_path / "weight"
    file.write_text("25")
    with Agent("--weight-from", "exec", f"cat {file}", "--interval", "5") as agent:
        managers = [agent.manager(1), agent.manager(2)]
        for manager in managers:
            assert weight_of(manager.receive()) == 25
        file.write_text("24 of 25\n")
        for manager in managers:
            assert weight_of(manager.receive(8)) == 24
        managers[0].quiet(6)
        assert agent.counted() == {}


def refused(agent):
    """Whether nobody listens there."""
    try:
        dfp.connect(agent.address, agent.port).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_command_that_fails_three_times_disconnects_and_one_that_succeeds_connects_again(tmp_path):
    file = tmp_path / "weight"
    file.write_text("25")
    with Agent("--weight-from", "exec", f"cat {file} 2>/dev/null", "--interval", "5") as agent:
        manager = agent.manager()
        assert weight_of(manager.receive()) == 25
        file.unlink()
        manager.closed(60)
        wait_until(lambda: refused(agent), 5, "nobody listens")
        file.write_text("9")
        assert weight_of(agent.manager(wait=10).receive()) == 9
        assert "managers are disconnected" in agent.ended()


def test_idle_cpu_and_memory_give_the_weight():
    with Agent("--weight-from", "cpu", "1000") as agent:
        assert weight_of(agent.manager().receive()) == 1000, "before the first measurement"


def test_a_home_agents_bindings_and_calls_give_the_weight(tmp_path):
    file = tmp_path / "status"
    file.write_text("5 1000")
    with Agent("--weight-from", "bindings", f"cat {file}", "--max-binding", "1000", "--max-cps", "10",
               "--dfp-max-weight", "60000", "--interval", "5") as agent:
        manager = agent.manager()
        assert weight_of(manager.receive()) == 60000, "before the first measurement"
        file.write_text("1000 1000")
        assert weight_of(manager.receive(12)) == 0, "full"
        file.write_text("999 1000")
        assert 0 < weight_of(manager.receive(12)) <= 60, "room for one of 1000"
        file.write_text("0 9000")
        assert weight_of(manager.receive(12)) == 0, "more calls in the last minute than it can take"
        assert agent.counted() == {}


def test_hellos_follow_the_managers_time():
    with Agent("--weight-from", "static", "1") as agent:
        often, never = agent.manager(1), agent.manager(2)
        for manager in (often, never):
            manager.receive()
        start = time.monotonic()
        often.send({"type": "dfp_parameters", "keep_alive": 5})
        for _ in range(2):
            assert often.receive() == HELLO
        assert 5.9 < time.monotonic() - start < 9
        never.quiet(0.1)


def test_with_a_password_only_who_knows_it_is_heard(tmp_path):
    file = tmp_path / "key"
    file.write_text("Cookies\n")
    with Agent("--weight-from", "static", "24", "--password-file", str(file)) as agent:
        good = agent.manager(1, password="Cookies")
        assert weight_of(good.receive()) == 24
        good.send({"type": "bindid_request"})
        assert good.receive() == dfp.END
        for last, forged in enumerate([dfp.encode({"type": "bindid_request"}),
                                       dfp.encode({"type": "bindid_request"}, password="cookies")], 2):
            bad = agent.manager(last, password="Cookies")
            bad.receive()
            for _ in range(5):
                bad.send(forged)
            bad.closed()
        assert agent.counted() == {"security missing": 5, "security mismatch": 5}


@pytest.mark.parametrize("data, counter", [
    (b"\x02", "bad version"),
    (b"GET / HTTP/1.0\r\n\r\n", "bad version"),
    (bytes.fromhex("0100030100000007"), "bad length"),
    (bytes.fromhex("01000301ffffffff"), "bad length"),
])
def test_what_is_no_dfp_closes_its_connection_only(data, counter):
    with Agent("--weight-from", "static", "24") as agent:
        good, bad = agent.manager(1), agent.manager(2)
        good.receive()
        bad.send(data)
        bad.closed()
        good.send({"type": "bindid_request"})
        assert good.receive() == dfp.END
        assert agent.counted() == {counter: 1}


def test_a_message_that_ends_in_the_middle_and_one_that_trickles():
    with Agent("--weight-from", "static", "24") as agent:
        cut, slow = agent.manager(1), agent.manager(2)
        message = dfp.encode({"type": "dfp_parameters", "keep_alive": 30})
        cut.send(message[:11])
        cut.close()
        start = time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            for byte in message[:-1] * 10:
                slow.send(bytes([byte]))
                time.sleep(1)
        assert 9 < time.monotonic() - start < 14
        assert agent.counted() == {"bad length": 1, "slow closes": 1}


def test_bad_messages_are_discarded_and_the_tenth_closes():
    with Agent("--weight-from", "static", "24") as agent:
        manager = agent.manager()
        manager.receive()
        bad = dfp.frame(0x0301, bytes.fromhex("0101000300000003"))
        for _ in range(9):
            manager.send(bad)
        manager.send(bytes.fromhex("0100060100000008"))
        manager.send(dfp.report({}))
        manager.send({"type": "bindid_request"})
        assert manager.receive() == dfp.END
        manager.send(bad)
        manager.closed()
        assert agent.counted() == {"malformed": 10, "unknown type": 1, "wrong direction": 1}


def test_a_flood_of_messages_closes():
    with Agent("--weight-from", "static", "24") as agent:
        manager = agent.manager()
        manager.receive()
        manager.send(b"".join(dfp.encode({"type": "dfp_parameters", "keep_alive": n}) for n in range(200)))
        manager.closed()
        assert agent.counted() == {"rate closes": 1}


def test_a_recorded_message_sent_again_has_its_old_effect_only():
    with Agent("--weight-from", "static", "24", "--password", "Cookies") as agent:
        recorded = dfp.encode({"type": "dfp_parameters", "keep_alive": 4}, password="Cookies")
        replayer = agent.manager(1, password="Cookies")
        replayer.receive()
        for _ in range(10):
            replayer.send(recorded)
        assert replayer.receive(4) == HELLO
        assert agent.counted() == {}


def test_a_storm_of_connections_leaves_the_manager_that_speaks_and_the_memory(record_property):
    def spawn(*words, **options):
        return subprocess.Popen(words, **options)

    with Agent("--weight-from", "static", "24") as agent:
        manager = agent.manager(1)
        manager.receive()
        manager.send({"type": "bindid_request"})
        assert manager.receive() == dfp.END
        before = resident(agent.process.pid)
        most, answers = before, 0
        with ConnectionFlood(spawn, agent.address, agent.port, [f"127.9.{number}.1" for number in range(1, 5)], 10_000) as flood:
            end = time.monotonic() + 30
            while answers < 5 and time.monotonic() < end:
                manager.send({"type": "bindid_request"})
                # It is answered once a second.
                with contextlib.suppress(TimeoutError):
                    assert manager.receive(0.2) == dfp.END
                    answers += 1
                most = max(most, resident(agent.process.pid))
            told = flood.over()
        grown = most - before
        counted = agent.counted()
        record_property("flood", {**told, "bytes": grown, **counted})
        print(f"resident: {before} bytes, at most {grown} more; counted {counted}")
        assert answers == 5, "the manager is answered meanwhile"
        assert told["attempts"] >= 40_000 and told["opened"] > 10_000
        assert set(counted) == {"evicted connections"} and counted["evicted connections"] > told["opened"] / 10
        assert grown < 4 << 20


def test_a_port_in_use_and_arguments_without_sense_end_at_once():
    with socket.create_server((OWN, 8601)), Agent("--weight-from", "static", "1", port=8601) as agent:
        log = agent.process.communicate(timeout=10)[1]
        assert agent.process.returncode == 1 and "Address already in use" in log
    with Agent("--weight-from", "memory") as agent:
        assert "expected `static N`" in agent.process.communicate(timeout=10)[1]
        assert agent.process.returncode == 1


def test_systemd_is_told_of_readiness_and_stop(tmp_path, monkeypatch):
    path = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as told:
        told.bind(str(path))
        told.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(path))
        monkeypatch.setenv("WATCHDOG_USEC", "60000000")
        with Agent("--weight-from", "static", "1") as agent:
            words = {told.recv(1000).decode().strip()}
            words.add(told.recv(1000).decode().strip())
            agent.ended()
            words.add(told.recv(1000).decode().strip())
        assert words == {"READY=1", "WATCHDOG=1", "STOPPING=1"}
