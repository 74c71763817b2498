"""A relay says that it is where everybody is and has all its room, and is 20 ms from all: it is used while nobody else is there,
and left for one that is measured to be better, whatever it goes on saying."""
# timeout: 120 waits
from lib import *
from veil import Guardian, Node, Traffic

need("linkem", "hostile_conflux")
net = Net()
srv, a, b, c, liar = (net.machine(n) for n in ("srv", "a", "b", "c", "liar"))
underlay = net.switch([srv, a, b, c], "10.9.0")
switch = net.machine_named("switch")
net.emulated(liar, switch, "10.9.0.9/24", [], ["--delay-ms", 20])  # between it and all others, 40 ms there and back
switch.ip("link", "set", "eth0", "master", "br0")
g = Guardian(srv, "10.9.0.1")
na, nb = (Node(m, g, run_words=["--verbose"]) for m in (a, b))
nl = Node(liar, g, start=False)
nc = Node(c, g, start=False)


def relayed(node):
    return node.status()["counters"]["frames_relayed"]


def costs():
    """Of the relays that carry or could carry what a sends to b, by tag, in ms."""
    return {w["tag"]: w["cost_us"] / 1000 for w in na.json("explain", "b")["ways"] if w["tag"] and w["cost_us"]}


def it_is_all_there_is():
    global traffic
    cut(underlay, True, (a, b))
    nl.daemon = liar.daemon(["hostile_conflux", "--state-dir", nl.dir, "run"], name="conflux-liar", env={"VN_HOSTILE_LIES": "1"})
    nl.wait_online()
    na.reaches(nb.ip4, within=20)
    traffic = Traffic(a, nb.ip4)
    wait_until(lambda: na.via("b") == [nl.status()["node"]], 10, "a reaches b through the liar")
    traffic.steady()
    said = wait_until(lambda: [r for r in na.status()["relays"] if r["tag"] == "liar"], 10, "a knows it")[0]
    log(f"what a knows of it: {said}")


def another_is_better():
    nc.start()
    wait_until(lambda: na.relay("b", [nc]), 60, "what a sends goes through c")
    wait_until(lambda: {"c", "liar"} <= costs().keys(), 30, "a has measured both")
    check(costs()["liar"] > costs()["c"] + 25, f"the 40 ms of its two links show, whatever it says: {costs()}")
    traffic.steady()
    wait_until(lambda: nb.relay("a", [nc]), 60, "and what b sends")

    def goes_by_c():
        before, at_liar = relayed(nc), relayed(nl)
        traffic.steady(100)
        return relayed(nc) >= before + 200 and relayed(nl) == at_liar

    wait_until(goes_by_c, 40, "c carries all of it, the liar nothing")


main(it_is_all_there_is, another_is_better)
