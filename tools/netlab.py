"""A laboratory of network namespaces around one director: its hosts, its wires, the peers and the director itself.

Every name carries the process id, so laboratories run beside each other. `Lab.close()` removes everything; it also
runs at exit and on SIGTERM. What a killed run left behind is removed by the next one.
"""

import atexit
import ctypes
import http.client
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
PREFIX = "hwlab"
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)
NUMBERS = itertools.count(1)
OPEN = []

VIP = "10.1.1.10"
PDSN = "15.1.1.51"
OUTSIDE, INSIDE = "15.1.1.1", "10.1.1.1"
DIRECTED_INSIDE, ROUTER = "10.2.1.1", "10.2.1.2"


class LabError(Exception):
    """Something of the laboratory, not of the director, went wrong."""


def wait_until(predicate, deadline=5.0, what="the condition"):
    """Polls until the predicate is true and returns its value; fails after `deadline` seconds."""
    end = time.monotonic() + deadline
    pause = threading.Event()
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true in {deadline} s; last value: {value!r}")
        pause.wait(0.02)


def run(*words, stdin=None):
    """Runs a program of the laboratory; its failure is an error with its words."""
    done = subprocess.run(words, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise LabError(f"{' '.join(words)}: {done.stderr.strip()} {stdin or ''}")
    return done.stdout


def resident(pid):
    """Bytes of memory that a process holds."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024


def thread_seconds(pid):
    """(name, CPU seconds as a program, those in the kernel) of each thread of a process."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        try:
            name, figures = (task / "stat").read_text().split("(", 1)[1].rsplit(")", 1)
        except FileNotFoundError:
            # It ended meanwhile.
            continue
        user, kernel = (int(figure) / os.sysconf("SC_CLK_TCK") for figure in figures.split()[11:13])
        yield name, user, kernel


def die_with_parent():
    """In a child: SIGKILL when the test process is gone."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def inside(namespace, function):
    """Calls a function in a thread that lives in a namespace; a socket made there stays there."""
    result = []

    def body():
        try:
            with open(f"/run/netns/{namespace}", "rb") as handle:
                if LIBC.setns(handle.fileno(), CLONE_NEWNET):
                    raise LabError(f"setns {namespace}: errno {ctypes.get_errno()}")
            result.append(function())
        except Exception as error:
            result.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if isinstance(result[0], Exception):
        raise result[0]
    return result[0]


class Host:
    """A namespace with its interfaces."""

    def __init__(self, lab, role):
        self.role, self.namespace = role, f"{lab.tag}{role}"
        run("ip", "netns", "add", self.namespace)
        lab.hosts[role] = self
        self.sysctl({"net.ipv6.conf.all.disable_ipv6": 1, "net.ipv6.conf.default.disable_ipv6": 1,
                     "net.ipv4.conf.all.rp_filter": 0, "net.ipv4.conf.default.rp_filter": 0})
        self.ip("link set lo up")

    def ip(self, *lines):
        """Runs `ip` lines in the namespace."""
        run("ip", "-n", self.namespace, "-batch", "-", stdin="\n".join(lines) + "\n")

    def sysctl(self, settings):
        """Sets kernel parameters of the namespace."""
        def write():
            for name, value in settings.items():
                pathlib.Path("/proc/sys", *name.split(".")).write_text(f"{value}\n")
        inside(self.namespace, write)

    def command(self, *words, **options):
        """Runs a program in the namespace and returns what it did."""
        return subprocess.run(["ip", "netns", "exec", self.namespace, *words], capture_output=True, text=True,
                              check=False, **options)

    def spawn(self, *words, **options):
        """Starts a program in the namespace."""
        return subprocess.Popen(["ip", "netns", "exec", self.namespace, *words], preexec_fn=die_with_parent,
                                start_new_session=True, **options)

    def mac(self, device):
        """Hardware address of an interface."""
        links = json.loads(run("ip", "-n", self.namespace, "-j", "link", "show", "dev", device))
        return links[0]["address"]


class Peer:
    """A peer in its own process in a host's namespace, spoken to in JSON lines."""

    def __init__(self, lab, host, kind, iface, address, *more):
        self.host, self.address, self.iface = host, address, iface
        words = [sys.executable, str(HERE / "peers.py"), kind, "--iface", iface, "--address", address, *more]
        self.process = host.spawn(*words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        lab.processes.append(self.process)

    def ready(self):
        """Waits until it listens."""
        if not self.process.stdout.readline():
            raise LabError(f"{self.host.role} did not start")
        return self

    def ask(self, do, **arguments):
        """Sends a command and returns its answer."""
        self.process.stdin.write(json.dumps({"do": do, **arguments}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise LabError(f"{self.host.role} is gone")
        answer = json.loads(line)
        if isinstance(answer, dict) and "error" in answer:
            raise LabError(f"{self.host.role}: {do}: {answer['error']}")
        return answer

    def frames(self):
        """Frames received so far, as bytes."""
        return [bytes.fromhex(frame) for frame in self.ask("frames")]

    def send(self, *frames):
        """Sends frames as they are."""
        return self.ask("send", frames=[bytes(frame).hex() for frame in frames])

    @property
    def mac(self):
        """Hardware address of its interface."""
        return self.host.mac(self.iface)


def locate(variable, name):
    """A program of ours: from the environment, else a debug or release build."""
    if os.environ.get(variable):
        return pathlib.Path(os.environ[variable])
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    for profile in ("debug", "release"):
        if (target / profile / name).exists():
            return target / profile / name
    raise LabError(f"no {name}: build it, or name it in {variable}")


class Director:
    """The daemon under test, in the namespace `director`, or in that of a further one."""

    def __init__(self, lab, configuration, *, name="director"):
        self.lab, self.host = lab, lab.hosts[name]
        self.program = locate("HOMEWARD", "homeward")
        self.file = lab.folder / f"{name}.conf"
        self.socket = lab.folder / f"{name}.sock"
        self.log_file = lab.folder / f"{name}.log"
        self.notify_path = lab.folder / f"{name}.notify"
        self.file.write_text(configuration.replace("@SOCKET@", str(self.socket)))
        # Another director of this name may have been here before.
        self.notify_path.unlink(missing_ok=True)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(str(self.notify_path))
        self.notices = []
        threading.Thread(target=self.listen, daemon=True).start()
        self.process = None
        lab.directors.append(self)

    def start(self, deadline=30.0, environment=None, arguments=()):
        """Starts it and waits until it says that it is ready."""
        self.launch(environment, arguments)
        wait_until(lambda: self.said("READY=1") or self.process.poll() is not None, deadline, "READY=1")
        if self.process.poll() is not None:
            raise AssertionError(f"homeward ended with {self.process.returncode}:\n{self.log()}")
        return self

    def launch(self, environment=None, arguments=()):
        """Starts it without waiting."""
        self.notices.clear()
        with open(self.log_file, "ab") as log:
            self.process = self.host.spawn(
                str(self.program), "run", "--config", str(self.file), *arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL,
                env={**os.environ, "NOTIFY_SOCKET": str(self.notify_path), **(environment or {})})
        self.lab.processes.append(self.process)
        return self

    def listen(self):
        """Collects service notifications, as a service manager would: nobody has to wait for us."""
        while True:
            try:
                self.notices += self.notify.recv(4096).decode().splitlines()
            except OSError:
                return

    def said(self, word):
        """Whether a service notification with this line has come."""
        return word in self.notices

    def alive(self):
        """Whether the process runs."""
        return self.process is not None and self.process.poll() is None

    def log(self):
        """What it wrote to stderr."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def shell(self, *commands, stdin=None):
        """`homeward shell` with these commands: the finished process."""
        words = [str(self.program), "shell", "--socket", str(self.socket)]
        for command in commands:
            words += ["-c", command]
        return subprocess.run(words, input=stdin, capture_output=True, text=True, check=False, timeout=30,
                              stdin=subprocess.DEVNULL if stdin is None else None)

    def show(self, command):
        """Output of one command that must succeed."""
        done = self.shell(command)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def show_json(self, command):
        """The same facts, decoded."""
        return json.loads(self.show(f"{command} | json"))

    def configure(self, *lines):
        """Configuration lines, entered live; every one must be accepted."""
        done = self.shell("configure terminal", *lines, "end")
        assert done.returncode == 0, f"{lines}: {done.stdout}{done.stderr}"
        return done.stdout

    def signal(self, number):
        """Sends a signal."""
        self.process.send_signal(number)

    def stop(self, deadline=5.0):
        """SIGTERM; returns (exit code, seconds that it took)."""
        began = time.monotonic()
        self.process.terminate()
        try:
            return self.process.wait(deadline), time.monotonic() - began
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None, time.monotonic() - began

    def http(self, path, port=9434, headers=()):
        """(status, body) of an HTTP request inside the director's namespace."""
        def fetch():
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", path, headers=dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        return inside(self.host.namespace, fetch)


class Lab:
    """Namespaces pdsn, director, the home agents, the switch between them, and a router in directed mode.

    dispatched: pdsn 15.1.1.51 -- 15.1.1.1 director 10.1.1.1 -- switch -- home agents 10.1.1.51, .52, ...
    directed:   ... 15.1.1.1 director 10.2.1.1 -- switch -- 10.2.1.2 router 10.1.1.1 -- home agents 10.1.1.51, .52, ...
    bypass:     pdsn has a second wire to the switch (10.1.1.61), and replies take it.
    one_arm:    pdsn is 10.1.1.51's neighbour: everything hangs on the switch, the director by one port.
    vlans:      (outside, inside) VLAN numbers: the director has one wire, `inside`, and finds both networks on it, tagged.
    relay:      options of the peer `relay`, which then stands between pdsn and director and spoils the wire.
    """

    def __init__(self, mode="dispatched", homes=2, *, bypass=False, one_arm=False, vlans=None, relay=None, vip=VIP):
        self.tag = f"{PREFIX}{os.getpid()}x{next(NUMBERS)}"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix=f"{self.tag}-"))
        self.mode, self.vip, self.vlans, self.relay = mode, vip, vlans, relay
        self.hosts, self.processes, self.directors = {}, [], []
        OPEN.append(self)
        try:
            self.build(homes, bypass, one_arm)
        except BaseException:
            self.close()
            raise

    def build(self, homes, bypass, one_arm):
        """Namespaces first, then wires, addresses, peers."""
        director, switch, pdsn = (Host(self, role) for role in ("director", "switch", "pdsn"))
        switch.ip("link add br0 type bridge forward_delay 0", "link set br0 up")
        self.ports = 0
        self.trunk = self.tagged(*self.vlans) if self.vlans else None
        if not self.vlans:
            self.plug(director, "inside")
        if one_arm:
            self.plug(pdsn, "eth0")
            self.address(pdsn, "eth0", "10.1.1.61", INSIDE)
        elif not self.vlans:
            if self.relay is not None:
                self.relay = self.spoil(director, pdsn)
            else:
                self.wire(director, "outside", pdsn, "eth0")
            self.address(pdsn, "eth0", PDSN, OUTSIDE)
        back = INSIDE
        if bypass:
            self.plug(pdsn, "eth1")
            pdsn.ip("addr add 10.1.1.61/32 dev eth1")
            back = "10.1.1.61"
        peers = [self.home(number, back) for number in range(1, homes + 1)]
        self.pdsn = Peer(self, pdsn, "pdsn", "eth0", "10.1.1.61" if one_arm else PDSN)
        for peer in (*peers, self.pdsn):
            peer.ready()
        self.homes = peers
        self.reals = [peer.address for peer in peers]

    def tagged(self, outer, inner):
        """The director on a trunk; the switch's bridge is the inner VLAN, the pdsn's wire the outer one."""
        director, switch, pdsn = (self.hosts[role] for role in ("director", "switch", "pdsn"))
        self.wire(switch, "trunk", director, "inside")
        self.wire(switch, "outer", pdsn, "eth0")
        self.address(pdsn, "eth0", PDSN, OUTSIDE)
        self.wire(switch, "inner", switch, "port0")
        switch.ip("link set port0 master br0")
        return Peer(self, switch, "trunk", "trunk", "-", "--port", f"{outer}=outer", "--port", f"{inner}=inner").ready()

    def spoil(self, director, pdsn):
        """A wire with a relay in its middle."""
        middle = Host(self, "relay")
        self.wire(middle, "left", pdsn, "eth0")
        self.wire(middle, "right", director, "outside")
        words = [word for option, value in self.relay.items() for word in (f"--{option}", str(value))]
        return Peer(self, middle, "relay", "left", "-", "--other", "right", *words).ready()

    def home(self, number, back):
        """One home agent: on the switch, or behind the router."""
        host = Host(self, f"ha{number}")
        if self.mode == "dispatched":
            self.plug(host, "eth0")
            address = f"10.1.1.{50 + number}"
            self.address(host, "eth0", address, back)
            host.sysctl({"net.ipv4.conf.all.arp_ignore": 1, "net.ipv4.conf.all.arp_announce": 2})
            host.ip(f"addr add {self.vip}/32 dev lo")
            return Peer(self, host, "ha", "eth0", address, "--vip", self.vip, "--status",
                        str(self.folder / f"ha{number}.bindings"))
        if "router" not in self.hosts:
            router = Host(self, "router")
            router.sysctl({"net.ipv4.ip_forward": 1})
            self.plug(router, "eth0")
            self.address(router, "eth0", ROUTER, DIRECTED_INSIDE)
            router.ip("link add br0 type bridge forward_delay 0", "link set br0 up", f"addr add {INSIDE}/24 dev br0")
        address = f"10.1.1.{50 + number}"
        self.plug(host, "eth0", "router")
        self.address(host, "eth0", address, INSIDE)
        return Peer(self, host, "ha", "eth0", address)

    def wire(self, host, device, other, other_device):
        """A veth between two hosts, both ends up, without checksum offload."""
        run("ip", "-n", host.namespace, "link", "add", device, "type", "veth", "peer", "name", other_device, "netns",
            other.namespace)
        for end, name in ((host, device), (other, other_device)):
            end.command("ethtool", "-K", name, "tx", "off")
            end.ip(f"link set {name} up")

    def plug(self, host, device, switch="switch"):
        """A veth from a host to a switch."""
        self.ports += 1
        port = f"port{self.ports}"
        self.wire(self.hosts[switch], port, host, device)
        self.hosts[switch].ip(f"link set {port} master br0")

    @staticmethod
    def address(host, device, address, gateway):
        """An address with a default route."""
        host.ip(f"addr add {address}/24 dev {device}", f"route add default via {gateway}")

    def add(self, name):
        """A further director's host, by one wire `inside` on the home agents' switch."""
        host = Host(self, name)
        self.plug(host, "inside")
        return host

    def director(self, configuration, *, name="director", **options):
        """Starts a director with this configuration, on the host of that name."""
        return Director(self, configuration, name=name).start(**options)

    def logs(self):
        """Every director's log, for a failure."""
        return "\n".join(f"--- {director.file.name}\n{director.log()}" for director in self.directors)

    def close(self):
        """Ends what runs and removes every namespace and file."""
        if self in OPEN:
            OPEN.remove(self)
        for process in reversed(self.processes):
            if process.poll() is None:
                process.kill()
        for process in self.processes:
            process.wait()
            for pipe in (process.stdin, process.stdout):
                if pipe:
                    pipe.close()
        for director in self.directors:
            director.notify.shutdown(socket.SHUT_RDWR)
            director.notify.close()
        for host in self.hosts.values():
            subprocess.run(["ip", "netns", "del", host.namespace], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def close_all():
    """Closes every laboratory that is still open."""
    for lab in list(OPEN):
        lab.close()


def sweep():
    """Removes namespaces of runs that were killed."""
    for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else []:
        match = re.match(rf"{PREFIX}(\d+)x", name)
        if match and not os.path.exists(f"/proc/{match[1]}"):
            subprocess.run(["ip", "netns", "del", name], stderr=subprocess.DEVNULL, check=False)


def raise_on_sigterm():
    """Turns SIGTERM and a closed terminal into an exit that runs the clean-up."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: sys.exit(128 + received))


atexit.register(close_all)
