"""Two nodes: packets of real programs over IPv4 and IPv6, a shared tether, and nothing left when idle."""
# timeout: 120
import hashlib
import os
import re

from lib import *
from veil import Guardian, Node

net = Net()
srv, a, b = (net.machine(n) for n in ("srv", "a", "b"))
net.switch([srv, a, b], "10.9.0", "fd09")
g = Guardian(srv, "10.9.0.1")
na = Node(a, g, run_words=["--idle", "3", "--verbose"])
nb = Node(b, g, run_words=["--idle", "3", "--verbose"])


def idle_node_has_no_port():
    check(not na.udp_ports() and not nb.udp_ports(), "no UDP port is open before the first packet")
    check(na.links() == [] and nb.links() == [], "no link exists")


def first_packet_is_answered():
    check(len(a.ping(nb.ip4, wait=5)) == 1, "the first ping over IPv4 is answered")
    check(len(a.ping(nb.ip6, wait=5)) == 1, "the first ping over IPv6 is answered")
    links = na.links()
    check(len(links) == 1 and links[0]["tag"] == "b" and links[0]["tether_up"],
          "one tether to b carries both families")
    check(len(nb.links()) == 1, "b uses the same one for its answers")
    check(na.udp_ports(), "and a has a socket now")


def downloads_are_whole():
    data = os.urandom(8 << 20)
    folder = b.dir / "www"
    folder.mkdir()
    (folder / "file").write_bytes(data)
    for address, url in ((nb.ip4, nb.ip4), (nb.ip6, f"[{nb.ip6}]")):
        b.daemon(["python3", "-m", "http.server", "--bind", address, "--directory", folder, "8000"],
                 name=f"http-{address}")
        wait_until(lambda: f"{url}:8000" in b.out(["ss", "-Hlnt"]), 5, "the server listens")
        before = b.counter("veilnet", "tx_bytes"), a.counter("veilnet", "rx_bytes")
        a.run(["curl", "-sf", "--max-time", "30", "-o", a.dir / "file", f"http://{url}:8000/file"], timeout=40)
        check(hashlib.sha256((a.dir / "file").read_bytes()).digest() == hashlib.sha256(data).digest(),
              f"8 MiB from {address} arrived whole")
        check(a.counter("veilnet", "rx_bytes") - before[1] >= len(data), "through the TUN")


def many_flows_at_once():
    done = [a.daemon(["curl", "-sf", "--max-time", "60", "-o", f"{a.dir}/f{i}", f"http://{nb.ip4}:8000/file"],
                     name=f"curl{i}") for i in range(8)]
    for i, d in enumerate(done):
        check(d.process.wait(60) == 0, f"download {i} of 8 at once is whole")


def oversized_and_unknown_destinations():
    check(a.ping(nb.ip4, size=1472) != [], "a packet of the whole MTU passes")
    check(a.ping(nb.ip4, size=20000) != [], "and one that the kernel has to fragment")
    prefix = na.ip4.rsplit(".", 1)[0]
    other = next(f"{prefix}.{i}" for i in range(200, 250) if f"{prefix}.{i}" not in (na.ip4, nb.ip4))
    out = a.run(["ping", "-n", "-c", "1", "-W", "8", other], ok=False, timeout=15).stdout
    check("Unreachable" in out, "an address that nobody owns is unreachable, not a hang")


def everything_dissolves():
    wait_until(lambda: na.links() == [] and nb.links() == [], 20, "streams and tethers are gone")
    wait_until(lambda: not na.udp_ports() and not nb.udp_ports(), 5, "sockets too")
    check(len(a.ping(nb.ip4, wait=5)) == 1, "and the next packet makes them again")
    wait_until(lambda: na.links() == [] and nb.links() == [], 20, "and they go again")


def a_warm_peer_stays():
    na.stop()
    na.run_words += ["--keep-warm", "b"]
    na.start()

    def warm(idle_ms):
        return any(l["tag"] == "b" and l["stream"]["tx_state"] == "open" and l["tether_up"] and l["idle_ms"] >= idle_ms
                   for l in na.links())

    wait_until(lambda: warm(0), 15, "a stream to b without a packet")
    wait_until(lambda: warm(7000), 15, "it outlives the idle time twice")


def stopping_leaves_nothing():
    check(na.stop() == 0 and nb.stop() == 0, "both end well")
    for m, n in ((a, na), (b, nb)):
        check("veilnet" not in m.ip("link", "show"), f"{n.tag}: the interface is gone")
        check("fwmark" not in m.ip("rule", "show"), f"{n.tag}: no rule is left")
        text = n.daemon.log_text()
        for what in ("stream", "tether"):
            made, gone = text.count(f"{what}_created"), text.count(f"{what}_destroyed")
            check(made == gone and made > 0, f"{n.tag}: every {what} created ({made}) was destroyed ({gone})")


main(idle_node_has_no_port, first_packet_is_answered, downloads_are_whole, many_flows_at_once,
     oversized_and_unknown_destinations, everything_dissolves, a_warm_peer_stays,
     stopping_leaves_nothing)
