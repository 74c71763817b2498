"""Taints decide who may talk, live and at both ends; the local commands say what they know."""
# timeout: 120 waits
from lib import *
from veil import Guardian, Node

net = Net()
srv, a, b, c = (net.machine(n) for n in ("srv", "a", "b", "c"))
net.switch([srv, a, b, c], "10.9.0")
g = Guardian(srv, "10.9.0.1")
# No relays: those have tethers whatever their taints.
na, nb, nc = (Node(m, g, register=["--taints", t], run_words=["--no-relay"]) for m, t in ((a, "home"), (b, "home"), (c, "guest")))


def strangers_get_silence():
    na.reaches(nb.ip4)
    check(c.ping(na.ip4, wait=5) == [], "another taint: no answer")
    check(nc.links() == [] and not any(x["tag"] == "c" for x in na.links()), "and no link at either end")
    done = nc.cli("ping", "a", "-c", "1", ok=False)
    check(done.returncode != 0 and "guest" in done.stdout, f"ping names this node's taints: {done.stdout.strip()}")
    check([p["tag"] for p in nc.json("peers")["peers"]] == [], "peers lists nobody")
    check(sorted(p["tag"] for p in na.json("peers")["peers"]) == ["b"], "and b for a")


def admitted_by_taint_add():
    nc.cli("taint", "add", "home")
    nc.cli("taint", "remove", "guest")
    check(nc.json("taint", "list")["taints"] == ["home"], "taint list shows the change")
    nc.reaches(na.ip4, within=15)
    na.reaches(nc.ip4)


def containment_is_enough():
    nc.cli("taint", "add", "extra")
    check(c.ping(na.ip4, wait=5) != [], "home is contained in home,extra")


def a_living_stream_stops():
    d = c.daemon(["ping", "-n", "-i", "0.1", "-O", na.ip4], name="ping")
    d.wait_log("time=")
    nc.cli("taint", "remove", "home")
    wait_until(lambda: not any(x["tag"] == "c" for x in na.links() + nb.links()), 2, "a closed within 2 s")
    wait_until(lambda: nc.links() == [], 2, "c too")
    d.stop()
    check(c.ping(na.ip4, wait=3) == [] and a.ping(nc.ip4, wait=3) == [], "silence in both directions")
    check(len(a.ping(nb.ip4, wait=3)) == 1, "others did not notice")


def no_taint_at_all():
    nc.cli("taint", "remove", "extra")
    text = nc.cli("status").stdout
    check("no taints" in text and "taint add" in text, "status says why it reaches nobody, and the fix")


def by_the_administrator():
    conflux = nc.status()["conflux"]
    g.api("POST", f"/conflux/{conflux}/taints", {"add": ["home"]})
    nc.reaches(na.ip4, within=15)
    check(nc.json("taint", "list")["taints"] == ["home"], "the node knows its new taint")
    g.api("POST", f"/conflux/{conflux}/taints", {"remove": ["home"]})
    wait_until(lambda: c.ping(na.ip4, wait=1) == [], 5, "and out again")


main(strangers_get_silence, admitted_by_taint_add, containment_is_enough, a_living_stream_stops, no_taint_at_all,
     by_the_administrator)
