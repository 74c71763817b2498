"""`netcheck` tells each kind of NAT from the others, and names what is in the way."""
# timeout: 180 waits
from lib import *
from natlib import KINDS, place
from turn_rig import Coturn
from veil import Guardian, Node

need("nft", "turnserver", "openssl")
net = Net()
kinds = [k for k in KINDS if k != "none"]
routers = {k: net.machine(f"r{k}") for k in kinds}
srv, pub1, pub2, plain = (net.machine(n) for n in ("srv", "pub1", "pub2", "plain"))
inside = {k: net.machine(k) for k in kinds}
net.switch([srv, pub1, pub2, plain, *routers.values()], "10.9.0", "fd09")
for number, kind in enumerate(kinds, 1):
    place(net, inside[kind], routers[kind], number, kind)
g = Guardian(srv, "10.9.0.1")

FIRST = "endpoint-independent"
LOOSE = "endpoint-independent or address-dependent"
STRICT = "address-and-port-dependent"
EXPECTED = {  # mapping, filtering, hairpin, the verdict begins with
    "none": ("none", "unknown", None, "well"),
    "open": (FIRST, LOOSE, None, "well"),
    "cone": (FIRST, LOOSE, False, "well"),
    "port": (FIRST, STRICT, False, "well"),
    "address": ("address-dependent", LOOSE, False, "this NAT takes another port"),
    "symmetric": (STRICT, STRICT, False, "this NAT takes another port"),
    "double": (FIRST, STRICT, False, "well"),
    "hairpin": (FIRST, LOOSE, True, "well"),
    "blocked": ("unknown", "unknown", None, "no answer over UDP"),
}


def without_servers():
    n = Node(plain, g)
    said = n.json("netcheck")
    check(said["guardian"]["reached"] and said["masters"][0]["reached"], f"Guardian and Master are reached: {said['guardian']['ms']:.1f} ms")
    check("--public" in said["verdict"] and not said["good"], said["verdict"])
    check({"interface": "eth0", "address": "10.9.0.4"} in said["addresses"], f"addresses: {said['addresses']}")
    check(not any(a["address"] == n.ip4 for a in said["addresses"]), "the overlay's own is not among them")
    n.stop()
    out = n.cli("netcheck", ok=False)
    check(out.returncode == 3 and "the node is not running" in out.stdout and "Guardian" in out.stdout, "a stopped node is said")
    globals().update(nplain=n)


def each_kind():
    for m in (pub1, pub2):
        Node(m, g, register=["--public"])
    nplain.start()
    nodes = {"none": nplain}
    for kind in kinds:
        nodes[kind] = Node(inside[kind], g)
    wrong = []
    for kind, n in nodes.items():
        said = n.json("netcheck")
        nat = said["nat"]
        mapping, filtering, hairpin, verdict = EXPECTED[kind]
        log(f"{kind}: mapping {nat['mapping']}, filtering {nat['filtering']}, hairpin {nat['hairpin']}; {said['verdict'][:60]}")
        if (nat["mapping"], nat["filtering"]) != (mapping, filtering) or not said["verdict"].startswith(verdict) or \
                (hairpin is not None and nat["hairpin"] != hairpin):
            wrong.append(kind)
        if kind == "none":
            check(said["ipv6"]["answered"] is False, "public nodes were seen over IPv4")
    check(not wrong, f"each kind is told: {wrong or 'all'}")
    globals().update(nblocked=nodes["blocked"])
    text = nodes["symmetric"].cli("netcheck").stdout
    check("! this NAT takes another port for every peer" in text and "public node" in text, text)


def turn_servers():
    """Each way to a TURN server is tried, with its key; without UDP those over TCP are what is left."""
    coturn = Coturn(srv, "10.9.0.1")
    password = srv.dir / "turn.password"
    password.write_text("netcheck")

    def servers(node, cert):
        g.run_with("--turn", "turn:10.9.0.1,turn:10.9.0.1?transport=tcp,turns:10.9.0.1:443", "--turn-user", "veil",
                   "--turn-password-file", password, "--turn-cert", cert)
        node.stop()
        node.start()
        said = node.json("netcheck")
        return said, {s["kind"]: s for s in said["servers"] if s["kind"] != "public node"}

    said, by = servers(nplain, coturn.cert)
    check(list(by) == ["TURN", "TURN TCP", "TURN TLS"] and all(s["answered"] for s in by.values()), f"all answer: {by}")
    check(all(s["outer"].startswith("10.9.0.4:") for s in by.values()), "and tell our address")
    check("netcheck" not in json.dumps(said), "the password is not shown")
    said, by = servers(nblocked, coturn.cert)
    check(not by["TURN"]["answered"] and by["TURN TCP"]["answered"] and by["TURN TLS"]["answered"], f"two answer: {by}")
    check(said["verdict"].startswith("no answer over UDP: every peer is reached through a TURN server"), said["verdict"])
    other = srv.dir / "other.crt"
    srv.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
             srv.dir / "other.key", "-out", other, "-days", "2", "-subj", "/CN=turn.test"])
    _, by = servers(nblocked, other)
    check(not by["TURN TLS"]["answered"] and "pinned" in by["TURN TLS"]["detail"], f"another key is said: {by['TURN TLS']}")
    coturn.daemon.stop()
    text = nblocked.cli("netcheck").stdout
    check("TURN TCP    10.9.0.1:3478: Connection refused" in text, text)


def without_guardian():
    g.daemon.stop()
    said = nplain.json("netcheck")
    check(not said["guardian"]["reached"] and said["verdict"].startswith("Guardian cannot be reached"), said["verdict"])


main(without_servers, each_kind, turn_servers, without_guardian)
