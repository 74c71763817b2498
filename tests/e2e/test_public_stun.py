"""A node registered as public tells members behind NAT their outer address; strangers hear nothing from it."""
# timeout: 120 waits
import socket
import struct

from lib import *
from natlib import behind
from veil import Guardian, Node

need("nft")
net = Net()
srv, nat1, nat2, pub, evil, a, b = (net.machine(n) for n in ("srv", "nat1", "nat2", "pub", "evil", "a", "b"))
net.switch([srv, nat1, nat2, pub, evil], "10.9.0", "fd09")

behind(nat1, a, "10.1.0", "port")
behind(nat2, b, "10.2.0", "port")
g = Guardian(srv, "10.9.0.1")
PORTS = (3478, 3479)
BINDING = struct.pack(">HHI", 1, 0, 0x2112A442) + b"transaction1"


def no_port_without_being_told():
    globals().update(na=Node(a, g), nb=Node(b, g))
    check(not na.udp_ports(), "no node has an open UDP port")
    check(a.run(["ping", "-n", "-c", "1", "-W", "4", nb.ip4], ok=False).returncode != 0, "no way without STUN")
    na.stop(), nb.stop()


def members_are_told():
    bad = pub.run(["veilnet-conflux", "--state-dir", pub.dir / "x", "register", "-t", g.join, "--public", ":0"], ok=False)
    check(bad.returncode != 0 and "--public :0 is no [HOST][:PORT]" in bad.stdout, "a bad port is refused")
    np = Node(pub, g, register=["--public"])
    globals().update(np=np)
    listening = sorted({line.split()[3].rsplit(":", 1)[1] for line in np.udp_ports()})
    check(listening == [str(p) for p in PORTS], f"the public node listens on {listening}")
    na.start(), nb.start()
    na.reaches(nb.ip4, within=10)
    nb.reaches(na.ip4, within=5)
    for node, tag, other in ((na, "b", "10.9.0.3"), (nb, "a", "10.9.0.2")):
        tether = wait_until(lambda: node.tether(tag), 10, f"{node.tag} has a tether to {tag}")
        check(tether["remote"].startswith(f"{other}:"), f"{node.tag} sends to the other's NAT: {tether}")
    check(np.drops()["tether_public_stranger"] == 0, "no question was refused")


def strangers_hear_nothing():
    program = f"""
import socket
for family, host in ((socket.AF_INET, "10.9.0.4"), (socket.AF_INET6, "fd09::4")):
    for port in {PORTS}:
        s = socket.socket(family, socket.SOCK_DGRAM)
        s.settimeout(0.3)
        for payload in ({BINDING!r}, b"garbage", b""):
            s.sendto(payload, (host, port))
        try:
            print("heard", s.recvfrom(2048))
        except TimeoutError:
            pass
"""
    check("heard" not in evil.out([sys.executable, "-c", program]), "no answer, on either port, over IPv4 or IPv6")
    wait_until(lambda: np.drops().get("tether_public_stranger", 0) >= 12, 5, "each was counted")


def a_flood_harms_nobody():
    """Garbage, STUN, DTLS hellos and SCTP to the open port and to the port of a tether, as fast as the flooder can."""
    np.reaches(nb.ip4, within=10)
    tether = next(x["tether"] for x in np.links() if x["tether"] and x["tether"]["up"])
    targets = [("10.9.0.4", p) for p in (*PORTS, int(tether["local"].rsplit(":", 1)[1]))]
    hello = bytes.fromhex("16feff00000000000000000030") + bytes(48)
    program = f"""
import socket, sys, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
kinds = [{BINDING!r}, bytes(1200), {hello!r}, bytes(12) + bytes([1, 0, 0, 20]) + bytes(16)]
print("ready", flush=True)
n, end = 0, time.monotonic() + 4
while time.monotonic() < end:
    for t in {targets!r}:
        for k in kinds:
            try:
                s.sendto(k, t)
            except OSError:
                pass
            n += 1
    time.sleep(0.0005)
print(n, flush=True)
"""
    before, seen = cpu_seconds(np.daemon.pid), np.drops().get("tether_public_stranger", 0)
    flood = evil.daemon([sys.executable, "-c", program], name="flood")
    flood.wait_log("ready")
    rtts = pub.ping(nb.ip4, count=15, interval=0.2, wait=2)
    flood.process.wait(20)
    sent = int(flood.log_text().split()[-1])
    check(len(rtts) == 15, f"no answer was lost while {sent} datagrams came: {max(rtts):.1f} ms at most")
    drops = np.drops()
    check(drops["tether_public_stranger"] - seen > sent / 10, f"counted: {drops}")
    log(f"CPU of the public node: {cpu_seconds(np.daemon.pid) - before:.2f} s in 4 s")
    rss = int(re.search(r"RssAnon:\s+(\d+)", pathlib.Path(f"/proc/{np.daemon.pid}/status").read_text()).group(1))
    check(rss < 20000, f"its memory stays small: {rss} KB")
    # and members are still served
    for n in (na, nb):
        n.stop()
        n.start()
    na.reaches(nb.ip4, within=10)


def a_taken_port_is_named():
    np.stop()
    blocker = pub.daemon([sys.executable, "-c", "import signal,socket; s=socket.socket(socket.AF_INET, socket.SOCK_DGRAM); "
                          "s.bind(('0.0.0.0', 3478)); print('ready', flush=True); signal.pause()"], name="blocker")
    blocker.wait_log("ready")
    out = np.cli("run", ok=False)
    check(out.returncode != 0 and "another program uses UDP port 3478" in out.stdout, out.stdout.strip()[-200:])
    blocker.stop()


main(no_port_without_being_told, members_are_told, strangers_hear_nothing, a_flood_harms_nobody, a_taken_port_is_named)
