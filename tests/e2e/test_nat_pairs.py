"""Which pairs of NAT kinds connect, and how: every pair tries at once, none hangs. Prints the table of docs/operations.md."""
# timeout: 180
import itertools
from concurrent.futures import ThreadPoolExecutor

from lib import *
from natlib import KINDS, place
from veil import Guardian, Node

need("nft")
net = Net()
kinds = [k for k in KINDS if k != "none"]
routers = {k: net.machine(f"r{k}") for k in kinds}
srv, pub1, plain = (net.machine(n) for n in ("srv", "pub1", "plain"))
inside = {k: net.machine(k) for k in kinds}
net.switch([srv, pub1, plain, *routers.values()], "10.9.0")
for number, kind in enumerate(kinds, 1):
    place(net, inside[kind], routers[kind], number, kind)
inside["none"] = plain
g = Guardian(srv, "10.9.0.1")
# What passes directly is to be seen, so nobody relays for others.
Node(pub1, g, register=["--public"], run_words=["--no-relay"])
nodes = {kind: Node(m, g, run_words=["--no-relay"]) for kind, m in inside.items()}

# RFC 5128 section 3: a mapping that depends on the peer meets a filter by port, or another such mapping, and both guess in vain.
DEPENDENT = {"address", "symmetric"}
BY_PORT = {"port", "double"}


def expected(a, b):
    if "blocked" in (a, b):
        return "no"
    for one, other in ((a, b), (b, a)):
        if one in DEPENDENT and other in DEPENDENT | BY_PORT:
            return "no"
    return "direct"


def how(a, b):
    """The way from a to b once a ping was answered, or that there is none; in bounded time."""
    answered = inside[a].run(["ping", "-n", "-c", "1", "-W", "14", nodes[b].ip4], ok=False, timeout=25).returncode == 0
    if not answered:
        return "no"
    links = [x for x in nodes[a].links() if nodes[b].ip4 in x["addresses"] and x["tether_up"]]
    return "relay" if any("relay" in (x["tether"]["local_type"], x["tether"]["remote_type"]) for x in links) else "direct"


def every_pair():
    pairs = list(itertools.combinations(["none", *kinds], 2))
    with ThreadPoolExecutor(12) as pool:
        seen = dict(zip(pairs, pool.map(lambda p: how(*p), pairs)))
    order = ["none", *kinds]
    print("| |" + "|".join(order[1:]) + "|")
    for i, a in enumerate(order[:-1]):
        print(f"|{a}|" + "|".join("" if j <= i else seen[(a, order[j])] for j in range(1, len(order))) + "|", flush=True)
    wrong = {p: s for p, s in seen.items() if s != expected(*p)}
    check(not wrong, f"{len(pairs)} pairs connect as expected, or not at all; otherwise: {wrong or 'none'}")


def none_hangs():
    """A pair without a way costs nobody else anything: the open one still answers at once."""
    for kind in kinds:
        if kind != "blocked":
            nodes[kind].reaches(nodes["none"].ip4, within=5)
    for n in nodes.values():
        check(n.status()["state"] == "online", f"{n.tag} is well")


main(every_pair, none_hangs)
