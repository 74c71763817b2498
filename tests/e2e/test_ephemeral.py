"""Nodes for jobs: who is killed or stands still is removed when its session has ended, who logs out at once; none of them comes in
again."""
# timeout: 120 waits
import json

from lib import *
from veil import Guardian, Node

scaled()  # a session of 10 minutes has 15 s
net = Net()
srv, a, b, c, d = (net.machine(n) for n in ("srv", "a", "b", "c", "d"))
net.switch([srv, a, b, c, d], "10.9.0")
g = Guardian(srv, "10.9.0.1")
token = g.token("--taints", "home", "--ephemeral")
na = Node(a, g)
killed, ended, frozen = (Node(m, g, token=token) for m in (b, c, d))


def listed():
    return {n["tag"] for n in json.loads(g.cli("node", "list", "--json").stdout)["items"]}


def audited(action):
    entries = [json.loads(e) for e in g.cli("audit", "--json").stdout.splitlines()]
    return {e["subject"] for e in entries if e["action"] == action}


def comes_not_back(node):
    wait_until(lambda: not node.daemon.running(), 20, f"{node.tag} ends")
    check(node.daemon.process.returncode == 4 and "register it again" in node.daemon.log_text(),
          "with a status that says: do not try again, and what to do")
    check(a.ping(node.ip4, wait=1) == [], "and is not reached")


def who_is_silent():
    for node in (killed, frozen, ended):
        na.reaches(node.ip4)
    killed.kill()
    frozen.daemon.send(signal.SIGSTOP)
    check(listed() == {"a", "b", "c", "d"}, "nobody is missed yet")
    wait_until(lambda: listed() == {"a", "c"}, 30, "the sessions of those that are silent over, they are removed")
    check(audited("conflux_silent") == {"b", "d"}, "and audited")
    killed.start(wait=False)
    comes_not_back(killed)
    frozen.daemon.send(signal.SIGCONT)
    check(d.ping(na.ip4, wait=2) == [], "one that goes on with the certificate that it has does not come in")
    comes_not_back(frozen)


def who_logs_out():
    na.reaches(ended.ip4)
    check("session_renewed" in ended.daemon.log_text(), "one that renewed its session stayed")
    ended.stop()
    check(listed() == {"a"} and audited("conflux_ended") == {"c"}, "until it ended, and was removed at once, and audited")
    ended.start(wait=False)
    comes_not_back(ended)
    check(na.status()["control"] == "up", "nobody else noticed")


main(who_is_silent, who_logs_out)
