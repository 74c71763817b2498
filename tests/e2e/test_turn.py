"""Nodes that cannot reach each other talk through a TURN server: by UDP, TCP and TLS, with both kinds of credentials."""
# timeout: 180 waits
import os
import pathlib
import re
import signal

from lib import *
from turn_rig import SECRET, Coturn
from veil import Flow, Guardian, Node, Traffic

need("nft", "turnserver", "openssl")
net = Net()
srv, turn, a, b = (net.machine(n) for n in ("srv", "turn", "a", "b"))
net.switch([srv, turn, a, b], "10.9.0")
SERVER = "10.9.0.2"
HOSTS = {"a": "10.9.0.3", "b": "10.9.0.4"}
MOVED = "10.9.0.33"  # of a, later

coturn = Coturn(turn, SERVER)
secret = srv.dir / "turn.secret"
secret.write_text(SECRET + "\n")
g = Guardian(srv, "10.9.0.1", start=False)


def block(what):
    """Drops what a and b send by UDP: to each other ("peers"), or at all ("udp")."""
    for machine in (a, b):
        others = ", ".join([*HOSTS.values(), MOVED])
        rules = (f"ip daddr {{ {others} }} " if what == "peers" else "") + "meta l4proto udp drop;"
        path = machine.dir / "block.nft"
        path.write_text(f"""
flush ruleset
table ip t {{
    chain out {{ type filter hook output priority filter; oifname eth0 jump f; }}
    chain f {{ {rules} }}
}}
""")
        machine.run(["nft", "-f", path])


def sockets(node):
    # ls goes on when one closes meanwhile, which it tells by its status.
    listed = node.machine.out(["ls", "-l", f"/proc/{node.daemon.pid}/fd"], ok=False)
    if not node.daemon.running():
        raise Failed(f"{node.tag} has ended")
    return listed.count("socket:")


def tether_of(node):
    return node.links()[0]["tether"]


def is_relayed(node):
    t = tether_of(node)
    return any(t[end].startswith(f"{SERVER}:") for end in ("local", "remote"))


def relayed(*candidates):
    """Both start, talk by the relay alone, and stop."""
    before = len(coturn.allocations())
    na.start(), nb.start()
    na.reaches(nb.ip4, within=15)
    check(len(na.ping(nb.ip4, count=20, wait=3, interval=0.05)) == 20, "twenty pings come back")
    sink = a.daemon(["nc", "-l", na.ip4, "5001"], name="sink")
    a.wait_listening(5001)
    b.run(["sh", "-c", f"head -c 3000000 /dev/zero | nc -N -w 10 {na.ip4} 5001"], timeout=30)
    sink.process.wait(10)
    check(sink.log_path.stat().st_size == 3000000, "three megabytes came across")
    os.truncate(sink.log_path, 0)
    for n in (na, nb):
        check(is_relayed(n), f"{n.tag} is relayed: {tether_of(n)}")
    check(len(coturn.allocations()) > before, "the server made allocations")
    na.stop(), nb.stop()


def refuses_bad_settings():
    bad = g.cli("run", "--turn", "stun:10.9.0.2", ok=False)
    check(bad.returncode != 0 and "--turn takes" in bad.stdout, "a STUN URL is refused")
    bad = g.cli("run", "--turn", f"turn:{SERVER}", ok=False)
    check(bad.returncode != 0 and "--turn-secret-file" in bad.stdout, "no credentials: it says what is missing")


def udp_between_peers_is_blocked():
    """Time-limited credentials, TURN over UDP."""
    g.run_with("--turn", f"turn:{SERVER}", "--turn-secret-file", secret)
    globals().update(na=Node(a, g, start=False, run_words=["--verbose"]), nb=Node(b, g, start=False, run_words=["--verbose"]))
    block("peers")
    relayed()
    check(SECRET not in g.daemon.log_text(), "the secret is in no log")
    wait_until(lambda: coturn.count("refreshed, .*lifetime=0") >= 1, 5, "the allocation was given back")


def a_relayed_tether_moves_with_its_address():
    """The restarted one has an allocation of its own, from the new address; that of before is given back."""
    na.start(), nb.start()
    na.reaches(nb.ip4, within=15)
    before = [sockets(n) for n in (na, nb)]
    created = na.daemon.log_text().count("tether_created")
    made = len(coturn.allocations())
    a.ip("address", "del", f"{HOSTS['a']}/24", "dev", "eth0")
    a.ip("address", "add", f"{MOVED}/24", "dev", "eth0")
    wait_until(lambda: "tether_moved" in na.daemon.log_text(), 10, "the tether has moved")
    na.reaches(nb.ip4, within=5)
    check(na.daemon.log_text().count("tether_created") == created, "it is the tether of before")
    for n in (na, nb):
        check(is_relayed(n), f"{n.tag} is relayed: {tether_of(n)}")
    check(len(coturn.allocations()) > made, "the server made another allocation")
    a.ip("address", "del", f"{MOVED}/24", "dev", "eth0")
    a.ip("address", "add", f"{HOSTS['a']}/24", "dev", "eth0")
    wait_until(lambda: na.daemon.log_text().count("tether_moved") >= 2, 10, "and back")
    na.reaches(nb.ip4, within=5)
    # Before there may have been one more: of the login, or of a connection to Master that new credentials replaced.
    wait_until(lambda: all(sockets(n) <= had for n, had in zip((na, nb), before)), 5, "no socket is left over")
    given_back = coturn.count("refreshed, .*lifetime=0")
    na.stop(), nb.stop()
    wait_until(lambda: coturn.count("refreshed, .*lifetime=0") > given_back, 5, "the last is given back")


def a_direct_way_opens():
    """The tether leaves the relay for it, with all that runs through it, and the allocation is given back."""
    na.start(), nb.start()
    na.reaches(nb.ip4, within=15)
    check(is_relayed(na), "it is relayed")
    created = na.daemon.log_text().count("tether_created")
    given_back = coturn.count("refreshed, .*lifetime=0")
    flow = Flow(a, b, nb.ip4)

    def opens():
        for machine in (a, b):
            machine.run(["nft", "flush", "ruleset"])
        wait_until(lambda: not is_relayed(na) and not is_relayed(nb), 30, "both ends are direct")

    check(flow.over(opens) < 2, "without a gap that one would notice")
    check(na.daemon.log_text().count("tether_created") == created, f"it is the tether of before: {tether_of(na)}")
    wait_until(lambda: coturn.count("refreshed, .*lifetime=0") > given_back, 5, "the allocation is given back")
    flow.stop()
    na.stop(), nb.stop()


def direct_where_possible():
    """A server is there; nobody asks it, for a direct way is found at once."""
    for machine in (a, b):
        machine.run(["nft", "flush", "ruleset"])

    def scene():
        before = len(coturn.allocations())
        na.start(), nb.start()
        na.reaches(nb.ip4)
        wait_until(lambda: not is_relayed(na), 10, "no relay is used")
        t = tether_of(na)
        check(t["local_type"] == "host" and "relay" not in t["remote_type"], f"directly: {t}")
        na.stop(), nb.stop()
        if len(coturn.allocations()) > before:
            raise Late("the server was asked")

    in_time(scene)


def no_udp_at_all():
    """TURN over TCP; then over TLS on port 443, where the server's key is pinned."""
    block("udp")
    g.run_with("--turn", f"turn:{SERVER}?transport=udp,turn:{SERVER}?transport=tcp")
    relayed()
    g.run_with("--turn", f"turn:{SERVER},turns:{SERVER}:443", "--turn-cert", coturn.cert)
    relayed()
    check(coturn.count("TLS") > 0, "by TLS")


def another_key_is_refused():
    """Whoever stands in the server's place has no such key."""
    other = srv.dir / "other.crt"
    srv.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
             srv.dir / "other.key", "-out", other, "-days", "2", "-subj", "/CN=turn.test"])
    g.run_with("--turn", f"turns:{SERVER}:443", "--turn-cert", other)
    before = len(coturn.allocations())
    na.start(), nb.start()
    check(a.run(["ping", "-n", "-c", "1", "-W", "4", nb.ip4], ok=False).returncode != 0, "no way")
    wait_until(lambda: "turn_server_failed" in na.daemon.log_text(), 10, "the log says why")
    check("pinned" in na.daemon.log_text(), "it names the key")
    check(len(coturn.allocations()) == before, "no credentials were sent")
    na.stop(), nb.stop()


def relay_alone_tells_no_address():
    """With --candidates relay no packet goes to the other's address, and no candidate of this machine to it."""
    for machine in (a, b):
        machine.run(["nft", "flush", "ruleset"])
    g.run_with("--turn", f"turn:{SERVER}", "--turn-secret-file", secret)
    for node in (na, nb):
        node.run_words = ["--verbose", "--candidates", "relay"]
    rules = a.dir / "watch.nft"
    rules.write_text(f"""
table ip watch {{
    counter direct {{ }}
    chain out {{ type filter hook output priority filter; ip daddr {HOSTS['b']} counter name direct; }}
}}
""")
    a.run(["nft", "-f", rules])
    na.start(), nb.start()
    na.reaches(nb.ip4, within=15)
    t = tether_of(na)
    check(t["local_type"] == "relay" and t["remote_type"] in ("relay", "prflx"), f"by relays: {t}")
    check(t["local"].startswith(SERVER) and t["remote"].startswith(SERVER), "both addresses are the server's")
    direct = a.out(["nft", "list", "counter", "ip", "watch", "direct"])
    check("packets 0" in direct, f"nothing was sent to the other machine's address: {direct}")
    na.stop(), nb.stop()


def one_user_for_all():
    """Long-term credentials, and nonces that go stale."""
    coturn.daemon.stop()
    globals()["coturn"] = Coturn(turn, SERVER, user="veil:long-term-password", options=["stale-nonce=1"], name="coturn2")
    password = srv.dir / "turn.password"
    password.write_text("long-term-password\n")
    block("peers")
    g.run_with("--turn", f"turn:{SERVER}", "--turn-user", "veil", "--turn-password-file", password)
    for node in (na, nb):
        node.run_words = ["--verbose"]
    relayed()
    check("long-term-password" not in na.daemon.log_text() + g.daemon.log_text(), "the password is in no log")


def another_server_takes_over():
    """The server falls silent while it carries a tether: traffic goes on by the next one, without a word to users."""
    coturn.daemon.stop()  # two on one port would share what comes
    globals()["coturn"] = Coturn(turn, SERVER, name="coturn3")
    second = Coturn(srv, "10.9.0.1", name="coturn-second")
    g.run_with("--turn", f"turn:{SERVER},turn:10.9.0.1", "--turn-secret-file", secret)
    na.start(), nb.start()
    na.reaches(nb.ip4, within=15)
    used, other = (coturn, second) if is_relayed(na) else (second, coturn)  # the first, or it was slow
    traffic = Traffic(a, nb.ip4)
    traffic.steady()
    os.kill(used.daemon.pid, signal.SIGSTOP)
    traffic.back_within(6, "the server is silent")
    check(not traffic.unreachable(), "nobody was told that the other is away")
    t = tether_of(na)
    where = SERVER if other is coturn else "10.9.0.1"
    check(any(t[end].startswith(f"{where}:") for end in ("local", "remote")), f"by the other: {t}")
    check(len(other.allocations()) > 0, "which made allocations")
    os.kill(used.daemon.pid, signal.SIGCONT)
    used.daemon.stop()
    na.stop(), nb.stop()
    na.start(), nb.start()
    na.reaches(nb.ip4, within=8)
    traffic.stop()


main(refuses_bad_settings, udp_between_peers_is_blocked, a_relayed_tether_moves_with_its_address, a_direct_way_opens,
     direct_where_possible, no_udp_at_all, another_key_is_refused, relay_alone_tells_no_address, one_user_for_all,
     another_server_takes_over)
