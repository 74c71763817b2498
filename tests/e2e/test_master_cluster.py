"""Master as three nats-servers on three machines, two in one region, and a leaf for one realm: nodes at different ones talk, one
ends and its nodes go to the other, who is revoked is cut off at all; and nobody but a server comes in where servers do."""
# timeout: 240
import contextlib
import json
import ssl
import stat

from hostile import Nkey, NatsClient, in_namespace
from lib import *
from veil import Guardian, Node, Traffic

need("nft", "nats-server", "openssl", "sqlite3")
net = Net()
srv, two, far, a, b, c, d, e = (net.machine(n) for n in ("srv", "two", "far", "a", "b", "c", "d", "e"))
address = net.switch([srv, two, far, a, b, c, d, e], "10.9.0")
g = Guardian(srv, "10.9.0.1")
folder = two.dir / "west"
second = None


def config(*words, ok=True):
    return g.cli("master", "config", "west", "--address", "10.9.0.2", "--to", str(folder), *words, ok=ok)


def not_without_being_told():
    refused = config(ok=False)
    check(refused.returncode == 1 and "run --cluster-port 6222" in refused.stdout, refused.stdout.strip())
    check(not srv.out(["ss", "-Hltn", "sport = :6222"]), "the embedded server takes no others")
    pid = (g.dir / "master/nats-server.pid").read_text()
    g.daemon.stop()
    for wrong, says in (("8443", "port of Guardian"), ("4222", "port of Guardian"), ("0", "1 to 65535"), ("x", "1 to 65535")):
        done = g.cli("run", "--cluster-port", wrong, ok=False)
        check(done.returncode == 1 and says in done.stdout, f"{wrong}: {done.stdout.strip()}")
    g.start("--cluster-port", "6222", "--gateway-port", "7222", "--leaf-port", "7422")
    for port in (6222, 7222, 7422):
        srv.wait_listening(port)
    check("master_replaced" in g.daemon.log_text() and (g.dir / "master/nats-server.pid").read_text() != pid,
          "told so, it was started anew")
    replaced = g.daemon.log_text().count("master_replaced")
    g.run_with()
    check(g.daemon.log_text().count("master_replaced") == replaced and srv.out(["ss", "-Hltn", "sport = :6222"]),
          "which is kept, and not done again")


def a_folder_for_it():
    told = json.loads(config("--json").stdout)
    check(told == {"server": "west", "folder": str(folder), "at": str(folder), "entry_point": "tls://10.9.0.2:4222"}, f"{told}")
    for path in (folder, *folder.iterdir()):
        check(stat.S_IMODE(path.stat().st_mode) == (0o700 if path == folder else 0o600), f"{path.name} is its owner's alone")
    check(list(folder.parent.glob("west.*")) == [], "nothing else is left")
    again = config(ok=False)
    check(again.returncode == 1 and "exists" in again.stdout, "it takes no other's place")
    seen = two.out(["openssl", "x509", "-in", str(folder / "server.crt"), "-noout", "-ext", "subjectAltName", "-startdate"])
    check("10.9.0.2" in seen, "its certificate has its address")
    actions = [json.loads(e) for e in g.cli("audit", "--json").stdout.splitlines()]
    check(actions[0]["action"] == "master_server_configured" and actions[0]["subject"] == "west", "audited")


def routes(machine):
    return machine.out(["ss", "-Htn", "state", "established", "( sport = :6222 or dport = :6222 )"]).splitlines()


def start_second():
    global second
    second = two.daemon(["nats-server", "-c", str(folder / "nats-server.conf")], name="second")
    two.wait_listening(4222)
    wait_until(lambda: routes(two) and "Route connection created" in second.log_text(), 10, "it joins the embedded one")


def only(node, *hosts):
    """This machine reaches Master at these alone."""
    refuse = "".join(f"ip daddr {h} tcp dport 4222 reject with tcp reset;" for h in ("10.9.0.1", "10.9.0.2", "10.9.0.3") if h not in hosts)
    rules = node.dir / "away.nft"
    rules.write_text("table ip away\ndelete table ip away\n"
                     f"table ip away {{ chain out {{ type filter hook output priority filter; {refuse} }}\n}}\n")
    node.run(["nft", "-f", rules])


def master(machine):
    """Where its connections to Master go."""
    return {line.split()[3] for line in machine.out(["ss", "-Htn", "state", "established", "dport", "=", ":4222"]).splitlines()}


def nodes_at_both_talk():
    global na, nb, nc
    start_second()
    g.cli("veil", "create", "tls://10.9.0.2:4222", "--region", "west")
    only(a, "10.9.0.1")
    only(b, "10.9.0.2")
    only(c, "10.9.0.2")
    na, nb, nc = Node(a, g), Node(b, g), Node(c, g)
    check(master(a) == {"10.9.0.1:4222"} and master(b) == {"10.9.0.2:4222"}, "they are at different servers")
    na.reaches(nb.ip4)
    nb.reaches(na.ip4)
    check(g.cli("node", "query", "b", "--json").stdout, "Guardian's commands reach both")


def a_new_realm():
    """Of which the second server has never heard."""
    g.cli("realm", "create", "--name", "lab", "--ipv4", "10.99.0.0/16")
    token = json.loads(g.cli("token", "create", "--realm", "lab", "--taints", "x", "--json").stdout)["join_token"]
    late = Node(b, g, tag="late", token=token, run_words=["--interface", "late"])
    check(len(master(b)) == 1, "its node comes in at the second server")
    late.stop()


def stays_when_one_ends():
    traffic = Traffic(a, nb.ip4)
    traffic.steady()
    second.kill()
    for m in (b, c):
        only(m, "10.9.0.1", "10.9.0.2")
    for m, n in ((b, nb), (c, nc)):
        wait_until(lambda m=m: master(m) == {"10.9.0.1:4222"}, 30, f"{n.tag} goes to the other")
        wait_until(lambda n=n: n.status()["control"] == "up", 10, "and is well there")
    nc.reaches(na.ip4)
    check(traffic.longest_gap() < 1, f"traffic went on: {traffic.longest_gap():.2f} s")
    start_second()
    for m in (a, b):
        only(m, "10.9.0.2")
    pid = int((g.dir / "master/nats-server.pid").read_text())
    g.daemon.stop()
    os.kill(pid, signal.SIGKILL)
    for m, n in ((a, na), (b, nb)):
        wait_until(lambda m=m: master(m) == {"10.9.0.2:4222"}, 30, f"the embedded one, and Guardian, away: {n.tag} goes to the second")
    wait_until(lambda: all(n.status()["control"] == "up" for n in (na, nb)), 10, "and is well there")
    traffic.steady()
    traffic.stop()
    g.start()
    wait_until(lambda: routes(two), 30, "which joins the embedded one again")


def talks(node, tag):
    link = node.link(tag)
    return link and (link["stream"]["tx_state"] or link["stream"]["rx"])


def ends_at(server, machine, text):
    """The server ends the connection of this machine's node."""
    wait_until(lambda: not server.out(["ss", "-Htn", "state", "established", "sport = :4222", "and", "dst", address[machine.name]]).strip(),
               5, text)


def talks_with_both(node):
    for n in (na, nb):
        node.reaches(n.ip4, within=20)
        n.reaches(node.ip4)


def who_is_revoked_is_cut_off_at_both():
    only(a, "10.9.0.1")
    a.run(["ss", "-K", "dport", "=", ":4222"])
    only(c, "10.9.0.2")
    c.run(["ss", "-K", "dport", "=", ":4222"])
    wait_until(lambda: master(a) == {"10.9.0.1:4222"} and master(c) == {"10.9.0.2:4222"}, 30, "a and c are at different ones again")
    wait_until(lambda: all(n.status()["control"] == "up" for n in (na, nb, nc)), 10, "and all is well")
    for n in (na, nb):
        nc.reaches(n.ip4, within=20)
    c.ip("route", "add", "blackhole", "10.9.0.1/32")  # it hears nothing of it
    deaf = c.daemon(["ping", "-n", "-i", "0.1", na.ip4], name="ping-c")
    deaf.wait_log("time=")
    g.cli("node", "revoke", "c")
    wait_until(lambda: not talks(na, "c") and not talks(nb, "c"), 3, "peers at both servers cut it off")
    ends_at(two, c, "and the second server ends its connection")
    na.reaches(nb.ip4)


def another_region():
    there = far.dir / "far"
    g.cli("master", "config", "far", "--region", "far", "--address", "10.9.0.3", "--to", str(there))
    third = far.daemon(["nats-server", "-c", str(there / "nats-server.conf")], name="third")
    far.wait_listening(4222)
    g.cli("veil", "create", "tls://10.9.0.3:4222", "--region", "far")
    for known in (third, second):
        wait_until(lambda known=known: "gateway connection" in known.log_text().lower(), 20, f"{known.name} knows the other region")
    only(d, "10.9.0.3")
    nd = Node(d, g)
    check(master(d) == {"10.9.0.3:4222"}, "a node is at the server of another region")
    talks_with_both(nd)
    check(master(a) == {"10.9.0.1:4222"} and master(b) == {"10.9.0.2:4222"}, "and talks with those at both of the first")
    g.cli("node", "taint", "d", "--add", "far")
    check("far" in nd.json("taint", "list")["taints"], "Guardian's commands reach it")
    d.ip("route", "add", "blackhole", "10.9.0.1/32")
    g.cli("node", "revoke", "d")
    ends_at(far, d, "revoked, its connection ends there too")
    third.stop()


def a_leaf_for_one_realm():
    """On the machine that was the other region: it knows the realm home, and no other."""
    there = far.dir / "leaf"
    none = g.cli("master", "config", "site", "--leaf", "home,none", "--address", "10.9.0.3", "--to", str(there), ok=False)
    check(none.returncode == 1 and "no realm none" in none.stdout, none.stdout.strip())
    g.cli("master", "config", "site", "--leaf", "home", "--address", "10.9.0.3", "--to", str(there))
    leaf = far.daemon(["nats-server", "-c", str(there / "nats-server.conf")], name="leaf")
    far.wait_listening(4222)
    wait_until(lambda: leaf.log_text().count("Leafnode connection created") == 2, 20, "it is in the accounts of leaves and of the realm")
    only(e, "10.9.0.3")
    ne = Node(e, g)
    check(master(e) == {"10.9.0.3:4222"}, "a node is at the leaf")
    talks_with_both(ne)
    lone = Node(e, g, tag="lone", token=g.token("--realm", "lab", "--taints", "x"), run_words=["--interface", "lone"], start=False)
    lone.start(wait=False)
    wait_until(lambda: "authentication error" in leaf.log_text(), 20, "one of another realm is refused there")
    only(e, "10.9.0.2", "10.9.0.3")
    lone.wait_online()
    check(master(e) == {"10.9.0.2:4222", "10.9.0.3:4222"}, "and goes elsewhere")
    lone.stop()
    g.cli("node", "taint", "e", "--add", "site")
    check("site" in ne.json("taint", "list")["taints"], "Guardian's commands reach the node at the leaf")
    e.ip("route", "add", "blackhole", "10.9.0.1/32")
    g.cli("node", "revoke", "e")
    wait_until(lambda: not talks(na, "e") and not talks(nb, "e"), 3, "revoked, its peers cut it off")
    ends_at(far, e, "and the leaf ends its connection")


def comes_as_leaf(creds, files, server="10.9.0.1"):
    """To this server, with these credentials and this certificate."""
    there = far.dir / "leaf"
    text = (there / f"{creds}.creds").read_text().split("\n")
    return in_namespace(far, lambda: NatsClient(server, 7422, there / "leaf-ca.crt", files["crt"], files["key"], text[1],
                                                Nkey.from_seed_text(text[5], far.dir), leaf=True))


def who_has_a_leafs_folder():
    """It speaks to the embedded server itself, which lets a leaf say anything in the accounts that it is in."""
    there = far.dir / "leaf"
    answers = "$SYS._INBOX.x.y"

    def as_leaf(creds, *lines, ended=lambda messages: True):
        """Says these, and takes what comes until then."""
        leaf = comes_as_leaf(creds, {"crt": there / "leaf.crt", "key": there / "leaf.key"})
        for line in lines:
            leaf.sock.sendall(f"{line}\r\n".encode())
        leaf.flush()
        wait_until(lambda: leaf.poll(0.05) or ended(leaf.messages), 10, f"it is answered: {lines}")
        return [payload for _, payload in leaf.messages]

    def heard():
        return sum(n for name, n in na.drops().items() if name.startswith("control"))

    before, me = heard(), na.status()["node"]
    as_leaf("realm-home", "LMSG a.rev 4\r\njunk", f"LMSG a.adm.{me} 4\r\njunk", f"LMSG a.in.{me}.{nb.status()['node']} 4\r\njunk")
    wait_until(lambda: heard() >= before + 3, 5, "what it says in others' names nodes throw away: it is not signed by them")

    def asks(what):
        return f"LMSG $SYS.REQ.{what} {answers} 0\r\n"

    def all_accounts(messages):
        """The last answer is empty."""
        return any(not payload for _, payload in messages)

    known = as_leaf("leaves", f"LS+ {answers}", asks("CLAIMS.PACK"), ended=all_accounts)
    check(len(known) > 2 and not any(k.startswith(b"{") for k in known), "it may ask for the accounts, as a leaf does")
    for what in ("SERVER.PING", "SERVER.PING.VARZ", "SERVER.PING.ACCOUNTZ"):
        told = as_leaf("leaves", f"LS+ {answers}", asks(what), asks("CLAIMS.PACK"), ended=all_accounts)
        check(not any(t.startswith(b"{") for t in told), f"{what}: the system does not hear it")


def accounts(folder):
    return {path.name: path.read_text() for path in (folder / "jwt").glob("*.jwt")}


def what_changed_meanwhile():
    second.kill()
    known = accounts(folder)
    g.cli("node", "revoke", "b")
    wait_until(lambda: accounts(g.dir / "master") != known, 5, "the embedded server hears of a revoked node, the second does not")
    start_second()
    wait_until(lambda: accounts(folder) == accounts(g.dir / "master"), 25, "it asks for what it missed")
    wait_until(lambda: accounts(far.dir / "leaf") == accounts(g.dir / "master"), 25, "and the leaf has all of it, too")
    check(len(known) >= 3, "the system's account and the realms'")


def only_servers_come_in():
    """A member has a certificate of the other authority, and the key to it."""
    def made(name, ca, extensions):
        files = {n: two.dir / f"{name}.{n}" for n in ("key", "csr", "crt", "ca", "cakey", "ext")}
        for kind, file in (("cert", "ca"), ("key", "cakey")):
            files[file].write_text(srv.out(["sqlite3", str(g.dir / "guardian.db"),
                                            f"select cast(value as text) from setting where name = '{ca}_{kind}'"]))
        files["ext"].write_text(f"extendedKeyUsage={extensions}\nsubjectAltName=IP:10.9.0.2\n")
        two.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=x",
                 "-keyout", files["key"], "-out", files["csr"]])
        two.run(["openssl", "x509", "-req", "-in", files["csr"], "-CA", files["ca"], "-CAkey", files["cakey"], "-days", "1",
                 "-extfile", files["ext"], "-out", files["crt"]])
        return files

    def comes_in(files):
        """Whether the embedded server, as one server to another, goes on after the handshake."""
        script = f"""
import socket, ssl
context = ssl.create_default_context(cafile={str(folder / 'route-ca.crt')!r})
context.load_cert_chain({str(files['crt'])!r}, {str(files['key'])!r})
raw = socket.create_connection(("10.9.0.1", 6222), timeout=5)
try:
    s = context.wrap_socket(raw, server_hostname="10.9.0.1")
    print("in" if s.recv(8192).startswith(b"INFO") else "out")
except (ssl.SSLError, ConnectionError) as e:
    print("out", e)
"""
        return two.out(["python3", "-c", script]).startswith("in")

    check(comes_in({"crt": folder / "route.crt", "key": folder / "route.key"}), "a server comes in")
    check(not comes_in(made("member", "ca", "clientAuth")), "who has a certificate of a node does not")
    check(not comes_in({"crt": folder / "server.crt", "key": folder / "server.key"}), "nor who has what a server shows to nodes")
    leaf = {"crt": far.dir / "leaf/leaf.crt", "key": far.dir / "leaf/leaf.key"}
    check(not comes_in(leaf), "nor a leaf")
    for server in ("10.9.0.1", "10.9.0.2"):
        check(comes_as_leaf("leaves", leaf, server).errors == [], f"which comes in where leaves do, at {server}")
    with contextlib.suppress(ssl.SSLError, ConnectionError, Failed):
        comes_as_leaf("leaves", made("member", "ca", "clientAuth"))
        raise SystemError("who has a certificate of a node does, too")


main(not_without_being_told, a_folder_for_it, nodes_at_both_talk, a_new_realm, stays_when_one_ends,
     who_is_revoked_is_cut_off_at_both, another_region, a_leaf_for_one_realm, who_has_a_leafs_folder, what_changed_meanwhile, only_servers_come_in)
