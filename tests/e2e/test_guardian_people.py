"""Accounts, sign-ins, organisations, invitations and teams, by API and on the host."""
# timeout: 120
import concurrent.futures

from guardian_rig import *
from lib import *

need("veilnet-guardian", "nats-server")
rig = Rig("--public", "127.0.0.1")
root = rig.admin()
ORG = rig.get("/orgs", root)[1]["items"][0]["id"]
REALM = rig.info["realm"]["id"]
LONG = "a password that is long"
people = {}


def sign_in(name, password=LONG):
    return done(rig.post("/auth/login", {"user": name, "password": password}))


def make(name, **wish):
    people[name] = done(rig.post("/users", {"user": name, "password": LONG, **wish}, root), 201)["id"]


def accounts():
    for name in ("", "A", "..", "../x", "a b", "a\n", "-x", "a" * 65, "ä", "a/b", "x';--"):
        refused(rig.post("/users", {"user": name, "password": LONG}, root), 400, "a-z")
    for password in ("", "short", "x" * 257):
        refused(rig.post("/users", {"user": "x", "password": password}, root), 400, "12")
    refused(rig.post("/users", {"user": "x", "password": LONG, "display_name": "\u009b2J"}, root), 400, "control")
    make("ann", display_name="Ann'); DROP TABLE user;--")
    refused(rig.post("/users", {"user": "ann", "password": LONG}, root), 409, "ann")
    check(done(rig.get("/users", root))["items"][1]["display_name"].startswith("Ann'"), "text is text")
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        made = [f.result() for f in [pool.submit(rig.post, "/users", {"user": "dup", "password": LONG}, root)
                                     for _ in range(4)]]
    check(sorted(r[0] for r in made) == [201, 409, 409, 409], "of four at once one makes the account")
    only = done(rig.get("/auth/profile", root))["id"]
    refused(rig.post(f"/users/{only}", {"superuser": False}, root), 409, "last superuser")
    refused(rig.post(f"/users/{only}", {"disabled": True}, root), 409, "last superuser")
    refused(rig.delete(f"/users/{only}", root), 409)


def sign_ins():
    first, second = sign_in("ann"), sign_in("ann")
    check(done(rig.get("/auth/profile", first["access_token"]))["user"] == "ann", "signed in")
    next_one = done(rig.post("/auth/refresh", {"refresh_token": first["refresh_token"]}))
    check(done(rig.get("/auth/profile", next_one["access_token"]))["user"] == "ann", "refreshed")
    refused(rig.post("/auth/refresh", {"refresh_token": first["refresh_token"]}), 401, "log in again")
    refused(rig.get("/auth/profile", next_one["access_token"]), 401, "log in again")
    refused(rig.post("/auth/refresh", {"refresh_token": next_one["refresh_token"]}), 401)
    check("refresh_token_reused" in rig.logs(), "a refresh token used twice ends the sign-in, and is recorded")
    check(rig.get("/auth/profile", second["access_token"])[0] == 200, "another sign-in does not notice")
    for text in ("", "x", "vr1.", "vr1." + "A" * 64, second["refresh_token"][:-1], second["refresh_token"] + "A"):
        refused(rig.post("/auth/refresh", {"refresh_token": text}), 401)
    check(rig.get("/auth/profile", second["access_token"])[0] == 200, "wrong ones end nothing")
    check(rig.post("/auth/logout", None, second["access_token"])[0] == 204, "signed out")
    refused(rig.get("/auth/profile", second["access_token"]), 401)
    refused(rig.post("/auth/refresh", {"refresh_token": second["refresh_token"]}), 401)


def passwords():
    here, there = sign_in("ann"), sign_in("ann")
    change = {"old": LONG, "new": "another long password"}
    refused(rig.post("/auth/password", {"old": "wrong", "new": change["new"]}, here["access_token"]), 401)
    refused(rig.post("/auth/password", {"old": LONG, "new": "short"}, here["access_token"]), 400, "12")
    refused(rig.post("/auth/password", {"old": LONG, "new": LONG}, here["access_token"]), 400)
    check(rig.post("/auth/password", change, here["access_token"])[0] == 204, "changed")
    check(rig.get("/auth/profile", here["access_token"])[0] == 200, "this sign-in goes on")
    refused(rig.get("/auth/profile", there["access_token"]), 401)
    refused(rig.post("/auth/login", {"user": "ann", "password": LONG}), 401)
    reset = done(rig.post(f"/users/{people['ann']}/password", None, root))
    refused(rig.get("/auth/profile", here["access_token"]), 401)
    again = sign_in("ann", reset["password"])
    check(again["must_change_password"], "after a reset the password must be changed")
    refused(rig.get("/realms", again["access_token"]), 403, "password")
    check(rig.post("/auth/password", {"old": reset["password"], "new": LONG}, again["access_token"])[0] == 204, "changed")
    check(rig.get("/realms", again["access_token"])[0] == 200, "then all is as before")
    done(rig.post(f"/users/{people['ann']}", {"disabled": True}, root))
    refused(rig.get("/realms", again["access_token"]), 401)
    refused(rig.post("/auth/login", {"user": "ann", "password": LONG}), 403, "disabled")
    done(rig.post(f"/users/{people['ann']}", {"disabled": False}, root))
    check(LONG not in rig.logs() and reset["password"] not in rig.logs(), "no password is in a log")


def invitations():
    make("bob")
    bob, ann = sign_in("bob")["access_token"], sign_in("ann")["access_token"]
    done(rig.post(f"/orgs/{ORG}/members", {"user": people["ann"], "role": "admin"}, root))
    refused(rig.post(f"/orgs/{ORG}/members", {"user": people["bob"], "role": "member"}, ann), 404)
    refused(rig.post(f"/orgs/{ORG}/invitations", {"user": "nobody"}, ann), 404, "superuser")
    refused(rig.post(f"/orgs/{ORG}/invitations", {"user": "bob", "role": "owner"}, ann), 403, "owner")
    sent = done(rig.post(f"/orgs/{ORG}/invitations", {"user": "bob", "role": "member"}, ann), 201)
    refused(rig.post(f"/orgs/{ORG}/invitations", {"user": "bob"}, ann), 409)
    check([i["id"] for i in done(rig.get("/invitations", bob))["items"]] == [sent["id"]], "received")
    check([i["name"] for i in done(rig.get(f"/orgs/{ORG}/invitations", ann))["items"]] == ["bob"], "sent")
    refused(rig.post(f"/invitations/{sent['id']}/accept", None, ann), 404)
    check(rig.post(f"/invitations/{sent['id']}/reject", None, bob)[0] == 204, "rejected")
    refused(rig.post(f"/invitations/{sent['id']}/accept", None, bob), 404)
    sent = done(rig.post(f"/orgs/{ORG}/invitations", {"user": "bob"}, ann), 201)
    check(rig.delete(f"/orgs/{ORG}/invitations/{sent['id']}", ann)[0] == 204, "withdrawn")
    sent = done(rig.post(f"/orgs/{ORG}/invitations", {"user": "bob"}, ann), 201)
    check(done(rig.post(f"/invitations/{sent['id']}/accept", None, bob))["role"] == "member", "accepted")
    check([(o["name"], o["role"]) for o in done(rig.get("/auth/profile", bob))["orgs"]] == [("home", "member")], "is one")
    owner = done(rig.get("/auth/profile", root))["id"]
    refused(rig.delete(f"/orgs/{ORG}/members/{owner}", ann), 403, "owner")
    refused(rig.delete(f"/orgs/{ORG}/members/{owner}", root), 409, "last owner")
    refused(rig.post(f"/orgs/{ORG}/members", {"user": owner, "role": "member"}, root), 409, "last owner")
    refused(rig.delete(f"/orgs/{ORG}/members/{people['ann']}", bob), 403)


def teams():
    bob = sign_in("bob")["access_token"]
    for name in ("", "A", "../x", "a b", "a\n", "-a"):
        refused(rig.post(f"/orgs/{ORG}/teams", {"name": name}, root), 400, "a-z")
    ops = done(rig.post(f"/orgs/{ORG}/teams", {"name": "ops"}, root), 201)["id"]
    refused(rig.post(f"/orgs/{ORG}/teams", {"name": "ops"}, root), 409, "ops")
    check(rig.post(f"/teams/{ops}/members", {"user": people["bob"]}, root)[0] == 204, "bob is in ops")
    refused(rig.post(f"/teams/{ops}/members", {"user": people["bob"]}, bob), 403)
    token = done(rig.post("/auth/registration-tokens", {"realm": REALM, "owner": people["bob"]}, root), 201)["token"]
    node = done(rig.post("/conflux/register", {"teams": ["ops", "dev"]}, token), 201)
    check(node["teams"] == [ops] and "dev" in node["warnings"][0], f"a team of one's own; others are named: {node}")
    path = f"/conflux/{node['conflux_id']}"
    login, = rig.probe(node)
    check(login["ok"], "it logs in")
    check(done(rig.get(path, bob))["teams"] == [ops], "shown to its owner")
    check(done(rig.post(path + "/teams", {"remove": [ops]}, bob))["teams"] == [], "who takes it away")
    check(done(rig.post(path + "/teams", {"add": [ops]}, bob))["teams"] == [ops], "and gives it back")
    dev = done(rig.post(f"/orgs/{ORG}/teams", {"name": "dev"}, root), 201)["id"]
    refused(rig.post(path + "/teams", {"add": [dev]}, bob), 403, "owner")
    refused(rig.post(path + "/teams", {"add": [dev]}, root), 403, "owner")
    check(rig.delete(f"/teams/{ops}/members/{people['bob']}", bob)[0] == 204, "bob leaves the team")
    check(done(rig.get(path, bob))["teams"] == [], "his node loses it")
    check(rig.delete(f"/teams/{dev}", root)[0] == 204, "a team is deleted")
    refused(rig.delete(f"/users/{people['bob']}", root), 409, "nodes")
    check(rig.delete(f"/orgs/{ORG}/members/{people['bob']}", bob)[0] == 204, "bob leaves")
    refused(rig.get(path, root), 404)
    refused(rig.get("/conflux/taints", node["conflux_token"]), 401, "register")
    check(rig.delete(f"/users/{people['bob']}", root)[0] == 204, "and his account ends")


def on_the_host():
    made = json.loads(rig.cli("user", "create", "cat", "--display-name", "Cat", "--json").stdout)
    check(sign_in("cat", made["password"])["must_change_password"], "user create prints a password")
    check("cat" in rig.cli("user", "list").stdout, "user list")
    rig.cli("org", "add", "--user", "cat", "--role", "auditor")
    check("auditor" in rig.cli("org", "members").stdout, "org add, members")
    rig.cli("org", "create", "second")
    done = rig.cli("team", "list", ok=False)
    check(done.returncode != 0 and "--org" in done.stdout, "with two organisations one must be named")
    rig.cli("team", "create", "web", "--org", "second")
    done = rig.cli("team", "add", "web", "--org", "second", "--user", "cat", ok=False)
    check(done.returncode != 0 and "invite" in done.stdout, "a team is for members")
    rig.cli("org", "add", "--org", "second", "--user", "cat")
    rig.cli("team", "add", "web", "--org", "second", "--user", "cat")
    check("cat" in rig.cli("team", "members", "web", "--org", "second").stdout, "team add, members")
    rig.cli("team", "remove", "web", "--org", "second", "--user", "cat")
    rig.cli("team", "delete", "web", "--org", "second")
    rig.cli("realm", "create", "--name", "far", "--org", "second")
    check(rig.cli("org", "delete", "second", ok=False).returncode != 0, "an organisation with realms stays")
    rig.cli("user", "disable", "cat")
    refused(rig.post("/auth/login", {"user": "cat", "password": made["password"]}), 403, "disabled")
    rig.cli("user", "enable", "cat")
    made = json.loads(rig.cli("user", "password", "cat", "--json").stdout)
    sign_in("cat", made["password"])
    rig.cli("user", "delete", "cat")
    for words in (["user", "create"], ["user", "list", "x"], ["user", "list", "--role", "owner"], ["user", "nope"],
                  ["user", "delete", "nobody"], ["team", "delete", "nope", "--org", "home"], ["org", "remove"]):
        check(rig.cli(*words, ok=False).returncode != 0, f"refused: {' '.join(words)}")


main(accounts, sign_ins, passwords, invitations, teams, on_the_host)
