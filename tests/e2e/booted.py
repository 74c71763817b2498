"""Machines that boot: a network namespace of lib.Net with a Debian and its systemd inside.

    net = Net()
    alpha = BootedMachine(net, "alpha")   # a namespace; cable it like any other machine
    net.switch([alpha, beta], "192.0.2")
    alpha.boot()                          # systemd-nspawn on an overlay of the root we run in
    alpha.run(["systemctl", "status"])    # as root in the booted system

What works and why, found by trying: systemd-nspawn with --register=no --keep-unit needs neither a
systemd nor a machined on the host; SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 lets Debian 13's systemd, which
refuses cgroup v1, boot where the host still mounts that; a cgroup per machine keeps two machines
apart.
"""
import itertools

from lib import *

_count = itertools.count()


def need_booted():
    need_root()
    need("systemd-nspawn", "nsenter", "mount")
    if not pathlib.Path("/usr/lib/systemd/systemd").exists():
        skip("this root has no systemd to boot")
    if not cgroup2():
        skip("no cgroup2 mounted")


def cgroup2():
    for line in pathlib.Path("/proc/self/mounts").read_text().splitlines():
        fields = line.split()
        if fields[2] == "cgroup2":
            return pathlib.Path(fields[1])
    return None


class BootedMachine(Machine):
    def __init__(self, net, name):
        self.leader = None
        self.nspawn = None
        super().__init__(net, name)
        net._machines[name] = self
        self.root = self.dir / "root"

    def overlay(self, lower="/", size="2g"):
        """The machine's disk: what it writes goes to memory and vanishes."""
        disk = self.dir / "disk"
        for d in (self.root, disk):
            d.mkdir()
        run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk])
        self.net.undo(lambda: run(["umount", "-l", disk], ok=False))
        for d in ("up", "work"):
            (disk / d).mkdir()
        run(["mount", "-t", "overlay", "overlay", "-o",
             f"lowerdir={lower},upperdir={disk}/up,workdir={disk}/work", self.root])
        self.net.undo(lambda: run(["umount", "-l", self.root], ok=False))

    def boot(self, target="basic.target", private_network=True, binds=(), options=(), timeout=60):
        """Boots and waits until systemd says it is done. Without overlay() before, on a fresh one
        of the root we run in. target=None: the root's default."""
        if not self.root.exists():
            self.overlay()
        (self.root / "etc/machine-id").write_text("")
        (self.root / "etc/hostname").write_text(self.name + "\n")
        # nspawn would keep a copy of the host's; a machine on a cable has none.
        argv = ["systemd-nspawn", "--quiet", "--boot", "--register=no", "--keep-unit",
                f"--machine={self.ns}", f"--hostname={self.name}", f"--directory={self.root}",
                "--console=pipe", "--link-journal=no", "--capability=CAP_NET_ADMIN",
                "--bind=/dev/net/tun", *options]
        if private_network:
            argv += [f"--network-namespace-path=/run/netns/{self.ns}", "--resolv-conf=off"]
        for bind in binds:
            argv.append(f"--bind={bind}")
        if target:
            argv.append(f"systemd.unit={target}")
        group = cgroup2() / f"{self.ns}-{next(_count)}"
        group.mkdir()
        self.net.undo(lambda: self._remove_group(group))
        # The shell moves itself, so that all of the machine is born in its group.
        self.nspawn = Daemon(
            ["sh", "-c", 'echo $$ > "$1/cgroup.procs" && shift && exec "$@"', "sh", group, *argv],
            f"nspawn-{self.name}", self.dir,
            env={"SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1",
                 "SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network" if private_network else "1"})
        self.net.daemons.append(self.nspawn)
        began = time.monotonic()
        self.leader = wait_until(self._find_leader, timeout, f"{self.name} has an init")
        state = wait_until(self._booted, timeout, f"{self.name} has booted", interval=0.1)
        log(f"{self.name} booted in {time.monotonic() - began:.1f} s: {state}")

    def _find_leader(self):
        if not self.nspawn.running():
            raise SystemError(f"nspawn ended:\n{self.nspawn.log_text()[-2000:]}")
        children = pathlib.Path(f"/proc/{self.nspawn.pid}/task/{self.nspawn.pid}/children")
        for pid in children.read_text().split():
            if pathlib.Path(f"/proc/{pid}/comm").read_text().strip() == "systemd":
                return int(pid)
        return None

    def _booted(self):
        state = self.run(["systemctl", "is-system-running"], ok=False).stdout.strip()
        return state if state in ("running", "degraded") else None

    @staticmethod
    def _remove_group(group):
        for d, _, _ in list(os.walk(group, topdown=False)):
            with contextlib.suppress(OSError):
                os.rmdir(d)

    def command(self, argv):
        if not self.leader:
            return super().command(argv)
        # A session environment, not the test's.
        return ["nsenter", "-t", str(self.leader), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w",
                "--",
                "env", "-i", "HOME=/root", "LANG=C.UTF-8", "TERM=dumb",
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", *argv]

    def daemon(self, argv, name=None, **kwargs):
        # nsenter forks to enter the machine's process numbers.
        return super().daemon(argv, name, forks=bool(self.leader), **kwargs)

    def install(self):
        """What ./dev install does: the release build in /usr/local, and the group. The packages of
        packages/run.txt are in the root already."""
        run(["cmake", "--install", BUILD, "--prefix", "/usr/local"],
            env={**os.environ, "DESTDIR": str(self.root)}, timeout=60)
        if self.leader:
            self.run(["groupadd", "--system", "-f", "veilnet"])

    def stop(self, timeout=30):
        """Shuts the system down as its own `poweroff` would."""
        if self.nspawn and self.nspawn.running():
            self.nspawn.stop(signal.SIGTERM, timeout)
        self.leader = None
