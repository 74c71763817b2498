"""What test_day replays and how it is judged: the network, talks between nodes, figures of processes.

Everything runs in one thread: whoever waits calls Pump.until, which goes on serving the talks.
"""
import dataclasses
import selectors
import socket
import statistics
import struct

from hostile import in_namespace
from lib import *

ANSWER_S = 25  # an allowed talk is answered within this, counted from the last thing that happened to its ends
SETTLE_S = 4   # who was away knows within this what it missed
CUT_S = 2.5    # and who was not, within this: then a forbidden talk gets no answer
WATCH_S = 1    # for so long
TALK_GAP_S = 0.1
LATE_S = 1     # what has not come back by then is lost
FLAT_SHARE, FLAT_KB = 0.05, 300  # memory: the later median may be so much above the earlier one


def proc_figures(pid):
    """What a process holds: anonymous memory, threads, descriptors."""
    proc = pathlib.Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    return {"memory_kb": int(status["RssAnon"].split()[0]), "threads": int(status["Threads"]),
            "descriptors": len(os.listdir(proc / "fd"))}


def host_figures(node):
    """What a node's machine holds for it."""
    m = node.machine
    return {"routes": sum(len(m.ip(v, "route", "show", "table", "all").splitlines()) for v in ("-4", "-6")),
            "rules": len(m.ip("rule", "show").splitlines()), "udp_ports": len(node.udp_ports())}


class Figures:
    """The figures of a process that lives on, over time."""

    def __init__(self, name, threads=0):
        """threads: so many it may come to have. A Go runtime makes one for each system call that blocks while others
        do, and keeps it; what leaked would be thousands."""
        self.name = name
        self.threads = threads
        self.samples = []

    def add(self, pid):
        self.samples.append((time.monotonic(), proc_figures(pid)))

    def thirds(self, what, since, until):
        values = [f[what] for t, f in self.samples if since <= t <= until]
        n = len(values) // 3
        return [statistics.median(values[i * n:(i + 1) * n]) for i in range(3)]

    def check_flat(self, since, until):
        for what in ("memory_kb", "threads", "descriptors"):
            first, middle, last = self.thirds(what, since, until)
            most = {"memory_kb": first * (1 + FLAT_SHARE) + FLAT_KB, "threads": max(first + 2, self.threads),
                    "descriptors": first + 2}[what]
            check(last <= most, f"{self.name}: {what} is flat: medians {first:.0f}, {middle:.0f}, {last:.0f}")


@dataclasses.dataclass(eq=False)
class Talk:
    """Echo requests from one node to another until `count` of them are answered."""
    number: int
    a: object
    b: object
    count: int
    allowed: bool
    began: float
    left: int = 0
    sent: int = 0
    answered: int = 0
    ran_from: int = 0     # the first request that was sent after an answer had come
    ran_answered: int = 0 # answers to that one and later ones
    next_at: float = 0
    done_at: float = 0    # enough answers have come: it only waits for those under way
    late: list = dataclasses.field(default_factory=list)


class Pump:
    """Sends and receives for all talks, from sockets in the machines' networks."""

    def __init__(self):
        self.selector = selectors.DefaultSelector()
        self.sockets = {}
        self.talks = {}
        self.number = 0
        self.result = {"answered": 0, "forbidden": 0, "interrupted": 0, "requests": 0, "lost": 0}
        self.slowest = 0.0
        self.chores = []
        self.without = set()  # what of Guardian and Master is away
        self.changed = 0.0    # when one of them last came or went

    def add(self, machine):
        s = in_namespace(machine, lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
        s.setblocking(False)
        # Of ICMP, only answers: RFC 792 type 0. linux/icmp.h ICMP_FILTER is option 1 of level SOL_RAW (255).
        s.setsockopt(255, 1, struct.pack("I", 0xFFFFFFFF & ~1))
        self.sockets[machine.name] = s
        self.selector.register(s, selectors.EVENT_READ)

    def talk(self, a, b, count, allowed):
        self.number += 1
        now = time.monotonic()
        t = Talk(self.number & 0xFFFF, a, b, count, allowed, now, next_at=now)
        self.talks[t.number] = t
        return t

    def end(self, t, how):
        del self.talks[t.number]
        self.result[how] += 1

    def _send(self, t, now):
        t.sent += 1
        t.next_at = now + TALK_GAP_S
        head = struct.pack("!BBHHH", 8, 0, 0, t.number, t.sent & 0xFFFF)
        body = b"veilnet!" * 8
        total = sum(struct.unpack(f"!{(len(head) + len(body)) // 2}H", head + body))
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        with contextlib.suppress(OSError):  # its interface may be gone, its queue full
            self.sockets[t.a.machine.name].sendto(head[:2] + struct.pack("!H", ~total & 0xFFFF) + head[4:] + body,
                                                  (t.b.ip4, 0))

    def _receive(self, s, now):
        with contextlib.suppress(BlockingIOError):
            while True:
                data = s.recv(2048)
                at = (data[0] & 15) * 4
                number, seq = struct.unpack("!HH", data[at + 4:at + 8])
                t = self.talks.get(number)
                if not t or s is not self.sockets[t.a.machine.name]:
                    continue
                if not t.allowed:
                    t.late.append(now)
                    continue
                t.answered += 1
                t.ran_from = t.ran_from or t.sent + 1
                t.ran_answered += seq >= t.ran_from

    def _judge(self, t, now):
        """Ends a talk when its outcome is certain."""
        if t.a.away or t.b.away:
            self.end(t, "interrupted")
        elif t.done_at:
            requests = t.sent - t.ran_from + 1
            lost = max(0, requests - t.ran_answered)
            if lost and now - t.done_at < LATE_S:
                return
            if max(t.a.changed, t.b.changed, self.changed) < t.began:  # nothing happened meanwhile
                self.result["requests"] += requests
                self.result["lost"] += lost
                if lost:
                    log(f"talk {t.a.tag} {t.b.tag}, {now - t.began:.1f} s: {t.sent} sent, {requests} of them after the first answer, of which {lost} were lost")
            self.end(t, "answered")
        elif t.allowed and t.answered >= t.count:
            t.done_at = now
            since = now if self.without else max(t.began, t.a.changed, t.b.changed, self.changed)
            self.slowest = max(self.slowest, now - since - (t.count - 1) * TALK_GAP_S)
        elif t.allowed and not allowed(t.a, t.b):
            self.end(t, "interrupted")
        elif t.allowed and not self.without and (
                now - max(t.began, t.a.changed, t.b.changed, self.changed) > ANSWER_S + t.count * TALK_GAP_S):
            raise Failed(f"{t.a.tag} talks to {t.b.tag} in vain: {t.sent} sent, {t.answered} answered, in {now - t.began:.1f} s, "
                         f"changed {now - t.a.changed:.1f} and {now - t.b.changed:.1f} s ago")
        elif not t.allowed and allowed(t.a, t.b):
            self.end(t, "interrupted")
        elif not t.allowed and not self.without:
            since = max(t.began, t.a.retainted + CUT_S, t.b.retainted + CUT_S,
                        max(t.a.changed, t.b.changed, self.changed) + SETTLE_S)
            wrong = [at for at in t.late if at > since]
            if wrong:
                raise Failed(f"{t.a.tag} {t.a.taints} may not reach {t.b.tag} {t.b.taints}, and did, {now - t.a.retainted:.1f} and "
                             f"{now - t.b.retainted:.1f} s after the last change of taints")
            if now - since > WATCH_S:
                self.end(t, "forbidden")

    def turn(self, timeout):
        for key, _ in self.selector.select(max(0, timeout)):
            self._receive(key.fileobj, time.monotonic())
        now = time.monotonic()
        for t in list(self.talks.values()):
            if now >= t.next_at:
                self._judge(t, now)
                if t.number in self.talks and not t.done_at:
                    self._send(t, now)
        for chore in self.chores:
            chore(now)

    def until(self, at):
        """Serves until that moment."""
        while True:
            now = time.monotonic()
            self.turn(min(0.02, at - now))
            if now >= at:
                return

    def wait(self, condition, timeout, what):
        end = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > end:
                raise Failed(f"not within {timeout} s: {what}")
            self.turn(0.02)

    def run(self, machine, argv, ok=True, timeout=60):
        """A command of a machine, while the talks go on."""
        p = subprocess.Popen(machine.command([str(a) for a in argv]), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True)
        self.wait(lambda: p.poll() is not None, timeout, " ".join(map(str, argv)))
        out = p.stdout.read()
        if ok and p.returncode != 0:
            raise Failed(f"{machine.name}: {' '.join(map(str, argv))}: exit {p.returncode}\n{out}")
        return out


def allowed(a, b):
    """The realm's rule: one's taints contain the other's."""
    x, y = set(a.taints), set(b.taints)
    return bool(x and y) and (x <= y or y <= x)
