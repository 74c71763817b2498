"""A node that does not cooperate is cut: it hears nothing of Guardian and Master, and keeps its old statement."""
# timeout: 120 waits
import threading
import time

from lib import *
from veil import Guardian, Node

net = Net()
srv, a, b, c = (net.machine(n) for n in ("srv", "a", "b", "c"))
address = net.switch([srv, a, b, c], "10.9.0")
g = Guardian(srv, "10.9.0.1")
na, nb, nc = Node(a, g), Node(b, g), Node(c, g)


def linked(node, tag):
    return [x for x in node.links() if x["tag"] == tag and (x["stream"]["tx_state"] or x["stream"]["rx"])]


def talking():
    """c has streams with a and b, and traffic that keeps them."""
    nc.reaches(na.ip4, within=15)
    nc.reaches(nb.ip4, within=15)
    pings = [c.daemon(["ping", "-n", "-i", "0.1", "-O", n.ip4], name=f"ping-{n.tag}") for n in (na, nb)]
    for d in pings:
        d.wait_log("time=")
    return pings


def deaf(on):
    """Nothing of Guardian and Master reaches c any more; what it sends does, and its tethers live on."""
    srv.ip("route", "add" if on else "del", "blackhole", f"{address['c']}/32")


def at_master():
    """c's connection, as the Master's machine sees it."""
    return srv.out(["ss", "-Htn", "state", "established", "sport = :4222", "and", "dst", address["c"]]).strip()


def cut_within(seconds, began, what):
    wait_until(lambda: not linked(na, "c") and not linked(nb, "c"), seconds, what)
    log(f"figure: {what}: {time.monotonic() - began:.3f} s")


def a_taint_taken_from_a_deaf_node():
    said = []
    pings = talking()
    deaf(True)
    conflux = nc.status()["conflux"]
    began = time.monotonic()
    order = threading.Thread(target=lambda: said.append(
        g.api("POST", f"/conflux/{conflux}/taints", {"remove": ["home"]})))
    order.start()
    cut_within(2, began, "taint removed to cut at both")
    order.join()
    check(said[0]["node"] == "not online", "Guardian says that the node has not heard of it")
    check("home" in nc.json("taint", "list")["taints"], "c does not know, and would go on")
    check(c.ping(na.ip4, wait=2) == [], "and c, with its old statement, does not come back")
    check(len(a.ping(nb.ip4, wait=3)) == 1, "others did not notice")
    for d in pings:
        d.stop()
    g.api("POST", f"/conflux/{conflux}/taints", {"add": ["home"]})
    deaf(False)
    nc.reaches(na.ip4, within=60)
    nc.reaches(nb.ip4, within=15)


def a_deaf_node_revoked():
    pings = talking()
    deaf(True)
    check(at_master(), "c is connected to Master")
    began = time.monotonic()
    out = g.cli("node", "revoke", "c").stdout
    check("revoked" in out, out.strip())
    cut_within(2, began, "revoked to cut at both")
    wait_until(lambda: not at_master(), 5, "Master has ended c's connection")
    check("master_reloaded" not in g.daemon.log_text(), "told by a message: reloads would make it grow")
    check(not any(x["tag"] == "c" for x in na.links() + nb.links()), "no tether is left")
    for d in pings:
        d.stop()
    check(c.ping(na.ip4, wait=2) == [], "it does not come back")
    deaf(False)
    wait_until(lambda: not nc.daemon.running(), 90, "c, who hears of it now, gives up")
    check("revoked" in nc.daemon.log_text() or "not registered" in nc.daemon.log_text(), "and says why")
    nc.start(wait=False)
    wait_until(lambda: not nc.daemon.running(), 20, "started again, it ends")
    check(nc.daemon.process.returncode == 4 and "register" in nc.daemon.log_text(), "with a status that says: do not try again")
    check("c" not in [p["tag"] for p in na.json("peers")["peers"]], "Guardian knows it no more")
    check(len(a.ping(nb.ip4, wait=3)) == 1, "others go on")


main(a_taint_taken_from_a_deaf_node, a_deaf_node_revoked)
