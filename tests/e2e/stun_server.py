"""A STUN server (RFC 8489, Binding only): stun_server.py ADDRESS PORT."""
import socket
import struct
import sys

COOKIE = 0x2112A442

s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind((sys.argv[1], int(sys.argv[2])))
print("ready", flush=True)
while True:
    data, (host, port) = s.recvfrom(2048)
    if len(data) < 20 or struct.unpack(">HHI", data[:8])[0] != 1 or data[4:8] != struct.pack(">I", COOKIE):
        continue
    ip = struct.unpack(">I", socket.inet_aton(host))[0]
    mapped = struct.pack(">HHBBHI", 0x0020, 8, 0, 1, port ^ (COOKIE >> 16), ip ^ COOKIE)
    s.sendto(struct.pack(">HHI", 0x0101, len(mapped), COOKIE) + data[8:20] + mapped, (host, port))
    print(f"told {host}:{port}", flush=True)
