"""Master and Guardian dead: nodes that have a tether to a common neighbour, or to each other, make new links through it."""
# timeout: 150 waits
from lib import *
from veil import Guardian, Node, Traffic

net = Net()
srv, a, b, c, d = (net.machine(n) for n in ("srv", "a", "b", "c", "d"))
underlay = net.switch([srv, a, b, c, d], "10.9.0")
g = Guardian(srv, "10.9.0.1")
nodes = na, nb, nc, nd = [Node(m, g, run_words=["--idle", "4", "--verbose"]) for m in (a, b, c, d)]
HEAR = "import signal, socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 9)); signal.pause()"
SAY = "import socket, sys; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', (sys.argv[1], 9))"


def passed():
    return nc.status()["counters"]["inband_passed"]


def relayed():
    return sum(n.status()["counters"]["frames_relayed"] for n in (nc, nd))


def away():
    """From a state where everybody's only tether is to c."""
    wait_until(lambda: all(n.links() == [] for n in nodes), 20, "all tethers are gone")
    for n in (na, nb, nd):
        n.reaches(nc.ip4)
    pid = int((g.dir / "master/nats-server.pid").read_text())
    g.daemon.kill()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: all(n.status()["control"] == "down" for n in nodes), 5, "all lose the control channel")
    check(all([l["tag"] for l in n.links()] == ["c"] for n in (na, nb, nd)), "their only tether is to c")


def back():
    g.start()
    wait_until(lambda: all(n.status()["control"] == "up" for n in nodes), 20, "the control channel is up again")


def through_a_common_neighbour():
    away()
    check(len(a.ping(nb.ip4, wait=5)) == 1, "a's first ping of b is answered")
    check(passed() > 0, "c passed on what they said")
    check(na.link("b")["tether_up"] and nc.status()["counters"]["circuits_relayed"] == 0, "over a tether of their own")
    check(not any(n.status()["hints"] == [] for n in nodes), "everybody says that Master is away")


def over_a_tether_of_one_direction():
    before = passed()
    d.daemon(["python3", "-c", HEAR], name="hear")  # else d would answer that nobody listens
    wait_until(lambda: ":9 " in d.out(["ss", "-Hlnu"]), 5, "d listens")
    a.run(["python3", "-c", SAY, nd.ip4])
    wait_until(lambda: na.link("d") and na.link("d")["stream"]["tx_state"] == "open", 5, "a's stream to d is open")
    check(nd.link("a")["stream"]["tx_state"] is None, "d has none to a")
    asked = passed()
    check(asked > before, "a found d through c")
    check(len(d.ping(na.ip4, wait=5)) == 1, "d's first ping of a is answered")
    check(passed() == asked, "over the tether that was there: c had no part in it")


def tethers_stay():
    time.sleep(8)  # twice what is idle
    check(na.link("c")["tether_up"] and nb.link("c")["tether_up"], "an unused tether stays while Master is away")
    check(all(l["stream"]["tx_state"] is None for l in na.links()), "streams that are idle have ended")


def a_living_stream_moves():
    """At once, if a relay stands by already."""
    t = Traffic(a, nb.ip4)
    t.steady()
    before, since = relayed(), time.time()
    cut(underlay, True, (a, b))
    wait_until(lambda: relayed() > before + 20, 20, "another node carries it")
    t.steady()
    check_in_time(t.longest_gap(since), 10, "a relay is found without Master")
    t.stop()


def a_first_packet_through_a_relay():
    cut(underlay, False, (a, b))
    cut(underlay, True, (b, d))
    wait_until(lambda: not (nb.link("d") or {}).get("tether_up"), 20, "b has no tether to d")
    check(len(b.ping(nd.ip4, wait=8)) == 1, "b reaches d, though they have no way to each other")
    cut(underlay, False, (b, d))


def what_is_new_goes_over_master_again():
    back()
    before = [n.status()["counters"]["inband_passed"] for n in nodes]
    wait_until(lambda: all(n.links() == [] for n in nodes), 30, "unused tethers are gone")
    check(len(a.ping(nb.ip4, wait=5)) == 1, "a new link is made")
    check(before == [n.status()["counters"]["inband_passed"] for n in nodes], "and nobody passed on anything")


def nobody_passes_on():
    nc.stop()
    nc.run_words.append("--no-relay")
    nc.start()
    away()
    began = time.time()
    out = a.run(["ping", "-n", "-c", "1", "-W", "8", nb.ip4], ok=False, timeout=15).stdout
    check("Unreachable" in out and seconds_since(began) < 5, "without permission b is unreachable, not a hang")
    check(passed() == 0, "c passed on nothing")


main(through_a_common_neighbour, over_a_tether_of_one_direction, tethers_stay, a_living_stream_moves,
     a_first_packet_through_a_relay, what_is_new_goes_over_master_again, nobody_passes_on)
