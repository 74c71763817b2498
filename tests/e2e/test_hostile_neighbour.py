"""A member that has a tether to a relay does to it what it can: SETUPs that are forged, replayed, old or lead in a loop, labels
that are guessed, floods, a thousand circuits. Who talks through that relay does not notice, also not when it dies under them."""
# timeout: 200
import threading

from lib import *
from veil import Flow, Guardian, Node, Traffic

need("hostile_conflux")
net = Net()
srv, a, b, c, d, e, h, i = (net.machine(n) for n in ("srv", "a", "b", "c", "d", "e", "h", "i"))
underlay = net.switch([srv, a, b, c, d, e, h, i], "10.9.0")
g = Guardian(srv, "10.9.0.1")
# All of them relay, also b and e, which do not reach a.
na, nb, nc, nd, ne = (Node(m, g, run_words=["--idle", "60"]) for m in (a, b, c, d, e))
CIRCUITS = 1000


class Hostile(Node):
    """One whose daemon is tests/support/hostile_conflux.c."""

    def start(self, timeout=20, wait=True):
        self.orders = self.dir / "orders"
        self.daemon = self.machine.daemon(["hostile_conflux", "--state-dir", self.dir, "run", *self.run_words],
                                          name=f"conflux-{self.tag}", env={"VN_HOSTILE": str(self.orders)})
        self.wait_online(timeout)

    def does(self, what, count, per_s, *ends):
        """Until all of it went to c."""
        before = self.daemon.log_text().count(f"hostile: {what} done")
        new = self.orders.with_suffix(".new")
        new.write_text(" ".join(map(str, (what, count, per_s, "c", *ends))))
        new.rename(self.orders)
        wait_until(lambda: self.daemon.log_text().count(f"hostile: {what} done") > before, count / per_s + 30, f"{count} of {what}")

    def accepted(self):
        return max(map(int, re.findall(r"^hostile: (\d+) accepted", self.daemon.log_text(), re.M)), default=0)


nh, ni = hostile = [Hostile(m, g, run_words=["--idle", "60", "--no-relay", "--via", "c"]) for m in (h, i)]


def memory_kib(node):
    text = pathlib.Path(f"/proc/{node.daemon.pid}/status").read_text()
    return int(re.search(r"RssAnon:\s+(\d+)", text).group(1))


def count(*names):
    drops = nc.drops()
    return sum(drops.get(n, 0) for n in names)


def circuits():
    return nc.status()["counters"]["relay_circuits"]


def well(since):
    """a's pings of b, and its TCP connection."""
    ping.steady()
    flow.goes_on()
    gap = ping.longest_gap(since)
    check(gap < 1 and not ping.unreachable(), f"who talks through c does not notice: at most {gap:.2f} s between answers")
    # What is pinned is left while it does not answer, which a busy machine is enough for.
    wait_until(lambda: na.relay("b", (nc, nd)) is nc, 10, "and goes through it still")


def all_go_through_the_relay():
    global ping, flow
    cut(underlay, True, (a, b), (a, e))
    na.json("relays", "pin", "c")
    na.reaches(nb.ip4, within=20)
    for n in hostile:
        n.reaches(ne.ip4, within=20)
        n.reaches(nb.ip4, within=20)
        Traffic(n.machine, nb.ip4, interval=1)  # so that its tether to c stays
    ping = Traffic(a, nb.ip4)
    wait_until(lambda: all(n.relay("b", (nc, nd)) is nc for n in (na, nh, ni)), 30, "they reach b through c")
    wait_until(lambda: [r["standbys"] for r in na.json("routes")["routes"] if r["tag"] == "b"] == [["d"]], 60, "a has d in reserve")
    flow = Flow(a, b, nb.ip4)
    ping.steady()


def setups_that_do_not_count():
    """As many as a neighbour may send, so that each is looked at."""
    for what, names in (("replay", ["replay"]), ("forge", ["seal"]), ("stale", ["stale"]), ("loop", ["loop"])):
        names = [f"control_{n}" for n in names]
        since, before = time.time(), count(*names)
        accepted = nc.status()["counters"]["circuits_relayed"]
        nh.does(what, 60, 30)
        wait_until(lambda: count(*names) >= before + 60, 10, f"c drops 60 of {what} for that reason")
        check(nc.status()["counters"]["circuits_relayed"] < accepted + 20, "and relays none of them")
        check(nh.accepted() == 0, "nor answers it")
        well(since)


def labels_that_are_guessed():
    """A thousand of each: frames, control packets and credit, whose drops are counted, and ends of circuits."""
    names = ("data_label_unknown", "data_early_full", "control_control")
    since, before, opened = time.time(), count(*names), nb.status()["counters"]["frames_opened"]
    at_b = nb.drops()
    nh.does("guess", 4000, 1000)
    wait_until(lambda: count(*names) >= before + 2990, 15, "c drops them")
    well(since)
    more = {k: v - at_b.get(k, 0) for k, v in nb.drops().items() if v > at_b.get(k, 0) and k.startswith("data_")}
    check(sum(more.values()) < 10, f"nothing of it came to b, which drops {more or 'nothing'}")
    check(nb.status()["counters"]["frames_opened"] > opened, "what belongs to b did")


def floods():
    """More than a neighbour may send; who was there goes on, and who comes now gets through, though e asks b first, which does
    not reach a."""
    since, memory, rate = time.time(), memory_kib(nc), count("control_rate")
    began = cpu_seconds(nc.daemon.pid)
    ne.json("relays", "prefer", "b")
    wait_until(lambda: any(r["tag"] == "b" for r in ne.status()["relays"]), 10, "e knows b")
    flood = threading.Thread(target=nh.does, args=("nowhere", 4000, 500))
    flood_began = time.monotonic()
    flood.start()
    wait_until(lambda: count("control_rate") > rate, 10, "c refuses what is too much")
    times = a.ping(ne.ip4, wait=8)
    check(len(times) == 1 and na.relay("e", (nc, nd)), f"a new stream, also through a relay, after {times} ms")
    # Each of its two streams waits 1 s for a tether, and that of e 2 s for b. b alone would take 6 s.
    check(times[0] < 6500 and ne.relay("a", (nc, nd)), "since e tried another one beside b")
    check(flood.is_alive(), "while the flood goes on")
    flood.join()
    log(f"figure: c took {cpu_seconds(nc.daemon.pid) - began:.2f} s of processor for 8 s of it")
    allowed = 100 + 50 * (time.monotonic() - flood_began)  # VN_SETUP_BURST, VN_SETUP_RATE
    check(count("control_rate") >= rate + 4000 - allowed - 100, f"all of it but {allowed:.0f} was too much")
    nh.does("report", 5000, 1000)
    grown = memory_kib(nc) - memory
    log(f"figure: memory of c {memory} KiB, grown by {grown} KiB")
    check(grown < 16 << 10, "its memory is bounded")
    well(since)


def a_relay_with_a_thousand_circuits_dies():
    before, memory = circuits(), memory_kib(nb)
    crowds = [threading.Thread(target=n.does, args=("crowd", CIRCUITS // 2, 45, "b", "e")) for n in hostile]
    for t in crowds:
        t.start()
    wait_until(lambda: circuits() >= before + CIRCUITS * 0.95 and sum(n.accepted() for n in hostile) >= CIRCUITS * 0.95, 40,
               f"c has {CIRCUITS} circuits more")
    log(f"{circuits()} circuits, memory of c {memory_kib(nc)} KiB")
    for t in crowds:
        t.join()
    began = time.time()
    ping.steady()
    nc.kill()
    wait_until(lambda: na.relay("b", (nc, nd)) is nd, 10, "what a sends goes through d")
    ping.steady()
    flow.goes_on()
    gap = ping.longest_gap(began)
    check(gap < 2 and not ping.unreachable(), f"a's traffic goes on: {gap:.2f} s without an answer")
    grown = memory_kib(nb) - memory
    check(grown < 16 << 10 and all(n.daemon.running() for n in (na, nb, nd, ne)), f"b, an end of many, has {grown} KiB more; all live")
    ping.stop()
    flow.stop()


main(all_go_through_the_relay, setups_that_do_not_count, labels_that_are_guessed, floods, a_relay_with_a_thousand_circuits_dies)
