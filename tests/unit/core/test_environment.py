"""Settings take what the environment states, refuse what it cannot mean, and invent no secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from quantatrade.settings import environment


def test_a_database_url_becomes_a_database(monkeypatch: pytest.MonkeyPatch) -> None:
    url = "postgresql://qt%40app:p%2Fw@db.example:5433/quanta%20trade?sslmode=verify-full"
    monkeypatch.setenv("SOME_URL", url)
    assert environment.database("SOME_URL") == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "quanta trade",
        "USER": "qt@app",
        "PASSWORD": "p/w",
        "HOST": "db.example",
        "PORT": "5433",
        "OPTIONS": {
            "connect_timeout": environment.CONNECT_TIMEOUT_S,
            "application_name": "quantatrade",
            "sslmode": "verify-full",
        },
    }


def test_the_application_database_limits_the_time_of_statements(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SOME_URL", "postgresql://a@h/d")
    entry = environment.application_database("SOME_URL")
    assert entry["OPTIONS"]["options"] == "-c statement_timeout=30000"
    assert entry["CONN_HEALTH_CHECKS"] is True


@pytest.mark.parametrize("url", ["mysql://a:secret@h/d", "postgresql://a:secret@h/", "nonsense"])
def test_an_unusable_database_url_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("SOME_URL", url)
    with pytest.raises(ImproperlyConfigured, match="SOME_URL was a URL of scheme") as caught:
        environment.database("SOME_URL")
    assert "secret" not in str(caught.value)


def test_without_a_url_the_database_refuses_every_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_URL", raising=False)
    assert environment.database("SOME_URL") == {"ENGINE": "django.db.backends.dummy"}
    assert environment.application_database("SOME_URL") == {"ENGINE": "django.db.backends.dummy"}


def test_the_secret_key_comes_from_the_variable_before_the_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir()
    (secrets / "django_secret_key").write_text("f" * 60 + "\n")
    monkeypatch.delenv("DJANGO_SECRET_KEY_FILE", raising=False)
    monkeypatch.setenv("DJANGO_SECRET_KEY", "v" * 60)
    assert environment.secret_key(tmp_path) == "v" * 60
    monkeypatch.delenv("DJANGO_SECRET_KEY")
    assert environment.secret_key(tmp_path) == "f" * 60


def test_there_is_no_default_secret_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DJANGO_SECRET_KEY", raising=False)
    monkeypatch.delenv("DJANGO_SECRET_KEY_FILE", raising=False)
    assert environment.secret_key(tmp_path) == ""


def test_a_short_secret_key_is_refused_and_not_repeated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DJANGO_SECRET_KEY", "changeme")
    with pytest.raises(ImproperlyConfigured, match="was 8 characters, expected at least 50") as e:
        environment.secret_key(tmp_path)
    assert "changeme" not in str(e.value)


def test_a_secret_key_file_that_is_named_must_exist(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DJANGO_SECRET_KEY", raising=False)
    monkeypatch.setenv("DJANGO_SECRET_KEY_FILE", str(tmp_path / "missing"))
    with pytest.raises(FileNotFoundError):
        environment.secret_key(tmp_path)


def test_flags_are_zero_or_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, meaning in (("1", True), ("0", False), ("", False)):
        monkeypatch.setenv("SOME_FLAG", value)
        assert environment.flag("SOME_FLAG") is meaning
    monkeypatch.setenv("SOME_FLAG", "yes")
    with pytest.raises(ImproperlyConfigured, match="SOME_FLAG was 'yes', expected 0 or 1"):
        environment.flag("SOME_FLAG")


def test_ports_are_numbers_in_range(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_PORT", raising=False)
    assert environment.port("SOME_PORT") is None
    monkeypatch.setenv("SOME_PORT", "8080")
    assert environment.port("SOME_PORT") == 8080
    for value in ("-1", "65536", "http"):
        monkeypatch.setenv("SOME_PORT", value)
        with pytest.raises(ImproperlyConfigured, match="SOME_PORT was"):
            environment.port("SOME_PORT")


def test_the_public_url_gives_origin_and_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_ORIGIN", "https://user:pw@trade.example:8443/console?x=1")
    assert environment.public_origin("SOME_ORIGIN") == (
        "https://trade.example:8443",
        "trade.example",
    )
    assert environment.allowed_hosts("trade.example") == [
        "trade.example",
        "127.0.0.1",
        "localhost",
        "[::1]",
    ]
    monkeypatch.setenv("SOME_ORIGIN", "trade.example")
    with pytest.raises(ImproperlyConfigured, match="SOME_ORIGIN was"):
        environment.public_origin("SOME_ORIGIN")


def test_processes_are_read_from_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOME_JSON", raising=False)
    assert environment.processes("SOME_JSON") == {}
    monkeypatch.setenv("SOME_JSON", '{"web": {"health": "http://127.0.0.1:1/healthz"}}')
    assert environment.processes("SOME_JSON") == {"web": "http://127.0.0.1:1/healthz"}
    for value in ("[]", "{", '{"web": 1}', '{"web": {}}', '{"web": {"health": "file:///etc"}}'):
        monkeypatch.setenv("SOME_JSON", value)
        with pytest.raises(ImproperlyConfigured, match="SOME_JSON"):
            environment.processes("SOME_JSON")


def test_a_demo_is_what_says_so_and_never_a_production_installation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("QT_DEMO", raising=False)
    assert environment.demo("QT_DEMO") is False
    monkeypatch.setenv("QT_DEMO", "1")
    assert environment.demo("QT_DEMO") is True
    monkeypatch.setenv("QT_PRODUCTION", "1")
    with pytest.raises(ImproperlyConfigured, match="QT_DEMO was 1 in a production installation"):
        environment.demo("QT_DEMO")


def test_former_secret_keys_are_a_list_and_none_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DJANGO_SECRET_KEY_FALLBACKS", raising=False)
    assert environment.former_secret_keys() == []
    monkeypatch.setenv("DJANGO_SECRET_KEY_FALLBACKS", f"{'a' * 50} {'b' * 60}\n")
    assert environment.former_secret_keys() == ["a" * 50, "b" * 60]
    monkeypatch.setenv("DJANGO_SECRET_KEY_FALLBACKS", f"{'a' * 50} short")
    with pytest.raises(ImproperlyConfigured, match="held a key that is too short"):
        environment.former_secret_keys()
