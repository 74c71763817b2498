"""NATs between machines of a test, by kind.

    from natlib import KINDS, behind
    behind(router, inside, "10.1.0", "port", outer="10.9.0.101")

The router's eth0 is on the outside, on 10.9.0.0/24; inside gets SUBNET.2 behind it. Control traffic (TCP) always passes, masqueraded.
"""
import pathlib
import sys

from lib import run, wait_until

USERNAT = pathlib.Path(__file__).resolve().parents[1] / "support" / "usernat.py"

# What the kernel's own NAT does: one outer port for an inner one as long as it is free, whoever is addressed; answers only from
# where something was sent to.
KERNEL = """
table ip nat {{
    chain post {{ type nat hook postrouting priority srcnat; oifname "{out}" ip protocol udp masquerade{how}
                 oifname "{out}" masquerade; }}
    chain in {{ type filter hook input priority filter; iifname "{out}" ct state new drop; }}
    chain forward {{ type filter hook forward priority filter; iifname "{out}" ct state new drop; }}
}}
"""

# Everything that comes to the outer address goes in: a "full cone" for one machine, as a router's DMZ setting makes it.
OPEN = """
table ip nat {{
    chain pre {{ type nat hook prerouting priority dstnat; iifname "{out}" ip protocol udp dnat to {inside}; }}
    chain post {{ type nat hook postrouting priority srcnat; oifname "{out}" masquerade; }}
    chain in {{ type filter hook input priority filter; iifname "{out}" ct state new drop; }}
}}
"""

# Nothing but TCP.
BLOCKED = """
table ip nat {{
    chain post {{ type nat hook postrouting priority srcnat; oifname "{out}" masquerade; }}
    chain in {{ type filter hook input priority filter; iifname "{out}" ct state new drop; }}
    chain forward {{ type filter hook forward priority filter; ip protocol udp drop
                    iifname "{out}" ct state new drop; }}
}}
"""

# UDP goes through usernat.py (its device nat0), all else through the kernel.
USER = """
table ip nat {{
    chain post {{ type nat hook postrouting priority srcnat; oifname "{out}" ip protocol != udp masquerade; }}
    chain in {{ type filter hook input priority filter; iifname "{out}" ct state new drop; }}
    chain forward {{ type filter hook forward priority filter; iifname "{out}" oifname "lan" ct state new drop; }}
    chain raw {{ type filter hook prerouting priority raw; ip protocol udp notrack; }}
}}
"""

# kind: (what it is, how it is made)
KINDS = {
    "none": ("no NAT", None),
    "open": ("endpoint-independent mapping and filtering (nftables, every port forwarded)", OPEN),
    "cone": ("endpoint-independent mapping, address-dependent filtering", ("endpoint", "address")),
    "port": ("endpoint-independent mapping, address-and-port-dependent filtering (nftables masquerade)", KERNEL),
    "address": ("address-dependent mapping and filtering", ("address", "address")),
    "symmetric": ("address-and-port-dependent mapping and filtering (nftables masquerade, random ports)", KERNEL),
    "double": ("two NATs in a row, each as \"port\"", KERNEL),
    "hairpin": ("endpoint-independent mapping and filtering, hairpinning", ("endpoint", "endpoint", "hairpin")),
    "blocked": ("UDP blocked", BLOCKED),
}


def _rules(router, text, **words):
    rules = router.dir / "nat.nft"
    rules.write_text(text.format(**words))
    router.run(["nft", "-f", rules])


def _user(router, subnet, outer, words):
    """A device of its own for UDP from inside, and for what comes to its outer address."""
    d = router.daemon([sys.executable, USERNAT, outer, *words], name="usernat")
    d.wait_log("ready")
    router.ip("link", "set", "nat0", "up")
    for name in ("all", "nat0", "eth0", "lan"):
        router.run(["sysctl", "-qw", f"net.ipv4.conf.{name}.rp_filter=0"])
    router.run(["sysctl", "-qw", "net.ipv4.conf.eth0.proxy_arp=1"])
    router.ip("route", "add", f"{outer}/32", "dev", "nat0")
    router.ip("route", "add", "default", "dev", "nat0", "table", "77")
    router.ip("rule", "add", "iif", "lan", "ipproto", "udp", "lookup", "77")


def behind(router, inside, subnet, kind, outer=None, lan="lan", inner="eth0", out="eth0"):
    """Puts inside behind router. outer: the address of a user-space NAT, on the router's outside network and free there."""
    router.net.cable(router, inside, f"{subnet}.1/24", f"{subnet}.2/24", a_if=lan, b_if=inner)
    inside.ip("route", "add", "default", "via", f"{subnet}.1")
    router.run(["sysctl", "-qw", "net.ipv4.ip_forward=1"])
    how = KINDS[kind][1]
    if isinstance(how, tuple):
        _rules(router, USER, out=out)
        _user(router, subnet, outer, how)
    else:
        _rules(router, how, out=out, inside=f"{subnet}.2", how=" fully-random;" if kind == "symmetric" else ";")


def place(net, inside, router, number, kind):
    """Joins inside by a NAT of this kind to the network whose switch router is on; number: 1 to 99, different for each."""
    if kind == "double":
        middle = net.machine(f"{router.name}m")
        behind(router, middle, f"10.1{number:02d}.0", "port", inner="eth0")
        behind(middle, inside, f"10.2{number:02d}.0", "port", lan="lan", out="eth0")
    else:
        behind(router, inside, f"10.1{number:02d}.0", kind, outer=f"10.9.0.{100 + number}")
