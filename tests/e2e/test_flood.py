"""Floods of forged handshakes, envelopes and datagrams: a new node gets through, traffic goes on, memory stays.

The generator is one process of bounded rate. It sends what was recorded, changed; in every other round to a node that does not
exist and down a cable at whose end nobody listens, so that both kinds of rounds cost the same at the sender and the broker.
"""
# timeout: 180 alone
import multiprocessing
import os
import random
import socket
import statistics

from hostile import become_hostile, in_namespace
from lib import *
from veil import Guardian, Node

need("iperf3")
QUERY, M1 = 1, 0x80
CONTROL_RATE, DATAGRAM_RATE = 600, 2000  # a second
ROUNDS, SECONDS = 6, 2
NOBODY = "A" * 22

net = Net()
srv, a, b, c, void = (net.machine(n) for n in ("srv", "a", "b", "c", "void"))
net.switch([srv, a, b, c, void], "10.9.0")
g = Guardian(srv, "10.9.0.1")
na, nb = Node(a, g), Node(b, g)
nc = Node(c, g, start=False)
rng = random.Random(int(os.environ.get("VN_SEED", "1")))
recorded = {}
frames = []
rates = {True: [], False: []}  # of windows next to each other, which the same machine carried


def records_what_is_changed_later():
    evil = become_hostile(g)
    tap = in_namespace(net._machines["switch"],
                       lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
    tap.bind(("p2", 0))
    tap.settimeout(5)
    na.reaches(nb.ip4)
    end = time.monotonic() + 5
    while len(recorded) < 2:
        if time.monotonic() > end:
            raise Failed("query and M1 did not pass the broker")
        evil.poll(0.1)
        recorded.update({p[2]: (s, p) for s, p in evil.messages if len(p) > 100 and p[2] in (QUERY, M1)})
    d = a.daemon(["ping", "-n", "-i", "0.05", nb.ip4], name="ping")
    to_b = socket.inet_aton("10.9.0.3")
    while len(frames) < 20:
        f = tap.recv(65536)
        if f[12:14] == b"\x08\x00" and f[23] == 17 and len(f) > 80 and f[30:34] == to_b:
            frames.append(f)
    d.stop()
    check(True, f"recorded: query {len(recorded[QUERY][1])} bytes, M1 {len(recorded[M1][1])}, {len(frames)} datagrams")


def changed(payload, at):
    q = bytearray(payload)
    q[at] ^= 1 << rng.randrange(8)
    return bytes(q)


def messages(target):
    """Forged for b, or, the same, for nobody."""
    node = nb.status()["node"] if target else NOBODY
    out = []
    m1 = recorded[M1][1]
    s, query = recorded[QUERY]
    for _ in range(100):
        src = base64_id()
        out.append((f"a.in.{node}.{src}", changed(m1, rng.randrange(3, 19))))
        out.append((s if target else f"a.own.{NOBODY}.{src}", changed(query, rng.randrange(80, 96))))
        out.append((f"a.in.{node}.{src}", rng.randbytes(2000)))
    return out


def base64_id():
    return "".join(rng.choice("ABCDEFGHabcdefgh0123") for _ in range(21)) + "A"


def datagrams():
    out = []
    for f in frames:
        head = bytearray(f[:42])
        head[40:42] = b"\0\0"  # no UDP checksum, so that changes reach the daemon
        for _ in range(20):
            out.append(bytes(head) + changed(f[42:], rng.randrange(len(f) - 42)))
        out.append(bytes(head) + rng.randbytes(len(f) - 42))
    return out


def generate(client, wire, control, frame_list, stop, count):
    """In a process of its own: so many a second of both, until told to stop."""
    begun = time.monotonic()
    sent = [0, 0]
    while not stop.is_set():
        due = time.monotonic() - begun
        while sent[0] < due * CONTROL_RATE:
            client.publish(*control[sent[0] % len(control)])
            sent[0] += 1
        while sent[1] < due * DATAGRAM_RATE:
            wire.send(frame_list[sent[1] % len(frame_list)])
            sent[1] += 1
        time.sleep(0.005)
    client.flush(20)
    count.value = sent[0]


class Generator:
    def __init__(self, target):
        client = become_hostile(g, subscribe=())
        switch = net._machines["switch"]
        wire = in_namespace(switch, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
        wire.bind(("p3" if target else "p5", 0))  # the port of b, or of void
        fork = multiprocessing.get_context("fork")
        self.stopping, self.count = fork.Event(), fork.Value("l", 0)
        self.process = fork.Process(target=generate, daemon=True,
                                    args=(client, wire, messages(target), datagrams(), self.stopping, self.count))
        self.process.start()
        wire.close()

    def stop(self):
        """How many control messages it sent, all of which the broker has seen."""
        self.stopping.set()
        self.process.join(30)
        if self.process.exitcode != 0:
            raise Failed(f"the generator ended with {self.process.exitcode}")
        return self.count.value


def rss_kib(node):
    text = pathlib.Path(f"/proc/{node.daemon.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", text).group(1))


def transfer():
    """Mbit/s from a to b by one TCP flow."""
    done = a.json(["iperf3", "-J", "-c", nb.ip4, "-t", str(SECONDS)], timeout=SECONDS + 20)
    return done["end"]["sum_received"]["bits_per_second"] / 1e6


def refused():
    d = nb.drops()
    return sum(d.get(k, 0) for k in ("control_hour_mac", "control_malformed", "control_subject"))


def traffic_goes_on():
    b.daemon(["iperf3", "-s", "-B", nb.ip4], name="iperf3")
    b.wait_listening(5201)
    transfer()  # both have their memory now
    before = rss_kib(nb)
    sent = dropped = 0
    for number in range(ROUNDS):
        for target in (False, True) if number % 2 else (True, False):
            begin = refused()
            flood = Generator(target)
            rates[target].append(transfer())
            count = flood.stop()
            if target:
                sent += count
                wait_until(lambda: refused() - begin >= count * 0.9, 10, "b counted what it refused")
                dropped += refused() - begin
            log(f"{'flooded' if target else 'empty  '} {rates[target][-1]:8.0f} Mbit/s, {count} control messages")
    shares = [x / y for x, y in zip(rates[True], rates[False])]
    share = statistics.median(shares)
    flooded, calm = (statistics.median(rates[t]) for t in (True, False))
    log(f"figure: {share:.2f} of the rate, {flooded:.0f} of {calm:.0f} Mbit/s: " + ", ".join(f"{s:.2f}" for s in sorted(shares)))
    check(share >= 0.8, f"established traffic keeps {100 * share:.0f} % of its rate")
    check(sent > 0, f"{dropped} of {sent} forged messages counted at b, in silence")
    grown = rss_kib(nb) - before
    log(f"figure: memory of b {before} KiB, grown by {grown} KiB")
    check(grown < 32 << 10, "its memory is bounded")
    check(nb.status()["counters"].get("load_periods", 0) == 0, "strangers make no load that others pay for")
    check(len(na.links()) == 1 and len(nb.links()) == 1, "the link is one")


def new_node_gets_through():
    flood = Generator(True)
    try:
        nc.start()
        began = time.time()
        times = c.ping(nb.ip4, wait=5)
        still = stood_still(began)
    finally:
        flood.stop()
    check(len(times) == 1, "a node that starts during the flood reaches b")
    log(f"figure: its first packet was answered after {times[0]:.0f} ms")
    check(times[0] < 2000 + still * 1000, "within 2 s")


main(records_what_is_changed_later, traffic_goes_on, new_node_gets_through)
