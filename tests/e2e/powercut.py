"""What a disk may hold after a power cut, from what libdisklog.so wrote down.

A file's bytes are on the disk once it was synced after they were written, a name once its folder was. Whatever else was done by
then may be there or not: each write whole, in part by sectors or pages, or not at all; names in the order they were made.
"""
import os
import pathlib
import struct

HEAD = struct.Struct("=BQQQI")


class File:
    def __init__(self):
        self.disk = bytearray()
        self.waiting = []  # (record number, offset, bytes), or (record number, size, None)

    def settle(self, before):
        """What was done before that record is on the disk."""
        for number, at, data in self.waiting:
            if number < before:
                put(self.disk, at, data)
        self.waiting = [w for w in self.waiting if w[0] >= before]


def put(content, at, data):
    if data is None:
        del content[at:]
        at, data = at, b""
    if len(content) < at:
        content.extend(bytes(at - len(content)))
    content[at:at + len(data)] = data


def some_of(content, waiting, rng, unit):
    """The content with each write that waits there, torn, or not."""
    content = bytearray(content)
    for _, at, data in waiting:
        fate = rng.choice(("whole", "torn", "none"))
        if fate == "whole":
            put(content, at, data)
        elif fate == "torn" and data is not None:
            begin = at
            while begin < at + len(data):
                end = min((begin // unit + 1) * unit, at + len(data))
                if rng.random() < 0.5:
                    put(content, begin, data[begin - at:end - at])
                begin = end
    return bytes(content)


class Disk:
    def __init__(self, log, top):
        self.log = pathlib.Path(log).read_bytes()
        self.top = str(top)
        self.files, self.now = {}, {}  # key → File; path → key, as the process sees it
        self.names = {}  # path → key, or None for a folder: on the disk
        self.names_waiting = []  # (record number, folder, function on names)
        self.folders = {}  # inode → path
        self.keys = {}  # inode → key of the file that has it now
        self.whole = {}  # path → contents that were renamed to it
        self.syncs = {}  # number of an fsync → record number of its begin

    def records(self):
        at = number = 0
        while at < len(self.log):
            op, ns, a, b, n = HEAD.unpack_from(self.log, at)
            at += HEAD.size
            yield number, chr(op), ns, a, b, self.log[at:at + n]
            at, number = at + n, number + 1

    def cuts(self):
        """Yields, before each end of an fsync and at the end, the time of it (0 at the end): the disk is as it was until then."""
        for number, op, ns, a, b, data in self.records():
            if op == "E":
                yield ns
            self.apply(number, op, a, b, data)
        yield 0

    def name(self, number, path, change):
        self.names_waiting.append((number, os.path.dirname(path), change))

    def apply(self, number, op, a, b, data):
        if op == "O":
            path = data.decode()
            if b == 1:
                key = self.keys[a] = self.now[path] = (a, number)
                self.files[key] = File()
                self.name(number, path, lambda names: names.__setitem__(path, key))
            elif os.path.isdir(path):
                self.folders[a] = path
            elif b == 2:
                self.files[self.keys[a]].waiting.append((number, 0, None))
        elif op == "W":
            self.files[self.keys[a]].waiting.append((number, b, data))
        elif op == "T":
            self.files[self.keys[a]].waiting.append((number, b, None))
        elif op == "B":
            self.syncs[b] = number
        elif op == "E":
            begin = self.syncs.pop(b)
            if a in self.folders:
                for w in [w for w in self.names_waiting if w[0] < begin and w[1] == self.folders[a]]:
                    w[2](self.names)
                    self.names_waiting.remove(w)
            elif a in self.keys:
                self.files[self.keys[a]].settle(begin)
        elif op == "M":
            path = data.decode()
            self.name(number, path, lambda names: names.__setitem__(path, None))
        elif op == "R":
            old, new = (p.decode() for p in data.split(b"\0"))
            key = self.now[new] = self.now.pop(old)
            content = bytearray()
            put(content, 0, bytes(self.files[key].disk))
            for _, at, written in self.files[key].waiting:
                put(content, at, written)
            self.whole.setdefault(new, set()).add(bytes(content))
            self.name(number, new, lambda names: (names.pop(old, None), names.__setitem__(new, key)))
        elif op == "U":
            path = data.decode()
            self.now.pop(path, None)
            self.name(number, path, lambda names: names.pop(path, None))

    def build(self, where, rng=None, unit=512):
        """Writes to the folder where what was synced; with rng also some of the rest. Returns {path below top: content}."""
        names = dict(self.names)
        if rng:
            for _, _, change in self.names_waiting[:rng.randint(0, len(self.names_waiting))]:
                change(names)
        made = {}
        for path, key in sorted(names.items(), key=lambda n: n[0]):
            folder = os.path.dirname(path)
            if folder != self.top and folder not in names:
                continue  # its folder's name is lost
            target = where / os.path.relpath(path, self.top)
            if key is None:
                target.mkdir()
                continue
            f = self.files[key]
            made[path] = some_of(f.disk, f.waiting, rng, unit) if rng else bytes(f.disk)
            target.write_bytes(made[path])
            target.chmod(0o600)
        return made
