"""Teams, and claims of an identity provider, decide who may talk, on live streams: rules `teams` and `both`, with traffic."""
# timeout: 150 waits
import idp
from lib import *
from veil import Guardian, Node, Traffic

net = Net()
srv, a, b, c = (net.machine(n) for n in ("srv", "a", "b", "c"))
net.switch([srv, a, b, c], "10.9.0")
ISSUER = "https://10.9.0.1:9443"
srv.daemon(["python3", idp.__file__, srv.dir / "idp", "10.9.0.1", "9443"], name="idp").wait_log("idp_ready", 20)
g = Guardian(srv, "10.9.0.1", start=False)
g.start("--provider-networks", "10.9.0.1/32", "--provider-ca", srv.dir / "idp/server.pem")
org = g.api("GET", "/orgs")["items"][0]["id"]
ops = g.api("POST", f"/orgs/{org}/teams", {"name": "ops"})["id"]
users = {}
for name in ("ann", "bob"):
    users[name] = g.api("POST", "/users", {"user": name, "password": "a long password"})["id"]
    g.api("POST", f"/orgs/{org}/members", {"user": users[name], "role": "member"})
    g.api("POST", f"/teams/{ops}/members", {"user": users[name]})
g.cli("realm", "create", "--name", "work", "--access", "teams")
g.cli("realm", "create", "--name", "strict", "--access", "both")


def token(realm, owner):
    return g.token("--realm", realm, "--owner", owner, "--taints", "home")


def with_claims(*groups):
    return ["--issuer", ISSUER, "--jwt", idp.Key(srv.dir / "idp", "first").sign(idp.claims_of(ISSUER, groups=groups))]


def linked(node, tag):
    return any(x["tag"] == tag for x in node.links())


na = Node(a, g, token=token("work", "ann"), register=["--teams", "ops"])
nb = Node(b, g, token=token("work", "bob"))
nc = Node(c, g, token=token("work", "ann"))


def owners_reach_their_own():
    na.reaches(nc.ip4)
    check(b.ping(na.ip4, wait=3) == [], "somebody else's node gets silence")
    check(sorted(p["tag"] for p in na.json("peers")["peers"]) == ["c"], "peers lists one's own")


def a_common_team_joins_them():
    g.api("POST", f"/conflux/{nb.status()['conflux']}/teams", {"add": [ops]})
    nb.reaches(na.ip4, within=15)
    na.reaches(nb.ip4)
    check(b.ping(nc.ip4, wait=3) == [], "c has no team, and does not answer b")


def losing_it_cuts_a_living_stream():
    traffic = Traffic(b, na.ip4)
    traffic.steady()
    g.api("DELETE", f"/teams/{ops}/members/{users['bob']}")
    wait_until(lambda: not linked(na, "b") and not linked(nb, "a"), 2, "cut at both ends within 2 s of leaving the team")
    check(b.ping(na.ip4, wait=3) == [] and a.ping(nb.ip4, wait=3) == [], "silence in both directions")
    traffic.stop()
    check(len(a.ping(nc.ip4, wait=3)) == 1, "others did not notice")


def the_rule_of_a_living_realm():
    def rule(**change):
        return g.api("POST", f"/realms/{realm}", change)

    realm = next(r["id"] for r in g.api("GET", "/realms")["items"] if r["name"] == "work")
    rule(access="taints")
    nb.reaches(na.ip4, within=15)
    traffic = Traffic(b, na.ip4)
    traffic.steady()
    check(rule(access="teams", name="labour")["name"] == "labour", "the realm is renamed with it")
    wait_until(lambda: not linked(na, "b") and not linked(nb, "a"), 2, "cut at both ends within 2 s of the rule's change")
    check(b.ping(na.ip4, wait=3) == [], "silence under the new rule")
    traffic.stop()
    check(len(a.ping(nc.ip4, wait=3)) == 1, "whom it allows it leaves alone")
    nc.stop()
    nc.start()
    wait_until(lambda: nc.json("info", "realm")["name"] == "labour", 15, "who logs in hears the new name")
    g.cli("realm", "change", "labour", "--name", "work")


def both_asks_for_both():
    for node, owner in ((na, "ann"), (nb, "bob")):
        node.stop()
    g.api("POST", f"/teams/{ops}/members", {"user": users["bob"]})
    sa = Node(a, g, tag="sa", token=token("strict", "ann"), register=["--teams", "ops"])
    sb = Node(b, g, tag="sb", token=token("strict", "bob"), register=["--teams", "ops", "--taints", "other"])
    check(b.ping(sa.ip4, wait=3) == [], "a team without a taint: silence")
    sb.cli("taint", "add", "home")
    sb.cli("taint", "remove", "other")
    sb.reaches(sa.ip4, within=15)
    traffic = Traffic(b, sa.ip4)
    traffic.steady()
    g.api("DELETE", f"/teams/{ops}")
    wait_until(lambda: not linked(sa, "sb") and not linked(sb, "sa"), 2, "cut within 2 s of the team's end")
    check(b.ping(sa.ip4, wait=3) == [], "a taint without a team: silence")
    traffic.stop()
    for node in (sa, sb):
        node.stop()


def a_common_claim_joins_them():
    """No team and no owner in common: what the identity provider says of both is enough, and only that."""
    g.cli("issuer", "create", "idp", "--realm", "work", "--issuer", ISSUER, "--audience", "net", "--jwks-url",
          ISSUER + "/keys", "--scopes", "groups")
    da = Node(a, g, tag="da", token=token("work", "ann"), register=with_claims("dev", "eu"))
    db = Node(b, g, tag="db", token=token("work", "bob"), register=with_claims("dev"))
    db.reaches(da.ip4)
    da.reaches(db.ip4)
    check(b.ping(nc.ip4, wait=3) == [], "ann's node without claims does not answer bob's")
    traffic = Traffic(b, da.ip4)
    traffic.steady()
    g.cli("node", "revoke", "db", "--realm", "work")
    wait_until(lambda: not linked(da, "db"), 2, "cut within 2 s")
    traffic.stop()
    db.stop()
    other = Node(b, g, tag="other", token=token("work", "bob"), register=with_claims("sales"))
    check(b.ping(da.ip4, wait=3) == [], "another value of the claim: silence")
    other.stop()


main(owners_reach_their_own, a_common_team_joins_them, losing_it_cuts_a_living_stream, the_rule_of_a_living_realm,
     both_asks_for_both, a_common_claim_joins_them)
