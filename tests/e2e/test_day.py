"""A day of joins, leaves, rekeys, moves and outages in half an hour: everything works on, and nothing grows.

Programs of the preset scaled live 48 times as fast. An event is one act of the generator below: a talk between two nodes
(which sets up streams and a tether, rekeys them if it lasts, and leaves them to dissolve), a node that leaves, is killed,
suspended, cut off, moved to another address, given other taints, revoked, or returns from that, and Guardian or Master going
and coming. 20,000 make a day; without VN_LONG it is its first 50 s. Which events come, in which order, follows from the
seed alone. Rekeys, renewals and rotations are not counted among them: they come by themselves.
"""
# timeout: 3600
import collections
import hashlib
import random

from day import *
from veil import Guardian, Node, Traffic

LONG = bool(os.environ.get("VN_LONG"))
FACTOR = scaled()
SECONDS = int(os.environ.get("VN_DAY_SECONDS", 86400 // FACTOR if LONG else 50))
EVENTS = 20000 * FACTOR * SECONDS // 86400
SEED = int(os.environ.get("VN_SEED", random.SystemRandom().randrange(1 << 32)))
PACE_S = SECONDS / EVENTS
log(f"seed {SEED}: {EVENTS} events in {SECONDS} s (VN_SEED={SEED} repeats them)")
rng = random.Random(SEED)

TAINTS = (("home",), ("home",), ("home", "red"), ("blue", "home"), ("red",))  # each sorted
ABSENCE = (5, 100)   # in events
OUTAGE = (30, 150)
QUIET_GAP_S = 3      # between two nodes to which nothing happens: the machine itself may be busy
HELD = ("threads", "descriptors", "routes", "rules", "udp_ports")
MORNING_KB = 4000    # what a node may come to remember of a day's others
# Of 1,000 events; the rest are talks.
CHANCES = {"leave": 17, "kill": 10, "suspend": 9, "cut": 7, "revoke": 5, "move": 20, "taint": 40, "guardian": 2, "master": 2}

net = Net()
srv = net.machine("srv")
machines = [net.machine(n) for n in ("r0", "r1", "r2", *(f"c{i}" for i in range(7)))]
net.switch([srv, *machines], "10.9.0")
switch = net.machine_named("switch")
g = Guardian(srv, "10.9.0.1")
pump = Pump()


class Member(Node):
    def __init__(self, machine, place, words=()):
        self.place, self.moves = place, 0
        self.taints = ("home",)
        self.changed = self.retainted = 0.0
        self.away = "stopped"
        self.words = words
        self.token = g.token("--taints", "home", "--allow-taints", "*")
        super().__init__(machine, g, token=self.token, register=("--json",), run_words=words, start=False)
        self.enrolled(self.registered.stdout)
        pump.add(machine)

    def enrolled(self, text):
        self.ip4 = json.loads(text[text.index("{"):])["ip4"]
        self.taints = ("home",)

    def begin(self):
        self.start(wait=False)
        self.returned()

    def gone(self, how):
        self.away = how
        self.changed = time.monotonic()

    def returned(self):
        self.away = None
        self.changed = time.monotonic()

    def online(self):
        def check_status():
            with contextlib.suppress(Failed, ValueError):
                status = json.loads(pump.run(self.machine, ["veilnet-conflux", "--state-dir", self.dir, "status", "--json"], ok=False))
                return status.get("state") == "online" and status.get("control") == "up"
            return False

        pump.wait(check_status, 40, f"{self.tag} is online")

    def command(self, *words):
        """As a user would: once more when the machine has only just been put back on its network."""
        while True:
            try:
                return pump.run(self.machine, ["veilnet-conflux", "--state-dir", self.dir, *words])
            except Failed as e:
                if "cannot reach" not in str(e) or time.monotonic() > self.changed + SETTLE_S:
                    raise
            pump.until(time.monotonic() + 0.5)

    def ended(self, timeout=20):
        pump.wait(lambda: not self.daemon.running(), timeout, f"{self.tag}'s daemon ended")
        net.daemons.remove(self.daemon)


members = [Member(m, i + 2, ("--verbose",) if i < 2 else ()) for i, m in enumerate(machines)]
quiet, restless, comers = members[:2], members[2], members[3:]
acts = collections.Counter()
chronicle = hashlib.sha256()
due = []  # (event number, what to do): returns


# ---- acts ----

def later(number, spread, action):
    due.append((number + rng.randint(*spread), action))


def leave(n, number):
    n.daemon.send(signal.SIGTERM)
    n.gone("left")
    later(number, ABSENCE, lambda _: rejoin(n))


def kill(n, number):
    n.daemon.send(signal.SIGKILL)
    n.gone("killed")
    later(number, ABSENCE, lambda _: rejoin(n))


def rejoin(n):
    n.ended()
    n.begin()
    return "join"


def suspend(n, number):
    n.daemon.send(signal.SIGSTOP)
    n.gone("suspended")

    def resume(_):
        n.daemon.send(signal.SIGCONT)
        n.returned()
        return "resume"

    later(number, ABSENCE, resume)


def cut(n, number):
    switch.ip("link", "set", f"p{n.place}", "down")
    n.gone("cut off")

    def mend(_):
        switch.ip("link", "set", f"p{n.place}", "up")
        n.returned()
        return "mend"

    later(number, ABSENCE, mend)


def revoke(n, number):
    pump.run(srv, ["veilnet-guardian", "node", "revoke", n.tag, "--state-dir", g.dir])
    n.gone("revoked")

    def enrol(at):
        if pump.without:
            later(at, ABSENCE, enrol)
            return None
        n.ended(90)
        out = pump.run(n.machine, ["veilnet-conflux", "--state-dir", n.dir, "register", "-t", n.token, "--tag", n.tag, "--json"])
        n.enrolled(out)
        n.begin()
        return "enrol"

    later(number, ABSENCE, enrol)


def move(n, _):
    old, n.moves = n.moves, n.moves + 1
    octet = lambda k: n.place + 20 * (k % 10)  # noqa: E731
    n.machine.ip("address", "del", f"10.9.0.{octet(old)}/24", "dev", "eth0")
    n.machine.ip("address", "add", f"10.9.0.{octet(n.moves)}/24", "dev", "eth0")
    n.changed = time.monotonic()


def taint(n, _):
    now, new = set(n.taints), set(rng.choice([t for t in TAINTS if t != n.taints]))
    add, remove, by_node = sorted(new - now), sorted(now - new), rng.random() < 0.5
    n.retainted = float("inf")  # between its two steps it may reach others than before and after
    if by_node:
        n.online()
        for verb, names in (("add", add), ("remove", remove)):
            if names:
                n.command("taint", verb, *names)
    else:
        words = [w for verb, names in (("--add", add), ("--remove", remove)) if names for w in (verb, ",".join(names))]
        pump.run(srv, ["veilnet-guardian", "node", "taint", n.tag, *words, "--state-dir", g.dir])
    n.taints = tuple(sorted(new))
    n.changed = n.retainted = time.monotonic()


def without(what, on):
    (pump.without.add if on else pump.without.discard)(what)
    pump.changed = time.monotonic()


def master_pid():
    return int((g.dir / "master/nats-server.pid").read_text())


def guardian(number):
    """It ends and is started again; in the second half of the day, whose memory is compared, it hangs."""
    without("guardian", True)
    hang = number > EVENTS // 2
    g.daemon.send(signal.SIGSTOP if hang else rng.choice((signal.SIGTERM, signal.SIGKILL)))

    def back(_):
        if hang:
            g.daemon.send(signal.SIGCONT)
        else:
            pump.wait(lambda: not g.daemon.running(), 20, "Guardian ended")
            net.daemons.remove(g.daemon)
            g.daemon = srv.daemon(["veilnet-guardian", "run"], name="guardian", env=g.env)
            pump.wait(lambda: "guardian_ready" in g.daemon.log_text()[-4000:], 20, "Guardian is ready")
        without("guardian", False)
        return "guardian back"

    later(number, OUTAGE, back)


def master(number):
    """It is killed, which Guardian mends; or it hangs, or its machine is cut off."""
    how = rng.choice(("hang", "cut") if number > EVENTS // 2 else ("kill", "kill", "hang", "cut"))
    pid = master_pid()
    if how == "kill":
        os.kill(pid, rng.choice((signal.SIGKILL, signal.SIGTERM)))
        pump.changed = time.monotonic()
        return
    without("master", True)
    if how == "hang":
        os.kill(pid, signal.SIGSTOP)
    else:
        switch.ip("link", "set", "p1", "down")

    def back(_):
        if how == "hang":
            os.kill(pid, signal.SIGCONT)
        else:
            switch.ip("link", "set", "p1", "up")
        without("master", False)
        return "master back"

    later(number, OUTAGE, back)


def talk():
    a, b = rng.sample([m for m in members if not m.away], 2)
    pump.talk(a, b, rng.choice((1, 1, 1, 2, 5, 30)), allowed(a, b))
    return a, b


def note(number, kind, *who):
    acts[kind] += 1
    chronicle.update(f"{number} {kind} {' '.join(n.tag for n in who)}\n".encode())


NODE_ACTS = {"leave": (leave, comers), "kill": (kill, comers), "suspend": (suspend, [restless, *comers]),
             "cut": (cut, [restless, *comers]), "revoke": (revoke, comers), "move": (move, [restless, *comers]),
             "taint": (taint, [restless, *comers])}


def event(number):
    """One event; which one depends on the seed and on the events before, never on how long anything took."""
    ready = min((d for d in due if d[0] <= number), key=lambda d: d[0], default=None)
    if ready:
        due.remove(ready)
        note(number, ready[1](number) or "put off")
        return
    kind = rng.choices([*CHANCES, "talk"], [*CHANCES.values(), 1000 - sum(CHANCES.values())])[0]
    if kind in NODE_ACTS:
        action, whom = NODE_ACTS[kind]
        free = [m for m in whom if not m.away]
        if free and not (kind in ("revoke", "taint") and pump.without):
            n = rng.choice(free)
            action(n, number)
            note(number, kind, n)
            return
    elif kind != "talk" and not pump.without:
        (guardian if kind == "guardian" else master)(number)
        note(number, kind)
        return
    note(number, "talk", *talk())


# ---- the day ----

lived = [Figures(n.tag) for n in (*quiet, restless)]
servers = [Figures("guardian"), Figures("nats-server", threads=8 + 4 * os.cpu_count())]
mornings = []
flow = None
second_half = None


def sample(now, last=[0.0]):
    """Guardian and Master live on in the second half only."""
    if now - last[0] < 1:
        return
    last[0] = now
    for f, n in zip(lived, (*quiet, restless)):
        f.add(n.daemon.pid)
    if second_half:
        servers[0].add(g.daemon.pid)
        servers[1].add(master_pid())


def everybody_talks(what):
    for a in members:
        for b in members:
            if a is not b:
                pump.talk(a, b, 2, allowed(a, b))
    before = dict(pump.result)
    pump.wait(lambda: not pump.talks, 90, f"every pair has talked {what}")
    done = {k: pump.result[k] - before[k] for k in ("answered", "forbidden", "interrupted")}
    check(done["answered"] + done["forbidden"] == len(members) * (len(members) - 1), f"{what}: {done}")


def settled():
    """No link is left anywhere, and no socket of one."""
    for n in members:
        pump.wait(lambda n=n: n.links() == [] and not n.udp_ports(), 30, f"{n.tag} has no links")


def figures(n):
    return {**proc_figures(n.daemon.pid), **host_figures(n)}


def no_more(n, was):
    """What a login needs, which comes of itself once an hour, is closed again some seconds later."""
    end = time.monotonic() + 20
    while any((now := figures(n))[what] > was[what] for what in HELD) and time.monotonic() < end:
        pump.until(time.monotonic() + 0.5)
    log(f"{n.tag}: {was} -> {now}")
    for what in HELD:
        check(now[what] <= was[what], f"{n.tag}: no more {what} than in the morning")
    check(now["memory_kb"] <= was["memory_kb"] + MORNING_KB, f"{n.tag}: no more memory than there was to remember")


def morning():
    global flow
    for n in members:
        n.begin()
    for n in members:
        n.online()
    everybody_talks("in the morning")
    settled()
    mornings.extend(figures(n) for n in (*quiet, restless))
    flow = Traffic(quiet[0].machine, quiet[1].ip4, interval=0.1)
    flow.steady()
    pump.chores.append(sample)


def at_least_one(kind, action):
    """However short the day."""
    def go(number):
        if pump.without:
            later(number, ABSENCE, go)
            return None
        action(number)
        return kind

    return go


def day():
    global second_half
    due.append((EVENTS // 8, at_least_one("guardian", guardian)))
    due.append((EVENTS // 4, at_least_one("master", master)))
    began = time.monotonic()
    for number in range(EVENTS):
        if number == EVENTS // 2 + OUTAGE[1]:
            second_half = time.monotonic()  # what ended before is back
        pump.until(began + number * PACE_S)
        event(number)
        if number % (EVENTS // 10) == 0:
            log(f"event {number}: {dict(acts)}, {pump.result}, {lived[0].samples[-1:]}")
    took = time.monotonic() - began
    log(f"{EVENTS} events in {took:.0f} s: {dict(sorted(acts.items()))}")
    log(f"seed {SEED}, their digest {chronicle.hexdigest()[:16]}")


def evening():
    late = time.monotonic()
    gap = flow.longest_gap()
    flow.stop()
    check(gap < QUIET_GAP_S, f"two nodes to which nothing happened: the longest gap between answers was {gap:.2f} s")
    while due:
        action = due.pop(0)[1]
        action(EVENTS)
    pump.wait(lambda: not pump.talks, 90, "all talks have ended")
    for n in members:
        n.online()
    everybody_talks("in the evening")
    pump.chores.clear()
    settled()
    for n, was in zip((*quiet, restless), mornings):  # of those that live all day
        no_more(n, was)
    if LONG:  # a session's life after the morning; what a node remembers of others has been renewed once
        for f in (*lived, *servers):
            f.check_flat(second_half, late)


def accounts():
    log(f"talks: {pump.result}, slowest answer {pump.slowest:.1f} s after the last change")
    check(pump.result["lost"] <= pump.result["requests"] // 20, "few requests were lost once a talk ran")
    for n in quiet:
        text = n.daemon.log_text()
        count = {e: text.count(f'"{e}"') for e in ("epoch_began", "epoch_seen", "session_renewed", "stream_created", "stream_destroyed",
                                                   "tether_up", "peer_superseded", "peer_revoked")}
        log(f"{n.tag}: {count}, KEM steps {text.count(chr(34) + 'kem' + chr(34))}, drops {n.drops()}")
        check(count["stream_created"] == count["stream_destroyed"], f"{n.tag}: streams created and destroyed pair up")


main(morning, day, evening, accounts)
