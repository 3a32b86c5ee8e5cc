"""What the tests need of the machine is installed, or is missed aloud."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chamberlist.embedded import debian
from tests import programs

SKIPS = """
import pytest

def test_that_lacks_something():
    pytest.skip("no opendkim")
"""


@pytest.mark.parametrize(("ci", "code", "says"), [("true", 1, "1 failed"), ("", 0, "1 skipped")])
def test_a_skipped_test_fails_where_ci_is_set(ci: str, code: int, says: str, tmp_path: Path):
    (tmp_path / "test_it.py").write_text(SKIPS)
    command = [sys.executable, "-m", "pytest", "-p", "tests.skips", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")} | {"CI": ci}
    done = subprocess.run([*command, str(tmp_path), str(tmp_path)], env=environment, capture_output=True, text=True)
    assert done.returncode == code and says in done.stdout


@pytest.mark.parametrize(("ci", "code"), [("true", 1), ("", 0)])
@pytest.mark.parametrize("can_install", [True, False])
def test_what_is_missing_is_installed_or_named(
    can_install: bool, ci: str, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    there, asked = set(programs.PACKAGES) - {"opendkim"}, []

    def install(*packages: str, why: str) -> bool:
        asked.append(packages)
        there.update({"opendkim"} if can_install else ())
        return can_install

    monkeypatch.setattr(programs, "_find", lambda name: name if name in there else None)
    monkeypatch.setattr(debian, "install", install)
    monkeypatch.setenv("CI", ci)
    assert programs.main() == (0 if can_install else code)
    assert asked == [("opendkim",)]
    assert capsys.readouterr().err == ("" if can_install else "opendkim was not found: install it (Debian: apt install opendkim)\n")


def test_nothing_is_installed_where_nothing_is_missing(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(programs, "_find", lambda name: name)
    monkeypatch.setattr(debian, "install", lambda *_, **__: pytest.fail("nothing is missing"))
    assert programs.install_missing() == []
