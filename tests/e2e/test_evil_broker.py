"""Nodes and Guardian on a Master that withholds, delays, repeats, swaps, replays, re-addresses, cuts and changes what they say.

Numbered datagrams go from a to b all the time, none of which may come twice or to anybody else;
c is started anew under each evil and must reach b as soon as enough messages get through.
"""
# timeout: 300 waits
import os
import re
import select
import socket
import struct
import threading
import time

from evil_broker import EvilGuardian, straight
from hostile import in_namespace
from lib import *
from veil import Node

LONG = bool(os.environ.get("VN_LONG"))
QUERY, ANSWER, OFFER, OFFER_ANSWER, M1, M2 = 1, 2, 5, 6, 0x80, 0x81
NAMES = {QUERY: "queries", ANSWER: "answers", OFFER: "offers", OFFER_ANSWER: "answers to offers", M1: "M1", M2: "M2"}
STRANGER = "A" * 21 + "Q"
PORT = 7000

seed = int(os.environ.get("VN_SEED", time.time_ns() & 0xFFFFFFFF))
log("seed", seed)
net = Net()
srv, a, b, c, d, e = (net.machine(n) for n in ("srv", "a", "b", "c", "d", "e"))
net.switch([srv, a, b, c, d, e], "10.9.0")
g = EvilGuardian(srv, "10.9.0.1", seed)
broker = g.broker
na, nb, nc = (Node(m, g, run_words=words) for m, words in ((a, ()), (b, ()), (c, ["--no-relay"])))  # c: no link but of its own packets


class Numbers:
    """Datagrams from a to b, numbered, all the time; what came, when, where."""

    INTERVAL = 0.02

    def __init__(self):
        self.sent, self.came, self.astray, self.strange = 0, [], 0, 0
        self.out = in_namespace(a, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        self.ends = [in_namespace(m, self.listen) for m in (a, b, c)]
        self.stopping = False
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    @staticmethod
    def listen():
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind(("0.0.0.0", PORT))
        return s

    def run(self):
        due = time.monotonic()
        while not self.stopping:
            if time.monotonic() >= due:
                due += self.INTERVAL
                with contextlib.suppress(OSError):
                    self.out.sendto(struct.pack("!Q", self.sent), (nb.ip4, PORT))
                self.sent += 1
            for s in select.select(self.ends, [], [], max(0, due - time.monotonic()))[0]:
                data, source = s.recvfrom(2048)
                if s is not self.ends[1]:
                    self.astray += 1
                elif source[0] != na.ip4 or len(data) != 8:
                    self.strange += 1
                else:
                    self.came.append((time.time(), struct.unpack("!Q", data)[0]))

    def gap(self, since):
        times = [since] + [t for t, _ in list(self.came) if t >= since] + [time.time()]
        return max(y - x - stood_still(x, y) for x, y in zip(times, times[1:]))

    def are_right(self):
        numbers = [n for _, n in list(self.came)]
        check(len(set(numbers)) == len(numbers), f"{len(numbers)} numbers came to b, none of them twice")
        check(self.astray == 0 and self.strange == 0, "none elsewhere, and nothing else")


def goes_to(message):
    """The node, or the name, that the subject names."""
    return message.subject.split(".")[2] if message.subject.count(".") == 3 else None


def kind(message):
    return message.payload[2] if len(message.payload) > 2 else None


def drops(*nodes):
    return sum(v for n in nodes for k, v in n.drops().items() if k.startswith("control_"))


def rss_kib(node):
    text = pathlib.Path(f"/proc/{node.daemon.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1))


def to_b():
    """How long a has had its link with b, in ms."""
    return next(x["since_ms"] for x in na.links() if x["node"] == nb.status()["node"])


def all_is_well(since):
    gap = numbers.gap(since)
    check(gap < 2 and to_b() >= (time.time() - since) * 1000, f"the stream from a to b lives on (longest gap {gap:.2f} s)")
    check(all(n.daemon.running() for n in (na, nb, nc)), "the daemons live")
    check({l["node"] for l in nb.links()} <= {n.status()["node"] for n in (na, nc)} | former,
          "b knows nobody but a and the lives of c")


former = set()  # ids that c had


def c_anew():
    former.add(nc.status()["node"])
    nc.kill()
    nc.start()


def under(rule, what, within=20):
    """c starts, and reaches b, while the rule is in force."""
    for _ in range(5 if LONG else 1):
        once_under(rule, what, within)


def once_under(rule, what, within):
    since, before = time.time(), dict(broker.counts)
    broker.rule = rule
    try:
        c_anew()
        begun = time.monotonic()
        nc.reaches(nb.ip4, within)
        took = time.monotonic() - begun
    finally:
        broker.rule = straight
    done = {k: v - before.get(k, 0) for k, v in broker.counts.items() if v != before.get(k, 0)}
    log(f"figure: {what}: c reached b after {took:.1f} s; {done}")
    all_is_well(since)


def the_net_works():
    global numbers, memory
    na.reaches(nb.ip4)
    numbers = Numbers()
    wait_until(lambda: len(numbers.came) > 20, 5, "numbers come")
    nc.reaches(nb.ip4)
    memory = {n.tag: rss_kib(n) for n in (na, nb)}


def withholds_a_third():
    under(lambda m, rng: [] if rng.random() < 0.3 else [(0, m)], "three messages of ten are lost", 40)


def withholds_all_of_a_kind():
    for t in NAMES if LONG else (ANSWER, OFFER, M2):
        since = time.time()
        # Queries and offers of b's say who b is as an answer does: it may still be looking for the c that was.
        by_b = f".{nb.status()['node']}"
        broker.rule = lambda m, rng, t=t: [] if kind(m) == t or (
            t == ANSWER and kind(m) in (QUERY, OFFER) and m.subject.endswith(by_b)) else [(0, m)]
        c_anew()
        check(nc.ping(nb.ip4, count=3, interval=0.5, wait=1) == [], f"without {NAMES[t]} c does not reach b")
        broker.rule = straight
        nc.reaches(nb.ip4, 25)  # an address that did not answer is asked for again after 10 s
        all_is_well(since)


def delays_and_reorders():
    under(lambda m, rng: [(rng.uniform(0, 2.5), m)], "every message is up to 2.5 s late", 40)


def repeats():
    under(lambda m, rng: [(0, m), (0, m), (rng.uniform(0, 3), m), (rng.uniform(0, 3), m)], "everything comes four times")


def changed(m, rng):
    p = bytearray(m.payload)
    if not p or rng.random() < 0.5:
        return m._replace(payload=bytes(p[:rng.randrange(len(p) + 1)]))
    p[rng.randrange(len(p))] ^= 1 << rng.randrange(8)
    return m._replace(payload=bytes(p))


def cuts_and_flips():
    under(lambda m, rng: [(0, changed(m, rng) if rng.random() < 0.25 else m)], "a quarter is cut or changed", 40)


def readdressed(m, rng):
    """To another node, from another node, or on another subject."""
    ids = [n.status()["node"] for n in (na, nb)] if not ids_now else ids_now
    words = m.subject.split(".")
    if len(words) != 4:
        return m._replace(subject=f"a.adm.{rng.choice(ids)}")
    how = rng.randrange(3)
    if how == 0:
        words[2] = rng.choice(ids)
    elif how == 1:
        words[3] = rng.choice(ids + [STRANGER])
    else:
        words = ["a", "in", rng.choice(ids), words[3]]
    return m._replace(subject=".".join(words))


ids_now = []


def readdresses():
    ids_now[:] = [n.status()["node"] for n in (na, nb)]
    under(lambda m, rng: [(0, m), (0, readdressed(m, rng)), (0, readdressed(m, rng))],
          "everything comes to others and from others too")


def everything_at_once():
    def rule(m, rng):
        out = [] if rng.random() < 0.1 else [(rng.choice((0, 0, rng.uniform(0, 1))), m)]
        if rng.random() < 0.2:
            out.append((rng.uniform(0, 2), m))
        if rng.random() < 0.2:
            out.append((0, changed(m, rng)))
        if rng.random() < 0.2:
            out.append((rng.uniform(0, 1), readdressed(m, rng)))
        return out

    under(rule, "all of it together", 40)


def replays_what_was_said():
    """Everything so far, in any order, as it was and with each node's present name on it."""
    since, before, came = time.time(), drops(na, nb), len(numbers.came)
    everything = list(broker.recorded)
    broker.rng.shuffle(everything)
    mine = {n.status()["node"] for n in (na, nb)}
    count = sum(goes_to(m) in mine for m in everything)
    broker.inject(everything)
    wait_until(lambda: drops(na, nb) - before >= count * 0.8, 20,
               f"{count} replays counted as drops, so far {drops(na, nb) - before}")
    log(f"figure: {len(everything)} messages replayed, {count} to a and b, {drops(na, nb) - before} drops counted")
    all_is_well(since)
    check(len(numbers.came) > came, "numbers go on coming")


def replays_after_a_restart():
    """What was said to c's former lives, on c's new name; what c itself had said, to the others."""
    since = time.time()
    everything = [m for m in broker.recorded if len(m.subject.split(".")) == 4]
    c_anew()
    new = nc.status()["node"]
    before = drops(nc)
    out = []
    for m in everything:
        words = m.subject.split(".")
        if words[1] == "in" and words[2] in former:
            out.append(m._replace(subject=f"a.in.{new}.{words[3]}"))
        elif words[3] in former:
            out.append(m)
            out.append(m._replace(subject=".".join(words[:3] + [new])))
    to_c = sum(goes_to(m) == new for m in out)
    check(to_c > 20, f"{to_c} messages to former lives of c are told to it again")
    broker.inject(out)
    wait_until(lambda: drops(nc) - before >= to_c * 0.8, 20, "c counts them as drops")
    check(nc.links() == [], "no link came of them")
    nc.reaches(nb.ip4, 15)
    all_is_well(since)


def replays_of_another_realm():
    since = time.time()
    g.cli("realm", "create", "--name", "other", "--ipv4", "10.88.0.0/16")
    token = g.token("--realm", "other", "--taints", "home")
    begin = len(broker.recorded)
    nd, ne = Node(d, g, token=token), Node(e, g, token=token)
    nd.reaches(ne.ip4)
    asked = tuple(f".{n.status()['node']}" for n in (nd, ne))
    account = {m.account for m in list(broker.recorded)[begin:] if m.subject.startswith("a.own.") and m.subject.endswith(asked)}
    check(len(account) == 1, "the other realm has its own account")
    theirs = [m for m in list(broker.recorded)[begin:] if m.account in account]
    kinds = {kind(m) for m in theirs}
    check({QUERY, ANSWER, OFFER, OFFER_ANSWER, M1, M2} <= kinds, "a link of the other realm was recorded")
    ours = next(m.account for m in broker.recorded if m.account not in account and m.subject.startswith("a.own."))
    ids, before = [n.status()["node"] for n in (na, nb)], drops(na, nb)
    out = [m._replace(account=ours, subject=f"a.in.{x}.{y}") for m in theirs for x in ids
           for y in (m.subject.split(".")[-1], *ids) if x != y]
    count = len(out) + 2 * len(theirs)
    out += [m._replace(account=ours, subject="a.rev") for m in theirs]
    broker.inject(out)
    wait_until(lambda: drops(na, nb) - before >= count, 20,
               f"each of {count} counted as a drop, so far {drops(na, nb) - before}")
    check(True, f"{len(theirs)} messages of another realm, told to a and b as if they were of theirs: {count} drops")
    check(len(nd.links()) == 1 and len(ne.links()) == 1, "that realm lives on too")
    all_is_well(since)
    nd.stop()
    ne.stop()


def replays_datagrams_of_before_a_step():
    """Frames of an epoch that has ended, from the cable between a and b."""
    since = time.time()
    switch = net.machine_named("switch")
    tap = in_namespace(switch, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
    tap.bind(("p2", 0))
    tap.settimeout(5)
    b_address, frames = socket.inet_aton("10.9.0.3"), []
    while len(frames) < 60:
        f = tap.recv(65536)
        # records of application data; without the UDP checksum, which veth leaves to be completed
        if f[12:14] == b"\x08\x00" and f[23] == 17 and f[30:34] == b_address and f[42] == 23:
            frames.append(f[:40] + b"\0\0" + f[42:])
    tap.close()
    out = in_namespace(switch, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
    out.bind(("p3", 0))
    dropped = lambda: nb.drops().get("tether_record", 0)  # noqa: E731
    for when in ("at once", "after a step of the keys"):
        before = dropped()
        for f in frames:
            out.send(f)
        wait_until(lambda: dropped() - before >= len(frames) * 0.9, 10,
                   f"{len(frames)} datagrams replayed {when} are dropped, so far {dropped() - before}")
        check(True, f"{when}: {dropped() - before} of {len(frames)} datagrams counted as drops")
        if when == "at once":
            steps = numbers.sent
            wait_until(lambda: (numbers.sent - steps) * Numbers.INTERVAL > 10.5, 20, "the keys made a step")
    out.close()
    all_is_well(since)


def nothing_grew():
    numbers.are_right()
    for n in (na, nb):
        grown = rss_kib(n) - memory[n.tag]
        log(f"figure: {n.tag}: {grown} KiB more than at the beginning; {({k: v for k, v in n.drops().items() if v})}")
        check(grown < 24 << 10, f"{n.tag}: its memory is bounded")
    missing = numbers.sent - len(numbers.came)
    log(f"figure: {missing} of {numbers.sent} numbers did not come")
    check(missing <= 5, "the stream lost nothing")
    for n in (na, nb, nc):
        check(n.stop() == 0, f"{n.tag} ends well")


main(the_net_works, withholds_a_third, withholds_all_of_a_kind, delays_and_reorders, repeats, cuts_and_flips, readdresses,
     everything_at_once, replays_what_was_said, replays_after_a_restart, replays_of_another_realm,
     replays_datagrams_of_before_a_step, nothing_grew)
