"""A realm changes the generation of its keys under load: nobody notices but who is left out."""
# timeout: 150 waits
import json

from lib import *
from veil import Guardian, Node

need("iperf3", "ping")
net = Net()
srv, a, b, c, d = (net.machine(n) for n in ("srv", "a", "b", "c", "d"))
address = net.switch([srv, a, b, c, d], "10.9.0", "fd09")
g = Guardian(srv, "10.9.0.1")
# No relays: what is counted are links that packets made.
na, nb, nc, nd = (Node(m, g, run_words=["--no-relay"]) for m in (a, b, c, d))
SPREAD = 4


def events(daemon, name):
    return [json.loads(x) for x in daemon.log_text().splitlines() if f'"{name}"' in x]


def stage(name, count, timeout=30):
    """Guardian has gone through so many changes up to this stage."""
    wait_until(lambda: len(events(g.daemon, name)) >= count, timeout, f"{name} ({count})")


def generation(node):
    return node.status()["counters"]["key_generation"]


def passed():
    """Packets into the tunnel at one machine and out of it at the other, both ways."""
    count = lambda m, which: m.counter("veilnet", which)  # noqa: E731
    return ((count(a, "tx_packets"), count(b, "tx_packets")), (count(b, "rx_packets"), count(a, "rx_packets")))


def new_handshake(machine, node, when):
    before = len(node.links())
    times = machine.ping(node.ip4, wait=3)
    check(len(times) == 1, f"a new handshake {when}: {times[0] if times else 'none'} ms")
    check(len(node.links()) == before + 1, "which made a stream that was not there")


def under_load():
    check(len(a.ping(nb.ip4, wait=5)) == 1, "a reaches b")
    wait_until(lambda: passed()[0] == passed()[1], 5, "all packets so far came out at the other end")
    old = generation(na)
    server = b.daemon(["iperf3", "-s", "-1", "-B", nb.ip4], name="iperf3")
    b.wait_listening(5201)
    seconds = 2 * SPREAD + 6
    flow = a.daemon(["iperf3", "-c", nb.ip4, "-t", str(seconds), "-b", "4M", "-l", "1200", "-J"], name="iperf3-client")
    pings = a.daemon(["ping", "-n", "-i", "0.05", "-c", str(seconds * 20), nb.ip4], name="ping-load")
    new_handshake(a, nc, "before")
    out = g.cli("realm", "rekey", "--within", f"{SPREAD}s", "--identities").stdout
    check("new keys" in out, out.strip())
    stage("key_change_began", 1)
    new_handshake(a, nd, "while keys are handed out")
    stage("key_change_in_force", 1)
    wait_until(lambda: all(generation(n) > old for n in (na, nb, nc, nd)), 8, "every node has the new generation in force")
    new_handshake(b, nc, "while both count")
    stage("key_change_ended", 1)
    wait_until(lambda: flow.process.poll() is not None, 20, "the flow ends")
    wait_until(lambda: pings.process.poll() is not None, 20, "the pings end")
    server.process.wait(5)
    new_handshake(b, nd, "after")
    check(f"{seconds * 20} packets transmitted, {seconds * 20} received" in pings.log_text(), "no ping was lost")
    wait_until(lambda: passed()[0] == passed()[1], 5, "every packet of the flow came out at the other end")
    sent = json.loads(flow.log_text())["end"]["sum_received"]["bytes"]
    check(sent >= seconds * 4e6 / 8 * 0.9, f"the flow kept its rate: {sent} bytes")
    for n in (na, nb):  # one to each of the others, and no more
        check(n.status()["counters"]["handshakes_started"] == 3, f"{n.tag} made no stream anew")
    check(len({generation(n) for n in (na, nb, nc, nd)}) == 1, f"all have generation {generation(na)}")
    actions = [json.loads(x)["event"] for x in g.daemon.log_text().splitlines() if "key_change" in x]
    check(actions == ["key_change_began", "key_change_in_force", "key_change_ended"], f"audited: {actions}")


def who_is_left_out():
    """Nothing of Guardian and Master reaches d: it keeps its old keys, and what it sends arrives."""
    old = generation(na)
    said = lambda: re.search(r"bytes_sent:(\d+)", d.out(["ss", "-Htin", "dport = :4222"])).group(1)  # noqa: E731
    # What it is just saying would be repeated, and keep what it says then waiting.
    wait_until(lambda: stays(said), 20, "d has nothing to say to Master")
    srv.ip("route", "add", "blackhole", f"{address['d']}/32")
    g.cli("realm", "rekey", "--within", "2s")
    stage("key_change_ended", 2)
    wait_until(lambda: all(generation(n) > old for n in (na, nb, nc)), 8, "the others have the new keys")
    check(generation(nd) == old, "d has not")
    refused = nc.drops().get("control_hour_mac", 0)
    check(d.ping(nc.ip4, wait=3) == [], "d asks for c and gets no answer")
    check(nc.drops().get("control_hour_mac", 0) > refused, "c's filter of outsiders has it")
    srv.ip("route", "del", "blackhole", f"{address['d']}/32")
    nd.reaches(nc.ip4, within=60)
    check(generation(nd) == generation(nc), "d is back, with the keys it missed")


def guardian_dies_in_between():
    old = generation(na)
    g.cli("realm", "rekey", "--within", "4s")
    stage("key_change_began", 3)
    g.daemon.kill()
    check(len(a.ping(nb.ip4, wait=2)) == 1 and len(c.ping(na.ip4, wait=2)) == 1, "nobody notices")
    g.start()
    stage("key_change_ended", 3)
    wait_until(lambda: all(generation(n) > old for n in (na, nb, nc)), 8, "the next Guardian finished it")
    check(len(a.ping(nb.ip4, wait=2)) == 1 and len(c.ping(na.ip4, wait=2)) == 1, "and nobody noticed that")


def after_a_revocation():
    """Keys change by themselves: a minute after the loss; here an administrator does not wait for it."""
    old = generation(na)
    g.cli("node", "revoke", "d")
    g.cli("realm", "rekey", "--within", "2s")
    stage("key_change_ended", 4)
    wait_until(lambda: all(generation(n) > old for n in (na, nb, nc)), 8, "the others have new keys")
    check(len(a.ping(nc.ip4, wait=3)) == 1, "and reach each other")
    out = g.cli("realm", "rekey", "--within", "1d", ok=False)
    check("--within is a duration" in out.stdout, out.stdout.strip())


main(under_load, who_is_left_out, guardian_dies_in_between, after_a_revocation)
