"""What goes wrong at registration ends with a sentence that names the fix, and changes nothing."""
# timeout: 120
import base64
import json

from lib import *
from veil import Guardian, Node

net = Net()
srv, a, b = (net.machine(n) for n in ("srv", "a", "b"))
net.switch([srv, a, b], "10.9.0")
g = Guardian(srv, "10.9.0.1")


def register(machine, token, *words, folder="refused"):
    return machine.run(["veilnet-conflux", "--state-dir", machine.dir / folder, "register", "-t", token, *words],
                       ok=False)


def refused(done, status, *words):
    check(done.returncode == status, f"exit status {status}, was {done.returncode}: {done.stdout.strip()[-300:]}")
    for word in words:
        check(word in done.stdout.lower(), f"says '{word}': {done.stdout.strip()[-200:]}")
    check(not (a.dir / "refused" / "conflux.json").exists(), "and saves nothing")


def wrong_tokens():
    refused(register(a, "vn1.nonsense"), 2, "token")
    join = json.loads(base64.urlsafe_b64decode(g.join[4:] + "=="))
    join["r"] = join["r"][:-8] + "AAAAAAAA"
    forged = "vn1." + base64.urlsafe_b64encode(json.dumps(join).encode()).rstrip(b"=").decode()
    refused(register(a, forged), 4, "token")
    refused(register(a, g.join[:-3]), 2, "token")


def expired_token():
    token = g.token("--expires", "1s")
    wait_until(lambda: register(a, token, folder="early").returncode == 4, 10, "the token expires")
    refused(register(a, token), 4, "expired")


def used_up_token():
    token = g.token("--uses", "1")
    Node(b, g, tag="once", token=token, start=False)
    refused(register(a, token), 4, "use")


def revoked_token():
    out = g.cli("token", "create", "--json").stdout
    made = json.loads(out[out.index("{"):])
    g.cli("token", "revoke", made["id"])
    refused(register(a, made["join_token"]), 4, "revoked")


def taken_address():
    first = Node(b, g, tag="first", register=["--ip", "10.77.0.55"])
    check(first.ip4 == "10.77.0.55", "a wanted address is given")
    refused(register(a, g.join, "--ip", "10.77.0.55"), 4, "10.77.0.55", "--ip")


def forbidden_taint():
    token = g.token("--taints", "guest", "--allow-taints", "guest")
    refused(register(a, token, "--taints", "prod"), 4, "prod")
    refused(register(a, g.join, "--taints", "Not A Taint!"), 4, "taint")


def unreachable_guardian():
    g.daemon.stop()
    refused(register(a, g.join), 5, "10.9.0.1")


main(wrong_tokens, expired_token, used_up_token, revoked_token, taken_address, forbidden_taint,
     unreachable_guardian)
