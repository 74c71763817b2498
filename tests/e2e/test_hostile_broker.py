"""A broker that records, replays, truncates, flips, re-addresses and forges; a neighbour that does it to datagrams."""
# timeout: 180
import os
import random
import socket
import struct

from hostile import become_hostile, in_namespace
from lib import *
from veil import Guardian, Node

QUERY, ANSWER, OFFER, OFFER_ANSWER, M1, M2 = 1, 2, 5, 6, 0x80, 0x81
TAG = "a-very-private-name"

net = Net()
srv, a, b = (net.machine(n) for n in ("srv", "a", "b"))
net.switch([srv, a, b], "10.9.0")
g = Guardian(srv, "10.9.0.1")
na, nb = Node(a, g, run_words=["--no-relay"]), Node(b, g, tag=TAG, run_words=["--no-relay"])
seed = int(os.environ.get("VN_SEED", time.time_ns() & 0xFFFFFFFF))
rng = random.Random(seed)
log("seed", seed)


evil = become_hostile(g)
recorded = []


def control_drops():
    return sum(v for n in (na, nb) for k, v in n.drops().items() if k.startswith("control_"))


def links_are_well():
    check(len(a.ping(nb.ip4, wait=5)) == 1, "the link carries packets as before")
    check([len(n.links()) for n in (na, nb)] == [1, 1], "and no other link came of it")
    check(na.daemon.running() and nb.daemon.running(), "both nodes live")


def to_hubs(message):
    """Asked by and by; nobody here is a hub, and it comes to nobody."""
    return ".hub." in message[0]


def records_a_link_being_made():
    na.reaches(nb.ip4, within=20)
    end = time.monotonic() + 5
    kinds = lambda: [p[2] for _, p in evil.messages]
    # two streams, one for each direction
    while {QUERY, ANSWER, OFFER, OFFER_ANSWER} - set(kinds()) or kinds().count(M1) < 2 or kinds().count(M2) < 2:
        check_time(end, "every kind of message passed the broker")
        evil.poll(0.1)
    recorded.extend(m for m in evil.messages if not to_hubs(m))
    log(f"recorded {len(recorded)} messages, {sum(len(p) for _, p in recorded)} bytes")
    everything = b"".join(p for _, p in recorded) + "".join(s for s, _ in recorded).encode()
    packed = socket.inet_aton(nb.ip4)
    for secret in (TAG.encode(), nb.ip4.encode(), b"home"):
        check(secret not in everything, f"the broker does not see '{secret.decode()}'")
    check(packed not in everything, "nor b's address in binary")


def check_time(end, what):
    if time.monotonic() > end:
        raise Failed(f"not in time: {what}")


def send_all(messages, what):
    """Sends; every one must be counted as dropped somewhere, and nothing but a stored M2 may come of it."""
    before = control_drops()
    del evil.messages[:]
    for subject, payload in messages:
        evil.publish(subject, payload)
    evil.flush(30)
    wait_until(lambda: control_drops() >= before + len(messages), 30,
               f"{what}: {len(messages)} drops counted, so far {control_drops() - before}")
    sent = set(messages)
    answers = {payload[2] for subject, payload in evil.messages
               if (subject, payload) not in sent and len(payload) > 2 and not to_hubs((subject, payload))}
    check(answers <= {M2}, f"{what}: {len(messages)} sent, each one counted, answered by silence ({answers or 'nothing'})")
    links_are_well()


def replays():
    send_all([m for m in recorded for _ in range(3)], "replayed")


def truncated():
    send_all([(s, p[:n]) for s, p in recorded
              for n in {0, 1, 2, 3, 19, 51, 99, 100, len(p) // 2, len(p) - 17, len(p) - 1}], "truncated")


def extended():
    send_all([(s, p + b"\0") for s, p in recorded], "one byte longer")


def flipped():
    out = []
    for s, p in recorded:
        for at in [rng.randrange(len(p)) for _ in range(20)] + list(range(0, min(100, len(p)), 7)):
            q = bytearray(p)
            q[at] ^= 1 << rng.randrange(8)
            out.append((s, bytes(q)))
    send_all(out, "with one bit flipped")


def readdressed():
    """Another node's messages on this node's inbox, and this node's under a forged sender."""
    ids = {n.status()["node"] for n in (na, nb)}
    forged = "A" * 21 + "Q"
    out = []
    for s, p in recorded:
        parts = s.split(".")
        if parts[1] == "in":
            other = (ids - {parts[2]}).pop()
            out.append((f"a.in.{other}.{parts[3]}", p))
            out.append((f"a.in.{parts[2]}.{forged}", p))
        elif parts[1] == "own":
            out.append((f"a.own.{parts[2]}.{forged}", p))
    send_all(out, "re-addressed or under another's name")


def claims_to_be_guardian():
    out = [(f"a.adm.{i}", p) for i in (n.status()["node"] for n in (na, nb)) for _, p in recorded if p[2] < 0x80]
    send_all(out, "on Guardian's own subject")


def garbage():
    send_all([(s, rng.randbytes(n)) for s, _ in recorded for n in (1, 40, 100, 5000, 24000)], "garbage")


def datagrams():
    """What a neighbour on the path can do to the tether's datagrams."""
    switch = net._machines["switch"]
    tap = in_namespace(switch, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)))
    tap.bind(("p2", 0))  # a's port; frames from a come in here
    tap.settimeout(5)
    out = in_namespace(switch, lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
    out.bind(("p3", 0))  # towards b
    d = a.daemon(["ping", "-n", "-i", "0.05", nb.ip4], name="ping")
    frames = []
    while len(frames) < 30:
        frame = tap.recv(65536)
        # What is longer are several datagrams that the kernel has not cut yet.
        if frame[12:14] == b"\x08\x00" and frame[23] == 17 and 80 < len(frame) <= 1514 and frame[30:34] == socket.inet_aton("10.9.0.3"):
            frames.append(frame)
    d.stop()
    tap.close()
    links = na.links()
    dropped = sum(v for k, v in nb.drops().items() if k.startswith("tether_"))
    before = b.counter("veilnet", "rx_packets"), na.status()["links"][0]["since_ms"]
    sent = 0
    for frame in frames:
        head = bytearray(frame[:42])
        head[40:42] = b"\0\0"  # no UDP checksum, so that flips reach the daemon
        payload = frame[42:]
        variants = [payload] * 3 + [payload[:n] for n in (0, 1, 12, 13, 14, 37, len(payload) - 1)]
        for _ in range(30):
            q = bytearray(payload)
            q[rng.randrange(len(q))] ^= 1 << rng.randrange(8)
            variants.append(bytes(q))
        variants.append(bytes([payload[0]]) + rng.randbytes(900))
        for v in variants:
            h = bytearray(head)
            h[16:18] = struct.pack("!H", 28 + len(v))
            h[38:40] = struct.pack("!H", 8 + len(v))
            h[24:26] = b"\0\0"
            total = sum(struct.unpack("!10H", h[14:34]))
            total = (total & 0xFFFF) + (total >> 16)
            h[24:26] = struct.pack("!H", 0xFFFF - ((total & 0xFFFF) + (total >> 16)))
            out.send(bytes(h) + v)
            sent += 1
    log(f"{sent} datagrams injected")
    links_are_well()
    counted = sum(v for k, v in nb.drops().items() if k.startswith("tether_")) - dropped
    # a flip in the length of a STUN message or a record may make two of one, or none
    check(counted >= sent * 0.9, f"{counted} drops counted at b")
    check(b.counter("veilnet", "rx_packets") - before[0] <= 3, "none of them became a packet at b")
    check(len(links) == 1 and na.links()[0]["since_ms"] > before[1], "the same link as before")


main(records_a_link_being_made, replays, truncated, extended, flipped, readdressed, claims_to_be_guardian, garbage,
     datagrams)
