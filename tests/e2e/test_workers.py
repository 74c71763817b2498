"""Several data workers: flows of every lane arrive whole, both ways, whatever number of workers the other end has."""
# timeout: 90
import hashlib
import os
import pathlib

from lib import *
from veil import Guardian, Node

need("curl")
net = Net()
srv, a, b, c = (net.machine(n) for n in ("srv", "a", "b", "c"))
net.switch([srv, a, b, c], "10.9.0", "fd09")
g = Guardian(srv, "10.9.0.1")
workers = {"a": 1, "b": 3, "c": 2}
# None relays: each link is one between two that talk.
nodes = {m.name: Node(m, g, run_words=["--no-relay", "--idle", "3", "--verbose", "--workers", str(workers[m.name])])
         for m in (a, b, c)}
FLOWS, ROUNDS = 4, 25
data = os.urandom(1 << 20)
digest = hashlib.sha256(data).digest()


def counters(node, peer):
    """Of what each worker has to do: seal, and open the peer's lanes, which are shared out by number."""
    status = node.status()["workers"]
    return [w["frames_sealed"] for w in status] + [w["frames_opened"] for w in status[:workers[peer.tag]]]


def serve(node):
    folder = node.machine.dir / "www"
    folder.mkdir()
    (folder / "file").write_bytes(data)
    node.machine.daemon(["python3", "-m", "http.server", "--bind", node.ip4, "--directory", folder, "8000"],
                        name=f"http-{node.tag}")
    wait_until(lambda: f"{node.ip4}:8000" in node.machine.out(["ss", "-Hlnt"]), 10, f"{node.tag} serves")


def download(at, source, i):
    path = at.machine.dir / f"from-{source.tag}-{i}"
    return path, at.machine.daemon(["curl", "-sf", "--max-time", "30", "-o", path, f"http://{source.ip4}:8000/file"],
                                   name=f"curl-{at.tag}-{source.tag}-{i}")


def both_ways(x, y):
    """Rounds of new flows each way, until every worker of both has had some: the kernel chooses by port."""
    before = counters(x, y) + counters(y, x)
    for _ in range(ROUNDS):
        flows = [download(*ends, i) for i in range(FLOWS) for ends in ((x, y), (y, x))]
        for path, curl in flows:
            check(curl.process.wait(40) == 0 and hashlib.sha256(path.read_bytes()).digest() == digest,
                  f"{path.parent.name}/{path.name} is whole")
        if all(now > then for now, then in zip(counters(x, y) + counters(y, x), before)):
            return
    raise Failed(f"after {ROUNDS} rounds some worker has had nothing: {before}, {counters(x, y) + counters(y, x)}")


def each_has_its_queues():
    for n in nodes.values():
        check(len(n.status()["workers"]) == workers[n.tag], f"{n.tag} has {workers[n.tag]} workers")
        out = n.machine.ip("-d", "link", "show", "veilnet")
        check(("multi_queue" in out) == (workers[n.tag] > 1), f"{n.tag}: {workers[n.tag]} queues")
        threads = [(t / "comm").read_text().strip() for t in pathlib.Path(f"/proc/{n.daemon.pid}/task").iterdir()]
        check(sum(t.startswith("vn-worker") for t in threads) == workers[n.tag], f"{n.tag}: as many threads")
        serve(n)


def three_against_two():
    both_ways(nodes["b"], nodes["c"])


def three_against_one():
    both_ways(nodes["b"], nodes["a"])
    check(len(nodes["a"].links()) == 1 and len(nodes["b"].links()) in (1, 2), "over one link")


def counters_add_up():
    for n in nodes.values():
        status = n.status()
        for name in ("tun_rx_packets", "tun_tx_bytes", "frames_sealed", "frames_opened"):
            check(sum(w[name] for w in status["workers"]) == status["counters"][name], f"{n.tag}: {name}")
        bad = {k: v for k, v in status["drops"].items() if v and k in (
            "data_replay", "data_tag", "data_epoch_unknown", "data_frame_malformed", "data_inner_source")}
        check(not bad, f"{n.tag}: no frame was refused ({bad})")


def everything_dissolves():
    wait_until(lambda: all(n.links() == [] for n in nodes.values()), 30, "streams and tethers are gone")
    wait_until(lambda: all(n.status()["counters"]["egressers"] == 0 for n in nodes.values()), 20,
               "egressers of all workers too")
    check(b.ping(nodes["c"].ip4, wait=5), "and the next packet makes them again")


def stopping_leaves_nothing():
    for n in nodes.values():
        check(n.stop() == 0, f"{n.tag} ends well")
        check("veilnet" not in n.machine.ip("link", "show"), f"{n.tag}: the interface is gone")
        text = n.daemon.log_text()
        for what in ("stream", "tether", "egresser"):
            made, gone = text.count(f"{what}_created"), text.count(f"{what}_destroyed")
            check(made == gone and made > 0, f"{n.tag}: every {what} created ({made}) was destroyed ({gone})")


main(each_has_its_queues, three_against_two, three_against_one, counters_add_up, everything_dissolves,
     stopping_leaves_nothing)
