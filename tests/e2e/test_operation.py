"""Living with a director: configuration live, reloaded and saved; errors; drain; machines that watch it."""

import contextlib
import itertools
import json
import pathlib
import re
import signal
import socket
import subprocess
import threading

import pytest
from mobile_node import MobileNode
from netlab import ROOT, Director, Lab, locate, wait_until
from director import (configuration, farm, management, one_by_one, reals, register, requests_received, resolve_neighbor,
                      sessions, start, state, system_config, user, verdicts, vserver, vservers, wait_operational)

A, B = "10.1.1.51", "10.1.1.52"
DEFAULTS = {"", "workers 1", "idle ipmobile request 10"}
CONFIGURATIONS = sorted((ROOT / "conf").glob("*.conf"))


def homeward(*words):
    """Runs the program."""
    return subprocess.run([str(locate("HOMEWARD", "homeward")), *words], capture_output=True, text=True, check=False,
                          timeout=30)


@pytest.mark.parametrize("file", CONFIGURATIONS, ids=lambda file: file.stem)
def test_every_configuration_that_we_ship_is_accepted(file):
    done = homeward("check", str(file))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", CONFIGURATIONS, ids=lambda file: file.stem)
def test_every_configuration_that_we_ship_runs_and_prints_itself(labs, file):
    text = file.read_text()
    lab = labs("directed" if "directed" in file.stem else "dispatched")
    director = lab.director(text.replace("/run/homeward/homeward.sock", "@SOCKET@"))
    if "home-agent-" in file.stem:
        # Behind a director: registrations through it are in the test of the whole.
        assert "Home agent is enabled" in director.show("show ip mobile globals")
    elif "router mobile" in text:
        resolve_neighbor(lab, director)
        with contextlib.closing(MobileNode(lab, "user1@example.com")) as node:
            assert node.register() == (0, 600, "10.9.0.1")
    else:
        wait_operational(director)
        answers = one_by_one(lab, [user(number) for number in range(1, 17)])
        assert set(answers) == {A, B}
    printed = director.show("show running-config")
    body = "\n".join(line for line in printed.splitlines() if not re.match(r"(Building|Current) ", line)) + "\n"
    again = lab.folder / "again.conf"
    again.write_text(body)
    assert homeward("check", str(again)).returncode == 0
    def without_keys(lines):
        return {re.sub(r" key (ascii|hex) .*", r" key \1", line.strip()) for line in lines.splitlines()}
    asked = {line for line in without_keys(director.file.read_text()) if not line.startswith("!")}
    assert asked - without_keys(printed) <= DEFAULTS


@pytest.mark.parametrize("before,at,message", [
    (["ip slb serverfarm HAFARM", f"real {A}"], ("weight ", "70000"), "% Invalid input detected at '^' marker."),
    (["ip slb serverfarm HAFARM", f"real {A}"], ("w", "ieght 3"), "% Invalid input detected at '^' marker."),
    (["ip slb vserver MIPSLB"], ("idle ipmobile request ", "3"), "% Invalid input detected at '^' marker."),
    ([], ("ip slb serverfarm A ", "B"), "% Invalid input detected at '^' marker."),
    ([], ("ip route 10.0.0.0 255.255.0.0 ", "999.1.1.1"), "% Invalid input detected at '^' marker."),
])
def test_at30_the_caret_stands_under_the_first_wrong_character(lab, before, at, message):
    director = start(lab)
    running = director.show("show running-config")
    good, bad = at
    done = director.shell("configure terminal", *before, good + bad)
    assert done.returncode == 1
    mode = {0: "(config)", 1: "(config-slb-vserver)", 2: "(config-slb-real)"}[len(before)]
    lines = done.stdout.splitlines()
    caret = next(line for line in lines if line.strip() == "^")
    assert caret.index("^") == len(f"director{mode}#{good}")
    assert message in lines
    assert director.show("show running-config") == running


@pytest.mark.parametrize("command,message", [
    ("show ip slb", "% Incomplete command."),
    ("configure", "% Incomplete command."),
    ("c", '% Ambiguous command:  "c"'),
    ("show nonsense", "% Invalid input detected at '^' marker."),
])
def test_at30_errors_of_commands_end_the_shell_with_1(lab, command, message):
    director = start(lab)
    done = director.shell(command)
    assert done.returncode == 1 and message in done.stdout
    assert director.shell("show clock").returncode == 0


def test_abbreviations_and_pipes_of_the_shell(lab):
    director = start(lab)
    assert director.show("sh ip slb rea") == director.show("show ip slb reals")
    assert director.show(f"show ip slb reals | include {A}").split()[0] == A
    assert director.show("show ip slb reals | count OPERATIONAL").strip().endswith("2")
    facts = director.show_json("show ip slb reals")
    assert A in json.dumps(facts) and "OPERATIONAL" in json.dumps(facts)


@pytest.mark.parametrize("command", [
    "ip slb reals", "ip slb reals detail", "ip slb vservers", "ip slb vservers detail", "ip slb serverfarms",
    "ip slb sessions ipmobile", "ip slb stats", "interfaces", "ip arp", "ip route", "dataplane", "memory", "health",
    "version", "running-config", "logging", "clock"])
def test_every_show_exists_as_text_and_as_json(lab_with_traffic, command):
    director = lab_with_traffic.directors[0]
    assert director.show(f"show {command}").strip()
    director.show_json(f"show {command}")


@pytest.fixture(scope="module")
def lab_with_traffic():
    """One laboratory for tests that only look."""
    with Lab() as lab:
        start(lab)
        register(lab, [user(number) for number in range(1, 5)])
        yield lab


def test_http_serves_metrics_health_and_every_show(lab_with_traffic):
    director = lab_with_traffic.directors[0]
    status, body = director.http("/health")
    assert status == 200 and json.loads(body)["healthy"] is True
    assert director.http("/health/live")[0] == director.http("/health/ready")[0] == 200
    status, body = director.http("/metrics")
    assert status == 200 and body.rstrip().endswith("# EOF")
    samples = re.findall(r'(?m)^(homeward_\w+)(\{[^}]*\})? ([\d.e+-]+)', body)
    assert samples, body[:500]
    assert any('verdict="slb_dispatched"' in labels and float(value) == 4 for _, labels, value in samples), body
    status, body = director.http("/api/show/ip/slb/reals")
    assert status == 200 and json.loads(body) == director.show_json("show ip slb reals")
    assert director.http("/api/configure/terminal")[0] == 404
    # A name that somebody has made to lead here, in a browser of this host.
    assert director.http("/health", headers={"Host": "evil.example:9434"})[0] == 403
    assert director.http("/api/show/nonsense")[0] == 400


def test_at26_leastconns_is_refused_when_the_server_goes_into_service(lab):
    director = start(lab, ready=False, inservice=False)
    director.configure("ip slb serverfarm HAFARM", "predictor leastconns")
    done = director.shell("configure terminal", "ip slb vserver MIPSLB", "inservice")
    assert done.returncode == 1
    assert "% SLB: predictor leastconns is not supported with service ipmobile" in done.stdout.splitlines()
    assert vservers(director)["MIPSLB"] == "OUTOFSERVICE"


@pytest.mark.parametrize("where,line,message", [
    ("vserver", "sticky 60", "sticky is not supported with service ipmobile"),
    ("vserver", "synguard 10", "synguard is not supported with service ipmobile"),
    ("farm", "nat client POOL", "client NAT is not supported with service ipmobile"),
])
def test_at27_what_ipmobile_cannot_have_is_refused(lab, where, line, message):
    director = start(lab, ready=False, inservice=False)
    director.configure("ip slb vserver MIPSLB" if where == "vserver" else "ip slb serverfarm HAFARM", line)
    done = director.shell("configure terminal", "ip slb vserver MIPSLB", "inservice")
    assert done.returncode == 1 and f"% SLB: {message}" in done.stdout.splitlines(), done.stdout
    assert vservers(director)["MIPSLB"] == "OUTOFSERVICE"


def test_live_configuration_adds_a_real_and_takes_it_away(labs):
    lab = labs(homes=3)
    director = start(lab, reals={A: [], B: []})
    assert one_by_one(lab, [user(number) for number in range(1, 5)]) == [A, B, A, B]
    director.configure("ip slb serverfarm HAFARM", "real 10.1.1.53", "weight 1", "inservice")
    wait_operational(director)
    assert set(one_by_one(lab, [user(number) for number in range(10, 13)])) == {A, B, "10.1.1.53"}
    director.configure("ip slb serverfarm HAFARM", "no real 10.1.1.53")
    assert "10.1.1.53" not in reals(director)
    assert set(one_by_one(lab, [user(number) for number in range(20, 24)])) == {A, B}


def test_reload_takes_the_whole_file_or_nothing(lab):
    director = start(lab)
    assert reals(director)[A]["weight"] == 1
    text = director.file.read_text()
    director.file.write_text(text.replace("weight 1", "weight 5", 1))
    director.signal(signal.SIGHUP)
    wait_until(lambda: reals(director)[A]["weight"] == 5, 5, "the new weight")
    # One good change and one bad line: neither acts.
    bad = text.replace("weight 1", "weight 7", 1).replace("idle ipmobile request 300", "idle ipmobile request nonsense")
    director.file.write_text(bad)
    director.signal(signal.SIGHUP)
    line = bad.splitlines().index(" idle ipmobile request nonsense") + 1
    wait_until(lambda: re.search(rf"{re.escape(director.file.name)}\D+{line}\b", director.log()), 5,
               "the error with its line")
    wait_until(lambda: "reload: nothing has changed" in director.log(), 5, "what that means")
    assert reals(director)[A]["weight"] == 5 and director.alive()
    register(lab, [user(1)])


def test_reload_keeps_sessions(lab):
    director = start(lab)
    register(lab, [user(number) for number in range(1, 11)])
    before = sessions(director)
    director.file.write_text(director.file.read_text().replace("weight 1", "weight 2"))
    director.signal(signal.SIGHUP)
    wait_until(lambda: reals(director)[A]["weight"] == 2, 5, "the new weight")
    assert sessions(director) == before


def test_reload_that_needs_a_restart_is_refused(lab):
    director = start(lab)
    director.file.write_text(director.file.read_text().replace("workers 1", "workers 2").replace("weight 1", "weight 3"))
    director.signal(signal.SIGHUP)
    wait_until(lambda: "restart needed" in director.log(), 5, "restart needed")
    wait_until(lambda: "reload: nothing has changed" in director.log(), 5, "what that means")
    assert reals(director)[A]["weight"] == 1


def test_write_memory_saves_and_keeps_the_file_before(lab):
    director = start(lab)
    before = director.file.read_text()
    director.configure("ip slb serverfarm HAFARM", f"real {A}", "weight 9")
    director.show("write memory")
    saved = director.file.read_text()
    assert "weight 9" in saved
    assert pathlib.Path(f"{director.file}.bak").read_text() == before
    assert homeward("check", str(director.file)).returncode == 0
    assert director.stop()[0] == 0
    director.start()
    wait_operational(director)
    assert reals(director)[A]["weight"] == 9


def test_clear_sessions_and_counters(lab):
    director = start(lab)
    register(lab, [user(number) for number in range(1, 5)])
    director.show("clear ip slb sessions")
    wait_until(lambda: sessions(director) == [], 5, "no sessions")
    assert all(real["conns"] == 0 for real in reals(director).values())
    register(lab, [user(1)])


def test_debug_shows_the_guides_lines_live(lab):
    director = start(lab)
    shell = subprocess.Popen([str(director.program), "shell", "--socket", str(director.socket)], text=True,
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    lab.processes.append(shell)
    shell.stdin.write("debug ip slb sessions ipmobile\n")
    shell.stdin.flush()
    assert "debugging is on" in shell.stdout.readline()
    register(lab, [user(1)])
    lines = [shell.stdout.readline().rstrip() for _ in range(4)]
    bodies = [re.sub(r"^[*.]?[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(\.\d{3})?: ", "", line) for line in lines]
    assert bodies[0] == f"SLB_SESSION_IPMOBILE: client = 15.1.1.51, NAI: {user(1)}, length: 28"
    assert bodies[1] == "SLB_SESSION_IPMOBILE: event= IPMOBILE_REQ_REQUEST, state= IPMOBILE_INIT -> IPMOBILE_ESTAB"
    assert re.fullmatch(r"SLB_SESSION: v_ip= 10\.1\.1\.10:434 \([ \d]\d\), real= 10\.1\.1\.51, NAT= none", bodies[2])
    # The key that is shown is FNV-1a 32 of the NAI.
    value = 0x811C9DC5
    for byte in user(1).encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    assert bodies[3] == f"SLB_SESSION: client= 15.1.1.51:434 session_key= {value:08X}00000000"
    shell.stdin.close()
    shell.wait(5)
    assert [row[1] for row in sessions(director)] == [f"{value:08X}00000000"]


def test_drain_ends_with_0_within_two_seconds_and_leaves_nothing(lab):
    director = start(lab)
    register(lab, [user(number) for number in range(1, 51)])
    code, seconds = director.stop()
    assert code == 0 and seconds < 2.5, (code, seconds, director.log())
    assert not director.socket.exists()
    links = lab.hosts["director"].command("ip", "-o", "link").stdout
    assert "Et0" not in links and "Et1" not in links
    assert "15.1.1.1" not in lab.hosts["director"].command("ip", "-o", "addr").stdout
    director.start()
    wait_operational(director)
    register(lab, [user(1)])


def test_a_wrong_configuration_stops_the_start_and_says_where(lab):
    text = configuration(lab).replace("weight 1", "weight 70000", 1)
    director = Director(lab, text).launch()
    assert director.process.wait(20) not in (0, None)
    line = director.file.read_text().splitlines().index("  weight 70000") + 1
    log = director.log()
    assert re.search(rf"\b{line}\b", log) and "weight 70000" in log and "^" in log


def test_a_missing_device_stops_the_start_and_names_it(lab):
    director = Director(lab, configuration(lab).replace("iface=outside", "iface=nowhere")).launch()
    assert director.process.wait(20) not in (0, None)
    assert "nowhere" in director.log()


def test_the_service_manager_hears_ready_watchdog_and_stopping(lab):
    director = Director(lab, configuration(lab)).start(environment={"WATCHDOG_USEC": "1000000"})
    wait_operational(director)
    wait_until(lambda: director.said("WATCHDOG=1"), 3, "WATCHDOG=1")
    assert director.stop()[0] == 0
    assert director.said("STOPPING=1")


def test_two_shells_at_once_and_a_client_that_says_nonsense(lab):
    director = start(lab)
    rude = socket.socket(socket.AF_UNIX)
    rude.connect(str(director.socket))
    with contextlib.suppress(BrokenPipeError):  # it may hang up on us
        rude.sendall(b"\xff\xfe{\n" + b"x" * 100_000 + b"\n")
    shells = [subprocess.Popen([str(director.program), "shell", "--socket", str(director.socket), "-c",
                                "show ip slb reals"], stdout=subprocess.PIPE) for _ in range(4)]
    assert {shell.wait(10) for shell in shells} == {0}
    for shell in shells:
        shell.stdout.close()
    rude.close()
    assert director.alive()


def test_farms_in_use_and_servers_in_service_are_protected(lab):
    director = start(lab)
    done = director.shell("configure terminal", "no ip slb serverfarm HAFARM")
    assert done.returncode == 1 and "% SLB: server farm HAFARM is in use" in done.stdout
    done = director.shell("configure terminal", "ip slb vserver MIPSLB", "virtual 10.1.1.11 udp 434 service ipmobile")
    assert done.returncode == 1 and "% SLB: virtual server MIPSLB must be out of service" in done.stdout
    assert vservers(director)["MIPSLB"] == "OPERATIONAL"
    assert one_by_one(lab, [user(1)]) == [A] and requests_received(lab) == [1, 0]
    assert state(director, A) == "OPERATIONAL" and verdicts(director)["slb_dispatched"] == 1


def test_two_virtual_servers_have_sessions_of_their_own(labs):
    lab = labs(homes=2)
    lab.hosts["ha2"].ip("addr add 10.1.1.11/32 dev lo")
    text = (system_config(lab) + farm({A: []}) + farm({B: []}, name="OTHER") + vserver(lab.vip)
            + vserver("10.1.1.11", name="SECOND", farms="OTHER") + management())
    director = lab.director(text)
    wait_operational(director)
    assert register(lab, [user(1)]) == [A]
    lab.pdsn.ask("register", to="10.1.1.11", users=[user(1)])
    wait_until(lambda: len(sessions(director)) == 2, 5, "a session in each")
    assert sorted(row[0] for row in sessions(director)) == ["MIPSLB", "SECOND"]


def test_a_clean_stop_under_traffic_logs_no_error_and_fails_nobody(lab):
    director = start(lab, workers=2)
    one_by_one(lab, map(user, range(4)))
    over = threading.Event()

    def traffic():
        number = itertools.count()
        while not over.is_set():
            lab.pdsn.ask("register", to=lab.vip, users=[user(next(number)) for _ in range(50)], gap=0.001)
    thread = threading.Thread(target=traffic)
    thread.start()
    try:
        before = sum(requests_received(lab))
        wait_until(lambda: sum(requests_received(lab)) > before + 200, 10, "traffic")
        assert director.stop()[0] == 0
    finally:
        over.set()
        thread.join()
    log = director.log()
    end = log.split("draining")[1]
    assert "ended" in end.splitlines()[-1], log
    assert " ERROR " not in log and " WARN " not in end and "ARP_FAILED" not in end, log


def test_what_a_killed_director_changed_in_the_kernel_is_put_back(lab):
    host = lab.hosts["director"]

    def silenced():
        return [host.command("cat", f"/proc/sys/net/ipv4/conf/inside/{key}").stdout.strip()
                for key in ("arp_ignore", "rp_filter")]
    before = silenced()
    director = start(lab, workers=2)
    assert silenced() == ["8", "1"] != before
    director.process.kill()
    director.process.wait()
    assert silenced() == ["8", "1"]
    # The next one puts it back, also where its configuration has no such port any more.
    text = director.file.read_text(encoding="utf8")
    director.file.write_text(text.replace("net_af_packet1,iface=inside", "net_null1"), encoding="utf8")
    director.start()
    wait_until(lambda: silenced() == before, 5, "the former settings")
    assert "arp_ignore set back to" in director.log()
    assert director.stop()[0] == 0
    # And a clean end leaves nothing changed and no record.
    director.file.write_text(text, encoding="utf8")
    director.start()
    assert silenced() == ["8", "1"] and list(lab.folder.glob("*.settings"))
    assert director.stop()[0] == 0
    assert silenced() == before and not list(lab.folder.glob("*.settings"))
