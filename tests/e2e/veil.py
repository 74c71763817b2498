"""A VeilNet for end-to-end tests and benches: Guardian with its Master on one machine, nodes on others.

    net = Net()
    srv, a, b = (net.machine(n) for n in ("srv", "a", "b"))
    net.switch([srv, a, b], "10.9.0", "fd09")
    g = Guardian(srv, "10.9.0.1")
    na, nb = Node(a, g), Node(b, g)
    na.ping(nb.ip4)
"""
import itertools
import json
import os
import re
import signal
import time

from lib import Failed, check, check_in_time, log, run, stood_still, wait_until


class Guardian:
    def __init__(self, machine, address, init=(), start=True):
        self.machine = machine
        self.address = address
        self.dir = machine.dir / "guardian"
        self.env = {"VEILNET_GUARDIAN_DIR": str(self.dir)}
        out = machine.run(["env", f"VEILNET_GUARDIAN_DIR={self.dir}", "veilnet-guardian", "init", "--json",
                           "--public", address, *init], timeout=60)
        self.info = json.loads(out.stdout[out.stdout.index("{"):])
        self.join = self.info["join_token"]
        self.daemon = None
        machine.net.undo(self.end_master)
        if start:
            self.start()

    def start(self, *words):
        self.daemon = self.machine.daemon(["veilnet-guardian", "run", *words], name="guardian", env=self.env)
        wait_until(lambda: self.health()["status"] == "ok", 20, "Guardian answers")
        wait_until(lambda: self.health()["master"] == "up", 20, "Master answers")

    def run_with(self, *words):
        """Runs with these words from now on."""
        if self.daemon:
            self.daemon.stop()
        self.start(*words)

    def health(self):
        return self.machine.json(["curl", "-sk", "--max-time", "2", f"https://{self.address}:8443/health"])

    def api(self, method, path, body=None):
        """Calls Guardian's HTTP API as the first administrator."""
        def call(method, path, body, *words):
            return json.loads(self.machine.out(
                ["curl", "-sk", "--fail-with-body", "--max-time", "10", "-X", method, *words, "-H",
                 "Content-Type: application/json", *(["-d", json.dumps(body)] if body is not None else []),
                 f"https://{self.address}:8443{path}"]) or "null")

        login = call("POST", "/auth/login", {"user": "admin", "password": self.info["admin_password"]})
        return call(method, path, body, "-H", f"Authorization: Bearer {login['access_token']}")

    def cli(self, *words, ok=True, timeout=30):
        return self.machine.run(["env", f"VEILNET_GUARDIAN_DIR={self.dir}", "veilnet-guardian", *words],
                                ok=ok, timeout=timeout)

    def token(self, *words):
        """A new join token: token("--taints", "guest")."""
        out = self.cli("token", "create", "--json", *words).stdout
        return json.loads(out[out.index("{"):])["join_token"]

    def end_master(self):
        self.cli("stop", "--with-master", ok=False)


class Node:
    def __init__(self, machine, guardian, tag=None, token=None, register=(), run_words=(), before=(), start=True):
        """before: words in front of the daemon's own, such as env."""
        self.machine = machine
        self.before = list(before)
        self.tag = tag or machine.name
        self.dir = machine.dir / f"conflux-{self.tag}"
        self.run_words = list(run_words)
        self.registered = self.cli("register", "-t", token or guardian.join, "--tag", self.tag, *register)
        self.ip4 = self.ip6 = None
        self.daemon = None
        if start:
            self.start()

    def cli(self, *words, ok=True, timeout=30):
        return self.machine.run(["veilnet-conflux", "--state-dir", self.dir, *words], ok=ok, timeout=timeout)

    def json(self, *words, timeout=30):
        return self.machine.json(["veilnet-conflux", "--state-dir", self.dir, *words, "--json"], timeout=timeout)

    def start(self, timeout=20, wait=True):
        self.daemon = self.machine.daemon([*self.before, "veilnet-conflux", "--state-dir", self.dir, "run", *self.run_words],
                                          name=f"conflux-{self.tag}")
        if wait:
            self.wait_online(timeout)

    def wait_online(self, timeout=20):
        def online():
            if not self.daemon.running():
                raise SystemError(self.daemon.log_text()[-2000:])
            status = self.json("status")
            return status if status.get("state") == "online" and status.get("control") == "up" else None

        status = wait_until(online, timeout, f"{self.tag} is online")
        self.ip4, self.ip6 = status["ip4"], status["ip6"]
        return status

    def status(self):
        return self.json("status")

    def links(self):
        return self.status()["links"]

    def link(self, tag):
        """That with this peer; None: there is none."""
        return next((l for l in self.links() if l["tag"] == tag), None)

    def tether(self, tag):
        """That to this peer which is up; None: there is none."""
        return next((l["tether"] for l in self.links() if l["tag"] == tag and l["tether"] and l["tether"]["up"]), None)

    def via(self, tag):
        """The ids of the nodes that its open stream to this peer goes through, [] if directly; None: none is open."""
        link = self.link(tag)
        return link["via"] if link and link["stream"]["tx_state"] == "open" else None

    def relay(self, tag, among):
        """Which of these carries its stream to this peer; None: none of them that runs."""
        via = self.via(tag)
        return next((n for n in among if via and n.daemon.running() and n.status()["node"] == via[0]), None)

    def drops(self):
        return self.status()["drops"]

    def stop(self):
        return self.daemon.stop()

    def kill(self):
        self.daemon.kill()

    def udp_ports(self):
        """Open UDP sockets of this machine, the daemon's among them."""
        out = self.machine.out(["ss", "-Hunap"])
        return [line for line in out.splitlines() if "veilnet" in line]

    def ping(self, address, count=1, wait=5, interval=0.2):
        return self.machine.ping(address, count=count, wait=wait, interval=interval)

    def reaches(self, address, within=10):
        wait_until(lambda: self.machine.ping(address, wait=2), within, f"{self.tag} reaches {address}")


class Traffic:
    """Echo requests that run all the time, and what came back."""

    def __init__(self, machine, address, name=None, interval=0.05):
        self.daemon = machine.daemon(["ping", "-n", "-D", "-i", str(interval), address],
                                     name=name or f"ping-{machine.name}-{address}")

    def answers(self):
        """When each answer came, in seconds of the wall clock."""
        return [float(t) for t in re.findall(r"^\[([0-9.]+)\] .* time=", self.daemon.log_text(), re.M)]

    def unreachable(self):
        return "Unreachable" in self.daemon.log_text()

    def steady(self, count=20):
        before = len(self.answers())
        wait_until(lambda: len(self.answers()) > before + count, 20, "traffic flows steadily")

    def silent(self):
        """No answer for a second."""
        return time.time() - self.answers()[-1] > 1

    def back_within(self, limit, what, since=None):
        """Waits for the first answer after `since` (now), which must come within limit seconds."""
        since = since or time.time()
        came = wait_until(lambda: [t for t in self.answers() if t > since], limit + 10,
                          f"traffic flows again: {what}")
        check_in_time(came[0] - since - stood_still(since, came[0]), limit, f"{what}: traffic flows")
        self.steady()

    def longest_gap(self, since=None):
        """The longest time without an answer from `since` (the first) until now, but for those in which the machine stood still."""
        come = self.answers()
        since = since or come[0]
        times = [since] + [t for t in come if t >= since] + [time.time()]
        return max(y - x - stood_still(x, y) for x, y in zip(times, times[1:]))

    def stop(self):
        self.daemon.stop(signal.SIGINT)


class Datagrams:
    """A numbered UDP datagram each millisecond, in one direction. Gaps are times in which the kernel got none: what was
    lost on a path that failed may come again by another."""

    SENDER = """
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.IPPROTO_IP, socket.IP_TOS, int(sys.argv[3]) << 2)
start, n = time.monotonic(), 0
while True:
    while n <= (time.monotonic() - start) * 1000:
        try:
            s.sendto(n.to_bytes(8, "big") + bytes(192), (sys.argv[1], int(sys.argv[2])))
        except OSError:
            pass
        n += 1
    time.sleep(0.0005)
"""
    RECEIVER = """
import socket, struct, sys
STAMP = 35  # SO_TIMESTAMPNS
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
s.setsockopt(socket.SOL_SOCKET, STAMP, 1)
s.bind((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    data, stamps, _, _ = s.recvmsg(2048, 64)
    seconds, ns = next(struct.unpack("qq", d) for _, kind, d in stamps if kind == STAMP)
    print(int.from_bytes(data[:8], "big"), seconds * 1000 + ns // 1000000, flush=True)
"""

    def __init__(self, source, destination, address, port=5005, dscp=0):
        name = f"{source.name}-{destination.name}-{port}"
        self.receiver = destination.daemon(["python3", "-c", self.RECEIVER, address, port], name=f"datagrams-to-{name}")
        self.receiver.wait_log("^ready")
        self.sender = source.daemon(["python3", "-c", self.SENDER, address, port, dscp], name=f"datagrams-{name}")

    def come(self):
        """Number and time in ms of each, so far."""
        return [(int(n), int(ms)) for n, ms in re.findall(r"^([0-9]+) ([0-9]+)$", self.receiver.log_text(), re.M)]

    def longest_gap(self, since=0):
        """The longest time in ms without any from number `since` on, so far; where the machine stood still is not counted."""
        times = sorted(ms for n, ms in self.come() if n >= since)
        return max((y - x - int(stood_still(x / 1000, y / 1000) * 1000) for x, y in zip(times, times[1:])), default=0)

    def longest_row(self):
        """How many there are without a gap in their numbers, at most, so far."""
        rows = itertools.groupby(enumerate(sorted({n for n, _ in self.come()})), lambda place: place[1] - place[0])
        return max((sum(1 for _ in row) for _, row in rows), default=0)

    def lost(self, count):
        """The share of the last `count` numbers, up to the newest that has come, that have not; none may come twice."""
        come = [n for n, _ in self.come()]
        latest = [n for n in come if n > max(come) - count]
        check(len(latest) == len(set(latest)), "none comes twice")
        return 1 - len(latest) / count

    def flow(self, count=200):
        """Waits until so many more have come; returns the last number."""
        before = len(self.come())
        wait_until(lambda: len(self.come()) >= before + count, 20, "datagrams flow")
        return self.come()[-1][0]

    def stop(self):
        self.sender.stop()
        self.receiver.stop()


class Flow:
    """A TCP flow: a block of a number each 2 ms. The other end checks that each comes once, in order, and notes when none does."""

    SENDER = """
import socket, struct, sys, time
s = socket.create_connection((sys.argv[1], int(sys.argv[2]))); n = 0
print("ready", flush=True)
while True:
    s.sendall(struct.pack(">Q", n) * 16); n += 1; time.sleep(0.002)
"""
    RECEIVER = """
import socket, struct, sys, time
l = socket.create_server(("0.0.0.0", int(sys.argv[1]))); print("ready", flush=True)
s, _ = l.accept(); f = s.makefile("rb"); n, last = 0, time.monotonic()
while True:
    block = f.read(128)
    if len(block) < 128: print("ended", flush=True); break
    assert block == struct.pack(">Q", n) * 16, (n, block[:8]); n += 1
    now = time.monotonic()
    if now - last > 0.05: print(f"gap {now - last:.3f}", flush=True)
    if n % 100 == 0: print(f"got {n}", flush=True)
    last = now
"""

    def __init__(self, source, destination, address, port=7000):
        self.receiver = destination.daemon(["python3", "-c", self.RECEIVER, port], name=f"receiver-{destination.name}-{port}")
        self.receiver.wait_log("ready")
        self.sender = source.daemon(["python3", "-c", self.SENDER, address, port], name=f"sender-{source.name}-{port}")
        self.sender.wait_log("ready")
        self.goes_on()

    def got(self):
        return int((re.findall(r"^got (\d+)$", self.receiver.log_text(), re.M) or [0])[-1])

    def goes_on(self):
        before = self.got()
        wait_until(lambda: self.receiver.running() and self.got() > before + 300, 15, "the flow goes on")

    def over(self, what):
        """Runs it; the flow goes on afterwards. Returns the longest time without a block since, in seconds."""
        before = len(self.receiver.log_text())
        what()
        self.goes_on()
        text = self.receiver.log_text()
        check("ended" not in text and self.sender.running(), "the TCP connection lives")
        gap = max([float(x) for x in re.findall(r"^gap ([0-9.]+)", text[before:], re.M)], default=0)
        log(f"longest gap: {gap:.3f} s")
        return gap

    def stop(self):
        self.sender.stop()
        self.receiver.stop()
