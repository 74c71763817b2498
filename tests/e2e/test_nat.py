"""Nodes behind NAT find each other by what a STUN server tells them."""
# timeout: 120
import pathlib
import sys

from lib import *
from natlib import behind
from veil import Guardian, Node

need("nft")
net = Net()
srv, nat1, nat2, a, b = (net.machine(n) for n in ("srv", "nat1", "nat2", "a", "b"))
net.switch([srv, nat1, nat2], "10.9.0")

behind(nat1, a, "10.1.0", "port")
behind(nat2, b, "10.2.0", "port")
program = pathlib.Path(__file__).with_name("stun_server.py")
stun = srv.daemon([sys.executable, program, "10.9.0.1", "3478"], name="stun")
stun.wait_log("ready")
g = Guardian(srv, "10.9.0.1", start=False)


def refuses_a_bad_list():
    bad = g.cli("run", "--stun", "10.9.0.1:x", ok=False)
    check(bad.returncode != 0 and "--stun 10.9.0.1:x is no list" in bad.stdout, "a bad list is refused")


def not_without_server():
    """So that what follows shows what the server is for."""
    g.start()
    na, nb = Node(a, g), Node(b, g)
    check(a.run(["ping", "-n", "-c", "1", "-W", "4", nb.ip4], ok=False).returncode != 0, "no way without STUN")
    na.stop(), nb.stop()
    g.daemon.stop()
    globals().update(na=na, nb=nb)


def with_server():
    for words in (["--stun", "10.9.0.1"], []):  # the second time it is remembered
        g.start(*words)
        na.start(), nb.start()
        na.reaches(nb.ip4, within=10)
        nb.reaches(na.ip4, within=5)
        for node, nat, other in ((na, "10.9.0.2", "10.9.0.3"), (nb, "10.9.0.3", "10.9.0.2")):
            tether = node.links()[0]["tether"]
            check(tether["remote"].startswith(f"{other}:"), f"{node.tag} sends to the other's NAT: {tether}")
            check(f"told {nat}:" in stun.log_text(), f"{node.tag} asked the server")
        na.stop(), nb.stop()
        g.daemon.stop()


main(refuses_a_bad_list, not_without_server, with_server)
