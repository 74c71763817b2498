"""API tokens and their scopes, the audit and its export, figures for Prometheus."""
# timeout: 60
import re

from guardian_rig import *
from lib import *

need("veilnet-guardian", "nats-server")
rig = Rig("--public", "127.0.0.1")
root = rig.admin()
REALM = rig.info["realm"]["id"]


def make(*scopes, **wish):
    return done(rig.post("/auth/tokens", {"name": "-".join(scopes), "scopes": scopes, **wish}, root), 201)


def tokens_have_scopes():
    for wish in ({"scopes": []}, {"scopes": ["all"]}, {"scopes": ["read"], "expires_in_s": 0}, {"name": "../x"},
                 {"scopes": ["read"], "expires_in_s": 10**9}, {"scopes": ["read"], "realm": "x"}):
        refused(rig.post("/auth/tokens", {"name": "x", "scopes": ["read"], **wish}, root), 400)
    refused(rig.post("/auth/tokens", {"name": "x", "scopes": ["read"], "realm": "A" * 22}, root), 404)
    reads, writes, both = make("read"), make("write"), make("read", "write")
    new = {"realm": REALM}
    check(rig.get("/realms", reads["token"])[0] == 200, "read reads")
    refused(rig.post("/auth/registration-tokens", new, reads["token"]), 403, "write")
    refused(rig.get("/realms", writes["token"]), 403, "read")
    check(rig.post("/auth/registration-tokens", new, writes["token"])[0] == 201, "write writes")
    check(rig.get("/auth/profile", both["token"])[0] == 200, "who am I")
    for path, body in (("/auth/tokens", {"name": "more", "scopes": ["read"]}), ("/auth/logout", None),
                       ("/auth/password", {"old": "x", "new": "a long password"}),
                       ("/auth/profile", {"display_name": "x"}),
                       ("/users", {"user": "evil", "password": "a long password", "superuser": True})):
        refused(rig.post(path, body, both["token"]), 403, "signs in")
    here = make("read", "write", realm=REALM)
    done(rig.post("/realms", {"name": "second"}, root), 201)
    second = [r["id"] for r in done(rig.get("/realms", root))["items"] if r["name"] == "second"][0]
    check(rig.get(f"/realms/{REALM}", here["token"])[0] == 200, "a token of one realm is good there")
    for path in (f"/realms/{second}", f"/conflux?realm={second}", "/realms", "/orgs", "/users", "/audit"):
        refused(rig.get(path, here["token"]), 403, "another realm")
    refused(rig.post("/auth/registration-tokens", {"realm": second}, here["token"]), 403, "another realm")
    listed = done(rig.get("/auth/tokens", root))["items"]
    check([t["name"] for t in listed] == ["read", "write", "read-write", "read-write"] and "token" not in listed[0], "listed")
    check(rig.delete(f"/auth/tokens/{reads['id']}", root)[0] == 204, "ended")
    refused(rig.get("/realms", reads["token"]), 401)
    short = make("read", expires_in_s=1)
    wait_until(lambda: rig.get("/realms", short["token"])[0] == 401, 10, "it expires")


def a_token_is_its_users():
    made = done(rig.post("/users", {"user": "ann", "password": "a long password"}, root), 201)
    ann = done(rig.post("/auth/login", {"user": "ann", "password": "a long password"}))["access_token"]
    refused(rig.post("/auth/tokens", {"name": "m", "scopes": ["metrics"]}, ann), 403, "superuser")
    hers = done(rig.post("/auth/tokens", {"name": "r", "scopes": ["read", "write"]}, ann), 201)
    check(done(rig.get("/realms", hers["token"]))["items"] == [], "what she may not see, her token may not")
    refused(rig.get("/users", hers["token"]), 403)
    refused(rig.delete(f"/auth/tokens/{hers['id']}", root), 404)
    done(rig.post(f"/users/{made['id']}", {"disabled": True}, root))
    refused(rig.get("/realms", hers["token"]), 401)


def cli_tokens(*words, **kw):
    return rig.cli("api-token", *words, **kw)


def made_on_the_host():
    """For a program: an account without a password, whose only way in is the token."""
    rig.cli("user", "create", "robot", "--oidc")
    hers = json.loads(cli_tokens("create", "deploy", "--user", "robot", "--scopes", "read,write", "--realm", "home", "--expires",
                                 "2h", "--json").stdout)
    check(hers["scopes"] == ["read", "write"] and hers["realm"] == REALM, f"scopes and realm: {hers}")
    check(abs(hers["expires_at"] - hers["created_at"] - 7_200_000) < 1000, "its end")
    refused(rig.get(f"/realms/{REALM}", hers["token"]), 403, "no part")
    robot = [u for u in done(rig.get("/users", root))["items"] if u["user"] == "robot"][0]["id"]
    org = done(rig.get("/orgs", root))["items"][0]["id"]
    done(rig.post(f"/orgs/{org}/members", {"user": robot, "role": "admin"}, root))
    check(done(rig.get(f"/realms/{REALM}", hers["token"]))["name"] == "home", "it acts for its user")
    shown = cli_tokens("create", "plain", "--user", "robot", "--scopes", "read").stdout
    text = re.search(r"token: (\S+)", shown)[1]
    check(rig.get("/realms", text)[0] == 200, "shown without --json, too")
    for out in (cli_tokens("list", "--user", "robot").stdout, cli_tokens("list", "--user", "robot", "--json").stdout):
        check("deploy" in out and "plain" in out and text not in out and hers["token"] not in out, "listed, and not shown again")
    check("read,write" in cli_tokens("list", "--user", "robot").stdout, "with their scopes")
    cli_tokens("revoke", hers["id"], "--user", "robot")
    refused(rig.get(f"/realms/{REALM}", hers["token"]), 401)
    rig.cli("user", "create", "later")
    for words, says in ((("create", "x", "--user", "nobody", "--scopes", "read"), "user list"),
                        (("create", "x", "--scopes", "read"), "--user"), (("create", "x", "--user", "robot"), "--scopes"),
                        (("create", "x", "--user", "robot", "--scopes", "all"), "read, write, metrics"),
                        (("create", "x", "--user", "robot", "--scopes", "metrics"), "superuser"),
                        (("create", "x", "--user", "robot", "--scopes", "read", "--expires", "soon"), "12h"),
                        (("create", "x", "--user", "robot", "--scopes", "read", "--expires", "9999d"), "366 days"),
                        (("create", "x", "--user", "robot", "--scopes", "read", "--realm", "nope"), "realm list"),
                        (("create", "../x", "--user", "robot", "--scopes", "read"), "a-z"),
                        (("create", "x", "--user", "later", "--scopes", "read"), "password"),
                        (("revoke", hers["id"], "--user", "robot"), "no such token"), (("revoke", "deploy", "--user", "robot"), "list"),
                        (("revoke", "--user", "robot"), "which"), (("list",), "--user"), ((), "create")):
        result = cli_tokens(*words, ok=False)
        check(result.returncode != 0 and says in result.stdout, f"{words}: says '{says}': {result.stdout}")
    refused(rig.delete(f"/users/{robot}/tokens/{'A' * 22}", root), 404)
    refused(rig.get(f"/users/{'A' * 22}/tokens", root), 404, "/users")
    made = {e["detail"] for e in done(rig.get("/audit?action=api_token_created", root))["items"] if e["actor"] == "host"}
    check(made == {"deploy of robot", "plain of robot"}, f"in the audit, with its name and user: {made}")


def who_did_what():
    entries = done(rig.get("/audit?action=user_created", root))["items"]
    check([(e["actor"], e["subject"]) for e in entries] == [("user admin", "ann")], f"who made ann: {entries}")
    rig.register(tag="seen")
    mine = done(rig.get(f"/realms/{REALM}/audit?limit=2", root))
    check(mine["items"][0]["action"] == "conflux_registered" and mine["items"][0]["subject"] == "seen", "the newest first")
    seen, after = [e["number"] for e in mine["items"]], mine.get("next")
    while after:
        page = done(rig.get(f"/realms/{REALM}/audit?limit=2&after={after}", root))
        seen += [e["number"] for e in page["items"]]
        after = page.get("next")
    check(seen == sorted(set(seen), reverse=True) and len(seen) > 2, f"in pages, each once: {seen}")
    check(all(e["realm"] == REALM for e in mine["items"]), "of this realm")
    at = mine["items"][0]["at"]
    check(done(rig.get(f"/audit?since={at + 1}&action=conflux_registered", root))["items"] == [], "since")
    check(len(done(rig.get(f"/audit?until={at + 1}&action=conflux_registered", root))["items"]) == 1, "until")
    check(done(rig.get("/audit?actor=' OR 1=1 --".replace(" ", "%20"), root))["items"] == [], "a quote is a character")
    for query in ("since=x", "until=-1", "since=99999999999999999999", "limit=0"):
        refused(rig.get(f"/audit?{query}", root), 400, query.split("=")[0])
    lines = [json.loads(line) for line in rig.cli("audit", "--json").stdout.splitlines()]
    check({e["number"] for e in lines} >= set(seen) and lines[-1]["action"] == "installation_created", "the export has all")
    text = rig.cli("audit", "--realm", "home", "--since", "1h", "--action", "conflux_registered").stdout
    check("seen" in text and len(text.splitlines()) == 1, f"and for people: {text}")
    secrets = (rig.info["admin"]["password"], "a long password", "eyJhbGci", "vr1.")
    check(not any(s in json.dumps(lines) for s in secrets), "no secret is in the audit")


def logs_are_structured():
    """At the most verbose level: every line an object, and one a request, which the answer names."""
    conn = rig.connection()
    conn.request("POST", f"/orgs/{'A' * 22}/members?x=canary-of-a-query", b"{}", {"Authorization": "Bearer canary.of.a-token"})
    number = conn.getresponse().headers["X-Request-Id"]
    conn.close()
    rig.get("/canary-of-a-path")
    rig.post("/auth/login", {"user": "canary-of-a-name", "password": "canary of a password"})
    rig.get("/health")
    lines = [json.loads(line) for line in rig.daemon.log_text().splitlines()]
    check(len(lines) > 50 and all({"time", "level", "event"} <= line.keys() for line in lines), "each has time, level and event")
    requests = {x["request"]: x for x in lines if x["event"] == "request"}
    check(len(requests) == len([x for x in lines if x["event"] == "request"]), "each request has a number of its own")
    mine = requests[int(number)]
    check((mine["method"], mine["route"], mine["code"]) == ("POST", "/orgs/{id}/members", 401) and mine["took_us"] < 60_000_000,
          f"with method, route and status: {mine}")
    check(any(x["route"] == "other" and x["code"] == 404 for x in requests.values()), "what is no route is called so")
    codes = {x["code"] for x in requests.values()}
    check({200, 201, 204, 400, 401, 403, 404} <= codes, f"all that was answered: {codes}")
    for word in ("canary", "eyJhbGci", "vr1.", "a long password", rig.info["admin"]["password"], rig.info["join_token"]):
        if word in rig.logs():
            raise Failed("a secret, or what a stranger wrote, is in the log")


def figures():
    refused(rig.get("/metrics"), 401)
    token = make("metrics")["token"]
    refused(rig.get("/realms", token), 403, "read")
    text = done(rig.get("/metrics", token))
    lines = [x for x in text.splitlines() if x and not x.startswith("#")]
    check(all(re.fullmatch(r'[a-z_]+(\{[a-z]+="[^"]*"\})? \d+', x) for x in lines), "in Prometheus' format")
    values = dict(x.rsplit(" ", 1) for x in lines)
    check(values["veilnet_guardian_nodes"] == "1" and values["veilnet_guardian_registrations_total"] == "1", "nodes")
    check(values["veilnet_guardian_master_up"] == "1" and int(values['veilnet_guardian_requests_total{status="4xx"}']) > 10,
          "Master and refusals")
    rig.post("/auth/login", {"user": "ann", "password": "wrong"})
    after = dict(x.rsplit(" ", 1) for x in done(rig.get("/metrics", token)).splitlines() if not x.startswith("#"))
    check(int(after["veilnet_guardian_passwords_refused_total"]) == int(values["veilnet_guardian_passwords_refused_total"]) + 1,
          "a wrong password is counted")
    helps = {x.split()[2] for x in text.splitlines() if x.startswith("# HELP")}
    check({re.split(r"[ {]", x)[0] for x in lines} == helps, "each figure is explained")


main(tokens_have_scopes, a_token_is_its_users, who_did_what, figures, made_on_the_host, logs_are_structured)
