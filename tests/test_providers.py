"""Which providers are fit, what must be set for them, and what the site refuses before anything is sent."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import anymail
import pytest
from django.core.checks import run_checks
from django.core.mail import EmailMessage
from django.utils.module_loading import import_string

from chamberlist import doctor, providers, systemmail
from tests.providerserver import MAILGUN, POSTMARK, SECRET, Provider
from tests.test_provider import both

GOOD: dict[str, Any] = {"WEBHOOK_SECRET": SECRET, "POSTMARK_SERVER_TOKEN": "t"}


def found(settings: Any, backend: str, **options: Any) -> list[str]:
    """The ids of our checks that fail."""
    settings.EMAIL_PROVIDER, settings.ANYMAIL = backend, options
    return sorted(str(error.id) for error in run_checks() if str(error.id).startswith("chamberlist."))


def test_without_a_provider_nothing_is_asked_for(settings):
    assert found(settings, "") == []


def test_a_provider_with_all_that_it_needs_is_let_in(settings):
    assert found(settings, POSTMARK, **GOOD) == []
    assert found(settings, MAILGUN, **GOOD, MAILGUN_WEBHOOK_SIGNING_KEY="k") == []


@pytest.mark.parametrize("value", ["1", "true", "false", True])
def test_dropping_what_a_provider_cannot_do_is_refused(settings, value: object):
    assert found(settings, POSTMARK, **GOOD, IGNORE_UNSUPPORTED_FEATURES=value) == ["chamberlist.E001"]
    assert found(settings, "", IGNORE_UNSUPPORTED_FEATURES=value) == ["chamberlist.E001"]


@pytest.mark.parametrize("secret", [None, "", "no-colon-but-long-enough", "user:", ":password-without-a-user", "user:short"])
def test_reports_that_anybody_could_forge_are_refused(settings, secret: str | None):
    assert found(settings, POSTMARK, **GOOD | {"WEBHOOK_SECRET": secret}) == ["chamberlist.E002"]


@pytest.mark.parametrize(("name", "key"), [("mailgun", "MAILGUN_WEBHOOK_SIGNING_KEY"), ("mandrill", "MANDRILL_WEBHOOK_KEY")])
def test_a_provider_that_signs_its_reports_needs_its_key(settings, name: str, key: str):
    backend = f"anymail.backends.{name}.EmailBackend"
    assert found(settings, backend, **GOOD) == ["chamberlist.E002"]
    assert found(settings, backend, **GOOD, **{key: "k"}) == []


@pytest.mark.parametrize(
    "backend",
    [
        *(f"anymail.backends.{name}.EmailBackend" for name in providers.UNFIT),
        "anymail.backends.sendinblue.EmailBackend",
        "anymail.backends.test.EmailBackend",
        "anymail.backends.postmark.Other",
        "django.core.mail.backends.smtp.EmailBackend",
        "somewhere.anymail.backends.postmark.EmailBackend",
        "postmark",
    ],
)
def test_an_interface_that_cannot_carry_copies_is_refused(settings, backend: str):
    assert found(settings, backend, **GOOD) == ["chamberlist.E003"]
    assert "Fit are" in providers.unfit(backend)


@pytest.mark.parametrize("name", ["SEND_DEFAULTS", "POSTMARK_SEND_DEFAULTS", "DEBUG_API_REQUESTS", "POSTMARK_USE_BULK_API"])
def test_settings_that_would_change_what_was_accepted_are_refused(settings, name: str):
    assert found(settings, POSTMARK, **GOOD, **{name: "x"}) == ["chamberlist.E004"]


def test_every_interface_of_the_library_is_judged():
    files = {path.stem for path in (Path(anymail.__file__).parent / "backends").glob("*.py")}
    assert (
        files - {"__init__", "base", "base_requests", "console", "test", "sendinblue"}
        == providers.FIT.keys() | providers.UNFIT.keys()
    )


@pytest.mark.parametrize("name", providers.FIT)
def test_a_fit_interface_takes_metadata_headers_and_what_we_say_against_tracking(name: str, settings):
    """By the library's own word: what it could not tell the provider would be an error."""
    keys = {f"{name.upper()}_{key}": "k" for key in ("API_KEY", "SERVER_TOKEN")}
    settings.ANYMAIL = keys
    backend = import_string(f"anymail.backends.{name}.EmailBackend")()
    message = EmailMessage(
        "s", "b", "a@b.example", ["c@d.example"], headers={"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    )
    message.metadata = {"delivery": "0" * 32}  # type: ignore[attr-defined]
    providers.switch_tracking_off(message, f"anymail.backends.{name}.EmailBackend")
    body = str(backend.build_message_payload(message, {}).get_request_params("https://x.example/")["data"])
    assert "List-Unsubscribe=One-Click" in body and "0" * 32 in body


@pytest.mark.django_db
@both
def test_mails_of_ours_are_not_tracked_either(provider: Provider):
    systemmail.alert("test", "Something happened", "Look at it.")
    assert systemmail.send_due() == 1
    fields = provider.requests[0].fields
    assert (fields.get("TrackOpens"), fields.get("o:tracking-opens")) in [(False, None), (None, "no")]
    assert (fields.get("TrackLinks"), fields.get("o:tracking-clicks")) in [("None", None), (None, "no")]


def test_the_doctor_says_what_is_wrong_with_a_provider(provider: Provider, settings):
    assert doctor.relay().verdict == "ok" and "postmark" in doctor.relay().text
    assert doctor.signatures().verdict == "ok" and "provider signs" in doctor.signatures().text
    settings.ANYMAIL = {**settings.ANYMAIL, "WEBHOOK_SECRET": ""}
    assert doctor.relay().verdict == "fail" and "ANYMAIL_WEBHOOK_SECRET" in doctor.relay().text


def test_settings_are_read_from_lines_and_from_the_environment():
    text = "# the key\nPOSTMARK_SERVER_TOKEN=a=b\n\n ANYMAIL_WEBHOOK_SECRET = u:p \nX=1"
    expected = {"POSTMARK_SERVER_TOKEN": "a=b", "WEBHOOK_SECRET": "u:p", "X": "2"}
    assert providers.read(text, {"X": "2"}) == expected
    with pytest.raises(ValueError, match="lines of the form"):
        providers.read("POSTMARK_SERVER_TOKEN", {})
    with pytest.raises(ValueError, match="ANYMAIL_REQUESTS_TIMEOUT"):
        providers.read("REQUESTS_TIMEOUT=5", {})


def test_each_setting_of_a_provider_can_stand_in_a_file(monkeypatch, tmp_path):
    (tmp_path / "all").write_text("POSTMARK_API_URL=http://127.0.0.1/\nPOSTMARK_SERVER_TOKEN=lines\n")
    (tmp_path / "token").write_text("secret\n")
    monkeypatch.setenv("ANYMAIL_FILE", str(tmp_path / "all"))
    monkeypatch.setenv("ANYMAIL_POSTMARK_SERVER_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("ANYMAIL_REQUESTS_TIMEOUT", "7")
    show = "from chamberlist import settings; print(sorted(settings.ANYMAIL.items()))"
    printed = subprocess.run([sys.executable, "-c", show], capture_output=True, text=True, check=True).stdout
    expected = [("POSTMARK_API_URL", "http://127.0.0.1/"), ("POSTMARK_SERVER_TOKEN", "secret"), ("REQUESTS_TIMEOUT", 7)]
    assert printed.strip() == str(expected)
