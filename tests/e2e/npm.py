"""Programs of npm packages, for tests against what others wrote. Installed once, into the cache of the build.

As a program it installs all of them: ./dev test does that beside what needs no network.
"""
import fcntl
import hashlib
import shutil
import subprocess

from lib import BUILD, SOURCE, log, need, run, skip

INTEROP = SOURCE / "tests/interop"
REDOCLY = ("@redocly/cli", "2.77.0", "redocly")


def npm_program(package, version, program):
    """Path of the program; skips the test where npm or its registry is out of reach."""
    folder = BUILD / "npm" / f"{package.replace('/', '-')}-{version}"
    path = folder / "node_modules/.bin" / program
    if path.exists():
        return path
    if not shutil.which("npm"):
        skip("npm is not installed")
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--no-save", "--prefix", folder,
                           f"{package}@{version}"], capture_output=True, text=True, timeout=240, check=False)
    if done.returncode != 0 or not path.exists():
        skip(f"{package} cannot be had from npm: {done.stderr.strip()[-200:]}")
    return path


def modules():
    """The folder with the packages of tests/interop/package-lock.json, installed once per lock file."""
    need("node", "npm")
    lock = (INTEROP / "package-lock.json").read_bytes()
    at = SOURCE / "build" / f"interop-{hashlib.sha256(lock).hexdigest()[:12]}"
    at.mkdir(parents=True, exist_ok=True)
    with open(at / "lock", "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)  # two tests may come at once
        if not (at / "done").exists():
            for name in ("package.json", "package-lock.json"):
                shutil.copy(INTEROP / name, at)
            log("npm ci")
            # What cannot be installed is a failure: these tests exist for these packages.
            run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], cwd=at,
                timeout=240)
            (at / "done").touch()
    return at


if __name__ == "__main__":
    modules()
    npm_program(*REDOCLY)
