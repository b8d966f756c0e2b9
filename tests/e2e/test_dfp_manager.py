"""`ip slb dfp` with scripted agents on the home agents' hosts: real TCP over the shadow interfaces."""

import contextlib
import threading
import time

import dfp
import pytest
from netlab import inside, wait_until
from director import one_by_one, push, reals, register, requests_received, start, state, user

A, B = "10.1.1.51", "10.1.1.52"
PORT = 500


def agent(lab, number, port=PORT, **options):
    """An agent that listens on a home agent's host."""
    address = lab.reals[number - 1]
    return inside(lab.hosts[f"ha{number}"].namespace, lambda: dfp.Agent(address, port, **options))


def manager(*lines, password=None):
    """The manager's part of a configuration."""
    head = "ip slb dfp" + (f" password {password}" if password else "")
    return "\n".join([head, *(f" {line}" for line in lines), "!", ""])


def both(timeout=""):
    """A manager of both home agents."""
    return manager(f"agent {A} {PORT} {timeout}", f"agent {B} {PORT} {timeout}")


def shown(director, address=A, port=PORT):
    """What is shown of an agent."""
    return director.show_json(f"show ip slb dfp agent {address} {port}")["agents"][0]


def until_weights(director, *weights):
    """Waits until the reals, in their order, have these weights."""
    wait_until(lambda: [real["weight"] for real in reals(director).values()] == list(weights), 10,
               f"weights {weights}\n{director.show('show ip slb reals')}{director.show('show ip slb dfp detail')}")


def until_state(director, wanted, address=A, port=PORT, deadline=10):
    """Waits for a state of the connection."""
    wait_until(lambda: shown(director, address, port)["state"] == wanted, deadline,
               f"{wanted}\n{director.show('show ip slb dfp detail')}")


def greeted(listener, keep_alive=0, deadline=10):
    """The manager's connection, after its first message."""
    peer = listener.accept(deadline)
    assert peer.receive() == {"type": "dfp_parameters", "keep_alive": keep_alive}
    return peer


@contextlib.contextmanager
def pair(lab, director, *, weights=(25, 25), keep_alive=0, **options):
    """Both agents, connected, having reported."""
    with agent(lab, 1, **options) as one, agent(lab, 2, **options) as two:
        with greeted(one, keep_alive, 20) as first, greeted(two, keep_alive, 20) as second:
            for peer, address, weight in ((first, A, weights[0]), (second, B, weights[1])):
                peer.send(dfp.report({address: weight}))
            until_weights(director, *weights)
            first.listener, second.listener = one, two
            yield first, second


@contextlib.contextmanager
def hellos(peer, period=0.5):
    """The agent says hello all the time."""
    stop = threading.Event()

    def body():
        while not stop.wait(period):
            try:
                peer.send(dfp.report({}))
            except OSError:
                return

    thread = threading.Thread(target=body)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def cut(lab, number, up=False):
    """Takes a home agent's wire out of the switch, or puts it in."""
    # The switch's first port is the director's.
    lab.hosts["switch"].ip(f"link set port{number + 1} {'up' if up else 'down'}")


def quick(lines):
    """A manager that tries each second until somebody is there."""
    return manager(*(f"agent {address} {PORT} {rest}" for address, rest in lines))


EAGER = quick([(A, "0 0 1"), (B, "0 0 1")])


def test_at04_equal_weights_share_a_hundred_sessions_equally(lab):
    director = start(lab, extra=EAGER)
    with pair(lab, director):
        register(lab, [user(number) for number in range(100)])
        assert requests_received(lab) == [50, 50]
        assert [real["conns"] for real in reals(director).values()] == [50, 50]


def test_at05_the_first_weight_and_a_later_one_are_shown(lab):
    director = start(lab, extra=EAGER)
    with pair(lab, director) as peers:
        text = director.show("show ip slb dfp weights")
        for address in (A, B):
            assert f"  Real IP Address: {address} Protocol: UDP Port: 434 Bind_ID: 65535 Weight: 25\n" in text
            assert f"    Set by Agent {address}:{PORT} at " in text
        register(lab, [user(number) for number in range(100)])
        for peer, address in zip(peers, (A, B)):
            peer.send(dfp.report({address: 24}))
        until_weights(director, 24, 24)
        assert [real["conns"] for real in reals(director).values()] == [50, 50]
        assert "Weight: 25" not in director.show("show ip slb dfp weights")
        detail = director.show(f"show ip slb dfp agent {A} {PORT}")
        assert "Connection state: Open" in detail and f"    Host {A}  Bind ID 65535  Weight 24\n" in detail


def test_weights_are_turns_as_long_as_they_say(lab):
    director = start(lab, extra=EAGER)
    with pair(lab, director, weights=(3, 2)):
        assert one_by_one(lab, [user(number) for number in range(10)]) == ([A] * 3 + [B] * 2) * 2


def test_at13_a_report_revives_a_failed_home_agent_and_a_hello_does_not(lab):
    director = start(lab, extra=EAGER, each=["weight 2", "reassign 1", "faildetect numconns 2 numclients 2", "retry 3600"])
    with pair(lab, director) as (first, _):
        lab.homes[0].ask("deaf", deaf=True)
        for nai in (user(1), user(2)):
            push(lab, [nai] * 3, sum(requests_received(lab)) + 3)
        wait_until(lambda: state(director, A) == "FAILED", 3, director.show("show ip slb reals detail"))
        told = first.expect("server_state")
        assert dfp.rows(told) == {(A, 17, 434, 65535): 0}
        before = shown(director)["last_message"]
        wait_until(lambda: first.send(dfp.report({})) or shown(director)["last_message"] != before, 5)
        assert state(director, A) == "FAILED"
        sent = time.monotonic()
        first.send(dfp.report({A: 10}))
        wait_until(lambda: state(director, A) == "OPERATIONAL", 5)
        assert time.monotonic() - sent < 1
        assert dfp.rows(first.expect("server_state")) == {(A, 17, 434, 65535): 10}


def test_at23_another_port_than_the_agents_never_opens_and_static_weights_rule(lab):
    director = start(lab, extra=manager(f"agent {A} {PORT} 0 0 1"), each=["weight 2"])
    with agent(lab, 1, PORT + 1) as other:
        until_state(director, "trying")
        with pytest.raises(TimeoutError):
            other.accept(2.5)
        assert shown(director)["state"] in ("trying", "connecting")
        until_weights(director, 2, 2)
        director.configure("ip slb dfp", f"agent {A} {PORT + 1}")
        with greeted(other) as peer:
            peer.send(dfp.report({A: 7}))
            until_weights(director, 7, 2)


def test_at24_passwords_and_their_change_over(lab):
    director = start(lab, extra=manager(f"agent {A} {PORT} 0 0 1", password="Cookies 60"))
    with agent(lab, 1, password="Cookies") as listener, greeted(listener) as peer:
        peer.send(dfp.report({A: 25}))
        until_weights(director, 25, 1)
        peer.send(dfp.report({A: 9}), password="cookies")
        until_state(director, "security_error")
        peer.send(dfp.report({A: 9}), password=None)
        wait_until(lambda: shown(director)["counters"]["security_missing"] == 1, 5)
        until_weights(director, 25, 1)
        peer.send(dfp.report({A: 24}))
        until_weights(director, 24, 1)
        assert shown(director)["state"] == "open" and shown(director)["counters"]["security_mismatch"] == 1

        # The manager first: it still sends with the old one and takes both.
        director.configure("ip slb dfp password Biscuits 4", f"agent {A} {PORT} 30")
        changed = time.monotonic()
        assert peer.receive() == {"type": "dfp_parameters", "keep_alive": 30}
        peer.send(dfp.report({A: 23}))
        until_weights(director, 23, 1)
        peer.send(dfp.report({A: 22}), password="Biscuits")
        until_weights(director, 22, 1)
        assert "Pending passwd: <set>" in director.show("show ip slb dfp")
        assert time.monotonic() - changed < 4, "too slow to tell"
        wait_until(lambda: "Pending passwd: <none>" in director.show("show ip slb dfp"), 6)
        peer.password = "Biscuits"
        director.configure("ip slb dfp", f"agent {A} {PORT} 40")
        assert peer.receive() == {"type": "dfp_parameters", "keep_alive": 40}
        assert shown(director)["counters"]["security_mismatch"] == 1, "none during the change-over"
        peer.send(dfp.report({A: 21}), password="Cookies")
        until_state(director, "security_error")
        until_weights(director, 22, 1)
        text = director.show("show running-config") + director.show("show ip slb dfp detail") + director.log()
        assert "ip slb dfp password 7 " in text and "Biscuits" not in text
        assert "Biscuits" not in director.show("show running-config | json")
        director.shell("write memory")
        assert "ip slb dfp password Biscuits 4\n" in director.file.read_text()
        director.configure("service password-encryption")
        director.shell("write memory")
        assert "ip slb dfp password 7 " in director.file.read_text() and "Biscuits" not in director.file.read_text()


def test_at24_five_errors_in_a_row_close_the_connection(lab):
    director = start(lab, extra=manager(f"agent {A} {PORT} 0 0 1", password="Cookies"))
    with agent(lab, 1, password="Cookies") as listener, greeted(listener) as peer:
        peer.send(dfp.report({A: 25}))
        until_weights(director, 25, 1)
        for _ in range(5):
            peer.send(dfp.report({A: 9}), password="wrong")
        peer.closed()
        until_weights(director, 1, 1)
        with greeted(listener):
            assert shown(director)["counters"]["security_mismatch"] == 5


def test_at25_a_short_timeout_is_warned_of_and_hellos_every_3_s_hold_a_timeout_of_3(lab):
    director = start(lab, extra=manager(f"agent {A} {PORT} 3 0 1"))
    assert "at least 3 seconds" in director.configure("ip slb dfp", f"agent {B} {PORT} 2")
    with agent(lab, 1) as listener, greeted(listener, 3) as peer:
        peer.send(dfp.report({A: 25}))
        until_weights(director, 25, 1)
        with hellos(peer, 3.0):
            with pytest.raises(TimeoutError):
                listener.accept(10.5)
        assert reals(director)[A]["weight"] == 25 and shown(director)["state"] == "open"
        peer.closed(6)
        until_weights(director, 1, 1)


@pytest.mark.parametrize("lines", [["no ip slb dfp"], ["ip slb dfp", f"no agent {A} {PORT}", f"no agent {B} {PORT}"]])
def test_at28_without_dfp_static_weights_rule(lab, lines):
    director = start(lab, extra=EAGER, each=["weight 2"])
    with pair(lab, director, weights=(25, 5)) as peers:
        director.configure(*lines)
        until_weights(director, 2, 2)
        for peer in peers:
            peer.closed()
        assert one_by_one(lab, [user(number) for number in range(8)]) == ([A] * 2 + [B] * 2) * 2
        assert director.show("show ip slb dfp weights") == ""


def test_at34_weight_0_takes_new_sessions_away_only(lab):
    director = start(lab, extra=EAGER)
    with pair(lab, director) as (first, _):
        assert register(lab, [user(1)]) == [A]
        first.send(dfp.report({A: 0}))
        wait_until(lambda: state(director, A) == "DFP_THROTTLED", 5)
        assert one_by_one(lab, [user(number) for number in range(10, 30)]) == [B] * 20
        assert register(lab, [user(1)]) == [A]
        first.send(dfp.report({A: 25}))
        wait_until(lambda: state(director, A) == "OPERATIONAL", 5)
        first.send(dfp.report({A: 0}))
        wait_until(lambda: state(director, A) == "DFP_THROTTLED", 5)
        first.close()
        wait_until(lambda: state(director, A) == "OPERATIONAL", 5)
        assert reals(director)[A]["weight"] == 1


def test_one_manager_on_128_agents(lab):
    lines = [f"agent {A} {port} 0 0 1" for port in range(1000, 1128)]
    director = start(lab, extra=manager(*lines))
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(agent(lab, 1, port)) for port in range(1000, 1128)]
        peers = [stack.enter_context(greeted(listener, 0, 20)) for listener in listeners]
        for number, peer in enumerate(peers):
            peer.send(dfp.report({f"10.2.2.{number}": number}))
        peers[77].send(dfp.report({A: 25}))
        until_weights(director, 25, 1)
        view = wait_until(lambda: (lambda seen: len(seen["weights"]) == 129 and seen)(
            director.show_json("show ip slb dfp detail")), 10)
        assert {each["state"] for each in view["agents"]} == {"open"}
        weights = {row["real"]: row["weight"] for row in view["weights"]}
        assert weights == {A: 25} | {f"10.2.2.{number}": number for number in range(128)}
        for listener in listeners:
            with pytest.raises(TimeoutError):
                listener.accept(0.001)
        for peer in peers[:64]:
            peer.close()
        wait_until(lambda: len(director.show_json("show ip slb dfp weights")["weights"]) == 65, 10)
        assert reals(director)[A]["weight"] == 25


def test_a_cut_shorter_than_the_timeout_loses_nothing(lab):
    director = start(lab, extra=quick([(A, "10 0 1"), (B, "0 0 1")]))
    with agent(lab, 1) as listener, greeted(listener, 10) as peer:
        peer.send(dfp.report({A: 25}))
        until_weights(director, 25, 1)
        cut(lab, 1)
        peer.send(dfp.report({A: 24}))
        with pytest.raises(TimeoutError):
            listener.accept(1.5)
        assert reals(director)[A]["weight"] == 25
        cut(lab, 1, up=True)
        until_weights(director, 24, 1)
        assert shown(director)["state"] == "open"


def test_a_cut_longer_than_the_timeout_brings_static_weights_until_the_agent_is_back(lab):
    director = start(lab, extra=quick([(A, "3 0 1"), (B, "0 0 1")]))
    with agent(lab, 1) as listener, greeted(listener, 3) as peer:
        peer.send(dfp.report({A: 25}))
        until_weights(director, 25, 1)
        with hellos(peer):
            cut(lab, 1)
            began = time.monotonic()
            until_weights(director, 1, 1)
            assert time.monotonic() - began > 3, "it heard something half a second before"
            cut(lab, 1, up=True)
            with greeted(listener, 3, 30) as again:
                again.send(dfp.report({A: 23}))
                until_weights(director, 23, 1)
        log = director.log()
        assert "SLB_DFP-4-LOST" in log and "SLB_DFP-6-OPENED" in log


def test_a_rebooted_host_is_found_again(lab):
    director = start(lab, extra=quick([(A, "3 0 1"), (B, "0 0 1")]))
    with agent(lab, 1) as listener:
        peer = greeted(listener, 3)
        peer.send(dfp.report({A: 25}))
        until_weights(director, 25, 1)
        # It goes down without a word.
        cut(lab, 1)
        peer.close(reset=True)
    until_weights(director, 1, 1)
    with agent(lab, 1) as listener:
        cut(lab, 1, up=True)
        with greeted(listener, 3, 30) as peer:
            peer.send(dfp.report({A: 20}))
            until_weights(director, 20, 1)
            assert shown(director)["state"] == "open"


def test_what_is_told_to_agents_and_shown_of_them(lab):
    director = start(lab, extra=EAGER, farm_lines=["bindid 7"])
    director.shell("debug ip slb dfp")
    with agent(lab, 1) as listener, greeted(listener) as peer:
        assert peer.receive() == {"type": "bindid_request"}
        table = {"type": "bindid_report", "server": A, "port": 434, "protocol": 17,
                 "entries": [[7, "15.1.1.0", "255.255.255.0"]]}
        peer.send(table)
        peer.send(dfp.END)
        peer.send(dfp.report({A: 25}, bind_id=7))
        peer.send(dfp.report({A: 3}, bind_id=6))
        until_weights(director, 25, 1)
        wait_until(lambda: shown(director)["bind_ids"], 5)
        text = director.show(f"show ip slb dfp agent {A} {PORT}")
        assert "    Bind ID 7  Client 15.1.1.0  Mask 255.255.255.0\n" in text
        director.configure("ip slb serverfarm HAFARM", f"real {A}", "no inservice")
        assert dfp.rows(peer.receive()) == {(A, 17, 434, 7): 0}
        director.configure("ip slb serverfarm HAFARM", f"real {A}", "inservice")
        assert dfp.rows(peer.receive()) == {(A, 17, 434, 7): 25}
        assert peer.writes[-2:] == peer.frames[-2:], "a message a write"
        log = director.show("show logging")
        for line in (f"SLB_DFP: agent {A}:{PORT} CONNECTING -> OPEN", f"SLB_DFP: agent {A}:{PORT} tx DFP_PARAMETERS len 16",
                     f"SLB_DFP: agent {A}:{PORT} rx PREFERENCE_INFO len 28 udp/434 {A} bind 7 weight 25",
                     f"SLB_DFP: agent {A}:{PORT} tx SERVER_STATE len 28 udp/434 {A} bind 7 weight 0"):
            assert line in log


REPORT = dfp.encode(dfp.report({A: 9}))

# What closes a connection: bytes, whether the agent closes after them, and what counts it.
CLOSING = {
    "wrong version": (b"\x02" + REPORT[1:], False, "bad_version"),
    "another protocol": (b"SSH-2.0-OpenSSH_9.2\r\n", False, "bad_version"),
    "too short": (b"\x01\x00\x01\x01\x00\x00\x00\x07", False, "bad_length"),
    "oversized": (b"\x01\x00\x01\x01\x00\x00\x10\x01", False, "bad_length"),
    "endless": (b"\x01\x00\x01\x01\xff\xff\xff\xff", False, "bad_length"),
    "truncated": (REPORT[:20], True, "bad_length"),
    "slow": (REPORT[:27], False, "slow_closes"),
    "flood": (dfp.encode(dfp.report({})) * 1000, False, "rate_closes"),
    "malformed again and again": ((REPORT[:11] + b"\x15" + REPORT[12:]) * 10, False, "malformed"),
}


@pytest.mark.parametrize("case", CLOSING, ids=str)
def test_what_closes_a_connection_leaves_others_alone(lab, case):
    data, closes, counter = CLOSING[case]
    director = start(lab, extra=EAGER)
    with pair(lab, director) as (first, second):
        first.send(data)
        if closes:
            first.close()
        else:
            first.closed(15)
        until_weights(director, 1, 25)
        assert shown(director)["counters"][counter] >= 1
        second.send(dfp.report({B: 24}))
        until_weights(director, 1, 24)
        assert shown(director, B)["state"] == "open" and sum(shown(director, B)["counters"].values()) == 0
        with greeted(first.listener) as again:
            again.send(dfp.report({A: 7}))
            until_weights(director, 7, 24)


# What is discarded, the connection staying: bytes, and what counts it.
DISCARDED = {
    "unknown type": (b"\x01\x00\x06\x01\x00\x00\x00\x08", "unknown_type"),
    "wrong direction": (dfp.encode({"type": "dfp_parameters", "keep_alive": 3}), "wrong_direction"),
    "unsolicited": (dfp.encode(dfp.END), "unsolicited"),
    "TLV of no length": (REPORT[:10] + b"\x00\x00" + REPORT[12:], "malformed"),
    "TLV beyond the end": (REPORT[:10] + b"\xff\xff" + REPORT[12:], "malformed"),
    "more hosts than there are": (REPORT[:16] + b"\xff\xff" + REPORT[18:], "malformed"),
    "129 hosts": (dfp.encode(dfp.report({A: 9} | {f"10.3.0.{number}": 1 for number in range(128)})), "malformed"),
}


@pytest.mark.parametrize("case", DISCARDED, ids=str)
def test_what_is_discarded_has_no_effect(lab, case):
    data, counter = DISCARDED[case]
    director = start(lab, extra=EAGER)
    with pair(lab, director) as (first, _):
        first.send(data)
        wait_until(lambda: shown(director)["counters"][counter] == 1, 5, counter)
        assert shown(director)["state"] == "open"
        assert [real["weight"] for real in reals(director).values()] == [25, 25]
        first.send(dfp.report({A: 24}))
        until_weights(director, 24, 25)


def test_a_replay_is_an_older_weight_and_another_agents_word_counts(lab):
    director = start(lab, extra=manager(f"agent {A} {PORT} 0 0 1", f"agent {B} {PORT} 0 0 1", password="Cookies"))
    with pair(lab, director, password="Cookies") as (first, second):
        recorded = dfp.encode(dfp.report({A: 20}), password="Cookies")
        first.send(recorded)
        until_weights(director, 20, 25)
        first.send(dfp.report({A: 15}))
        until_weights(director, 15, 25)
        first.send(recorded)
        until_weights(director, 20, 25)
        # An altered one is none.
        first.send(recorded[:-1] + b"\x63")
        until_state(director, "security_error")
        assert reals(director)[A]["weight"] == 20
        second.send(dfp.report({A: 5}))
        until_weights(director, 5, 25)
        assert f"Set by Agent {B}:{PORT}" in director.show("show ip slb dfp weights").split("Real")[1]


def test_agents_and_managers_hear_the_end_of_a_director_that_stops(lab):
    director = start(lab, extra=EAGER + "ip dfp agent slb\n port 8080\n inservice\n!\n")
    other = inside(lab.hosts["ha1"].namespace, lambda: dfp.connect("10.1.1.1", 8080))
    other.receive()
    with pair(lab, director) as (first, second):
        director.process.terminate()
        began = time.monotonic()
        for peer in (first, second, other):
            peer.closed(2)
        assert time.monotonic() - began < 2
    assert director.process.wait(5) == 0


def test_the_next_director_after_a_killed_one_has_its_weights_at_once(lab):
    """The agent serves one manager and closes whatever else comes, until the kernel says that the first one is gone."""
    with agent(lab, 1) as listener:
        director = start(lab, extra=manager(f"agent {A} {PORT} 0 0 180"))
        killed = greeted(listener, deadline=20)
        killed.send(dfp.report({A: 25}))
        until_weights(director, 25, 1)
        director.process.kill()
        director.process.wait()
        director = start(lab, extra=manager(f"agent {A} {PORT} 0 0 180"))
        listener.accept(20).close()
        # What it sends to the one of before is answered with a reset: its place is free again.
        with contextlib.suppress(OSError):
            killed.send(dfp.report({A: 25}))
            killed.closed(3)
        with greeted(listener, deadline=5) as peer:
            peer.send(dfp.report({A: 25}))
            until_weights(director, 25, 1)
