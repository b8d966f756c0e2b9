"""The agents of a director (`ip dfp agent`), with managers written from the draft alone."""

import contextlib
import time

import dfp
import pytest
from netlab import inside, resident, wait_until
from director import management, one_by_one, start, system_config, user
from connection_flood import ConnectionFlood

PORT = 666
ADDRESS = "10.1.1.1"
HELLO = {"type": "preference_information", "loads": []}
REST = ("0.0.0.0", 0, 0, 65534)


def agent(*lines, name="slb", port=PORT):
    """The block of an agent in service."""
    return "\n".join([f"ip dfp agent {name}", f" port {port}", *(f" {line}" for line in lines), " inservice", "!", ""])


def connect(lab, source=1, *, port=PORT, password=None, address=ADDRESS):
    """A manager on the first home agent's host, from an address of its own if `source` is not 1."""
    host = lab.hosts["ha1"]
    own = None
    if source > 1:
        own = f"10.1.1.{150 + source}"
        host.command("ip", "address", "replace", f"{own}/24", "dev", "eth0")
    return inside(host.namespace, lambda: dfp.connect(address, port, password=password, source=own))


def facts(director, name="slb"):
    """What `show ip dfp agent NAME detail` says, for a program."""
    return director.show_json(f"show ip dfp agent {name} detail")["agents"][0]


def counted(director, name="slb"):
    """The counters that are not 0."""
    return {key: count for key, count in facts(director, name)["counters"].items() if count}


def weights(director, name="slb"):
    """{address: weight} of the agent's own table."""
    return {row["address"]: row["weight"] for row in facts(director, name)["weights"]}


def asks(manager):
    """A manager that speaks and is answered, which it is once a second: it stays when others are sent away."""
    for _ in range(10):
        manager.send({"type": "bindid_request"})
        with contextlib.suppress(TimeoutError):
            table = manager.expect("bindid_report", 1.1)
            assert manager.expect("bindid_report") == dfp.END
            return table
    raise AssertionError("no answer")


@pytest.fixture
def listening(lab):
    """Starts a director with an agent `slb` of these lines, listening."""
    def started(*lines, ready=True, **options):
        director = start(lab, extra=agent(*lines), ready=ready, **options)
        wait_until(lambda: facts(director)["listening"], 5, "the agent listens")
        return director
    return started


def test_two_managers_hear_of_the_virtual_server_and_of_changes_only(lab, listening):
    director = listening("interval 5")
    managers = [connect(lab, 1), connect(lab, 2)]
    row = (lab.vip, 17, 434, 0)
    for manager in managers:
        assert dfp.rows(manager.receive()) == {row: 65535, REST: 0}
        assert asks(manager)["entries"] == [[0, "0.0.0.0", "0.0.0.0"]]
    # Half of the farm is told with the interval, all of it at once.
    director.configure("ip slb serverfarm HAFARM", f"real {lab.reals[0]}", "no inservice")
    began = time.monotonic()
    for manager in managers:
        assert dfp.rows(manager.receive(7)) == {row: 32767}
    director.configure("ip slb serverfarm HAFARM", f"real {lab.reals[1]}", "no inservice")
    began = time.monotonic()
    for manager in managers:
        assert dfp.rows(manager.receive(3)) == {row: 0}
    assert time.monotonic() - began < 2
    managers[0].quiet(6)
    assert sorted(manager["address"] for manager in facts(director)["managers"]) == sorted(
        manager.socket.getsockname()[0] for manager in managers)
    assert "Inservice: yes AppActive: yes" in director.show("show ip dfp agent slb")
    assert counted(director) == {}


def test_sessions_take_capacity_and_what_a_manager_says_of_servers_changes_nothing(lab, listening):
    director = listening("interval 5", reals={lab.reals[0]: ["maxconns 10"]})
    manager = connect(lab)
    row = (lab.vip, 17, 434, 0)
    assert dfp.rows(manager.receive())[row] == 65535
    one_by_one(lab, [user(number) for number in range(5)])
    assert dfp.rows(manager.receive(7)) == {row: 32767}
    manager.send({"type": "server_state", "loads": [{"port": 434, "protocol": 17, "hosts": [[lab.vip, 0, 0]]}]})
    wait_until(lambda: "%DFP-6-SRV_STATE" in director.show("show logging"), 3, "the log tells")
    manager.quiet(6)
    assert weights(director)[lab.vip] == 32767


def test_hellos_by_the_managers_time_and_its_display(lab, listening):
    director = listening()
    manager = connect(lab)
    manager.receive()
    began = time.monotonic()
    manager.send({"type": "dfp_parameters", "keep_alive": 5})
    for _ in range(2):
        assert manager.receive() == HELLO
    assert 5.9 < time.monotonic() - began < 9
    assert f"{lab.reals[0]:<18}  5" in director.show("show ip dfp agent slb")
    manager.send({"type": "dfp_parameters", "keep_alive": 1})
    assert manager.receive(4) == HELLO
    assert "below the minimum of 3, using 3" in director.show("show logging")


def test_another_port_ends_connections_and_listens_there(lab, listening):
    director = listening()
    manager = connect(lab)
    manager.receive()
    director.configure("ip dfp agent slb", "port 2221")
    manager.closed()
    wait_until(lambda: facts(director)["listening"], 5, "it listens again")
    connect(lab, port=2221).receive()
    with pytest.raises(ConnectionRefusedError):
        connect(lab)
    director.configure("ip dfp agent slb", "no inservice")
    wait_until(lambda: not facts(director)["listening"] and not facts(director)["managers"], 5, "nobody is served")
    director.configure("ip dfp agent slb", "inservice")
    wait_until(lambda: facts(director)["listening"], 5, "it listens again")
    manager = connect(lab, port=2221)
    manager.receive()
    director.configure("no ip dfp agent slb", "ip dfp agent slb", "port 2221", "inservice")
    manager.closed()
    wait_until(lambda: facts(director)["listening"], 5, "a new agent on the port of the old one")
    connect(lab, port=2221).receive()


@pytest.mark.parametrize("lines", [["no inservice", "inservice"], ["no port", f"port {PORT}"]], ids=" ".join)
def test_what_ends_connections_ends_them_also_when_it_is_taken_back_at_once(lab, listening, lines):
    director = listening()
    manager = connect(lab)
    manager.receive()
    director.configure("ip dfp agent slb", *lines)
    manager.closed()
    wait_until(lambda: facts(director)["listening"], 5, "it listens again")
    again = connect(lab)
    again.receive()
    # The same settings once more are no change.
    director.configure("ip dfp agent slb", f"port {PORT}", "inservice")
    again.quiet(0.3)


def test_an_agent_made_anew_at_once_has_nothing_of_the_old_one(lab, listening):
    director = listening("password old 0")
    manager = connect(lab, password="old")
    manager.receive()
    director.configure("no ip dfp agent slb", "ip dfp agent slb", "password new 180", f"port {PORT}", "inservice")
    manager.closed()
    wait_until(lambda: facts(director)["listening"], 5, "the new one listens")
    assert "Current passwd: <set> Pending passwd: <none>" in director.show("show ip dfp agent slb")
    # `receive` refuses what is not signed with it.
    manager = connect(lab, password="new")
    manager.receive()
    asks(manager)
    manager.send({"type": "bindid_request"}, password="old")
    wait_until(lambda: counted(director) == {"security_mismatch": 1}, 3, "the old password is refused")


@pytest.mark.parametrize("first", ["agent", "manager"])
def test_a_password_changes_on_a_live_pair_in_either_order(lab, listening, first):
    director = listening("password old 0", "interval 5")
    manager = connect(lab, password="old")
    manager.receive()
    asks(manager)
    director.configure("ip dfp agent slb", "password new 4")
    began = time.monotonic()
    wait_until(lambda: facts(director)["password"]["pending"], 3, "the new password waits")
    if first == "agent":
        shown = facts(director)["password"]
        assert shown["current"] and 1 <= shown["timeout"] <= 4
        assert "Current passwd: <set> Pending passwd: <set>" in director.show("show ip dfp agent slb")
        # The manager is changed next: it sends the old password until its own time is over, and takes both meanwhile.
        manager.send({"type": "dfp_parameters", "keep_alive": 40}, password="old")
    else:
        # The manager was changed first and its time is over before the agent's: it sends the new one.
        manager.send({"type": "dfp_parameters", "keep_alive": 40}, password="new")
    wait_until(lambda: facts(director)["managers"][0]["timeout"] == 40, 3, "the message is heard")
    assert counted(director) == {}, "no security error within the time"
    time.sleep(max(0, began + 4.2 - time.monotonic()))
    manager.password = "new"
    assert asks(manager)
    assert counted(director) == {}
    manager.send({"type": "bindid_request"}, password="old")
    wait_until(lambda: counted(director) == {"security_mismatch": 1}, 3, "the old password is refused")
    assert asks(manager), "and the connection stays"
    assert "old" not in director.show("show running-config | include password")


def test_debug_and_log_name_manager_and_message(lab, listening):
    director = listening()
    director.shell("debug ip dfp agent")
    manager = connect(lab)
    manager.receive()
    peer = "{}:{}".format(*manager.socket.getsockname())
    line = f"DFP: {peer} rx DFP_PARAMETERS len 16 keepalive 30"

    def said():
        manager.send({"type": "dfp_parameters", "keep_alive": 30})
        return line in director.show("show logging")

    wait_until(said, 3, line)
    second = connect(lab, 2)
    second.receive()
    told = "DFP: {}:{} tx PREFERENCE_INFO len ".format(*second.socket.getsockname())
    wait_until(lambda: told in director.show("show logging"), 3, told)
    assert f"udp/434 {lab.vip} bind 0 weight 65535" in director.show("show logging")
    manager.send(bytes.fromhex("0100060100000008"))
    wait_until(lambda: f"%DFP-4-UNK_TYPE: unknown message type 0x0601 from {peer}" in director.show("show logging"), 3,
               "the log tells")


def test_an_agent_whose_subsystem_has_nothing_to_report_does_not_listen(lab):
    director = lab.director(system_config(lab) + agent(name="mobileip", port=2221) + management())
    text = director.show("show ip dfp agent mobileip")
    assert "DFP Agent for service: MOBILEIP" in text and "Inservice: yes AppActive: no" in text
    with pytest.raises(ConnectionRefusedError):
        connect(lab, port=2221)


def hostile(data, counter, *, wait=5.0):
    """A case: what a manager sends, and what is counted."""
    return pytest.param(data, counter, wait, id=counter if isinstance(data, bytes) and len(data) < 3 else f"{counter}-{len(data)}")


@pytest.mark.parametrize("data, counter, wait", [
    hostile(b"\x02", "bad_version"),
    hostile(b"SSH-2.0-OpenSSH_9.2\r\n", "bad_version"),
    hostile(bytes.fromhex("0100030100000007"), "bad_length"),
    hostile(bytes.fromhex("0100030100001001"), "bad_length"),
    hostile(bytes.fromhex("01000301ffffffff"), "bad_length"),
    hostile(bytes.fromhex("01000301"), "slow_closes", wait=13.0),
    hostile(dfp.frame(0x0301, bytes.fromhex("0101000300000003")) * 10, "malformed"),
    hostile(dfp.encode({"type": "dfp_parameters", "keep_alive": 9}) * 90, "rate_closes"),
])
def test_a_hostile_manager_is_closed_and_counted_and_others_go_on(lab, listening, data, counter, wait):
    director = listening()
    good, bad = connect(lab, 1), connect(lab, 2)
    good.receive()
    asks(good)
    bad.send(data)
    bad.closed(wait)
    asks(good)
    times = 10 if counter == "malformed" else 1
    wait_until(lambda: counted(director) == {counter: times}, 3, f"{counter} counted, and nothing else")
    assert f"homeward_dfp_agent_events_total{{service=\"slb\",event=\"{counter}\"}} {times}" in director.http(
        "/metrics")[1]


def test_a_message_cut_short_a_wrong_digest_and_a_replay(lab, listening):
    director = listening("password Cookies 0")
    good, bad, cut = connect(lab, 1, password="Cookies"), connect(lab, 2), connect(lab, 3)
    good.receive()
    asks(good)
    recorded = dfp.encode({"type": "dfp_parameters", "keep_alive": 30}, password="Cookies")
    cut.send(recorded[:20])
    cut.close()
    wait_until(lambda: counted(director) == {"bad_length": 1}, 3, "the cut message is counted")
    bad.send(recorded)
    wait_until(lambda: any(manager["timeout"] == 30 for manager in facts(director)["managers"]), 3,
               "a replay is authentic and says what it said")
    forged = recorded[:-1] + b"\x03"
    for _ in range(5):
        bad.send(forged)
    bad.closed()
    wait_until(lambda: counted(director) == {"bad_length": 1, "security_mismatch": 5}, 3, "five forgeries counted")
    asks(good)


def test_a_storm_of_connections_leaves_forwarding_managers_and_memory(lab, listening, record_property):
    director = listening()
    good = connect(lab)
    good.receive()
    asks(good)
    attacker = lab.hosts["ha2"]
    sources = [f"10.1.1.{last}" for last in range(160, 164)]
    attacker.ip(*(f"addr add {source}/24 dev eth0" for source in sources))
    before = resident(director.process.pid)
    most = before
    with ConnectionFlood(attacker.spawn, ADDRESS, PORT, sources, 10_000) as flood:
        # Meanwhile a manager is answered and nodes are registered.
        for first in range(0, 50, 10):
            asks(good)
            assert len(one_by_one(lab, [user(first + number) for number in range(10)])) == 10
            most = max(most, resident(director.process.pid))
        told = flood.over()
    asks(good)
    found, grown = counted(director), most - before
    record_property("flood", {**told, "bytes": grown, **found})
    print(f"resident: {before} bytes, at most {grown} more; counted {found}")
    assert told["attempts"] >= 40_000 and told["opened"] > 10_000
    assert set(found) == {"evicted_connections"} and found["evicted_connections"] > told["opened"] / 10
    assert grown < 8 << 20
    wait_until(lambda: len(facts(director)["managers"]) == 1, 5, "only the manager is left")
