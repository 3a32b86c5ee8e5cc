"""What operators start from: the image, the compose file, and documents whose commands, settings and links exist."""

import json
import os
import re
import shlex
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import redis
import yaml
from django.core.management import get_commands

from chamberlist.embedded import postgres, valkey, watchdog
from chamberlist.embedded.processes import answers, free_port
from posting.inbound.server import CLOSING_SECONDS

REPOSITORY = Path(__file__).parent.parent
DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]
COMPOSE_TEXT = (REPOSITORY / "docker-compose.yml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, Any] = COMPOSE["services"]
APP = ("migrate", "web", "worker", "beat", "door")
SERVERS = ("postgres", "redis")
SETTINGS = (REPOSITORY / "chamberlist" / "settings.py").read_text()
READ = re.compile(r'(?:env\.\w+|whole_number)\(\s*"([A-Z_]+)"')
NEEDED = set(re.findall(r'env\.\w+\("([A-Z_]+)"\)', SETTINGS)) | {"DATABASE_URL"}
SECRETS = {"SECRET_KEY", "ADDRESS_KEYS", "INDEX_KEYS", "TOKEN_KEYS", "DATABASE_URL", "REDIS_URL", "SMTP_URL", "DKIM_KEY", "ANYMAIL"}
OURS = {name for name, app in get_commands().items() if str(app) in ("chamberlist", "subscriptions", "posting")} | {"makekeys"}
DJANGOS = {"changepassword", "check", "migrate", "collectstatic", "createsuperuser"}


def dockerfile() -> list[tuple[str, str]]:
    """The instructions: word and argument, continued lines joined, comments left out."""
    lines = [line for line in (REPOSITORY / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(word, rest) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())]


def arguments(word: str) -> list[str]:
    return [rest for name, rest in dockerfile() if name == word]


def anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def test_the_compose_file_is_tidy():
    rules = "{extends: default, rules: {line-length: {max: 140}}}"
    command = [sys.executable, "-m", "yamllint", "--strict", "--format", "parsable", "-d", rules, "docker-compose.yml"]
    found = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert (found.returncode, found.stdout) == (0, "")


def test_postgres_logs_no_statement():
    assert SERVICES["postgres"]["command"] == ["postgres", *(part for setting in postgres.DISCREET for part in ("-c", setting))]


def test_the_site_is_started_with_the_log_that_redacts():
    [command] = arguments("CMD")
    assert "--logger-class chamberlist.weblog.RedactingLogger" in " ".join(json.loads(command))


def test_the_compose_file_has_all_parts():
    assert set(SERVICES) == {*APP, *SERVERS}
    assert set(COMPOSE) <= {"name", "services", "networks", "volumes", "secrets", "x-common", "x-app"}


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_is_root_or_can_become_it(name: str):
    service = SERVICES[name]
    assert service["user"] not in ("", "root", "0", "0:0")
    assert service["cap_drop"] == ["ALL"] and "cap_add" not in service and "privileged" not in service
    assert "no-new-privileges:true" in service["security_opt"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_writes_only_where_it_must(name: str):
    service = SERVICES[name]
    assert service["read_only"] is True and service["tmpfs"]
    for volume in service.get("volumes", []):
        if volume == "/etc/machine-id:/etc/machine-id:ro":  # The fence knows the machine by it.
            continue
        assert volume.split(":")[0] in COMPOSE["volumes"], "a named volume, never a folder of the host"


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"migrate"}))
def test_a_service_comes_back_and_has_a_health_check(name: str):
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped"
    assert service.get("healthcheck", {}).get("test") or (name == "web" and arguments("HEALTHCHECK"))
    assert not service.get("healthcheck", {}).get("disable")


def test_the_tables_are_made_once_before_anything_else_starts():
    assert SERVICES["migrate"]["restart"] == "no"
    assert "manage.py migrate" in SERVICES["migrate"]["command"][-1]
    for name in set(APP) - {"migrate"}:
        assert SERVICES[name]["depends_on"]["migrate"] == {"condition": "service_completed_successfully"}
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)


def test_the_stores_are_reached_from_inside_alone():
    assert COMPOSE["networks"]["inside"] == {"internal": True}
    for name in SERVERS:
        assert SERVICES[name]["networks"] == ["inside"] and "ports" not in SERVICES[name]
    for name in APP:
        assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


@pytest.mark.parametrize("name", SERVERS)
def test_images_of_others_are_pinned_to_a_version(name: str):
    assert re.fullmatch(r"[a-z]+:\d+(\.\d+)*-[a-z]+", SERVICES[name]["image"])


def test_a_worker_has_time_for_its_last_reply():
    minutes = re.fullmatch(r"(\d+)m", SERVICES["worker"]["stop_grace_period"])
    assert minutes and int(minutes[1]) >= 11, "a minute of new groups and ten for the final dot (RFC 5321 section 4.5.3.2.6)"


def test_the_door_stands_where_the_documents_say_and_has_time_for_its_messages():
    door = SERVICES["door"]
    assert door["command"][1:] == ["manage.py", "receivemail", "--lmtp", "0.0.0.0:8024"]
    assert door["ports"] == ["127.0.0.1:${DOOR_PORT:-8024}:8024"]
    assert "lmtp:inet:127.0.0.1:8024" in (REPOSITORY / "docs" / "mail.md").read_text()
    seconds = re.fullmatch(r"(\d+)s", door["stop_grace_period"])
    assert seconds and int(seconds[1]) > CLOSING_SECONDS
    compile(door["healthcheck"]["test"][-1], "health check", "exec")


@pytest.mark.parametrize("name", APP)
def test_every_needed_setting_is_given(name: str):
    given = {variable.removesuffix("_FILE") for variable in SERVICES[name]["environment"]}
    assert len(NEEDED) > 10
    assert given >= NEEDED


@pytest.mark.parametrize("name", APP)
def test_every_given_setting_is_one_that_is_read(name: str):
    read = set(READ.findall(SETTINGS))
    assert {variable.removesuffix("_FILE") for variable in SERVICES[name]["environment"]} <= read


@pytest.mark.parametrize("name", SERVICES)
def test_secrets_come_from_declared_files(name: str):
    service = SERVICES[name]
    paths = (
        [value for variable, value in service["environment"].items() if variable.endswith("_FILE")]
        if "environment" in service
        else []
    )
    assert sorted(path.removeprefix("/run/secrets/") for path in paths) == sorted(service.get("secrets", []))
    assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"])


def test_no_secret_stands_in_the_file_or_has_a_default():
    for service in SERVICES.values():
        given = service.get("environment", {})
        assert not SECRETS & set(given) and "POSTGRES_PASSWORD" not in given
    for secret in COMPOSE["secrets"].values():
        assert re.fullmatch(r"\./secrets/\w+", secret["file"])
    assert set(COMPOSE["secrets"]) == {name.lower() for name in SECRETS} | {"postgres_password", "redis_password"}
    assert not re.search(r"://[^/\s]*:[^/\s]*@", COMPOSE_TEXT)


def test_the_broker_asks_for_the_password_of_its_file(tmp_path: Path):
    """Its command, as the shell of its image reads it, with the server that tests have."""
    secret, port = tmp_path / "secret", free_port()
    secret.write_text("kD8vQ2mZr5xW9bN1")
    shell, option, script = SERVICES["redis"]["command"]
    script = script.replace("$$", "$").replace("redis-server", f"{valkey.binary()} --bind 127.0.0.1 --port {port}")
    environment = {"PATH": os.environ["PATH"], "REDIS_PASSWORD_FILE": str(secret)}
    with subprocess.Popen([shell, option, script], env=environment, cwd=tmp_path, stdout=subprocess.DEVNULL) as server:
        try:
            assert watchdog.wait_until(lambda: answers(port), 30)
            assert "kD8vQ2mZr5xW9bN1" not in Path(f"/proc/{server.pid}/cmdline").read_text()
            with pytest.raises(redis.exceptions.AuthenticationError):
                redis.Redis(port=port).ping()
            assert redis.Redis(port=port, password="kD8vQ2mZr5xW9bN1").ping() is True
        finally:
            server.terminate()


@pytest.mark.parametrize("name", ["SITE_URL", "LIST_DOMAIN", "CHAMBER_NAME", "CHAMBER_POSTAL_ADDRESS", "CHAMBER_CONTACT"])
def test_what_only_the_operator_knows_is_asked_for(name: str):
    for service in APP:
        assert SERVICES[service]["environment"][name].startswith(f"${{{name}:?")


def test_the_image_installs_only_pinned_packages():
    installs = [rest for rest in arguments("RUN") if "pip install" in rest]
    assert len(installs) == 1
    assert "--require-hashes" in installs[0] and "--only-binary :all:" in installs[0]
    assert "--no-deps" in installs[0], "pip would ask the index for an extra's newest release, which nothing pins"
    assert "requirements/base.txt /tmp/base.txt" in arguments("COPY") and installs[0].endswith("/base.txt")
    pinned = (REPOSITORY / "requirements" / "base.txt").read_text()
    assert len(re.findall(r"^[a-z0-9-]+==", pinned, re.MULTILINE)) <= pinned.count("--hash=sha256:")


def test_the_image_has_two_stages_and_ends_as_an_ordinary_user():
    assert len(arguments("FROM")) == 2
    assert all(re.match(r"python:3\.\d+-slim-\w+ AS \w+", image) for image in arguments("FROM"))
    assert arguments("USER")[-1] == SERVICES["web"]["user"]


def test_the_image_keeps_no_secret():
    given = " ".join(arguments("ENV") + arguments("ARG"))
    assert not [name for name in SECRETS if name in given]
    copied = [part for rest in arguments("COPY") for part in shlex.split(rest)[:-1] if not part.startswith("-")]
    assert "." not in copied, "what is copied is named"


def test_the_image_checks_its_health_as_the_site_answers():
    check = arguments("HEALTHCHECK")[0]
    words = json.loads(check[check.index("[") :])
    compile(words[-1], "health check", "exec")
    assert "/healthz" in words[-1] and "SITE_URL" in words[-1]


def test_the_builder_is_sent_what_is_copied_and_nothing_else():
    rules = [line for line in (REPOSITORY / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    copied = [rest.split()[0].rstrip("/") for rest in arguments("COPY") if not rest.startswith("--")]
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == set(copied)
    for path in copied:
        assert (REPOSITORY / path).exists()
    for secret in (".env", "secrets/secret_key", ".demo/env", ".git"):
        assert not any(fnmatch(secret, rule.removeprefix("!") + "*") for rule in rules if rule.startswith("!"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_leads_to_a_file_and_its_heading(document: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        if target.startswith("https://"):
            continue
        name, _, fragment = target.partition("#")
        file = (document.parent / name).resolve() if name else document
        assert file.is_file() and file.is_relative_to(REPOSITORY), target
        if fragment:
            assert fragment in map(anchor, re.findall(r"^#+ (.+)$", file.read_text(), re.MULTILINE)), target


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_the_commands_in_a_document_exist(document: Path):
    text = document.read_text()
    called = set(re.findall(r"manage(?:\.py)? ([a-z]+)", text)) - {"means"}
    assert called <= OURS | DJANGOS
    targets = re.search(r"^\.PHONY: (.+)$", (REPOSITORY / "Makefile").read_text(), re.MULTILINE)
    assert targets
    assert set(re.findall(r"`make ([a-z]+)", text)) <= set(targets[1].split())


def test_the_readme_and_the_commands_page_name_every_command():
    readme, page = ((REPOSITORY / name).read_text() for name in ("README.md", "docs/commands.md"))
    assert {name for name in OURS if f"| `{name}" not in readme} == set()
    assert {name for name in OURS if f"**`{name}" not in page} == set()
    assert set(re.findall(r"^\| `([a-z]+)[ `]", readme, re.MULTILINE)) == OURS


def test_every_setting_is_documented():
    page = (REPOSITORY / "docs" / "settings.md").read_text()
    read = set(READ.findall(SETTINGS))
    assert len(read) > 20
    assert {name for name in read if f"| `{name}` |" not in page} == set()
    compose_only = {name for name in re.findall(r"\$\{(\w+):", COMPOSE_TEXT) if name not in read}
    assert {name for name in compose_only if f"`{name}`" not in page} == set()


def test_the_pictures_of_the_readme_are_small():
    pictures = list((REPOSITORY / "docs" / "images").glob("*.png"))
    assert len(pictures) == 2
    assert all(picture.stat().st_size < 150_000 for picture in pictures)
