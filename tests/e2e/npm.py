"""Programs of npm packages, for tests against what others wrote. Installed once, into the cache of the build."""
import shutil
import subprocess

from lib import BUILD, skip


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
