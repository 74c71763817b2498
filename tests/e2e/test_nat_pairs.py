"""Which pairs of NAT kinds connect, and how: every pair tries at once, none hangs. Prints the table of docs/operations.md."""
# timeout: 180
import itertools
from concurrent.futures import ThreadPoolExecutor

from lib import *
from natlib import KINDS, place
from turn_rig import Coturn
from veil import Guardian, Node

need("nft", "turnserver", "openssl")
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
    ends = [x["tether"][end] for x in nodes[a].links() if nodes[b].ip4 in x["addresses"] and x["tether_up"]
            for end in ("local", "remote")]
    return "relay" if any(e.startswith("10.9.0.1:") for e in ends) else "direct"  # the server's


def try_all(pairs):
    with ThreadPoolExecutor(12) as pool:
        return dict(zip(pairs, pool.map(lambda p: how(*p), pairs)))


def every_pair():
    pairs = list(itertools.combinations(["none", *kinds], 2))
    seen = try_all(pairs)
    order = ["none", *kinds]
    print("| |" + "|".join(order[1:]) + "|")
    for i, a in enumerate(order[:-1]):
        print(f"|{a}|" + "|".join("" if j <= i else seen[(a, order[j])] for j in range(1, len(order))) + "|", flush=True)
    wrong = {p: s for p, s in seen.items() if s != expected(*p)}
    check(not wrong, f"{len(pairs)} pairs connect as expected, or not at all; otherwise: {wrong or 'none'}")
    globals().update(without_a_way=[p for p in pairs if seen[p] == "no"])


def none_hangs():
    """A pair without a way costs nobody else anything: the open one still answers at once."""
    for kind in kinds:
        if kind != "blocked":
            nodes[kind].reaches(nodes["none"].ip4, within=5)
    for n in nodes.values():
        check(n.status()["state"] == "online", f"{n.tag} is well")


def with_a_turn_server():
    """Every pair without a way has one by the server, over TCP where UDP is blocked; the others need it no more than before."""
    # coturn ends an allocation whose peer it has no route to. On the Internet packets to inner addresses vanish on the way.
    srv.ip("link", "add", "void", "type", "veth", "peer", "name", "end")
    for end in ("void", "end"):
        srv.ip("link", "set", end, "up")
    srv.ip("neigh", "add", "192.0.2.1", "lladdr", "02:00:00:00:00:01", "dev", "void", "nud", "permanent")
    srv.ip("route", "add", "default", "via", "192.0.2.1", "dev", "void", "onlink")
    Coturn(srv, "10.9.0.1", user="veil:between-nats")
    password = srv.dir / "turn.password"
    password.write_text("between-nats")
    g.run_with("--turn", "turn:10.9.0.1,turn:10.9.0.1?transport=tcp", "--turn-user", "veil", "--turn-password-file",
               password)
    for n in nodes.values():
        n.stop()
    for n in nodes.values():
        n.start(wait=False)
    for n in nodes.values():
        n.wait_online()
    direct = [("open", "cone"), ("port", "hairpin")]
    seen = try_all(without_a_way + direct)
    wrong = {p: s for p, s in seen.items() if s != ("direct" if p in direct else "relay")}
    check(not wrong, f"{len(without_a_way)} pairs connect by the server; otherwise: {wrong or 'none'}")


main(every_pair, none_hangs, with_a_turn_server)
