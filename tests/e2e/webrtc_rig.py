"""Our peer connection against other implementations of WebRTC: the peers, their descriptions, and the cases.

A peer is a process (or a page in Chromium) that takes orders and tells events, in the words of
tests/support/webrtc_peer.c and tests/interop/peer_core.js.
"""
import hashlib
import threading

from lib import *
from npm import INTEROP, modules

US, THEM = ["10.9.0.1/24"], ["10.9.0.2/24"]
SIZES = (1, 1200, 65536, 262144)
FIRST = "first"  # the channel that an offer of theirs comes with
KINDS = {  # name: ordered, retransmits, lifetime (ms); -1: not limited
    "ordered": (True, -1, -1),
    "unordered": (False, -1, -1),
    "once": (False, 0, -1),
    "timed": (True, -1, 10000),
}


# ---- peers ----

class Peer:
    def __init__(self):
        self.events = []
        self.news = threading.Condition()

    def hear(self, event):
        with self.news:
            self.events.append(event)
            self.news.notify_all()

    def wait(self, timeout=90, **what):
        """The first event like that which no wait has returned yet."""
        end = time.monotonic() + timeout
        with self.news:
            while True:
                for e in self.events:
                    if e.get("event") == "error":
                        raise Failed(f"{self.name}: {e['text']}")
                    if "taken" not in e and all(e.get(k) == v for k, v in what.items()):
                        e["taken"] = True
                        return e
                gone = self.events and self.events[-1].get("event") == "gone"
                if gone or not self.news.wait(end - time.monotonic()):
                    tail = [e for e in self.events if "taken" not in e][-10:]
                    raise Failed(f"{self.name}: no {what} within {timeout} s, but {tail}")

    def count(self, **what):
        with self.news:
            return [e for e in self.events if all(e.get(k) == v for k, v in what.items())]

    def do(self, what, **words):
        self.order({"do": what, **words})


class Process(Peer):
    """One line of JSON for each order and event."""

    def __init__(self, machine, argv, name, cwd=None):
        super().__init__()
        self.name = name
        self.errors = open(machine.dir / f"{name}.err", "ab")
        self.process = subprocess.Popen(machine.command(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True, cwd=cwd)
        machine.net.undo(self.end)
        threading.Thread(target=self.listen, daemon=True).start()

    def listen(self):
        for line in self.process.stdout:
            with contextlib.suppress(ValueError):
                self.hear(json.loads(line))
        self.hear({"event": "gone", "status": self.process.wait()})

    def order(self, o):
        self.process.stdin.write(json.dumps(o) + "\n")
        self.process.stdin.flush()

    def end(self):
        with contextlib.suppress(OSError):
            self.do("quit")
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(3)
        except subprocess.TimeoutExpired:
            self.process.kill()


def node_peer(implementation):
    """Makes peers of that implementation in Node.js."""
    at = modules()
    return lambda machine: Process(machine, ["node", INTEROP / "peer_node.mjs", implementation],
                                   f"{implementation}-{len(machine.net._undo)}", cwd=at)


class Ours(Process):
    def __init__(self, machine, ice, dtls):
        super().__init__(machine, [BIN / "webrtc_peer", ice, dtls], f"ours-{len(machine.net._undo)}")
        self.local = self.wait(event="local")

    def description(self, setup, mid="0"):
        """What we are, as SDP (RFC 8841)."""
        colons = ":".join(re.findall("..", self.local["fingerprint"])).upper()
        lines = ["v=0", "o=- 1 2 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {mid}",
                 "m=application 9 UDP/DTLS/SCTP webrtc-datachannel", "c=IN IP4 0.0.0.0"]
        lines += [f"a=candidate:{c['foundation']} 1 udp {c['priority']} {c['ip']} {c['port']} typ host"
                  for c in self.local["candidates"]]
        lines += ["a=end-of-candidates", f"a=ice-ufrag:{self.local['ufrag']}", f"a=ice-pwd:{self.local['pwd']}",
                  f"a=fingerprint:sha-256 {colons}", f"a=setup:{setup}", f"a=mid:{mid}", "a=sctp-port:5000",
                  f"a=max-message-size:{self.local['max']}"]
        return "\r\n".join(lines) + "\r\n"

    def start(self, sdp):
        """Their description."""
        fingerprint = re.search(r"^a=fingerprint:sha-256 (\S+)", sdp, re.M | re.I).group(1)
        self.limit = int(attribute(sdp, "max-message-size", 65536))  # RFC 8841 section 6.1
        self.do("start", fingerprint=fingerprint.replace(":", "").lower(), max=self.limit or 1 << 30, **ice_of(sdp))

    def restart(self):
        """New parameters of ours; theirs go to checks()."""
        self.do("restart")
        before, self.local = self.local, self.wait(event="local")
        check(before["ufrag"] != self.local["ufrag"], "our ICE parameters are new")

    def checks(self, sdp):
        self.do("checks", **ice_of(sdp))


def attribute(sdp, name, default=None):
    found = re.search(rf"^a={name}:(\S+)", sdp, re.M)
    return found.group(1) if found else default


def ice_of(sdp):
    """What their description says of ICE, in the words of webrtc_peer.c."""
    candidates = [{"priority": int(p), "ip": ip, "port": int(port)} for p, ip, port in re.findall(
        r"^a=candidate:\S+ 1 udp (\d+) (\S+) (\d+) typ", sdp, re.M | re.I)]
    return {"ufrag": attribute(sdp, "ice-ufrag"), "pwd": attribute(sdp, "ice-pwd"), "candidates": candidates}


# ---- a connection ----

class Link:
    """Our peer and theirs, connected. roles: (who offers, what we are in DTLS)."""

    def __init__(self, machine, them, we_offer, dtls):
        self.us = Ours(machine, "controlling" if we_offer else "controlled", dtls)
        self.them = them
        if we_offer:
            self.them.do("answer", sdp=self.us.description("active" if dtls == "client" else "actpass"))
            theirs = self.them.wait(event="local")["sdp"]
            self.us.start(theirs)
        else:
            self.them.do("offer")
            theirs = self.them.wait(event="local")["sdp"]
            self.us.start(theirs)
            self.answer("active" if dtls == "client" else "passive", attribute(theirs, "mid"))
        expected = {"client": ("passive",), "server": ("active", "actpass")}[dtls]
        setup = attribute(theirs, "setup")
        if we_offer:
            check(setup in expected, f"they are {setup}, for we are the DTLS {dtls}")
        self.us.wait(event="open")
        self.serial = 0
        self.dtls, self.mid, self.theirs = dtls, attribute(theirs, "mid"), theirs

    def answer(self, setup, mid):
        self.them.do("remote", sdp=self.us.description(setup, mid))
        self.them.wait(event="remote")

    def restart(self, ours):
        """ICE restart (RFC 8445 section 9), asked for by us or by them, with offer and answer as at the beginning."""
        if ours:
            self.us.restart()
            # RFC 8842 section 5.3: an offer says "actpass", whatever the roles are, and the answer keeps them.
            self.them.do("again", sdp=self.us.description("actpass", self.mid))
            theirs = self.them.wait(event="local")["sdp"]
        else:
            self.them.do("restart")
            theirs = self.them.wait(event="local")["sdp"]
            self.us.restart()
            # Our checks come after the answer: Chromium drops a pair that it learns by one, while the other still works.
            self.answer("active" if self.dtls == "client" else "passive", self.mid)
        self.us.checks(theirs)
        before, self.theirs = self.theirs, theirs
        check(attribute(before, "ice-ufrag") != attribute(theirs, "ice-ufrag"), "theirs are new")
        pair = self.us.wait(event="restarted")
        ports = [c["port"] for c in ice_of(theirs)["candidates"]]
        check(pair["from"] in [c["port"] for c in self.us.local["candidates"]] and pair["port"] in ports or not ports,
              f"{'we' if ours else 'they'} restart ICE, and the pair is from {pair['from']} to {pair['port']}")

    def name(self, stem):
        self.serial += 1
        return f"{stem}-{self.serial}"

    def ends(self, ours):
        return (self.us, self.them) if ours else (self.them, self.us)

    def channel(self, ours, kind="ordered"):
        """Opened by us or by them; the other must see what was asked for."""
        ordered, retransmits, lifetime = KINDS[kind]
        label = self.name(f"{'ours' if ours else 'theirs'}-{kind}")
        here, there = self.ends(ours)
        here.do("open", label=label, ordered=ordered, retransmits=retransmits, lifetime=lifetime)
        seen = there.wait(event="channel", label=label)
        got = (seen["ordered"], seen["retransmits"], seen["lifetime"])
        if got != KINDS[kind]:
            raise Failed(f"channel {label} is {got}, not {KINDS[kind]}")
        self.them.wait(event="open", label=label)
        return label

    def send_until_it_arrives(self, ours, label, size):
        """Nothing is sent again on such a channel, and a long message is a burst of packets."""
        there = self.ends(ours)[1]
        for _ in range(20):
            want = self.send(ours, label, size, exact=False)
            with contextlib.suppress(Failed):
                got = there.wait(2, event="message", label=label, size=size)
                if got["hash"] not in want:
                    raise RuntimeError(f"{label}: {size} B arrived changed")
                return
        raise Failed(f"{label}: none of 20 messages of {size} B arrived")

    def send(self, ours, label, size, count=1, text=False, exact=True):
        """Sends messages and compares what arrives, in order; exact: all of them."""
        self.ends(ours)[0].do("send", label=label, size=size, count=count, text=text)
        return self.arrive(ours, label, size, count, text, exact)

    def arrive(self, ours, label, size, count=1, text=False, exact=True):
        here, there = self.ends(ours)
        here.wait(event="sent", label=label)
        want = [hashlib.sha256(pattern(size, k, text)).hexdigest() for k in range(count)]
        got = []
        while exact and len(got) < count:
            try:
                got.append(there.wait(event="message", label=label, size=size, text=text)["hash"])
            except Failed as e:
                said = [x for x in here.events if x.get("event") != "message"][-5:]
                raise Failed(f"{label}: {len(got)} messages of {count} came; {here.name} said last {said}; {e}") from None
        if exact and got != want:
            raise Failed(f"{label}: {count} messages of {size} B arrived changed or in another order")
        return want

    def close(self, ours, label):
        here, there = self.ends(ours)
        here.do("close", label=label)
        for end in (here, there):
            end.wait(event="closed", label=label)


_tables = {}


def pattern(size, k, text):
    """As in webrtc_peer.c; the part that does not depend on k is made once."""
    base = _tables.get(size)
    if base is None:
        base = _tables[size] = [size * 7 + i * 31 + (i >> 8) * 17 for i in range(size)]
    if text:
        return bytes(97 + (v + k * 13) % 26 for v in base)
    return bytes(v + k * 13 & 255 for v in base)


# ---- cases; `lacks` names what a peer does not implement, with the reason ----

def opened_by_each(link, lacks):
    for kind in KINDS:
        for ours in (True, False):
            reason = lacks.get(kind) or lacks.get(f"{'ours' if ours else 'theirs'}-{kind}")
            if reason:
                log(f"skipped: {kind} opened by {'us' if ours else 'them'}: {reason}")
                continue
            label = link.channel(ours, kind)
            # None of the 220 packets of the longest may be lost where nothing is sent again; see losses().
            sizes = SIZES[:-1] if kind == "once" else SIZES
            for size in sizes:
                for way in (True, False):
                    if way and size > (link.us.limit or size):
                        log(f"skipped: {size} B to them: their max-message-size is {link.us.limit}")
                        continue
                    if kind == "once":
                        link.send_until_it_arrives(way, label, size)
                    else:
                        link.send(way, label, size)
            check(True, f"{kind}, opened by {'us' if ours else 'them'}: messages of {sizes} B both ways")


def strings_and_empty_ones(link, lacks):
    label = link.channel(True)
    for way in (True, False):
        for size, text in ((0, True), (0, False), (1200, True)):
            reason = lacks.get("theirs-empty") if size == 0 and not way else None
            if reason:
                log(f"skipped: empty {'string' if text else 'bytes'} {'to' if way else 'from'} them: {reason}")
                continue
            link.send(way, label, size, text=text)
    check(True, "strings, and messages without a byte")


def many_channels(link, lacks, count=30):
    labels = [(ours, link.channel(ours)) for ours in (True, False) for _ in range(count)]
    for ours, label in labels:
        link.send(ours, label, 100)
        link.send(not ours, label, 101)
    check(True, f"{len(labels)} channels more, messages both ways on each")
    if "close" in lacks:
        log(f"skipped: closing them: {lacks['close']}")
        return
    for i, (_, label) in enumerate(labels):
        link.ends(i % 2 == 0)[0].do("close", label=label)
    for _, label in labels:
        link.us.wait(event="closed", label=label)
        link.them.wait(event="closed", label=label)
    check(True, "closed, half of them by each")


def closed_by_each(link, lacks):
    if "close" in lacks:
        log(f"skipped: closing channels: {lacks['close']}")
        return
    for ours in (True, False):
        for opened_by_us in (True, False):
            label = link.channel(opened_by_us)
            link.send(ours, label, 1000, 50)
            link.close(ours, label)
    label = link.channel(True)  # on a stream that served before
    link.send(True, label, 1000, 5)
    link.send(False, label, 1000, 5)
    check(True, "closed by each, and their streams serve again")


def losses(link, wire, lacks):
    """Messages that are not sent again are lost, those that are arrive; and neither waits for the other."""
    if "losses" in lacks:
        log(f"skipped: a path that loses: {lacks['losses']}")
        return
    once, kept = link.channel(True, "once"), link.channel(True)
    wire.set("--loss", 10)
    for ours in (True, False):
        sent = set()
        for size in range(900, 910):
            sent.update(link.send(ours, once, size, 20, exact=False))
            time.sleep(0.05)  # a burst is lost in the buffer of a slow receiver's socket
        link.send(ours, kept, 3000, 60)
        got = [e["hash"] for e in link.ends(ours)[1].count(event="message", label=once)]
        check(set(got) <= sent and len(got) == len(set(got)) < 200 and len(got) > 50,
              f"of 200 messages {'of ours' if ours else 'of theirs'}, {len(got)} come through 10 % loss, once each")
    wire.set("--loss", 0)


def their_end(link):
    """close_notify, or an ABORT before it."""
    link.them.do("quit")
    link.us.wait(event="down")
    check(True, "they end the connection, and we hear of it")
    link.us.end()


def our_end(link, lacks):
    label = link.channel(True)
    link.us.do("quit")
    if "end" in lacks:
        log(f"skipped: they hear of our end: {lacks['end']}")
        return
    link.them.wait(event="closed", label=label)
    check(True, "we end the connection, and they hear of it")


def restarts(link, wire, lacks):
    """Messages go both ways before, meanwhile and afterwards, and all arrive as they were sent."""
    labels = {ours: link.channel(ours) for ours in (True, False)}
    for size, ours in ((16000, False), (16001, True)):
        reason = lacks.get(f"{'our' if ours else 'their'}-restart")
        if reason:
            log(f"skipped: ICE restart by {'us' if ours else 'them'}: {reason}")
            continue
        if "losses" not in lacks:  # for what does not fit is lost
            # 6 s of messages, and a queue that they do not fill all the time: checks share it.
            wire.set("--rate-mbit", 2, "--queue-ms", 1000)
        for way, label in labels.items():
            link.ends(way)[0].do("send", label=label, size=size, count=100, text=False)
        link.restart(ours)
        got = sum(len(link.ends(not way)[0].count(event="message", label=label, size=size))
                  for way, label in labels.items())
        wire.set("--rate-mbit", 0, "--queue-ms", 50)
        for way, label in labels.items():
            link.arrive(way, label, size, 100)
            link.send(way, label, 1200, 10)
        check(True, f"200 messages arrive as they were sent, {got} of them before the other pair was there")


def all_cases(new_peer, lacks=None, roles=((False, "client"), (False, "server"), (True, "server"))):
    """new_peer(machine) makes one of theirs. The first connection does everything, the others, with the other roles, what
    depends on them."""
    lacks = lacks or {}
    net = Net()
    here, there = net.machine("us"), net.machine("them")
    wire = net.emulated(here, there, US, THEM)
    there.ip("route", "add", "default", "dev", "eth0")  # Chromium has no address without
    for i, (we_offer, dtls) in enumerate(roles):
        log(f"---- {'we' if we_offer else 'they'} offer, we are the DTLS {dtls}")
        link = Link(here, new_peer(there), we_offer, dtls)
        opened_by_each(link, lacks)
        strings_and_empty_ones(link, lacks)
        closed_by_each(link, lacks)
        if i == 0:
            many_channels(link, lacks)
            losses(link, wire, lacks)
        restarts(link, wire, lacks)
        if i == len(roles) - 1:
            our_end(link, lacks)
        else:
            their_end(link)
