"""A node killed with SIGKILL: its peers notice and recover, and its host changes are undone at the next start."""
# timeout: 120
from lib import *
from veil import Guardian, Node

net = Net()
srv, a, b = (net.machine(n) for n in ("srv", "a", "b"))
net.switch([srv, a, b], "10.9.0")
g = Guardian(srv, "10.9.0.1")
na, nb = Node(a, g), Node(b, g)


def peers_recover():
    na.reaches(nb.ip4)
    before = nb.status()["node"]
    rules = b.ip("rule", "show")
    nb.kill()
    check(b.ip("rule", "show") == rules, "the killed node left its rules behind")
    check(list((nb.dir).glob("*journal*")), "and the journal that names them")
    wait_until(lambda: not any(x["tag"] == "b" and x["tether_up"] for x in na.links()), 15, "a notices")
    out = a.run(["ping", "-n", "-c", "1", "-W", "8", nb.ip4], ok=False, timeout=15).stdout
    check("Unreachable" in out, "while b is away, it is unreachable and not a hang")
    nb.start()
    check(nb.status()["node"] != before, "b came back with a new identity")
    na.reaches(nb.ip4, within=15)
    nb.reaches(na.ip4, within=15)


def killed_and_back_at_once():
    na.reaches(nb.ip4)
    nb.kill()
    nb.start()
    nb.reaches(na.ip4, within=15)
    na.reaches(nb.ip4, within=15)


def nothing_is_left_behind():
    nb.kill()
    b.ip("rule", "show")
    nb.start()
    rules = [r for r in b.ip("rule", "show").splitlines() if "fwmark" in r]
    check(len(rules) == len(set(rules)) and len(rules) <= 1, f"the old rule was undone before a new one: {rules}")
    nb.stop()
    check("fwmark" not in b.ip("rule", "show"), "and none is left at the end")


main(peers_recover, killed_and_back_at_once, nothing_is_left_behind)
