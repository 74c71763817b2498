"""The OpenAPI document that Guardian serves: a public linter accepts it, and it tells the truth about who may call."""
# timeout: 300
import re

from guardian_rig import *
from lib import *
from npm import REDOCLY, npm_program

need("veilnet-guardian", "nats-server")
rig = Rig("--public", "127.0.0.1")
REG = rig.info["registration_token"]
REALM = rig.info["realm"]["id"]
document = rig.get("/openapi.json")[1]
operations = [(method.upper(), path, o) for path, methods in document["paths"].items() for method, o in methods.items()]


things = {}


def call(method, path, token):
    """An operation with a path and a query that exist, and no body."""
    query = "&".join(f"{p['name']}={REALM}" for p in operation_of(method, path)["parameters"]
                     if p["in"] == "query" and p["required"])
    real = path.replace("{id}", things.get(path.split("/")[1], REALM))
    real = re.sub(r"\{\w+\}", REALM, real.replace("{user}", things["users"]))
    return rig.request(method, real + ("?" + query if query else ""), token=token)


def operation_of(method, path):
    return next(o for m, p, o in operations if (m, p) == (method, path))


def everyone_is_asked_who_they_are():
    admin, node = rig.admin(), rig.register(tag="n")
    tokens = {"access": admin, "registration": REG, "conflux": node["conflux_token"]}
    org = rig.get("/orgs", admin)[1]["items"][0]["id"]
    things.update(realms=REALM, orgs=org, conflux=node["conflux_id"], users=rig.get("/auth/profile", admin)[1]["id"],
                  teams=rig.post(f"/orgs/{org}/teams", {"name": "ops"}, admin)[1]["id"],
                  veil=rig.get("/veil", admin)[1]["items"][0]["id"])
    for method, path, o in operations:
        scheme = next((name for s in o["security"] for name in s), None)
        if scheme is None:
            status = call(method, path, None)[0]
            check(status in (200, 400), f"{method} {path} is open to all: {status}")
            continue
        for name, token in {"nobody": None, "nonsense": "a.b.c", **tokens}.items():
            if token == tokens[scheme]:
                continue
            status, answer = call(method, path, token)
            check(status == 401, f"{method} {path} takes {scheme}; {name} gets {status} {answer}")
        if method == "GET":
            status, answer = call(method, path, tokens[scheme])
            # Without a session there are no credentials for TURN.
            check(status == (409 if path == "/conflux/ice-servers" else 200), f"{method} {path} with {scheme}: {status} {answer}")


def a_linter_accepts_it():
    path = rig.top / "openapi.json"
    path.write_text(json.dumps(document))
    lint = npm_program(*REDOCLY)
    env = {**os.environ, "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}
    done = run([lint, "lint", "--format", "stylish", path], ok=False, timeout=90, env=env)
    check(done.returncode == 0, f"redocly lint: {done.stdout[-3000:]}")
    broken = json.loads(json.dumps(document))
    del broken["components"]["schemas"]["Problem"]
    path.write_text(json.dumps(broken))
    check(run([lint, "lint", path], ok=False, timeout=90, env=env).returncode != 0, "and would refuse a broken one")


def administrators_are_told_of_all():
    there = {(method, re.sub(r"{\w+}", "{}", path)): o["x-veilnet-role"] for method, path, o in operations}
    told = openapi.told_of((SOURCE / "docs/api.md").read_text())
    check(set(told) == set(there), f"docs/api.md tells of {len(there)} operations: {set(told) ^ set(there) or 'all'}")
    told.update(openapi.DECIDED_LATER)
    wrong = {key: (role, told[key]) for key, role in there.items() if role != told[key]}
    check(not wrong, f"and of who may call each: {wrong or 'as the document says'}")


main(everyone_is_asked_who_they_are, administrators_are_told_of_all, a_linter_accepts_it)
