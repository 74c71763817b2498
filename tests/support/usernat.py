"""A NAT in user space, for the kinds that nftables cannot make: usernat.py ADDRESS MAPPING FILTERING [hairpin].

    MAPPING, FILTERING   endpoint | address | port   (RFC 4787: endpoint-independent, address-dependent, address-and-port-dependent)

Reads and writes IPv4 packets with UDP on the TUN device nat0, which it makes. The router sends there what comes from inside, and
what goes to ADDRESS (nftables and policy routing keep all else); what it writes leaves by the router's routes.
"""
import fcntl
import os
import random
import socket
import struct
import sys

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 1, 0x1000
outer, mapping, filtering = socket.inet_aton(sys.argv[1]), sys.argv[2], sys.argv[3]
hairpin = "hairpin" in sys.argv[4:]

tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"nat0", IFF_TUN | IFF_NO_PI))
print("ready", flush=True)

ports = {}   # (inside address, port, what the mapping depends on) -> outer port
owners = {}  # outer port -> (inside address, port)
let_in = {}  # outer port -> what the filtering has let out


def part(kind, ip, port):
    return {"endpoint": (), "address": (ip,), "port": (ip, port)}[kind]


def checksum(data):
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def packet(p, src, sport, dst, dport):
    """The same packet with other addresses and ports; its time to live counts this router."""
    length = (p[0] & 15) * 4
    head = bytearray(p[:length])
    head[8] = p[8] - 1
    head[10:12] = b"\0\0"
    head[12:20] = src + dst
    head[10:12] = struct.pack(">H", checksum(bytes(head)))
    payload = p[length + 8:struct.unpack(">H", p[2:4])[0]]
    udp = struct.pack(">HHHH", sport, dport, 8 + len(payload), 0) + payload
    pseudo = src + dst + struct.pack(">BBH", 0, 17, len(udp))
    udp = udp[:6] + struct.pack(">H", checksum(pseudo + udp) or 0xFFFF) + udp[8:]
    return bytes(head) + udp


def outer_port(ip, port, to_ip, to_port):
    key = (ip, port, part(mapping, to_ip, to_port))
    if key not in ports:
        free = [n for n in random.sample(range(20000, 60000), 50) if n not in owners]
        ports[key] = free[0]
        owners[free[0]] = (ip, port)
    return ports[key]


def deliver(p, src, sport, dport):
    """To the inside, if the filter has let something out to there."""
    owner = owners.get(dport)
    if owner and part(filtering, src, sport) in let_in.get(dport, ()):
        os.write(tun, packet(p, src, sport, *owner))


while True:
    p = os.read(tun, 65536)
    head = (p[0] & 15) * 4
    if p[0] >> 4 != 4 or p[9] != 17 or len(p) < head + 8 or struct.unpack(">H", p[6:8])[0] & 0x3FFF:
        continue  # no UDP over IPv4, or a fragment
    src, dst = p[12:16], p[16:20]
    sport, dport = struct.unpack(">HH", p[head:head + 4])
    if dst == outer and src != outer:
        inside = any(src == ip for ip, _ in owners.values())
        if not inside:
            deliver(p, src, sport, dport)
            continue
        if not hairpin:
            continue
    port = outer_port(src, sport, dst, dport)
    let_in.setdefault(port, set()).add(part(filtering, dst, dport))
    if dst == outer:
        deliver(p, outer, port, dport)  # as from outside (RFC 4787 section 6)
    else:
        os.write(tun, packet(p, outer, port, dst, dport))
