"""The Chromium of the browser tests: given, found, or installed after saying so; never silently absent."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from chamberlist.embedded import debian
from chamberlist.embedded.processes import CannotRun

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PLAYWRIGHT = [sys.executable, "-m", "playwright", "install", "chromium"]
WHERE = """
from playwright.sync_api import sync_playwright
with sync_playwright() as driver:
    print(driver.chromium.executable_path)
"""


def find() -> str:
    """Its path; raises ``CannotRun`` where none can be had. Progress goes to standard error."""
    if given := os.environ.get("CHROMIUM"):
        if found := shutil.which(given):
            return found
        raise CannotRun(f"CHROMIUM is {given}, which is no program: give the path of a Chromium, or unset it.")
    return _on_path() or _playwrights() or _from_debian() or _from_playwright() or _none()


def _on_path() -> str | None:
    return next(filter(None, map(shutil.which, NAMES)), None)


def _from_debian() -> str | None:
    return _on_path() if debian.install("chromium", why="No Chromium on PATH for the browser tests") else None


def _playwrights() -> str | None:
    said = subprocess.run([sys.executable, "-c", WHERE], capture_output=True, text=True).stdout.strip()
    return said if said and Path(said).exists() else None


def _from_playwright() -> str | None:
    print("No Chromium on PATH: installing playwright's own for the browser tests ...", file=sys.stderr)
    subprocess.run(PLAYWRIGHT, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    return _playwrights()


def _none() -> str:
    raise CannotRun("The browser tests need Chromium and none could be had: install one, or set CHROMIUM to its path.")
