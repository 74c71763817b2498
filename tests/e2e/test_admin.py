"""Commands of Guardian to nodes, with traffic running: each acts once and at once, and says what came of it."""
# timeout: 180 waits
import json
import threading
import time
import urllib.parse

from lib import *
from veil import Guardian, Node, Traffic

net = Net()
srv, a, b, c = (net.machine(n) for n in ("srv", "a", "b", "c"))
net.switch([srv, a, b, c], "10.9.0", "fd09")
g = Guardian(srv, "10.9.0.1")
na, nb, nc = Node(a, g), Node(b, g), Node(c, g)
ids = {n.tag: n.status()["conflux"] for n in (na, nb, nc)}


def order(verb, *words):
    """`veilnet-guardian node VERB … --json`, which must be done."""
    return json.loads(g.cli("node", verb, *words, "--json").stdout)


def refused(*words):
    done = g.cli("node", *words, ok=False)
    check(done.returncode != 0, f"node {' '.join(words)}: refused")
    return done.stdout.strip()


login = json.loads(srv.out(["curl", "-sk", "https://10.9.0.1:8443/auth/login", "-d",
                            json.dumps({"user": "admin", "password": g.info["admin_password"]})]))


def command(conflux, body):
    """(status, answer) of POST /conflux/{id}/commands."""
    out = srv.out(["curl", "-sk", "--max-time", "20", "-w", "\n%{http_code}", "-H",
                   f"Authorization: Bearer {login['access_token']}", "-d", json.dumps(body),
                   f"https://10.9.0.1:8443/conflux/{urllib.parse.quote(conflux)}/commands"])
    text, status = out.rsplit("\n", 1)
    return int(status), json.loads(text)


def linked(node, tag):
    """Without a tether that is only wanted: who looks for relays does not know that a node is in quarantine."""
    return [x for x in node.links() if x["tag"] == tag and (x["tether_up"] or x["stream"]["tx_state"] or x["stream"]["rx"])]


def queries_agree():
    na.reaches(nb.ip4)
    nb.reaches(nc.ip4)
    said, status = order("query", "b"), nb.status()
    check(said["node_id"] == status["node"] and said["conflux_id"] == status["conflux"] and said["tag"] == "b"
          and said["addresses"] == [nb.ip4, nb.ip6] and said["taints"] == status["taints"]
          and said["version"] == status["version"] and said["mtu"] == status["mtu"]
          and 0 <= status["uptime_ms"] - said["uptime_ms"] < 20000 and not said["quarantined"],
          f"info agrees with the node's own status: {said}")
    check([n["network"] for n in said["networks"]] == ["10.9.0.0/24", "fd09::/64"],
          f"its networks are the machine's, without the overlay's: {said['networks']}")

    before, said, after = nb.links(), order("sessions", "b"), nb.links()
    check(said["total"] == 2 and sorted(x["tag"] for x in said["items"]) == ["a", "c"], "sessions with both")
    for x in said["items"]:
        mine, then = (next(l for l in links if l["tag"] == x["tag"]) for links in (before, after))
        check(x["node_id"] == mine["node"] and x["addresses"] == mine["addresses"]
              and x["tether_up"] == mine["tether_up"] and x["tx_state"] in (mine["stream"]["tx_state"], "open")
              and mine["stream"]["tx_packets"] <= x["tx_packets"] <= then["stream"]["tx_packets"]
              and mine["stream"]["rx_bytes"] <= x["rx_bytes"] <= then["stream"]["rx_bytes"],
              f"as the node's own status: {x['tag']}")

    said, mine = order("routes", "b"), nb.json("routes")["routes"]
    check(said["total"] == len(mine) > 0 and [[x["node_id"], x["tag"], x["state"], x["via"]] for x in said["items"]]
          == [[m["node"], m["tag"], m["state"], m["via"]] for m in mine], f"its routes: {said['items']} {mine}")
    check(all(x["ways"][0]["relay"] is None and x["ways"][0]["why"] == "in_use" for x in said["items"]), "which are direct")
    check("node_id" in g.cli("node", "routes", "b").stdout, "and for people")

    before, said, after = nb.status(), order("health", "b"), nb.status()
    for name, value in said["counters"].items():
        check(before["counters"][name] <= value <= after["counters"][name], f"counter {name}: {value}")
    check(said["drops"] == {k: v for k, v in before["drops"].items() if v}, f"drops: {said['drops']}")
    check(said["tethers"] == 2 and said["guardian_error"] == "" and not said["under_load"], "health")
    check(order("query", "b")["remote_networks"] == [], "nobody brings networks")
    g.cli("node", "rights", "c", "--portal", "192.168.7.0/24")
    wait_until(lambda: order("query", "b")["remote_networks"] == [
        {"network": "192.168.7.0/24", "node_id": nc.status()["node"], "tag": "c"}], 10, "until c may, as its certificate says")
    text = g.cli("node", "query", "b").stdout
    check("version:" in text and "network: 10.9.0.0/24" in text, "and for people")


def many_at_once():
    def answers(*words):
        done = g.cli("node", "command", *words, "--json", ok=False)
        said = {x["tag"]: x for x in json.loads(done.stdout)["items"]}
        check((done.returncode == 0) == all(x["status"] == 200 for x in said.values()), "its exit code says whether all did it")
        return said

    said = answers("info", "--all")
    check(sorted(said) == ["a", "b", "c"] and all(x["status"] == 200 for x in said.values()), "all answer")
    check(said["b"]["answer"]["node_id"] == nb.status()["node"], "each for itself")
    check(sorted(answers("health", "--nodes", f"a,{ids['c']}")) == ["a", "c"], "by tags and ids")
    said = answers("taint", "--nodes", "a,b", "--add", "many")
    check(all(x["answer"]["node"] == "acknowledged" for x in said.values()), f"done, and known there: {said}")
    check("many" in na.status()["taints"] and "many" not in nc.status()["taints"], "at these alone")
    nb.daemon.send(19)  # SIGSTOP
    began = time.time()
    said = answers("taint", "--taint", "many", "--remove", "many")
    check(said["a"]["answer"]["node"] == "acknowledged" and said["b"]["answer"]["node"] == "not online"
          and time.time() - began < 8, "one that is silent delays the others' answers by no more than itself")
    check(answers("info", "--nodes", "b")["b"]["status"] == 504, "and says nothing of its own")
    nb.daemon.send(18)
    wait_until(lambda: "many" not in nb.status()["taints"], 10, "it learns of it")
    check("say to which" in refused("command", "info"), "a selection is needed")


def scopes_are_updated():
    team = json.loads(g.cli("team", "create", "ops", "--json").stdout)["id"]
    g.cli("team", "add", "ops", "--user", "admin")
    said = order("scopes", "b", "--add", "ops")
    check(said["teams"] == [team] and said["node"] == "acknowledged" and said["command"] == "scopes", f"its teams: {said}")
    status, answer = command(ids["b"], {"command": "scopes", "remove": [team]})
    check(status == 200 and answer["teams"] == [] and answer["node"] == "acknowledged", f"and by the API: {answer}")
    check(command(ids["b"], {"command": "scopes", "add": ["A" * 22]})[0] in (403, 404), "none that is not its owner's")


def quarantined_from_all():
    na.reaches(nb.ip4)
    traffic = Traffic(a, nb.ip4, interval=0.02)
    other = Traffic(a, nc.ip4, name="other")
    traffic.steady()
    other.steady()
    began = time.time()
    said = order("quarantine", "b")
    check(said["node"] == "acknowledged" and said["quarantine"]["all"], f"quarantine: {said['node']}")
    wait_until(traffic.silent, 4, "its traffic stops")
    log(f"figure: quarantine ordered to last packet {traffic.answers()[-1] - began:.3f} s")
    check(traffic.answers()[-1] - began < 2, "within 2 s")
    check(not linked(nb, "a") and not linked(nb, "c") and not linked(na, "b"), "no stream and no tether is left")
    check(b.ping(na.ip4, wait=2) == [], "nor does it reach anybody")
    status = nb.status()
    check(status["quarantined"] and any("quarantine" in h for h in status["hints"]), "status there says why")
    check(nb.json("peers")["peers"] == [] and [p["tag"] for p in na.json("peers")["peers"]] == ["c"], "peers too")
    other.steady()
    check(other.longest_gap(began) < 1, "others did not notice")

    g.daemon.stop()
    g.start()
    nb.stop()
    nb.start()
    check(nb.status()["quarantined"] and b.ping(na.ip4, wait=2) == [], "it outlives Guardian's restart and a new login")
    began = time.time()
    check(order("release", "b")["node"] == "acknowledged", "release")
    traffic.back_within(5, "released", began)
    check(len(b.ping(na.ip4, wait=3)) == 1, "in both directions")
    traffic.stop()
    other.stop()


def a_deaf_node_in_quarantine():
    """Nothing of Guardian and Master reaches b, which goes on as before: the others cut it."""
    said = []

    def cut_within(words, machines):
        for node in (na, nc):
            node.reaches(nb.ip4, within=15)
            nb.reaches(node.ip4, within=15)
        traffic = [Traffic(m, nb.ip4, name=f"{m.name}-deaf{len(words)}", interval=0.02) for m in machines]
        for t in traffic:
            t.steady()
        srv.ip("route", "add", "blackhole", "10.9.0.3/32")
        began = time.time()
        ordering = threading.Thread(target=lambda: said.append(order("quarantine", "b", *words)))
        ordering.start()
        wait_until(lambda: all(t.silent() for t in traffic), 6, "traffic with it stops")
        last = max(t.answers()[-1] for t in traffic)
        took = last - began - stood_still(began, last)
        log(f"figure: deaf node quarantined {words} to the last packet: {took:.3f} s")
        ordering.join()
        # About 1.1 s, of which the grace is one; a busy machine takes longer to start the command itself.
        check(took < 4 and said.pop()["node"] == "not online", "soon, and Guardian says that b does not know")
        check(nb.status()["quarantined"] is False and nb.status()["quarantined_from"] == 0, "it does not")
        check(b.ping(na.ip4, wait=2) == [], "and does not come back to a")
        for t in traffic:
            t.stop()

    check("10.9.0.3/" in b.out(["ip", "addr"]), "b is where we think it is")
    cut_within([], [a, c])
    srv.ip("route", "del", "blackhole", "10.9.0.3/32")
    order("release", "b")
    nb.reaches(na.ip4, within=30)
    cut_within(["--peers", "a"], [a])
    check(len(b.ping(nc.ip4, wait=3)) == 1, "from a alone")
    srv.ip("route", "del", "blackhole", "10.9.0.3/32")
    wait_until(lambda: nb.status()["quarantined_from"] == 1, 20, "b hears of it when it hears again")
    order("release", "b")
    nb.reaches(na.ip4, within=30)


def quarantined_from_some():
    for words, undo in ((["--peers", "a"], []), (["--taints", "only-a"], ["--taints", "only-a"])):
        g.cli("node", "taint", "a", "--add", "only-a")
        to_a, to_c = Traffic(b, na.ip4, name=f"to-a{words[0]}"), Traffic(b, nc.ip4, name=f"to-c{words[0]}")
        to_a.steady()
        to_c.steady()
        began = time.time()
        said = order("quarantine", "b", *words)
        check(said["node"] == "acknowledged" and not said["quarantine"]["all"], f"quarantine {words}")
        wait_until(to_a.silent, 4, "traffic with a stops")
        check(to_a.answers()[-1] - began < 2, "within 2 s")
        wait_until(lambda: na.status()["quarantined_from"] == 1 and nb.status()["quarantined_from"] == 1, 3,
                   "both ends have it on their list")
        check(a.ping(nb.ip4, wait=2) == [], "and none the other way")
        check(to_c.longest_gap(began) < 1, "traffic with c goes on")
        na.stop()
        na.start()
        check(na.status()["quarantined_from"] == 1 and a.ping(nb.ip4, wait=2) == [], "a new life of a changes nothing")
        began = time.time()
        check(order("release", "b", *undo)["quarantine"] is None, "release")
        to_a.back_within(12, "released", began)
        to_a.stop()
        to_c.stop()
        g.cli("node", "taint", "a", "--remove", "only-a")


def who_gets_the_taint_later():
    order("quarantine", "b", "--taints", "later")
    nb.reaches(na.ip4)
    na.cli("taint", "add", "later")
    wait_until(lambda: nb.status()["quarantined_from"] == 1, 3, "b hears of it")
    check(b.ping(na.ip4, wait=2) == [] and a.ping(nb.ip4, wait=2) == [], "who takes the taint is out of reach")
    na.cli("taint", "remove", "later")
    nb.reaches(na.ip4, within=15)
    order("release", "b")


def invalidated():
    na.reaches(nb.ip4)
    traffic, back = Traffic(a, nb.ip4, name="in"), Traffic(b, na.ip4, name="out")
    traffic.steady()
    back.steady()
    before, pid, began = nb.status(), nb.daemon.pid, time.time()
    check(order("invalidate", "b")["node_id"] == before["node"], "invalidate")
    wait_until(lambda: nb.status()["node"] != before["node"] and nb.status()["state"] == "online", 10, "a new node id")
    traffic.back_within(5, "new keys", began + 0.2)
    back.steady()
    log(f"figure: new keys: {traffic.longest_gap(began):.2f} s without traffic")
    check(nb.status()["ip4"] == before["ip4"] and nb.daemon.pid == pid, "the same addresses, the same process")
    check(len(linked(na, "b")) == 1 and linked(na, "b")[0]["node"] == nb.status()["node"], "a knows the new one only")
    check(order("query", "b")["node_id"] == nb.status()["node"], "and it takes commands")
    traffic.stop()
    back.stop()


def shut_down():
    rules = b.ip("rule", "show")
    nb.reaches(na.ip4)
    check("fwmark" in rules, "the host is changed")
    order("shutdown", "b")
    wait_until(lambda: not nb.daemon.running(), 10, "the daemon ends")
    check(nb.daemon.process.returncode == 0, "with status 0")
    check("fwmark" not in b.ip("rule", "show") and "veilnet" not in b.ip("link", "show")
          and not list(nb.dir.glob("*journal*")), "and the host is as it was")
    wait_until(lambda: not linked(na, "b"), 2, "its peers know")
    check("has no session" in refused("query", "b"), "it is not there any more")
    nb.start()
    nb.reaches(na.ip4, within=15)


def clear_errors():
    nobody = "A" * 22
    check("there is no node" in refused("query", nobody), "unknown node")
    check(command(nobody, {"command": "info"})[0] == 404, "by the API too")
    g.cli("realm", "create", "--name", "other")
    check("there is no node b" in refused("query", "b", "--realm", "other"), "of another realm")
    stranger = Node(c, g, tag="d", token=g.token("--realm", "other"), start=False)
    d = next(x["conflux_id"] for x in json.loads(g.cli("node", "list", "--realm", "other", "--json").stdout)["items"])
    check(stranger.tag == "d" and command(ids["b"], {"command": "quarantine", "peers": [d]})[0] == 404,
          "a peer in another realm")
    check("has no session" in refused("sessions", "d"), "registered, but never online")
    for body, detail in (({"command": "dance"}, "no such command"), ({"command": "info", "peers": []}, "takes no"),
                         ({}, "command"), ({"command": "sessions", "offset": -1}, "offset"),
                         ({"command": "quarantine", "peers": ["b"]}, "peers are"),
                         ({"command": "quarantine", "taints": ["NO"]}, "taints labels"),
                         ({"command": "quarantine", "peers": []}, "leave them out"),
                         ({"command": "quarantine", "peers": [ids["b"]]}, "itself"),
                         ({"command": "taint", "add": ["x" * 65]}, "taints are")):
        status, answer = command(ids["b"], body)
        check(status == 400 and detail in answer["detail"], f"{body}: {answer['detail']}")
    check(command(ids["b"], {"command": "sessions", "offset": 99})[1]["items"] == [], "beyond the last one")

    nb.daemon.send(19)  # SIGSTOP
    began = time.time()
    check("not online" in refused("health", "b"), "a node that does not answer")
    check(2 < time.time() - began and seconds_since(began) < 6, "after a bounded time")
    check(order("taint", "b", "--add", "slow")["node"] == "not online", "what Guardian does itself is done")
    nb.daemon.send(18)
    wait_until(lambda: "slow" in nb.status()["taints"], 10, "and the node learns of it")
    check(order("taint", "b", "--remove", "slow")["node"] == "acknowledged", "at once when it is there")


def revoked():
    nc.reaches(na.ip4)
    node = nc.status()["node"]
    said = order("revoke", "c")
    check(said["revoked"] == node, "revoke says which node id is over")
    wait_until(lambda: not linked(na, "c"), 3, "its peers cut it")
    # Master may end its connection before the list arrives: then Guardian says it, within 30 s.
    wait_until(lambda: not nc.daemon.running(), 45, "it ends")
    check("revoked" in nc.daemon.log_text() or "not registered" in nc.daemon.log_text(), "and says why")


def all_of_it_is_audited():
    log_text = g.daemon.log_text()
    for event in ("node_queried", "quarantine_set", "quarantine_lifted", "keys_invalidated", "node_shut_down",
                  "taints_changed", "conflux_revoked"):
        check(f"{event}" in log_text, f"audited: {event}")
    check("actor=host" in log_text or '"actor":"host"' in log_text, "with who it was")


main(queries_agree, many_at_once, scopes_are_updated, quarantined_from_all, a_deaf_node_in_quarantine, quarantined_from_some, who_gets_the_taint_later, invalidated, shut_down,
     clear_errors, revoked, all_of_it_is_audited)
