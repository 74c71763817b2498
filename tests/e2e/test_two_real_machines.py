#!/usr/bin/env python3
"""README, "Two real machines": from nothing to a ping between booted machines in four commands.

timeout: 180 alone

The machines share only a virtual cable. ./dev install has been done on each: its programs in
/usr/local, the packages of packages/run.txt from the root they are made of.
"""
from booted import *

need_booted()
need("veilnet-guardian", "veilnet-conflux")
net = Net()
machines = [BootedMachine(net, name) for name in ("alpha", "beta", "gamma")]
alpha, beta, gamma = machines
join = guardian = None


def test_prepare():
    net.switch(machines, "192.0.2", "fd09")
    for m in machines:
        m.ip("route", "add", "default", "dev", "eth0")  # as any machine on a network has
        m.overlay()
        m.install()
        m.boot()
        m.run(["groupadd", "--system", "-f", "veilnet"])


def test_init():
    global join, guardian
    guardian = alpha.daemon(["veilnet-guardian", "init", "--run"])
    join = guardian.wait_log(r"vn1\.[A-Za-z0-9_-]+", 30).group(0)
    alpha.wait_listening(8443, 30)
    alpha.wait_listening(4222, 30)
    check(True, "command 1, veilnet-guardian init --run: printed a join token and serves")


def test_register():
    for m in machines:
        m.node = m.daemon(["veilnet-conflux", "register", "-d", "-t", join])
        wait_until(lambda m=m: m.run(["veilnet-conflux", "status", "--json"], ok=False)
                   .returncode == 0 and "veilnet" in m.out(["ls", "/sys/class/net"]), 30,
                   f"{m.name} is up")
        check(m.node.running(), f"commands 2 and 3, veilnet-conflux register: {m.name} joined")


def test_ping():
    for source, target in ((alpha, "beta"), (beta, "alpha"), (gamma, "alpha")):
        done = source.run(["veilnet-conflux", "ping", target], timeout=30)
        log(done.stdout.strip())
        check(done.returncode == 0, f"command 4, veilnet-conflux ping {target} on {source.name}")


def test_stop():
    for m in machines:
        status = m.node.stop(signal.SIGINT, 10)
        check(status == 0, f"{m.name} ends on Ctrl-C with {status}")
        left = m.out(["ls", "/sys/class/net"]).split()
        check("veilnet" not in left, f"and takes its interface away: {left}")
    check(guardian.stop(signal.SIGINT, 10) == 0, "Guardian ends on Ctrl-C")
    for m in machines:
        m.stop()


main(test_prepare, test_init, test_register, test_ping, test_stop)
