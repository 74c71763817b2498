"""Every route as every kind of caller: docs/api.md says who may, and Guardian does so. Who belongs to another organisation gets nothing."""
# timeout: 180
import re

from guardian_rig import *
from lib import *

need("veilnet-guardian", "nats-server")
rig = Rig("--public", "127.0.0.1")
root = rig.admin()
PASSWORD = "a password that is long"
NOTHING = "A" * 22
home_org = rig.get("/orgs", root)[1]["items"][0]["id"]
home = rig.info["realm"]["id"]


def sign_in(name, password=PASSWORD):
    return done(rig.post("/auth/login", {"user": name, "password": password}))["access_token"]


class Person:
    def __init__(self, name, org=None, role=None):
        self.name = name
        self.id = done(rig.post("/users", {"user": name, "password": PASSWORD}, root), 201)["id"]
        if org:
            done(rig.post(f"/orgs/{org}/members", {"user": self.id, "role": role}, root))
        self.token = sign_in(name)
        self.role = role or "nobody"


other_org = done(rig.post("/orgs", {"name": "other"}, root), 201)["id"]
people = [Person(f"the-{role}", home_org, role) for role in ("member", "auditor", "admin", "owner")]
member = people[0]
people.append(Person("stranger", other_org, "owner"))
people[-1].role = "stranger"
superuser = Person("boss")
done(rig.post(f"/users/{superuser.id}", {"superuser": True}, root))
superuser.role = "superuser"
people.append(superuser)
RANK = {"stranger": 0, "member": 1, "auditor": 2, "admin": 3, "owner": 4, "superuser": 5}
document = rig.get("/openapi.json")[1]
roles = openapi.told_of((SOURCE / "docs/api.md").read_text())
operations = [(method.upper(), path, o) for path, methods in document["paths"].items() for method, o in methods.items()]


def registration_token(**wish):
    return done(rig.post("/auth/registration-tokens", {"realm": home, **wish}, root), 201)


def new_node(owner):
    return rig.register(registration_token(owner=owner)["token"])["conflux_id"]


def new_user():
    new_user.count = getattr(new_user, "count", 0) + 1
    return done(rig.post("/users", {"user": f"user-{new_user.count}", "password": PASSWORD}, root), 201)["id"]


def new_team():
    new_team.count = getattr(new_team, "count", 0) + 1
    return done(rig.post(f"/orgs/{home_org}/teams", {"name": f"team-{new_team.count}"}, root), 201)["id"]


def new_entry():
    """Of 8 there may be: the one before is forgotten."""
    if hasattr(new_entry, "id"):
        rig.delete(f"/veil/{new_entry.id}", root)
    new_entry.id = done(rig.post("/veil", {"url": "192.0.2.1", "enabled": False}, root), 201)["id"]
    return new_entry.id


def real_path(path, owner):
    """The path with things that exist, new where a caller may end them."""
    kind = path.split("/")[1]
    if path.startswith(("/auth/tokens/", "/auth/identities/", "/oidc/providers/")):
        thing = NOTHING
    elif path.startswith("/auth/registration-tokens/"):
        thing = registration_token()["id"]
    elif kind == "conflux":
        thing = new_node(owner)
    elif kind == "teams":
        thing = new_team()
    elif kind == "users":
        thing = new_user()
    elif kind == "veil":
        thing = new_entry()
    else:
        thing = {"realms": home, "orgs": home_org, "invitations": NOTHING}[kind]
    return re.sub(r"\{\w+\}", NOTHING, path.replace("{id}", thing))


def may(needed, person, method, own):
    rank = RANK[person.role]
    if person.role == "auditor" and method != "GET" and needed != "user":
        return False
    if needed == "holder":
        return rank >= (2 if method == "GET" else 3) or (own and rank >= 1)
    return rank >= {"user": 0, "member": 1, "auditor": 2, "admin": 3, "owner": 4, "superuser": 5}[needed]


def every_route_as_everybody():
    new_node(member.id)  # a realm with nodes is not deleted
    for method, path, o in operations:
        needed = roles[method, re.sub(r"{\w+}", "{}", path)]
        if needed in ("public", "registration", "conflux", "metrics") or path == "/auth/logout":
            continue
        for person in people:
            for own in (False, True) if needed == "holder" else (False,):
                where = real_path(path, person.id if own and person.role != "stranger" else member.id
                                  if person is not member else people[3].id) if "{" in path else path
                own = own and person.role != "stranger"
                queries = [p["name"] for p in o["parameters"] if p["in"] == "query" and p["required"]]
                where += f"?realm={home}" if queries else ""
                body = {("POST", "/auth/registration-tokens"): {"realm": home, "uses": 0},
                        ("POST", "/realms"): {"name": f"of-{person.name}", "org": home_org}}.get((method, path))
                status, answer = rig.request(method, where, body, person.token)
                if not may(needed, person, method, own):
                    check(status == 403, f"{method} {path} as {person.role}: 403: {status} {answer}")
                elif method == "GET":
                    check(status in (200, 404) and (status == 200 or "{invitation}" in path),
                          f"{method} {path} as {person.role}: 200: {status} {answer}")
                else:  # let in: what happens then is the route's own affair
                    check(status not in (401, 403, 500),
                          f"{method} {path} as {person.role} is let in: {status} {answer}")


def other_realms_show_nothing():
    stranger = next(p for p in people if p.role == "stranger")
    check(done(rig.get("/realms", stranger.token))["items"] == [], "a stranger sees no realm")
    check([o["id"] for o in done(rig.get("/orgs", stranger.token))["items"]] == [other_org], "nor organisation")
    theirs = done(rig.post("/realms", {"name": "theirs"}, stranger.token), 201)
    check(theirs["org"] == other_org and not theirs["public"], "their own realm is theirs")
    for person in people[:4]:
        check(rig.get(f"/realms/{theirs['id']}", person.token)[0] == 403, f"{person.role} of another gets nothing")
        check(theirs["id"] not in [r["id"] for r in done(rig.get("/realms", person.token))["items"]], "not in lists")
    check(rig.post("/realms", {"name": "mine", "org": other_org}, people[3].token)[0] == 403, "nor makes one there")
    done(rig.post(f"/realms/{theirs['id']}", {"public": True}, stranger.token))
    check(rig.get(f"/realms/{theirs['id']}", member.token)[0] == 200, "a public realm is everybody's")
    check(rig.get(f"/auth/registration-tokens?realm={theirs['id']}", people[3].token)[0] == 403, "its tokens are not")
    done(rig.delete(f"/realms/{theirs['id']}", stranger.token), 204)


def members_see_their_own():
    mine, others = new_node(member.id), new_node(people[3].id)
    seen = [n["conflux_id"] for n in done(rig.get(f"/conflux?realm={home}&limit=1000", member.token))["items"]]
    check(mine in seen and others not in seen, "a member's list has their own nodes")
    seen = [n["conflux_id"] for n in done(rig.get(f"/conflux?realm={home}&limit=1000", people[1].token))["items"]]
    check(mine in seen and others in seen, "an auditor's has all")
    check(rig.post("/auth/registration-tokens", {"realm": home, "owner": people[4].id}, root)[0] == 409,
          "a token's owner must belong to the realm")


main(every_route_as_everybody, other_realms_show_nothing, members_see_their_own)
