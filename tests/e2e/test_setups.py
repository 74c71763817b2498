"""Links made and taken down over and over: nothing is left of them."""
# timeout: 600
from lib import *
from veil import Guardian, Node

LONG = bool(os.environ.get("VN_LONG"))
PEERS = 5
WARM, ROUNDS = 6, 200 if LONG else 20

net = Net()
srv, a = net.machine("srv"), net.machine("a")
peers = [net.machine(f"p{i}") for i in range(PEERS)]
net.switch([srv, a, *peers], "10.9.0")
g = Guardian(srv, "10.9.0.1")
words = ["--idle-ms", "500"]
na = Node(a, g, run_words=words)
others = [Node(p, g, run_words=words) for p in peers]
nodes = [na, *others]


def once():
    """A link to every peer, and its end at both sides."""
    running = [a.daemon(["ping", "-n", "-c", "1", "-W", "5", n.ip4], name=f"ping-{n.tag}") for n in others]
    for one in running:
        check_quietly(one.process.wait(10) == 0, f"{one.name} is answered")
    net.daemons = [d for d in net.daemons if d not in running]
    wait_until(lambda: na.links() == [], 10, "links go when idle")


def check_quietly(condition, text):
    if not condition:
        raise Failed(text)


def figures(node):
    """What a process and its machine hold."""
    proc = pathlib.Path(f"/proc/{node.daemon.pid}")
    status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
    return {
        "memory_kb": int(status["RssAnon"].split()[0]),
        "threads": int(status["Threads"]),
        "descriptors": len(list((proc / "fd").iterdir())),
        "routes": len(node.machine.ip("-4", "route", "show", "table", "all").splitlines()
                      + node.machine.ip("-6", "route", "show", "table", "all").splitlines()),
        "rules": len(node.machine.ip("rule", "show").splitlines()),
        "udp_ports": len(node.udp_ports()),
    }


def settled(node):
    """Links are gone at this node too, and with them their sockets."""
    wait_until(lambda: node.links() == [] and not node.udp_ports(), 10, f"{node.tag} has no links")
    return figures(node)


def nothing_is_left():
    for _ in range(WARM):
        once()
    before = [settled(n) for n in nodes]
    for _ in range(ROUNDS):
        once()
    log(f"{ROUNDS * PEERS} links, each in both directions")
    for node, was in zip(nodes, before):
        now = settled(node)
        log(f"{node.tag}: {was} -> {now}")
        for what in ("threads", "descriptors", "routes", "rules", "udp_ports"):
            check(now[what] <= was[what], f"{node.tag}: no more {what} than before")
        check(now["memory_kb"] < was["memory_kb"] * 1.05 + 300, f"{node.tag}: memory is flat")


main(nothing_is_left)
