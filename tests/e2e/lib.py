"""What end-to-end tests share: machines made of namespaces, daemons, waiting for conditions.

    from lib import *
    net = Net()                       # cleans up whatever happens
    a, b = net.machine("a"), net.machine("b")
    net.cable(a, b, "10.9.0.1/24", "10.9.0.2/24")        # or net.switch([a, b, c], "10.9.0")
    d = a.daemon(["veilnet-conflux", "run"])             # found in VN_BIN first
    wait_until(lambda: "up" in a.out(["veilnet-conflux", "status"]), 10, "a is up")

A test is a program: exit 0 passes, 77 is skipped with a printed reason, all else fails.
"""
import atexit
import bisect
import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

SOURCE = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("VN_BUILD", SOURCE / "build/release"))
BIN = pathlib.Path(os.environ.get("VN_BIN", BUILD / "bin"))
SCALED = pathlib.Path(os.environ.get("VN_SCALED", SOURCE / "build/scaled/bin"))
PREFIX = f"vn{os.getpid()}"

os.environ["PATH"] = f"{BIN}:{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def log(*words):
    print(f"[{time.monotonic() - _started:7.3f}]", *words, flush=True)


def skip(reason):
    print(f"SKIP: {reason}", flush=True)
    sys.exit(77)


class Failed(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failed(text)
    log("ok:", text)


_stalls = []  # from, to: by the wall clock
_lent = []  # when, by the wall clock, and how many seconds of each processor its host had lent to others by then


def _note_lent():
    with open("/proc/stat") as f:
        stolen = int(f.readline().split()[8])
    _lent.append((time.time(), stolen / os.sysconf("SC_CLK_TCK") / os.cpu_count()))


def _watch_stalls():
    _note_lent()
    while True:
        if time.time() - _lent[-1][0] > 0.2:
            _note_lent()
        wall, began, worked = time.time(), time.monotonic(), time.process_time()
        time.sleep(0.02)
        took = time.monotonic() - began
        if took - (time.process_time() - worked) > 0.2:  # what this process worked itself is none
            _stalls.append((wall, wall + took))
            log(f"the machine stood still for {took:.2f} s")


def stood_still(start, end=None):
    """Seconds between these two times, of the wall clock, in which this machine let not even a sleeper of 20 ms wake, or
    its host lent its processors to others: what a limit in time does not count."""
    end = end or time.time()
    asleep = sum(max(0, min(end, y) - max(start, x)) for x, y in list(_stalls))
    first, after = bisect.bisect_left(_lent, (start,)), bisect.bisect_left(_lent, (end,))
    return max(asleep, _lent[after - 1][1] - _lent[first][1] if first < after else 0)


def seconds_since(began):
    """Seconds since then, by the wall clock, as a limit counts them."""
    return time.time() - began - stood_still(began)


class Late(Failed):
    """It came, but not in time."""


def in_time(scene, tries=2):
    """Runs a scene of a machine that has other work too: what it finds late counts when it is late every time."""
    for left in reversed(range(tries)):
        try:
            return scene()
        except Late as e:
            if not left:
                raise
            log("once more:", e)


def check_in_time(took, limit, text):
    if took > limit:
        raise Late(f"{text}: {took:.2f} s, at most {limit} s")
    log("ok:", f"{text}: {took:.2f} s")


def check_between(value, low, high, text):
    check(low <= value <= high, f"{text}: {value:.4g}, expected {low:.4g} to {high:.4g}")


def need(*programs):
    """Skips the test unless every program is there."""
    for program in programs:
        if not shutil.which(program):
            skip(f"{program} is missing")


def scaled():
    """From here on daemons are those of the preset scaled, whose long timers run so many times as fast: returns how many."""
    if not (SCALED / "veilnet-conflux").exists():
        skip(f"{SCALED} is missing: ./dev build scaled")
    os.environ["PATH"] = f"{SCALED}:{os.environ['PATH']}"
    version = json.loads(run(["veilnet-conflux", "version", "--json"]).stdout)["version"]
    factor = int(version.split("+time_scale.")[1])
    log(f"long timers run {factor} times as fast")
    return factor


def need_root():
    if os.geteuid() != 0:
        skip("needs root, for namespaces")


def run(argv, timeout=30, ok=True, **kwargs):
    """Runs to completion; a CompletedProcess with text output. ok=False: any exit status will do."""
    kwargs.setdefault("stdout", subprocess.PIPE)
    kwargs.setdefault("stderr", subprocess.STDOUT)
    kwargs.setdefault("stdin", subprocess.DEVNULL)
    try:
        done = subprocess.run([str(a) for a in argv], timeout=timeout, text=True, **kwargs)
    except subprocess.TimeoutExpired as e:
        out = e.stdout or ""
        out = out.decode(errors="replace") if isinstance(out, bytes) else out
        raise Failed(f"{' '.join(map(str, argv))}: not done in {timeout} s\n{out}") from None
    if ok and done.returncode != 0:
        raise Failed(f"{' '.join(map(str, argv))}: exit {done.returncode}\n{done.stdout}"
                     f"{done.stderr or ''}")
    return done


def stays(what, seconds=1):
    """Whether what() is the same after so long."""
    first = what()
    time.sleep(seconds)
    return what() == first


def wait_until(condition, timeout, what, interval=0.02):
    """Waits until condition() is true and returns its value; an exception in it counts as no. timeout: s, but for those in
    which the machine stood still."""
    began, end = time.time(), time.monotonic() + timeout
    last = None
    while True:
        try:
            value = condition()
            if value:
                return value
        except (Failed, OSError, ValueError, KeyError, subprocess.SubprocessError) as e:
            last = e
        if time.monotonic() > end + stood_still(began):
            raise Failed(f"not within {timeout} s: {what}" + (f" ({last})" if last else ""))
        time.sleep(interval)


class Daemon:
    """A process that runs until stopped; its output goes to a file that a failure shows."""

    def __init__(self, argv, name, directory, env=None, stdin=subprocess.DEVNULL, forks=False):
        """forks: argv is an nsenter that forks; its child is what gets the signals."""
        self.name = name
        self.forks = forks
        self.log_path = pathlib.Path(directory) / f"{name}.log"
        self.argv = [str(a) for a in argv]
        with open(self.log_path, "ab") as out:
            self.process = subprocess.Popen(
                self.argv, stdin=stdin, stdout=out, stderr=subprocess.STDOUT, text=True,
                env={**os.environ, **(env or {})}, start_new_session=True)

    @property
    def pid(self):
        if self.forks:
            children = pathlib.Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
            with contextlib.suppress(OSError, IndexError):
                return int(children.read_text().split()[0])
        return self.process.pid

    def log_text(self):
        return self.log_path.read_text(errors="replace")

    def running(self):
        return self.process.poll() is None

    def wait_log(self, pattern, timeout=10):
        """Waits until a line matches; returns the match."""

        def seen():
            match = re.search(pattern, self.log_text(), re.M)
            if not match and not self.running():
                raise SystemError(f"{self.name} ended with {self.process.returncode}:\n"
                                  + self.log_text()[-2000:])
            return match

        return wait_until(seen, timeout, f"{self.name} prints /{pattern}/")

    def send(self, number):
        if self.running():
            os.kill(self.pid, number)

    def stop(self, number=signal.SIGTERM, timeout=5):
        """Ends the process, by force in the end; returns its exit status."""
        self.send(number)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            log(f"{self.name}: did not end in {timeout} s, killing it")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            return self.process.wait(5)

    def kill(self):
        self.send(signal.SIGKILL)
        return self.process.wait(5)


class Machine:
    """A network namespace that plays a machine."""

    def __init__(self, net, name):
        self.net = net
        self.name = name
        self.ns = f"{PREFIX}-{name}"
        self.dir = net.dir / name
        self.dir.mkdir()
        run(["ip", "netns", "add", self.ns])
        net.undo(lambda: run(["ip", "netns", "del", self.ns], ok=False))
        self.ip("link", "set", "lo", "up")
        # Addresses count at once; duplicate detection would cost a second per interface.
        self.run(["sh", "-c", "echo 0 > /proc/sys/net/ipv6/conf/default/accept_dad; "
                              "echo 0 > /proc/sys/net/ipv6/conf/all/accept_dad"])

    def command(self, argv):
        return ["ip", "netns", "exec", self.ns, *argv]

    def run(self, argv, **kwargs):
        return run(self.command(argv), **kwargs)

    def out(self, argv, **kwargs):
        return self.run(argv, **kwargs).stdout

    def json(self, argv, **kwargs):
        return json.loads(self.run(argv, stderr=subprocess.DEVNULL, **kwargs).stdout)

    def ip(self, *words):
        return run(["ip", "-n", self.ns, *words]).stdout

    def daemon(self, argv, name=None, **kwargs):
        name = name or os.path.basename(str(argv[0]))
        d = Daemon(self.command(argv), name, self.dir, **kwargs)
        self.net.daemons.append(d)
        return d

    def counter(self, interface, which):
        """tx_bytes, rx_packets, ... of an interface."""
        return int(self.out(["cat", f"/sys/class/net/{interface}/statistics/{which}"]))

    def wait_listening(self, port, timeout=10, udp=False):
        wait_until(lambda: self.out(["ss", "-Hlun" if udp else "-Hltn", f"sport = :{port}"]).strip(),
                   timeout, f"{self.name} listens on port {port}")

    def ping(self, address, count=1, interval=0.2, wait=1, size=56):
        """Returns the list of round-trip times in ms of the answers that came. interval: s, on a busy machine longer; None: until
        the answer."""
        pace = ["-A"] if interval is None else ["-i", str(interval)]
        done = self.run(["ping", "-n", "-c", str(count), *pace, "-W", str(wait), "-s", str(size), address], ok=False,
                        timeout=3 * count * (interval or 0.01) + wait + 10)
        return [float(t) for t in re.findall(r"time=([0-9.]+)", done.stdout)]


def cut(underlay, really, *pairs):
    """The machines of each pair no longer reach each other; or do again. underlay: their addresses, by name."""
    for pair in pairs:
        for m, other in (pair, pair[::-1]):
            m.ip("route", "add" if really else "del", "blackhole", f"{underlay[other.name]}/32")


class Net:
    def __init__(self):
        need_root()
        need("ip")
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"{PREFIX}-"))
        self._undo = []
        self.daemons = []
        self._machines = {}
        global _net
        _net = self
        atexit.register(self.close)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda n, _: sys.exit(128 + n))

    def undo(self, action):
        self._undo.append(action)

    def machine(self, name):
        m = self._machines[name] = Machine(self, name)
        return m

    def machine_named(self, name):
        return self._machines[name]

    def veth(self, a, a_if, b, b_if):
        """Joins two machines; the ends get the given names and come up."""
        # Made in a's namespace, so that no name of ours shows on the host.
        run(["ip", "-n", a.ns, "link", "add", a_if, "type", "veth", "peer", "name", b_if, "netns",
             b.ns])
        a.ip("link", "set", "dev", a_if, "up")
        b.ip("link", "set", "dev", b_if, "up")

    def cable(self, a, b, a_address, b_address, a_if="eth0", b_if="eth0"):
        self.veth(a, a_if, b, b_if)
        for m, i, address in ((a, a_if, a_address), (b, b_if, b_address)):
            for one in [address] if isinstance(address, str) else address:
                m.ip("address", "add", one, "dev", i)

    def switch(self, machines, prefix="10.9.0", prefix6=None, name="switch", interface="eth0"):
        """Joins machines by a bridge; machine number i (from 1) gets PREFIX.i. Returns the
        addresses by machine name."""
        s = self.machine(name)
        s.ip("link", "add", "br0", "type", "bridge", "mcast_snooping", "0")
        s.ip("link", "set", "br0", "up")
        addresses = {}
        for i, m in enumerate(machines, 1):
            self.veth(m, interface, s, f"p{i}")
            s.ip("link", "set", f"p{i}", "master", "br0")
            m.ip("address", "add", f"{prefix}.{i}/24", "dev", interface)
            if prefix6:
                m.ip("address", "add", f"{prefix6}::{i}/64", "dev", interface)
            addresses[m.name] = f"{prefix}.{i}"
        return addresses

    def emulated(self, a, b, a_address, b_address, figures=(), interface="eth0"):
        """Joins two machines by a link that tests/support/linkem makes worse. Returns the Linkem."""
        need("linkem")
        wire = self.machine(f"wire{len(self._machines)}")
        self.veth(a, interface, wire, "enda")
        self.veth(b, interface, wire, "endb")
        for m, address in ((a, a_address), (b, b_address)):
            for one in [address] if isinstance(address, str) else address:
                m.ip("address", "add", one, "dev", interface)
        return Linkem(self, wire, figures)

    def close(self):
        """Stops the daemons, newest first, and removes what was made."""
        for d in reversed(self.daemons):
            if d.running():
                d.stop()
        self.daemons = []
        while self._undo:
            with contextlib.suppress(Exception):
                self._undo.pop()()
        if not os.environ.get("VN_KEEP"):
            shutil.rmtree(self.dir, ignore_errors=True)

    def show_logs(self, lines=40):
        for d in self.daemons:
            print(f"--- {d.name} ({' '.join(d.argv)}), last lines", flush=True)
            print("\n".join(d.log_text().splitlines()[-lines:]), flush=True)


class Linkem:
    """The running link emulator between ends a and b of a machine of its own."""

    def __init__(self, net, wire, figures):
        self.daemon = wire.daemon(["linkem", "--a", "enda", "--b", "endb", *map(str, figures)],
                                  name=f"linkem-{wire.name}", stdin=subprocess.PIPE)
        self.daemon.wait_log("^ready")

    def set(self, *figures):
        """Changes figures of the running link: link.set("--loss", 100)."""
        before = self.daemon.log_text().count("changed")
        self.daemon.process.stdin.write(" ".join(map(str, figures)) + "\n")
        self.daemon.process.stdin.flush()
        wait_until(lambda: self.daemon.log_text().count("changed") > before, 5, "figures changed")

    def counters(self):
        before = self.daemon.log_text().count('"seed"')
        self.daemon.send(signal.SIGUSR1)
        wait_until(lambda: self.daemon.log_text().count('"seed"') > before, 5, "counters printed")
        return json.loads([x for x in self.daemon.log_text().splitlines() if '"seed"' in x][-1])


def cpu_seconds(pid):
    """User and system time a process has used so far."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main(*tests):
    """Runs the functions in order; the first failure ends the program with the logs."""
    try:
        for test in tests:
            log(f"--- {test.__name__}")
            test()
    except Exception as e:  # noqa: BLE001: whatever it is, the logs explain it
        if not isinstance(e, Failed):
            import traceback

            traceback.print_exc()
        print(f"FAILED: {e}", flush=True)
        if _net:
            _net.show_logs()
            print(f"FAILED: {e}", flush=True)  # again: who cuts the report keeps its end
        sys.exit(1)


_started = time.monotonic()
threading.Thread(target=_watch_stalls, daemon=True).start()
_net = None
