"""The keys of a process, as tests/support/keylog.c writes them, and which of them its memory holds.

A key is named for what made it (section numbers of docs/protocol.md): "ck" a chain key, "k_ctl", "lane", "psk"
a hop secret, "ss" a KEM's shared secret, "kem" a private KEM key, "share" that of a TLS connection, "K_t" an identity
key, "prk" what HKDF extracts, "once" a key that seals one message, "master" the DTLS master secret of a tether, "dtls" the
keys of its datagrams, "hour" and "hour mac" the keys of an hour, "identity" the node's signing key, "nkey" and "EC" those it shows
to the Master.
"""
import os
import signal
import struct
import subprocess

from lib import BIN, Failed, log, wait_until

HEAD = struct.Struct("=BBIQQ4I")
PRELOAD = BIN / "libkeylog.so"


def environment(path):
    return {"LD_PRELOAD": str(PRELOAD), "VN_KEYLOG": str(path)}


def _records(path):
    data = path.read_bytes()
    at = 0
    while at + HEAD.size <= len(data):
        kind, count, thread, context, ns, *lengths = HEAD.unpack_from(data, at)
        at += HEAD.size
        parts = []
        for n in lengths[:count]:
            parts.append(data[at:at + n])
            at += n
        yield chr(kind), thread, context, ns, parts


class Mac:
    def __init__(self, key, data=b""):
        self.key, self.data, self.out, self.ns = key, data, b"", 0


def _macs(records):
    open_ones, done = {}, []
    for kind, thread, context, ns, parts in records:
        at = (thread, context)
        if kind == "I":
            open_ones[at] = Mac(parts[0])
        elif kind == "R" and open_ones.get(at):
            open_ones[at] = Mac(open_ones[at].key)
        elif kind == "D":
            of = open_ones.get((thread, struct.unpack("=Q", parts[0])[0]))
            open_ones[at] = Mac(of.key, of.data) if of else None
        elif kind == "U" and open_ones.get(at):
            open_ones[at].data += parts[0]
        elif kind == "F" and open_ones.get(at):
            m = open_ones.pop(at)
            open_ones[at] = Mac(m.key)
            m.out, m.ns = parts[0], ns
            done.append(m)
    return done


def _unpack12(data):
    """Numbers of 12 bits as the 16 bits they have in memory (FIPS 203, ByteDecode12)."""
    out = b""
    for i in range(0, len(data), 3):
        a, b, c = data[i:i + 3]
        out += struct.pack("<HH", a | (b & 15) << 8, b >> 4 | c << 4)
    return out


def _private_parts(name, key):
    """What OpenSSL keeps of a private key that nobody else knows."""
    if "MLKEM768" in name.replace("-", ""):  # FIPS 203: the first numbers of s, and z; then that of X25519
        return [part for part in (_unpack12(key[:96]), key[2368:2400], key[2400:]) if part]
    if name.startswith("ML-DSA"):
        return [key[32:64]]  # K, which makes its nonces
    return [key]


# Labels of section 4 to 9 in the info of HKDF, with what else stands there, and what they make.
BLOCKS = [(b"step", 0, ("ck",)), (b"stream", 33, ("ck", "k_ctl", "k_ctl")), (b"kem", 32, ("ck", "k_ctl", "k_ctl")),
          (b"frame", 1, ("lane", "public")), (b"m1", 0, ("once", )), (b"m2", 0, ("once",)),
          (b"env-node", 132, ("once",)), (b"env-hour", 100, ("once",)), (b"env-mac", 0, ("hour mac",)),
          (b"mac1", 16, ("hour mac",)), (b"retry", 16, ("once",)), (b"keys-node", 32, ("once",))]


def _made_by(m):
    """What kind of key a step of HKDF-Expand made, or None."""
    counter = m.data[-1:]
    for n, size in ((0, 0), (1, 32)):  # first block; further ones begin with the block before
        info = m.data[size:-1]
        if counter == bytes([1]) if n == 0 else counter > bytes([1]):
            if len(info) == 37 and info[32:36] == b"dtls":
                return "psk"
            for label, rest, kinds in BLOCKS:
                if info.startswith(label) and len(info) == len(label) + rest and counter[0] <= len(kinds):
                    return kinds[counter[0] - 1]
    return None


FAMILIES = {"X25519MLKEM768": "kem", "ML-KEM-768": "share", "X25519": "share", "ML-DSA-65": "identity", "ED25519": "nkey",
            "EC": "EC"}


class Keys:
    """What a process has had so far: by_kind[kind] lists (time, value), the oldest first."""

    def __init__(self, path):
        self.by_kind = {}
        self.steps = []  # (ck, next ck): of each step of a chain
        self.lanes = {}  # lanes[ck]: the lane keys made of it
        records = list(_records(path))
        macs = _macs(records)
        expanding = {m.key for m in macs if _made_by(m)}
        for kind, _, _, ns, parts in records:
            if kind == "S":
                self._add("ss", ns, parts[0])
            elif kind == "K":
                for part in _private_parts(parts[0].decode(), parts[1]):
                    self._add(FAMILIES[parts[0].decode()], ns, part)
        # The hybrid key of ours is made of two, each seen by itself before.
        ours = set(self.all("kem"))
        self.by_kind["share"] = [(ns, v) for ns, v in self.by_kind.get("share", ()) if v not in ours]
        extracted = {}
        for m in macs:
            made = _made_by(m)
            if made:
                if made != "public":
                    self._add(made, m.ns, m.out[:32])
                if made == "hour mac" and m.key in extracted:
                    self._add("hour", m.ns, extracted[m.key])
                if made == "lane":
                    self.lanes.setdefault(m.key, []).append(m.out[:32])
                if made == "ck" and not m.data.startswith(b"stream"):
                    self.steps.append((extracted[m.key], m.out[:32]))
            elif m.out in expanding:
                self._add("prk", m.ns, m.out)
                # A symmetric step takes ck as input, a KEM step as salt.
                extracted[m.out] = m.data if len(m.data) == 32 else m.key
            elif b"key expansion" in m.data:  # RFC 5246 section 6.3
                self._add("master", m.ns, m.key)
                self._add("master" if m.data.startswith(b"key") else "dtls", m.ns, m.out)
            elif m.data.startswith(b"anchor-tag-v1"):
                self._add("K_t", m.ns, m.key)

    def _add(self, kind, ns, value):
        known = self.by_kind.setdefault(kind, [])
        if value not in (v for _, v in known):
            known.append((ns, value))

    def all(self, *kinds):
        return [v for kind in kinds for _, v in self.by_kind.get(kind, ())]

    def since(self, kind, value):
        """When a value was first made, in ns."""
        return next(ns for ns, v in self.by_kind[kind] if v == value)

    def chains(self):
        """Lists of chain keys, each in the order of its epochs."""
        after = dict(self.steps)
        firsts = [ck for ck in self.all("ck") if ck not in {b for _, b in self.steps}]
        found = []
        for ck in firsts:
            chain = [ck]
            while chain[-1] in after:
                chain.append(after[chain[-1]])
            found.append(chain)
        return found


def search(pid, values):
    """Which of the values are in the memory of a process: {value: [place]}. It is stopped meanwhile."""
    values = list(dict.fromkeys(values))
    os.kill(pid, signal.SIGSTOP)
    try:
        done = subprocess.run(["memsearch", str(pid)], input="".join(v.hex() + "\n" for v in values), text=True,
                              capture_output=True, timeout=60)
    finally:
        os.kill(pid, signal.SIGCONT)
    if done.returncode != 0 or "searched" not in done.stdout:
        raise Failed(f"memsearch: {done.stdout}{done.stderr}")
    found = {}
    for line in done.stdout.splitlines()[:-1]:
        number, offset, address, mapping = line.split(maxsplit=3)
        found.setdefault(values[int(number)], []).append(f"{mapping} {address} (byte {offset})")
    return found


def memory_holds(pid, gone, alive, what, within=10):
    """gone and alive map names to lists of values. What is in use just now may be gone in a moment, so gone gets time."""
    values = [v for group in (gone, alive) for vs in group.values() for v in vs]
    last = {}

    def none():
        found = search(pid, values)
        last["gone"] = [f"{name} {i} of {len(vs)} in {found[v][:3]}"
                        for name, vs in gone.items() for i, v in enumerate(vs) if v in found]
        last["alive"] = [name for name, vs in alive.items() for v in vs if v not in found]
        return not last["gone"] and not last["alive"]

    try:
        wait_until(none, within, what, interval=0.3)
    except Failed:
        raise Failed(f"{what}: found what should be gone: {last['gone']}; missing: {last['alive']}") from None
    log(f"ok: {what}: gone are " + ", ".join(f"{len(v)} {k}" for k, v in gone.items() if v) + "; there are "
        + ", ".join(f"{len(v)} {k}" for k, v in alive.items() if v))
