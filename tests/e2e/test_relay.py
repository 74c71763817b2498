"""Three nodes: a and b have no way to each other but through c, which reads nothing of what it carries."""
# timeout: 120
import hashlib
import os
import time

from lib import *
from veil import Guardian, Node, Traffic

net = Net()
srv, a, b, c = (net.machine(n) for n in ("srv", "a", "b", "c"))
underlay = net.switch([srv, a, b, c], "10.9.0")
cut(underlay, True, (a, b))
g = Guardian(srv, "10.9.0.1")
nc = Node(c, g, run_words=["--idle", "5", "--verbose"])
na = Node(a, g, run_words=["--idle", "5", "--verbose", "--via", "c"])
nb = Node(b, g, run_words=["--idle", "5", "--verbose", "--via", "c"])


def traffic_goes_through_the_relay():
    check(len(a.ping(nb.ip4, wait=5)) == 1, "the first ping over IPv4 is answered")
    check(len(a.ping(nb.ip6, wait=5)) == 1, "and one over IPv6")
    l = na.link("b")
    check(l["via"] == [nc.status()["node"]], "a's stream to b goes through c")
    check(not l["tether_up"] and na.link("c")["tether_up"], "on its tether to c; it has none to b")


def downloads_are_whole():
    data = os.urandom(16 << 20)
    folder = b.dir / "www"
    folder.mkdir()
    (folder / "file").write_bytes(data)
    b.daemon(["python3", "-m", "http.server", "--bind", nb.ip4, "--directory", folder, "8000"], name="http")
    wait_until(lambda: f"{nb.ip4}:8000" in b.out(["ss", "-Hlnt"]), 5, "the server listens")
    a.run(["curl", "-sf", "--max-time", "30", "-o", a.dir / "file", f"http://{nb.ip4}:8000/file"], timeout=40)
    check(hashlib.sha256((a.dir / "file").read_bytes()).digest() == hashlib.sha256(data).digest(),
          "16 MiB arrived whole")


def the_relay_reads_nothing():
    counters = nc.status()["counters"]
    check(counters["bytes_relayed"] >= 16 << 20, "c carried it")
    check(counters["frames_opened"] == counters["frames_sealed"] == 0, "and neither opened nor sealed a frame")
    check(counters["relay_circuits"] == 2, "a circuit for each direction")
    check(counters["tun_tx_packets"] == 0, "nothing of it came to c's interface")
    check(not any(n.drops().get("data_credit") for n in (na, nb, nc)), "nobody sent without credit")


def a_relay_that_restarts():
    t = Traffic(a, nb.ip4)
    t.steady()
    nc.kill()
    wait_until(t.silent, 10, "nothing comes through")
    nc.start()
    t.back_within(10, "c is there again")
    t.stop()


def relaying_refused_is_told_at_once():
    nc.stop()
    nc.run_words.append("--no-relay")
    nc.start()
    for n in (na, nb):
        wait_until(lambda: n.link("b" if n is na else "a") is None, 20, "the old streams are gone")
    began = time.time()
    out = a.run(["ping", "-n", "-c", "1", "-W", "8", nb.ip4], ok=False, timeout=15).stdout
    check("Unreachable" in out and seconds_since(began) < 5, "without a way b is unreachable, not a hang")
    check(nc.status()["counters"]["circuits_relayed"] == 0, "c carried nothing")


def nothing_is_left():
    # c's log begins with one that was killed.
    check(nc.stop() == 0, "c ends well")
    for n in (na, nb):
        check(n.stop() == 0, f"{n.tag} ends well")
        text = n.daemon.log_text()
        for what in ("stream", "tether"):
            made, gone = text.count(f"{what}_created"), text.count(f"{what}_destroyed")
            check(made == gone, f"{n.tag}: every {what} created ({made}) was destroyed ({gone})")


main(traffic_goes_through_the_relay, downloads_are_whole, the_relay_reads_nothing, a_relay_that_restarts,
     relaying_refused_is_told_at_once, nothing_is_left)
