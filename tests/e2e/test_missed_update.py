"""What an administrator changes while a node has no Master reaches it when it has one again."""
# timeout: 90 waits
from lib import *
from veil import Guardian, Node

net = Net()
srv, a, b = (net.machine(n) for n in ("srv", "a", "b"))
net.switch([srv, a, b], "10.9.0")
g = Guardian(srv, "10.9.0.1")
na, nb = Node(a, g, register=["--taints", "home"]), Node(b, g, register=["--taints", "home"])
switch = net.machine_named("switch")


def taints(node):
    return node.json("taint", "list")["taints"]


def change(node, **change):
    g.api("POST", f"/conflux/{node.status()['conflux']}/taints", change)


def while_cut_off():
    na.reaches(nb.ip4)
    switch.ip("link", "set", "p3", "down")
    change(nb, add=["late"], remove=["home"])
    b.ping(na.ip4, wait=1)
    wait_until(lambda: nb.status()["control"] == "down", 20, "b loses Master")
    check(taints(nb) == ["home"], "b was not told")
    switch.ip("link", "set", "p3", "up")
    wait_until(lambda: nb.status()["control"] == "up", 15, "b has Master again")
    wait_until(lambda: taints(nb) == ["late"], 3, "and learns what it missed")
    wait_until(lambda: a.ping(nb.ip4, wait=1) == [] and b.ping(na.ip4, wait=1) == [], 5, "it has no link to a any more")


def master_killed_and_guardian_too():
    """Both are away, the change is made on the host, both come back in the order that loses it."""
    pid = int((g.dir / "master/nats-server.pid").read_text())
    g.daemon.kill()
    os.kill(pid, signal.SIGKILL)
    g.cli("node", "taint", "b", "--add", "home", "--remove", "late")
    wait_until(lambda: nb.status()["control"] == "down", 5, "b loses Master")
    g.start()
    wait_until(lambda: nb.status()["control"] == "up", 15, "b has Master again")
    wait_until(lambda: taints(nb) == ["home"], 3, "and learns what it missed")
    nb.reaches(na.ip4, within=5)


main(while_cut_off, master_killed_and_guardian_too)
