"""Programs of Debian's that tests and benchmarks use as somebody else's word."""

import os
import shutil
import subprocess
import sys

import pytest

APT = ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]


def path(name: str, *, package: str) -> str:
    """Where the program is; its package (or several) is installed first where we may.

    Skips the test, saying what to install, where it cannot be had.
    """
    found = _find(name) or (_install(package.split()) and _find(name))
    if not found:
        pytest.skip(f"{name} was not found: install it (Debian: apt install {package})")
    return found


def _find(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def _install(packages: list[str]) -> bool:
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        return False
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}  # Its service is not to be started.
    for command in (["apt-get", "update", "-qq"], [*APT, *packages]):
        if subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, stdout=sys.stderr).returncode != 0:
            return False
    return True
