"""Four nodes and no setting: the way between a and b is cut under a download, a relay carries it, and it moves back."""
# timeout: 240
import hashlib
import json
import os
import signal

from lib import *
from veil import Datagrams, Guardian, Node, Traffic

need("nft")
net = Net()
srv, a, b, c, d = (net.machine(n) for n in ("srv", "a", "b", "c", "d"))
underlay = net.switch([srv, a, b, c, d], "10.9.0")
g = Guardian(srv, "10.9.0.1")
nodes = {m.name: Node(m, g, run_words=["--idle", "30", "--verbose"]) for m in (a, b, c, d)}
na, nb, nc, nd = (nodes[n] for n in "abcd")
SIZE = 32 << 20


def relay(node, tag):
    return node.relay(tag, (nc, nd))


def a_download_survives_the_cut():
    folder = b.dir / "www"
    folder.mkdir()
    data = os.urandom(SIZE)
    (folder / "file").write_bytes(data)
    b.daemon(["python3", "-m", "http.server", "--bind", nb.ip4, "--directory", folder, "8000"], name="http")
    wait_until(lambda: f"{nb.ip4}:8000" in b.out(["ss", "-Hlnt"]), 5, "the server listens")
    check(len(a.ping(nb.ip4, wait=5)) == 1 and relay(na, "b") is None, "a reaches b directly")
    curl = a.daemon(["curl", "-sf", "--limit-rate", "4M", "--max-time", "60", "-o", a.dir / "file",
                     f"http://{nb.ip4}:8000/file"], name="curl")
    out = a.dir / "file"
    wait_until(lambda: out.exists() and out.stat().st_size > SIZE // 16, 10, "the download runs")
    cut(underlay, True, (a, b))
    check(curl.process.wait(60) == 0, "it ends well though its path was cut")
    check(hashlib.sha256(out.read_bytes()).digest() == hashlib.sha256(data).digest(), "and is whole")
    check(relay(nb, "a") is not None, "through a relay")
    check(relay(nb, "a").status()["counters"]["frames_opened"] == 0, "that opened nothing of it")


def it_is_explained():
    name = relay(na, "b").tag
    routes = {r["tag"]: r for r in na.json("routes")["routes"]}
    check(len(routes["b"]["via"]) == 1, "routes shows that b is reached through one relay")
    told = na.json("explain", nb.ip4)
    ways = {w["tag"] or "direct": w["why"] for w in told["ways"]}
    check(told["allowed"] and ways[name] == "in_use", f"explain shows it in use: {ways}")
    check(ways["direct"] in ("failed", "connecting"), "and that the direct way is not there")
    check(f"through {name}" in na.cli("routes").stdout, "in words too")
    status = na.status()
    known = {r["tag"]: r for r in status["relays"]}
    check(known[name]["ready"] and known[name]["tethered"] and known[name]["headroom"] > 0.5,
          f"status shows the relays that are known: {known}")
    check(len(status["place"]["at_us"]) == 3 and status["headroom"] == 1 and status["counters"]["relays_heard"] > 0,
          "where this node is, its room, and that it was told of relays")
    check(f"{name} (" in na.cli("routes").stdout and "known" in na.cli("status").stdout, "both in words")
    check("in use" in na.cli("explain", "b").stdout, "and for one peer")
    check(na.json("explain", "d" if name == "c" else "c")["allowed"], "who is no peer yet may be one")
    said = na.cli("explain", "nobody", ok=False)
    check(said.returncode == 1 and "nobody that this node may reach" in said.stdout,
          "a name that nobody has is told so")


def the_relay_dies():
    t = Traffic(a, nb.ip4)
    t.steady()
    first = relay(na, "b")
    first.kill()
    t.back_within(8, "another relay takes over")
    check(relay(na, "b") not in (None, first), "it is the other one")
    first.start()
    t.stop()


def it_moves_back():
    t = Traffic(a, nb.ip4)
    t.steady()
    cut(underlay, False, (a, b))
    wait_until(lambda: na.via("b") == [], 90, "a's stream to b is direct again")
    t.steady()
    check(t.longest_gap() < 2 and not t.unreachable(), f"without a gap ({t.longest_gap():.2f} s)")
    t.stop()


def standbys(node, tag):
    return [r["standbys"] for r in node.json("routes")["routes"] if r["tag"] == tag][0]


def rules_choose_the_relay():
    """By name and by a taint that a carries too, at run time; the traffic moves, and the settings keep them."""
    t = Traffic(a, nb.ip4)
    t.steady()
    wait_until(lambda: set(standbys(na, "b")) == {"c", "d"}, 60, "both relays stand by")
    rules = na.json("relays", "pin", "c")["rules"]
    check(rules == [{"wish": "pin", "what": "c", "idle": False}], f"the rule is there: {rules}")
    wait_until(lambda: relay(na, "b") is nc, 20, "the pinned relay carries the stream, though it could go directly")
    kept = json.loads((na.dir / "conflux.json").read_text())["settings"]
    check(kept["relays"] == {"pin": ["c"]}, f"the settings keep it: {kept}")
    said = na.cli("relays", "prefer", "e.g", nb.ip4, "taint:none").stdout
    check("knows nobody called 'e.g'" in said and said.count("nobody called") == 1, "a name that nobody has is told")
    unknown = na.json("relays", "pin", "c", "e.g")["unknown"]
    check(unknown == ["e.g"], f"and kept: {unknown}")
    na.json("relays", "forget", "e.g", nb.ip4, "taint:none")
    na.json("relays", "exclude", "c")
    wait_until(lambda: na.via("b") is not None and relay(na, "b") is not nc, 5, "what is excluded is left")
    why = {w["tag"]: (w["why"], w["rule"]) for w in na.json("explain", "b")["ways"] if not w["direct"]}
    check(why["c"] == ("unwanted", "c"), f"explain names the rule: {why}")
    check("[exclude c]" in na.cli("explain", "b").stdout, "in words too")
    na.json("relays", "forget", "c")
    na.json("relays", "pin", "d")
    wait_until(lambda: relay(na, "b") is nd, 20, "d carries it")
    for n in (na, nd):
        n.cli("taint", "add", "lab")
    na.json("relays", "exclude", "taint:lab")
    wait_until(lambda: na.via("b") is not None and relay(na, "b") is not nd, 30, "whoever carries the taint is left")
    check("taint:lab" in na.cli("relays").stdout, "relays lists it")
    said = na.cli("relays", "exclude", "country:Germany", ok=False)
    check(said.returncode == 2 and "country:DE" in said.stdout, f"what is no rule is told so: {said.stdout}")
    check(na.json("relays", "forget", "taint:lab", "d")["rules"] == [], "and all is forgotten")
    t.steady()
    check(t.longest_gap() < 3 and not t.unreachable(), f"without a long gap ({t.longest_gap():.2f} s)")
    t.stop()


def it_goes_silent_under_datagrams():
    """First the direct way, then the relay that took over, which answers nobody any more and says nothing."""
    d = Datagrams(a, b, nb.ip4)

    def costs():
        found = {w["why"]: w for w in na.json("explain", "b")["ways"] if w["cost_us"]}
        return found if found.get("in_use") and found.get("standby") else None

    log("explain knows what they cost:", wait_until(costs, 60, "something stands by"))
    wait_until(lambda: "standing by: " in na.cli("routes").stdout, 10, "routes names it")
    since = d.flow()
    cut(underlay, True, (a, b))
    wait_until(lambda: relay(na, "b"), 10, "a relay carries it")
    d.flow()
    check(d.longest_gap(since) < 1500, f"nothing came for {d.longest_gap(since)} ms")
    wait_until(lambda: relay(na, "b") and {"c", "d"} - {relay(na, "b").tag} == set(standbys(na, "b")), 60,
               "the other relay stands by")
    first, since = relay(na, "b"), d.flow()
    other = (nd if first is nc else nc).status()["node"]
    first.daemon.send(signal.SIGSTOP)
    wait_until(lambda: na.via("b") == [other], 10, "the other relay carries it")
    d.flow()
    check(d.longest_gap(since) < 1500, f"nothing came for {d.longest_gap(since)} ms")
    first.daemon.send(signal.SIGCONT)
    d.stop()
    cut(underlay, False, (a, b))


def lose(machine, senders):
    """One packet in twenty that it gets from these, until the table is deleted."""
    rules = machine.dir / "lossy.nft"
    rules.write_text("table ip lossy { chain in { type filter hook input priority filter; "
                     f"ip saddr {{ {', '.join(underlay[s] for s in senders)} }} "
                     "meta l4proto udp numgen random mod 100 < 5 drop; }\n}\n")
    machine.run(["nft", "-f", rules])


def copies():
    return [w for w in na.json("explain", "b")["ways"] if w["copies"]]


def real_time_goes_by_two_paths():
    """Of what a sends, each way loses a packet in twenty; of real-time datagrams nearly all come, since two carry them."""
    flow = Datagrams(a, b, nb.ip4, port=5006, dscp=46)
    flow.flow()
    wait_until(lambda: standbys(na, "b"), 60, "something stands by")
    for m in (b, c, d):
        lose(m, ["a"])
    wait_until(copies, 30, "a second way carries copies")
    wait_until(lambda: "real-time packets also by " in na.cli("routes").stdout, 10, "routes says so")
    before = na.status()["counters"]["frames_copied"]
    wait_until(lambda: flow.flow(1000) and flow.lost(1000) < 0.01, 30, "less than 1 % is lost")
    check(na.status()["counters"]["frames_copied"] > before, "by copies")
    for m in (b, c, d):
        m.run(["nft", "delete", "table", "ip", "lossy"])
    flow.stop()


def it_is_lost_behind_the_relay():
    """Of what the relays send to b: the first tether of the path loses nothing, so a has it from b."""
    cut(underlay, True, (a, b))
    flow = Datagrams(a, b, nb.ip4, port=5007, dscp=46)
    flow.flow()
    wait_until(lambda: relay(na, "b") and {"c", "d"} - {relay(na, "b").tag} == set(standbys(na, "b")), 60,
               "one relay carries it, the other stands by")
    wait_until(lambda: flow.flow(1000) and not copies(), 60, "and nothing is sent twice")
    lose(b, ["c", "d"])
    wait_until(lambda: flow.flow(1000) and copies(), 30, "copies go by the other")
    wait_until(lambda: flow.flow(1000) and flow.lost(1000) < 0.01, 30, "less than 1 % is lost")
    b.run(["nft", "delete", "table", "ip", "lossy"])
    wait_until(lambda: flow.flow(1000) and not copies(), 60, "they end when it is over")
    flow.stop()
    cut(underlay, False, (a, b))


def retransmitted(machine):
    names, values = (l.split() for l in machine.out(["cat", "/proc/net/snmp"]).splitlines() if l.startswith("Tcp:"))
    return int(values[names.index("RetransSegs")])


def a_relay_dies_under_a_download():
    """What was under way through it goes again by another: TCP inside sees a pause, no loss. It takes marks, and has
    less under way than queues hold, so they drop nothing of it; and its timer leaves the daemon time, on a busy machine
    too."""
    cut(underlay, True, (a, b))
    for m in (a, b):
        m.run(["sysctl", "-qw", "net.ipv4.tcp_ecn=1"])
    b.run(["sysctl", "-qw", "net.ipv4.tcp_wmem=4096 65536 600000"])  # VN_EGRESS_QUEUE_BYTES is 655,360
    way = b.out(["ip", "route", "get", na.ip4]).split()
    table = way[way.index("table") + 1] if "table" in way else "main"
    b.run(["ip", "route", "replace", f"{na.ip4}/32", "dev", "veilnet", "table", table, "rto_min", "3s"])
    os.truncate(b.dir / "www" / "file", 64 << 30)  # of nothing: it is not written anywhere
    t = Traffic(a, nb.ip4)
    wait_until(lambda: relay(nb, "a") and {"c", "d"} - {relay(nb, "a").tag} == set(standbys(nb, "a")), 60,
               "one relay carries what b sends, the other stands by")
    curl = a.daemon(["curl", "-sf", "-o", "/dev/null", f"http://{nb.ip4}:8000/file"], name="bulk")
    passed = lambda: a.counter("veilnet", "rx_bytes")
    start = passed()
    wait_until(lambda: passed() > start + (48 << 20), 20, "the download runs")
    resent = lambda: nb.status()["counters"]["frames_resent"]
    first, again, at, before = relay(nb, "a"), retransmitted(b), passed(), resent()
    first.kill()
    wait_until(lambda: passed() > at + (32 << 20) and relay(nb, "a") not in (None, first), 20,
               "it goes on through another")
    check(retransmitted(b) - again <= 40, f"TCP sent {retransmitted(b) - again} segments again")
    check(resent() > before, f"{resent() - before} frames went again instead")
    check(curl.process.poll() is None, "and the download runs on")
    curl.stop()
    t.stop()
    first.start()
    cut(underlay, False, (a, b))


def nobody_relays():
    for n in (nc, nd):
        n.stop()
        n.run_words.append("--no-relay")
        n.start()
    cut(underlay, True, (a, b))
    out = a.run(["ping", "-n", "-i", "0.5", "-w", "30", nb.ip4], ok=False, timeout=40).stdout
    check("Unreachable" in out, "without any way b is unreachable, not a hang")
    check(nc.status()["counters"]["frames_relayed"] == nd.status()["counters"]["frames_relayed"] == 0,
          "nobody carried anything")


main(a_download_survives_the_cut, it_is_explained, the_relay_dies, it_moves_back, rules_choose_the_relay,
     it_goes_silent_under_datagrams, real_time_goes_by_two_paths, it_is_lost_behind_the_relay,
     a_relay_dies_under_a_download, nobody_relays)
