"""The sandbox: whatever a message does in there, the next one is read, and nothing of ours is in there with it."""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, get_args, get_type_hints
from uuid import UUID

import pytest

from posting.delivery.mime import Attachment
from posting.inbound import receiving, sandbox
from posting.inbound.authentication import Answer
from posting.inbound.examining import Arrived, Examined
from posting.inbound.sandbox import CannotStart, Exceeded, Failed, Sandbox
from posting.inbound.showing import Shown
from tests.workers import REPOSITORY

NAMES = ("echo", "modules", "known", "unknown", "reducing", "burn", "burn_in_c", "devour", "fill", "recurse", "leave", "die")
MORE = ("stall", "fail", "pour", "enormous", "write_a_file", "environment")
MISBEHAVING = tuple(f"tests.misbehaving:{name}" for name in (*NAMES, *MORE))
SECRETS = ("SECRET_KEY", "DATABASE_URL", "ADDRESS_KEYS", "INDEX_KEYS", "TOKEN_KEYS", "SMTP_URL", "REDIS_URL")


@pytest.fixture
def box() -> Iterator[Sandbox]:
    with Sandbox(MISBEHAVING) as made:
        yield made


def answers(box: Sandbox) -> bool:
    """Whether the next message is read."""
    return bool(box.call("tests.misbehaving:echo", b"the next") == b"the next")


def has_ended(pid: int) -> bool:
    """Without a trace, or as a zombie that nobody here has to reap."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_message_is_examined_and_the_process_serves_the_next():
    with Sandbox() as own:
        first = own.call("posting.inbound.examining:examine", Arrived("", "list", b"Subject: Buns\n\nHello", "lists.example"))
        pid = own.pid
        second = own.call("posting.inbound.examining:examine", Arrived("", "list", b"Subject: Tea\n\nHello", "lists.example"))
        assert (first.facts.subject, second.facts.subject, own.pid) == ("Buns", "Tea", pid)
    assert has_ended(pid or 0)


def test_it_starts_only_when_it_is_needed():
    with Sandbox() as own:
        assert own.pid is None


def test_what_it_runs_imports_no_django():
    with Sandbox((*sandbox.FUNCTIONS, "tests.misbehaving:modules")) as own:
        loaded = own.call("tests.misbehaving:modules", None)
    assert "posting.inbound.examining" in loaded
    foreign = ("django", "psycopg2", "celery", "chamberlist.settings", "environ")
    assert [name for name in loaded if name.partition(".")[0] in foreign or name in foreign] == []


def test_only_what_is_listed_can_be_asked_for(box: Sandbox):
    with pytest.raises(ValueError, match="not for the sandbox"):
        box.call("os:system", "true")


def test_results_are_plain_values_and_classes_of_ours(box: Sandbox):
    expected = [Examined(fingerprint="Grüße"), Attachment("a.png", "image/png", b"\x89PNG"), UUID(int=7), {"a": (1, None, b"x")}]
    result = box.call("tests.misbehaving:known", None)
    assert result == expected
    assert [type(one) for one in result] == [type(one) for one in expected]


@pytest.mark.parametrize("result", [Examined, Answer, Shown])
def test_every_class_that_a_result_may_hold_is_known(result: type):
    found, left = set[type](), [result]
    while left:
        kind = left.pop()
        if kind not in found and (is_dataclass(kind) or hasattr(kind, "_fields") or kind is UUID or issubclass(kind, Enum)):
            found.add(kind)
            left += [part for hint in get_type_hints(kind).values() for part in parts(hint)]
    assert {kind.__module__ for kind in found} <= set(sandbox.RESULTS)


def parts(hint: Any) -> list[type]:
    """The classes that a type is made of."""
    inner = [part for argument in get_args(hint) for part in parts(argument)]
    return [hint, *inner] if isinstance(hint, type) and not get_args(hint) else inner


@pytest.mark.parametrize("name", ["unknown", "reducing"])
def test_a_result_of_any_other_class_is_refused(box: Sandbox, name: str, tmp_path: Path):
    with pytest.raises(Failed) as refused:
        box.call(f"tests.misbehaving:{name}", str(tmp_path / "made"))
    assert "anne" not in str(refused.value)
    assert not (tmp_path / "made").exists()
    assert answers(box)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("burn", "2 seconds"),
        ("burn_in_c", "2 seconds"),
        ("devour", "256 MB"),
        ("recurse", "nested too deeply"),
        ("enormous", "too large"),
        ("pour", "too large"),
    ],
)
def test_excess_ends_the_message_and_not_the_door(box: Sandbox, name: str, words: str):
    assert answers(box)
    with pytest.raises(Exceeded, match=words):
        box.call(f"tests.misbehaving:{name}", None)
    assert answers(box)


@pytest.mark.parametrize("name", ["leave", "die"])
def test_a_reader_that_breaks_down_ends_the_message_and_not_the_door(box: Sandbox, name: str):
    with pytest.raises(Failed, match="broke down"):
        box.call(f"tests.misbehaving:{name}", None)
    assert answers(box)


def test_what_was_raised_is_named_and_not_quoted(box: Sandbox):
    with pytest.raises(Failed) as failed:
        box.call("tests.misbehaving:fail", "anne@bakery.example")
    assert str(failed.value) == "Its reader gave up (Stranger)."
    assert failed.value.__cause__ is None
    assert answers(box)


def test_a_reader_that_waits_for_ever_is_not_waited_for():
    with Sandbox(MISBEHAVING, patience=1.0) as impatient:
        impatient.start()
        stalled = impatient.pid or 0
        with pytest.raises(Exceeded, match="too long"):
            impatient.call("tests.misbehaving:stall", None)
        assert has_ended(stalled)
        assert answers(impatient)


def test_the_memory_is_that_of_one_message(box: Sandbox):
    """Also of one that comes after large ones, and with 25 MB of its own."""
    for _ in range(5):
        assert box.call("tests.misbehaving:fill", 200) == 200 * 1024 * 1024
    assert len(box.call("tests.misbehaving:echo", bytes(25 * 1024 * 1024))) == 25 * 1024 * 1024


def test_the_largest_ordinary_message_is_read():
    """As large as the door takes it, of base64 lines, as a mail program writes an attachment."""
    head = b"Subject: Pictures\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nSee\n--b\nContent-Transfer-Encoding: base64\n\n"
    raw = head + b"A" * 76 + (b"\n" + b"A" * 76) * (receiving.LARGEST // 77 - 10) + b"\n--b--\n"
    with Sandbox() as own:
        examined = own.call("posting.inbound.examining:examine", Arrived("anne@bakery.example", "list", raw, "lists.example"))
    assert examined.facts.subject == "Pictures"


def test_no_secret_is_in_its_environment(box: Sandbox):
    assert box.call("tests.misbehaving:environment", None).keys() <= {
        *sandbox.INHERITED,
        "LANG",
        "LC_CTYPE",
        "PYTHONDONTWRITEBYTECODE",
    }
    given = Path(f"/proc/{box.pid}/environ").read_bytes()
    for name in SECRETS:
        assert os.environ[name]
        assert name.encode() not in given
        assert os.environ[name].encode() not in given


def test_it_can_write_no_file(box: Sandbox, tmp_path: Path):
    with pytest.raises(Failed, match="OSError"):
        box.call("tests.misbehaving:write_a_file", str(tmp_path / "written"))
    assert (tmp_path / "written").stat().st_size == 0


def test_a_stop_of_the_service_does_not_end_the_message_in_hand(box: Sandbox):
    box.start()
    pid = box.pid or 0
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(pid, number)
    assert answers(box)
    assert box.pid == pid


def test_one_that_was_ended_from_outside_is_replaced(box: Sandbox):
    box.start()
    pid = box.pid or 0
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert answers(box)
    assert box.pid != pid


def test_an_installation_that_cannot_start_one_blames_no_message():
    with Sandbox(("no.such:function",)) as broken, pytest.raises(CannotStart):
        broken.call("no.such:function", b"a message")


def test_it_ends_with_its_parent():
    program = """
import os, signal
from posting.inbound.sandbox import Sandbox
box = Sandbox()
box.start()
print(box.pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, timeout=60)
    pid = int(done.stdout)
    poll = os.pidfd_open(pid) if not has_ended(pid) else None
    if poll is not None:
        try:
            assert select.select([poll], [], [], 30)[0]
        finally:
            os.close(poll)
    assert has_ended(pid)
