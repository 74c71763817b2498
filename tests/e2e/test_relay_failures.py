"""A and b have no way to each other but through c, d or e; one TCP connection lives through all that happens to those."""
# timeout: 200
import signal

from lib import *
from veil import Datagrams, Guardian, Node

need("nft", "linkem")
net = Net()
srv, a, b, c, d, e = (net.machine(n) for n in ("srv", "a", "b", "c", "d", "e"))
underlay = net.switch([srv, a, b, d, e], "10.9.0")
switch = net.machine_named("switch")
wire = net.emulated(c, switch, "10.9.0.9/24", [])  # between c and all others
switch.ip("link", "set", "eth0", "master", "br0")
underlay["c"] = "10.9.0.9"
g = Guardian(srv, "10.9.0.1")
nodes = {m.name: Node(m, g, run_words=["--idle", "60", "--verbose"]) for m in (a, b, c, d, e)}
na, nb = nodes["a"], nodes["b"]
relays = [nodes[n] for n in "cde"]

SERVER = """
import socket, threading
s = socket.create_server(("", 7000))
def echo(c):
    while data := c.recv(4096):
        c.sendall(data)
while True:
    threading.Thread(target=echo, args=(s.accept()[0],), daemon=True).start()
"""
CLIENT = """
import socket, sys, time
s = socket.create_connection((sys.argv[1], 7000))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for i in range(1 << 20):
    sent = b"%08d" % i
    s.sendall(sent)
    got = b""
    while len(got) < 8:
        part = s.recv(8 - len(got))
        if not part:
            sys.exit("the connection was closed")
        got += part
    if got != sent:
        sys.exit("another answer")
    print(time.time(), flush=True)
    time.sleep(0.03)
"""
client = None


def answers():
    return [float(t) for t in re.findall(r"^[0-9.]+$", client.log_text(), re.M)]


def lives(limit, what, since=None):
    """The connection answers within so many seconds of now."""
    since = since or time.time()
    came = wait_until(lambda: [t for t in answers() if t > since + 0.1], limit + 10, f"the connection lives: {what}")
    took = came[0] - since - stood_still(since, came[0])
    check(client.running() and took <= limit, f"{what}: the connection goes on after {took:.2f} s")


def stands():
    return not client.running() or time.time() - answers()[-1] > 1


def is_told(began):
    """Four seconds after the last way was seen to end what waits is told, and what comes then at once."""
    def told():
        return "Unreachable" in a.run(["ping", "-n", "-c", "1", "-W", "2", nb.ip4], ok=False).stdout

    wait_until(told, 15, "b is unreachable, not a hang")
    took = seconds_since(began)
    check(took < 12, f"unreachable {took:.1f} s after the cause")
    check(sum(told() for _ in range(3)) == 3, "and from then on at once")


def relay(node, tag):
    """The node that its stream to tag goes through."""
    return wait_until(lambda: node.relay(tag, relays), 15, f"{node.tag} reaches {tag} through a relay")


def a_connection_through_a_relay():
    """Each end chooses for itself: by their rules it goes there by d and comes back by e."""
    global client
    wanted = {na: nodes["d"], nb: nodes["e"]}
    for node, other in wanted.items():
        node.json("relays", "prefer", other.tag)
        node.reaches(other.ip4)
    cut(underlay, True, (a, b))
    b.daemon(["python3", "-c", SERVER], name="server")
    b.wait_listening(7000)
    wait_until(lambda: a.ping(nb.ip4, wait=2), 20, "a reaches b")
    wait_until(lambda: na.relay("b", relays) is wanted[na] and nb.relay("a", relays) is wanted[nb], 60,
               "through the relays that they prefer")
    client = a.daemon(["python3", "-c", CLIENT, nb.ip4], name="client")

    def each_its_own():
        used, before = [n.status()["counters"]["frames_relayed"] for n in relays], len(answers())
        wait_until(lambda: len(answers()) > before + 20, 20, "the connection is used")
        more = [n.status()["counters"]["frames_relayed"] - u for n, u in zip(relays, used)]
        log(f"relayed by each: {more}")
        return min(more[1:]) >= 15 and more[0] < 5

    wait_until(each_its_own, 60, "one carries what goes there, the other what comes back")
    for node, other in wanted.items():
        node.json("relays", "forget", other.tag)


def a_relay_delays():
    """By 50 ms on each of its links: both directions leave it, if they went there. A rule leads one there first."""
    def between():
        times = answers()[-21:]
        return sorted(y - x for x, y in zip(times, times[1:]))[10]

    na.json("relays", "pin", "c")
    wait_until(lambda: relay(na, "b").tag == "c", 30, "the pinned relay carries the stream")
    wait_until(lambda: [r["standbys"] for r in na.json("routes")["routes"] if r["tag"] == "b"][0], 30, "another stands by")
    na.json("relays", "forget", "c")
    wire.set("--delay-ms", 50)
    wait_until(lambda: relay(na, "b").tag != "c", 30, "it is left")
    wait_until(lambda: between() < 0.1, 30, "answers come as fast as before: 130 ms apart through it")
    wire.set("--delay-ms", 0)
    check(client.running(), "over the same connection")


def a_relay_keeps_frames_to_itself():
    """It answers heartbeats, and passes small packets on; frames that are longer than those are not."""
    client.send(signal.SIGSTOP)
    flow = Datagrams(a, b, nb.ip4)
    flow.flow()
    liar = relay(na, "b")
    liar.machine.run(["nft", "add table inet lie; add chain inet lie out { type filter hook output priority 0; };"
                      f"add rule inet lie out ip daddr {underlay['b']} udp length > 300 counter drop"])
    wait_until(lambda: relay(na, "b") is not liar, 40, "who keeps frames to himself is left")
    flow.flow(1000)
    check(na.status()["counters"]["frames_resent"] > 0, "what he kept goes again")
    flow.stop()
    liar.machine.run(["nft", "delete table inet lie"])
    client.send(signal.SIGCONT)
    lives(5, "another relay carries the stream")


def the_link_beyond_the_relay_dies():
    there, back = relay(na, "b"), relay(nb, "a")
    cut(underlay, True, (there.machine, b))
    wait_until(lambda: stands() or relay(na, "b") is not there, 10, "the way is gone")
    lives(15, "another relay reaches b")
    check(relay(na, "b") is not there, "a's stream goes through another relay")
    cut(underlay, False, (there.machine, b))
    log(f"there by {there.tag}, back by {back.tag}")


def two_relays_die_at_once():
    first = relay(na, "b")
    second = next(n for n in relays if n is not first)
    third = next(n for n in relays if n not in (first, second))
    since = time.time()
    for n in (first, second):
        n.kill()
    lives(25, f"{third.tag} alone is left", since + 3)
    check(relay(na, "b") is third and relay(nb, "a") is third, "both directions go through it")
    for n in (first, second):
        n.start()


def the_relay_restarts():
    there = relay(na, "b")
    there.stop()
    there.start()
    lives(15, "the relay was restarted")


def everybody_is_parted():
    ways = [(a, n.machine) for n in relays]
    since = time.time()
    cut(underlay, True, *ways)
    wait_until(stands, 15, "nothing comes through")
    is_told(since)
    cut(underlay, False, *ways)
    lives(30, "the parts are joined again")


def the_realm_forbids_relays():
    before = [n.status()["counters"]["circuits_relayed"] for n in relays]
    since = time.time()
    g.api("POST", f"/realms/{na.status()['realm']['id']}", {"relay": "none"})
    wait_until(stands, 10, "the circuits end")
    is_told(since)
    check(all(n.status()["counters"]["relay_circuits"] == 0 for n in relays), "nobody carries anything")
    check(len(a.ping(relays[0].ip4, wait=5)) == 1, "who can be reached directly is")
    g.api("POST", f"/realms/{na.status()['realm']['id']}", {"relay": "all"})
    lives(30, "relays are allowed again")
    check(sum(n.status()["counters"]["circuits_relayed"] for n in relays) > sum(before), "and carry it")


def it_was_one_connection():
    check(client.running() and "Traceback" not in client.log_text(), "it was one TCP connection all the time")


main(a_connection_through_a_relay, a_relay_delays, a_relay_keeps_frames_to_itself, the_link_beyond_the_relay_dies,
     two_relays_die_at_once, the_relay_restarts, everybody_is_parted, the_realm_forbids_relays, it_was_one_connection)
