"""Master's entry points: what administrators say, nodes are told, and use: the nearest, or the next one when it fails."""
# timeout: 90
import json

from lib import *
from veil import Guardian, Node

need("nft")
net = Net()
srv, a = (net.machine(n) for n in ("srv", "a"))
net.switch([srv, a], "10.9.0")
for last in (101, 102):
    srv.ip("address", "add", f"10.9.0.{last}/24", "dev", "eth0")
g = Guardian(srv, "10.9.0.1")
URLS = [f"tls://10.9.0.{last}:4222" for last in (101, 102)]


def veil(*words):
    return json.loads(g.cli("veil", *words, "--json").stdout)


def master():
    """Where a's connections to Master go."""
    return {line.split()[3] for line in a.out(["ss", "-Htn", "state", "established", "dport", "=", ":4222"]).splitlines()}


def only(*hosts):
    """Master answers under these addresses of the two, and resets what comes to others."""
    refuse = "".join(f"ip daddr 10.9.0.{h} tcp dport 4222 reject with tcp reset;" for h in (101, 102) if h not in hosts)
    rules = srv.dir / "away.nft"
    rules.write_text("table ip away\ndelete table ip away\n"
                     f"table ip away {{ chain in {{ type filter hook input priority filter; {refuse} }}\n}}\n")
    srv.run(["nft", "-f", rules])


def administrators_say_where():
    check([e["url"] for e in veil("list")["items"]] == ["tls://10.9.0.1:4222"], "the embedded Master's own is the first")
    refused = g.cli("veil", "delete", "10.9.0.1", ok=False)
    check(refused.returncode == 1 and "enable another entry point first" in refused.stdout, "the last one stays")
    for url in URLS:
        veil("create", url, "--region", "west")
    veil("change", "10.9.0.1", "--enabled", "off")
    check(veil("regions")["items"] == [{"region": "", "entry_points": 1, "enabled": 0},
                                       {"region": "west", "entry_points": 2, "enabled": 2}], "by regions, too")
    actions = [json.loads(e)["action"] for e in g.cli("audit", "--json").stdout.splitlines()]
    check(actions[:3] == ["entry_point_changed", "entry_point_created", "entry_point_created"], f"audited: {actions}")


def nodes_use_what_answers():
    global na
    only(102)
    na = Node(a, g)
    check(na.json("info", "veil")["masters"] == URLS, "the node is told of those that are enabled")
    check(master() == {"10.9.0.102:4222"}, f"and goes where somebody is: {master()}")
    check(na.json("info", "veil")["master"] == URLS[1], "which it tells")
    only(101)
    # A question that nobody answers, since an idle connection hides that it is cut.
    wait_until(lambda: a.ping("10.77.99.99", wait=1) or master() == {"10.9.0.101:4222"}, 30, "it goes to the other")
    wait_until(lambda: na.json("info", "veil")["master"] == URLS[0], 10, "and is well there")
    only(101, 102)


def a_change_comes_with_a_renewal():
    veil("change", URLS[0], "--enabled", "off")
    g.cli("node", "command", "renew", "--all")
    wait_until(lambda: master() == {"10.9.0.102:4222"}, 15, "who is told of another goes there")
    wait_until(lambda: na.json("info", "veil")["master"] == URLS[1], 10, "and says so, though it was connected all the time")
    g.cli("veil", "delete", URLS[0])
    check([e["url"] for e in veil("list")["items"]] == ["tls://10.9.0.1:4222", URLS[1]], "and the old one is forgotten")


main(administrators_say_where, nodes_use_what_answers, a_change_comes_with_a_renewal)
