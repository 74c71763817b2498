"""Who may come in: by an administrator's approval, and from the countries that the realm names. Who may carry others' traffic:
by where it is, and by its rights."""
# timeout: 200
import time

from lib import *
from veil import Guardian, Node, Traffic

net = Net()
srv, a, b, c, d = (net.machine(n) for n in ("srv", "a", "b", "c", "d"))
underlay = net.switch([srv, a, b, c, d], "10.9.0")
g = Guardian(srv, "10.9.0.1")
geo = srv.dir / "geo.mmdb"


def countries(**where):
    """Writes the file, and waits until the Guardian that has it reads it."""
    read = g.daemon.log_text().count('"geo_loaded"')
    run(["make_mmdb", geo, *(f"10.9.0.{n}/32={c}" for n, c in where.values())])
    wait_until(lambda: not read or g.daemon.log_text().count('"geo_loaded"') > read, 10, "Guardian reads the countries")


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
    na.stop()
    nb.stop()


def where_a_relay_is_decides():
    """From the file of countries by the login and the certificate to the choice of a peer; both ways take a relay."""
    global na, nb, nc, nd
    countries(a=(2, "DE"), b=(3, "DE"), c=(4, "FR"), d=(5, "NL"))
    g.cli("realm", "change", "home", "--countries", "*")
    cut(underlay, True, (a, b))
    na, nb, nc, nd = (Node(m, g) for m in (a, b, c, d))
    na.json("relays", "exclude", "country:FR")
    na.reaches(nb.ip4, within=20)
    check(na.relay("b", (nc, nd)) is nd, "not through the one in France")
    wait_until(lambda: {r["tag"]: r["country"] for r in na.status()["relays"]}.get("d") == "NL", 10, "known by its certificate")
    na.json("relays", "exclude", "country:NL")
    na.json("relays", "forget", "country:FR")
    wait_until(lambda: na.relay("b", (nc, nd)) is nc, 20, "when the rule is another, through that one")
    na.json("relays", "forget", "country:NL")


def a_right_to_relay():
    """Taken from the relay that carries traffic, and given back."""
    na.json("relays", "pin", "c")
    wait_until(lambda: na.relay("b", (nc, nd)) is nc, 40, "c carries what a sends")
    t = Traffic(a, nb.ip4)
    t.steady()
    began = time.time()
    said = g.cli("node", "rights", "c", "--relay", "off", "--json").stdout
    check('"acknowledged"' in said, f"c is told: {said}")
    wait_until(lambda: nc.status()["counters"]["relay_circuits"] == 0, 10, "c carries nothing")
    took = seconds_since(began)
    log(f"figure: from the order to the end of the circuits {took:.2f} s")
    check(took < 4, "within 2 s, and what a busy machine takes for the command and the question")
    wait_until(lambda: na.relay("b", (nc, nd)) is nd, 20, "d carries it, against the rule")
    t.steady()
    g.cli("node", "rights", "c", "--relay", "on")
    wait_until(lambda: nc.status()["counters"]["relay_circuits"] > 0, 60, "c carries again, when it may")
    t.stop()


main(an_administrator_decides, a_realm_names_its_countries, where_a_relay_is_decides, a_right_to_relay)
