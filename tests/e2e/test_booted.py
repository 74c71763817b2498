#!/usr/bin/env python3
"""Two booted machines with a real systemd share nothing but a cable.

timeout: 120 alone
"""
from booted import *

need_booted()
need("ping")
net = Net()
alpha, beta = BootedMachine(net, "alpha"), BootedMachine(net, "beta")


def test_boot():
    net.switch([alpha, beta], "192.0.2", "fd09")
    for m in (alpha, beta):
        m.boot()
        check(m.out(["hostname"]).strip() == m.name, f"{m.name} knows its name")
        check(m.out(["cat", "/proc/1/comm"]).strip() == "systemd", "its first process is systemd")


def test_cable():
    check(len(alpha.ping("192.0.2.2", 3)) == 3, "IPv4 crosses the cable")
    check(len(beta.ping("fd09::1", 3)) == 3, "IPv6 crosses the cable")
    names = alpha.out(["ls", "/sys/class/net"]).split()
    check(sorted(names) == ["eth0", "lo"], f"nothing but the cable is there: {names}")


def test_apart():
    alpha.run(["sh", "-c", "echo mark > /etc/mark"])
    check(beta.run(["test", "-e", "/etc/mark"], ok=False).returncode != 0, "disks are apart")
    check(not pathlib.Path("/etc/mark").exists(), "and apart from the root they are made of")


def test_tun():
    alpha.run(["ip", "tuntap", "add", "dev", "t0", "mode", "tun"])
    check("t0" in alpha.out(["ip", "-br", "link", "show", "dev", "t0"]), "TUN devices can be made")


def test_service():
    alpha.run(["systemd-run", "--wait", "--quiet", "--unit=probe", "true"])
    check(True, "systemd runs a service to its end")


def test_stop():
    for m in (alpha, beta):
        m.stop()
        check(not m.nspawn.running(), f"{m.name} shut down")


main(test_boot, test_cable, test_apart, test_tun, test_service, test_stop)
