"""Debian's packages: what tests need and a machine lacks is installed where we may, after saying so."""

import os
import shutil
import subprocess
import sys

INSTALL = ("apt-get", "install", "-y", "-qq", "--no-install-recommends")


def install(*packages: str, why: str) -> bool:
    """Install them, saying ``why``; False where this is no Debian, we are not root, or it fails."""
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    print(f"{why}: installing Debian's {' and '.join(packages)} ...", file=sys.stderr)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # No service is to be started.
    for command in (["apt-get", "update", "-qq"], [*INSTALL, *packages]):
        if subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode != 0:
            return False
    return True
