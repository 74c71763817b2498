"""Who may come in: by an administrator's approval, and from the countries that the realm names."""
# timeout: 150
from lib import *
from veil import Guardian, Node

net = Net()
srv, a, b = (net.machine(n) for n in ("srv", "a", "b"))
net.switch([srv, a, b], "10.9.0")
g = Guardian(srv, "10.9.0.1")
geo = srv.dir / "geo.mmdb"


def countries(**where):
    run(["make_mmdb", geo, *(f"10.9.0.{n}/32={c}" for n, c in where.values())])


def waits_with(node, words):
    wait_until(lambda: words in (node.status().get("guardian_error") or ""), 10, f"{node.tag} hears: {words}")
    check(node.status()["state"] != "online", f"{node.tag} is not online")


def nodes():
    return {n["tag"]: n for n in g.api("GET", f"/conflux?realm={g.info['realm']['id']}")["items"]}


def an_administrator_decides():
    token = g.token("--approval")
    na = Node(a, g, token=token, start=False)
    nb = Node(b, g, token=token, start=False)
    for n in (na, nb):
        n.start(wait=False)
    waits_with(na, "approval of an administrator")
    waits_with(nb, "approval of an administrator")
    check("a" in g.cli("node", "waiting").stdout and not nodes()["a"]["approved"], "both are in the queue")
    g.cli("node", "approve", "a")
    g.cli("node", "deny", "b")
    na.wait_online(25)
    wait_until(lambda: not nb.daemon.running(), 25, "the other ends")
    check("not registered any more" in nb.daemon.log_text(), "and says that it is out")
    check(set(nodes()) == {"a"} and nodes()["a"]["approved"], "one is left")
    na.stop()
    actions = [e["action"] for e in g.api("GET", "/audit?limit=50")["items"]]
    check("conflux_approved" in actions and "conflux_denied" in actions, "both are in the audit")


def a_realm_names_its_countries():
    g.daemon.stop()
    countries(a=(2, "DE"))
    g.start("--geo", geo)
    g.cli("realm", "change", "home", "--countries", "DE", "--unknown-country", "refuse", "--show-country", "on")
    na = Node(a, g, tag="de")
    nb = Node(b, g, tag="fr", start=False)
    nb.start(wait=False)
    waits_with(nb, "in no country that is known")
    check(nodes()["de"]["country"] == "DE" and nodes()["fr"]["country"] is None, "node lists say where they are")
    countries(a=(2, "DE"), b=(3, "FR"))
    wait_until(lambda: "is in FR" in nb.status().get("guardian_error", ""), 25, "another file counts at once")
    g.cli("realm", "change", "home", "--countries", "DE,FR")
    nb.wait_online(25)
    na.reaches(nb.ip4)
    check(na.links()[0]["country"] == "FR" and nb.links()[0]["country"] == "DE", "certificates say it, too")


main(an_administrator_decides, a_realm_names_its_countries)
