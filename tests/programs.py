"""Programs of Debian's that tests use as somebody else's word. ``python -m tests.programs`` installs those that are missing.

A test without its program is skipped, saying what to install; where CI is set it fails, as every skipped test does.
"""

import os
import shutil
import subprocess
import sys

import pytest

from chamberlist.embedded import debian

PYTHON = "/usr/bin/python3"  # Debian's own, which has Debian's modules.
PACKAGES = {
    "opendkim": ("opendkim",),
    "dkimpy": ("python3-dkim", "python3-nacl"),
    "postfix": ("postfix",),
    "swaks": ("swaks",),
}
PLACES = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin"


def path(name: str) -> str:
    """Where the program is; for ``dkimpy``, where the Python is that has it. Skips the test where there is none."""
    found = _find(name)
    if found is None:
        pytest.skip(f"{name} was not found: {_advice(name)}")
    return found


def install_missing() -> list[str]:
    """Install what is missing, where we may; advice on what could not be had."""
    missing = [name for name in PACKAGES if _find(name) is None]
    packages = [package for name in missing for package in PACKAGES[name]]
    if missing:
        debian.install(*packages, why=f"The tests need {' and '.join(missing)}")
    return [f"{name} was not found: {_advice(name)}" for name in missing if _find(name) is None]


def _find(name: str) -> str | None:
    if name != "dkimpy":
        return shutil.which(name, path=PLACES)
    try:
        is_there = subprocess.run([PYTHON, "-c", "import dkim, nacl"], stderr=subprocess.DEVNULL).returncode == 0
    except OSError:
        return None
    return PYTHON if is_there else None


def _advice(name: str) -> str:
    return f"install it (Debian: apt install {' '.join(PACKAGES[name])})"


def main() -> int:
    """Without what cannot be had the tests run all the same, except where CI is set."""
    missing = install_missing()
    for advice in missing:
        print(advice, file=sys.stderr)
    return 1 if missing and os.environ.get("CI") else 0


if __name__ == "__main__":
    sys.exit(main())
