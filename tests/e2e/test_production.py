"""`up --production`: nothing of the demo, no default secret and no simulator can be reached."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from quantatrade.bootstrap.ports import choose_ports
from tests.e2e.installation import Installation, listens

PUBLIC: Final = "https://exchange.example"
SECRETS: Final = {
    "DJANGO_SECRET_KEY": secrets.token_urlsafe(48),
    "QT_PUBLIC_URL": PUBLIC,
    "QT_EMBEDDED_STORES": "1",
}
NOT_THERE: Final = (
    "demo", "demo/", "simulate/transfers", "simulate", "api/v1/demo",
    "api/v1/mailbox", "api/v1/simulate/transfers", "webhooks/simulate", "api/v2/wallet",
)  # fmt: skip
MADE_UP: Final = ("custody_token", "custody_webhook_secret", "custody_wallet", "django_secret_key")
FACTS: Final = """
import json
from django.conf import settings
from apps.accounts.models import User
names = ("DEBUG", "QT_DEMO", "CUSTODY_URL", "CUSTODY_TOKEN", "CUSTODY_WEBHOOK_SECRET",
         "CUSTODY_SIMULATOR_URL", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE")
facts = {name: getattr(settings, name) for name in names}
print(json.dumps({**facts, "users": User.objects.count()}))
"""


class Production:
    """A running production installation, seen through its public address."""

    def __init__(self, installation: Installation, told: str) -> None:
        self.installation = installation
        self.told = told
        self.ports = choose_ports({"QT_PORT_BASE": str(installation.port_base)})

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Ask as a browser behind the TLS proxy does."""
        headers = {"Host": "exchange.example", "Accept": "text/html", **more.pop("headers", {})}
        url = f"http://127.0.0.1:{self.ports['edge']}/{path}"
        return httpx.request(method, url, headers=headers, timeout=30, trust_env=False, **more)

    def environments(self) -> dict[str, dict[str, str]]:
        """The environment of every process of ours."""
        found = {}
        for each in self.installation.status()["processes"]:
            text = Path(f"/proc/{each['pid']}/environ").read_bytes().decode()
            pairs = (line.partition("=") for line in text.split("\0") if line)
            found[each["name"]] = {name: value for name, _, value in pairs}
        return found


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Production]:
    """One installation for all tests of this module: they look and change nothing."""
    var = tmp_path_factory.mktemp("production") / "var"
    installation = Installation(var=var, variables=SECRETS)
    up = installation.manage("up", "--production", "--detach")
    try:
        assert up.returncode == 0, up.stdout + up.stderr
        yield Production(installation, up.stdout)
    finally:
        installation.manage("down")


def test_without_its_secrets_production_does_not_start_and_says_all_that_is_missing(
    tmp_path: Path,
) -> None:
    up = Installation(var=tmp_path / "var").manage("up", "--production", "--detach")
    assert (up.returncode, up.stdout) == (1, "")
    lines = up.stderr.splitlines()
    assert lines[0] == "Not started, because --production needs more:"
    assert [line.split(":")[0] for line in lines[1:]] == [
        "  - DJANGO_SECRET_KEY",
        "  - QT_PUBLIC_URL",
        "  - DATABASE_URL, REDIS_URL, NATS_URL",
    ]
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("QT_DEMO", "1"),
        ("QT_DEBUG", "1"),
        ("QT_CUSTODY_SIMULATOR_URL", "http://127.0.0.1:8012"),
        ("QT_CUSTODY_URL", "http://127.0.0.1:8012"),
    ],
)
def test_what_belongs_to_a_trial_keeps_production_from_starting(
    tmp_path: Path, variable: str, value: str
) -> None:
    installation = Installation(var=tmp_path / "var", variables={**SECRETS, variable: value})
    up = installation.manage("up", "--production", "--detach")
    assert up.returncode == 1
    assert f"  - {variable}" in up.stderr
    assert "Traceback" not in up.stderr


def test_no_login_is_made_and_no_password_told(production: Production) -> None:
    assert "Password" not in production.told
    assert f"Console: {PUBLIC}/admin/" in production.told


def test_neither_simulator_nor_demo_runs_or_listens(production: Production) -> None:
    status = production.installation.status()
    assert status["healthy"]
    assert {each["name"] for each in status["processes"]} == {
        "postgres", "redis", "nats", "engine", "relay", "mirror", "web", "edge", "worker", "beat",
    }  # fmt: skip
    unused = {name for name in production.ports if name.startswith(("custodian", "demo"))}
    assert unused
    assert not [name for name in unused if listens(production.ports[name])]


def test_the_settings_are_those_of_production(production: Production) -> None:
    told = production.installation.manage("shell", "-v", "0", "-c", FACTS)
    assert json.loads(told.stdout.splitlines()[-1]) == {
        "DEBUG": False,
        "QT_DEMO": False,
        "CUSTODY_URL": "",
        "CUSTODY_TOKEN": "",
        "CUSTODY_WEBHOOK_SECRET": "",
        "CUSTODY_SIMULATOR_URL": "",
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "users": 0,
    }


def test_no_process_has_a_secret_that_was_made_up_for_trials(production: Production) -> None:
    directory = production.installation.var / "secrets"
    made_up = {(directory / name).read_text().strip() for name in MADE_UP}
    for name, variables in production.environments().items():
        assert not made_up & set(variables.values()), name
        assert not [each for each in variables if each.startswith("QT_CUSTOD")], name
        assert variables.get("QT_DEMO", "0") == "0", name
    web = production.environments()["web"]
    assert (web["QT_PRODUCTION"], web["DJANGO_SECRET_KEY"]) == ("1", SECRETS["DJANGO_SECRET_KEY"])


def test_addresses_of_demo_mailbox_and_simulator_do_not_exist(production: Production) -> None:
    for path in NOT_THERE:
        for method in ("GET", "POST"):
            assert production.ask(method, path).status_code == 404, (method, path)
    for path in ("mailbox/", "mailbox/1"):
        assert production.ask("GET", path).status_code == 404, path
        assert production.ask("POST", path).status_code == 403, path  # without a form of ours
    exchange = production.ask("GET", "api/v1/exchange", headers={"Accept": "*/*"}).json()
    assert (exchange["demo"], exchange["mailbox"]) == (False, None)


def test_coins_come_from_nowhere_neither_by_command_nor_by_webhook(
    production: Production,
) -> None:
    credit = production.installation.manage(
        "credit", "--user", "1", "--asset", "BTC", "--amount", "1"
    )
    assert credit.returncode == 1
    secret = (production.installation.var / "secrets" / "custody_webhook_secret").read_bytes()
    body = b'{"type":"transfer","wallet":"w","transfer":"t"}'
    for key in (secret.strip(), b""):
        signature = hmac.new(key, body, hashlib.sha256).hexdigest()
        answer = production.ask(
            "POST", "webhooks/custody", content=body, headers={"X-Signature-SHA256": signature}
        )
        assert answer.status_code == 401
    count = "from apps.custody.models import Webhook; raise SystemExit(Webhook.objects.count())"
    assert production.installation.manage("shell", "-c", count).returncode == 0


def test_pages_come_with_transport_security_and_a_strict_policy(production: Production) -> None:
    for path in ("", "api/docs/", "admin/login/"):
        answer = production.ask("GET", path)
        assert answer.status_code == 200, path
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, path
        assert "frame-ancestors 'none'" in policy, path
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert ("'unsafe-eval'" in policy) is (path == "admin/login/")
        for cookie in answer.headers.get_list("set-cookie"):
            assert "Secure" in cookie.split("; "), path
            assert "HttpOnly" in cookie.split("; "), path


def test_the_api_is_described_and_nothing_of_the_demo_is_in_it(production: Production) -> None:
    schema = production.ask("GET", "api/schema/", headers={"Accept": "application/json"}).json()
    assert "/api/v1/orders" in schema["paths"]
    named = [path for path in schema["paths"] if "simulat" in path or "demo" in path]
    assert named == []


def test_errors_and_figures_tell_strangers_nothing(production: Production) -> None:
    missing = production.ask("GET", "nothing-here")
    assert missing.status_code == 404
    assert "urlpatterns" not in missing.text
    assert "DEBUG" not in missing.text
    assert production.ask("GET", "", headers={"Host": "evil.example"}).status_code == 400
    for path in ("metrics", "edge/metrics"):
        proxied = production.ask("GET", path, headers={"X-Forwarded-For": "192.0.2.1"})
        assert proxied.status_code == 403, path


def test_a_soak_tells_that_nothing_trades_and_proves_the_rest(production: Production) -> None:
    """The command as such, on an installation that has no market."""
    soak = production.installation.manage("soak", "--minutes", "0.2", "--json")
    assert soak.returncode == 1, soak.stderr
    (line,) = soak.stdout.splitlines()
    report = json.loads(line)
    assert report["failed"] == ["trades"]
    assert (report["proofs"], report["restarts"], report["errors"]) == (1, 0, 0)
    assert "MiB" in report["memory"]["engine"]


def test_a_soak_of_nothing_says_that_nothing_runs(tmp_path: Path) -> None:
    soak = Installation(var=tmp_path / "var").manage("soak")
    assert (soak.returncode, soak.stdout) == (3, "")
    assert "QuantaTrade is not running" in soak.stderr
