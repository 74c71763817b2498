"""Keys change under traffic and nobody notices: pings and a TCP flow across real symmetric steps."""
# timeout: 330 waits
import json
import os

from lib import *
from veil import Guardian, Node

LONG = bool(os.environ.get("VN_LONG"))
need("iperf3", "ping")
net = Net()
srv, a, b = (net.machine(n) for n in ("srv", "a", "b"))
net.switch([srv, a, b], "10.9.0", "fd09")
g = Guardian(srv, "10.9.0.1")
na = Node(a, g, run_words=["--verbose"])
nb = Node(b, g, run_words=["--verbose"])

DROPS = ("tag", "epoch_unknown", "replay", "frame_malformed")


def epochs(node, event):
    """Of each stream of a node: the epochs that began, in order."""
    found = {}
    for line in node.daemon.log_text().splitlines():
        if f'"{event}"' in line:
            entry = json.loads(line)
            found.setdefault(entry["handle"], []).append(entry["epoch"])
    return found


def passed():
    """Packets into the tunnel at one machine and out of it at the other, both ways."""
    count = lambda m, which: m.counter("veilnet", which)  # noqa: E731
    return ((count(a, "tx_packets"), count(b, "tx_packets")), (count(b, "rx_packets"), count(a, "rx_packets")))


def worker_drops(node):
    drops = node.drops()
    return {k: drops.get(k, 0) for k in DROPS}


def no_ping_is_lost():
    check(len(a.ping(nb.ip4, wait=5)) == 1, "a reaches b")
    count, interval = 1250, 0.02  # 25 s: two steps at least
    times = a.ping(nb.ip4, count=count, interval=interval, wait=5)
    check(len(times) == count, f"{len(times)} of {count} pings answered across the steps")
    for sender, receiver in ((na, nb), (nb, na)):
        began, seen = epochs(sender, "epoch_began"), epochs(receiver, "epoch_seen")
        check(len(began) == 1 and len(next(iter(began.values()))) >= 2,
              f"{sender.tag} made its steps: {began}")
        check(list(began.values()) == list(seen.values()), f"{receiver.tag} followed each: {seen}")


def no_packet_of_a_flow_is_lost():
    # What the kernels put in comes out: whatever TCP sends twice, it is for no loss of ours.
    wait_until(lambda: passed()[0] == passed()[1], 5, "all packets so far came out at the other end")
    server = b.daemon(["iperf3", "-s", "-1", "-B", nb.ip4], name="iperf3")
    b.wait_listening(5201)
    steps = len(next(iter(epochs(na, "epoch_began").values())))
    out = a.json(["iperf3", "-c", nb.ip4, "-t", "14", "-b", "2M", "-l", "1200", "-J"], timeout=40)
    server.process.wait(5)
    made = len(next(iter(epochs(na, "epoch_began").values()))) - steps
    check(made >= 1, f"the flow crossed {made} steps")
    wait_until(lambda: passed()[0] == passed()[1], 5, "every packet of the flow came out at the other end")
    check(out["end"]["sum_received"]["bytes"] >= 14 * 2e6 / 8 * 0.9, "it kept its rate")
    log("segments that TCP sent twice:", out["end"]["sum_sent"]["retransmits"])


def no_ping_is_lost_across_a_kem_step():
    """In real time, 120 s of sending after the handshake; --long only."""
    if not LONG:
        return
    count, interval = 1400, 0.1
    times = a.ping(nb.ip4, count=count, interval=interval, wait=5)
    check(len(times) == count, f"{len(times)} of {count} pings answered across the step")
    for n in (na, nb):
        lines = [json.loads(x) for x in n.daemon.log_text().splitlines() if x.startswith("{")]
        steps = [x["epoch"] for x in lines if x["event"] == "epoch_began" and x["step"] == "kem"]
        keys = sorted(x["epoch"] for x in lines if x["event"] == "stream_rekeyed")
        check(len(steps) == 1, f"{n.tag} made a KEM step, to epoch {steps}")
        check(len(keys) == 2 and steps[0] in keys, f"{n.tag} has new control keys for both directions: {keys}")


def nothing_was_dropped():
    for n in (na, nb):
        check(not any(worker_drops(n).values()), f"{n.tag} dropped no frame: {worker_drops(n)}")


main(no_ping_is_lost, no_packet_of_a_flow_is_lost, no_ping_is_lost_across_a_kem_step, nothing_was_dropped)
