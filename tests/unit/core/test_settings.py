"""The composed settings are safe where nobody asked for otherwise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from quantatrade.celery import app as celery_app
from quantatrade.settings.security import CONSOLE_DIRECTIVES, STRICT_DIRECTIVES

NAMES = [
    "DEBUG",
    "ALLOWED_HOSTS",
    "SESSION_COOKIE_SECURE",
    "CSRF_COOKIE_SECURE",
    "SECURE_HSTS_SECONDS",
    "CSRF_TRUSTED_ORIGINS",
    "SESSION_COOKIE_HTTPONLY",
    "CSRF_COOKIE_HTTPONLY",
    "PASSWORD_HASHERS",
    "AUTH_USER_MODEL",
    "USE_TZ",
    "TIME_ZONE",
]
PROGRAM = f"""
import json
from django.conf import settings
print(json.dumps({{name: getattr(settings, name) for name in {NAMES!r}}}))
"""


def settings_with(**environment: str) -> dict[str, Any]:
    kept = {"PATH": os.environ["PATH"], "DJANGO_SETTINGS_MODULE": "quantatrade.settings"}
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={**kept, "DJANGO_SECRET_KEY": "k" * 60, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    loaded: dict[str, Any] = json.loads(result.stdout)
    return loaded


def test_defaults_are_those_of_production_on_loopback() -> None:
    assert settings_with() == {
        "DEBUG": False,
        "ALLOWED_HOSTS": ["127.0.0.1", "localhost", "[::1]"],
        "SESSION_COOKIE_SECURE": False,
        "CSRF_COOKIE_SECURE": False,
        "SECURE_HSTS_SECONDS": 0,
        "CSRF_TRUSTED_ORIGINS": ["http://127.0.0.1:8000"],
        "SESSION_COOKIE_HTTPONLY": True,
        "CSRF_COOKIE_HTTPONLY": True,
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.Argon2PasswordHasher"],
        "AUTH_USER_MODEL": "accounts.User",
        "USE_TZ": True,
        "TIME_ZONE": "UTC",
    }


def test_a_public_https_address_makes_cookies_secure() -> None:
    loaded = settings_with(QT_PUBLIC_URL="https://trade.example")
    assert loaded["SESSION_COOKIE_SECURE"] is True
    assert loaded["CSRF_COOKIE_SECURE"] is True
    assert loaded["SECURE_HSTS_SECONDS"] == 31_536_000
    assert loaded["ALLOWED_HOSTS"][0] == "trade.example"
    assert loaded["CSRF_TRUSTED_ORIGINS"] == ["https://trade.example"]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("QT_CUSTODY_SIMULATOR_URL", "http://127.0.0.1:8012"),
        ("QT_CUSTODY_URL", "http://127.0.0.1:8012"),
        ("QT_CUSTODY_URL", "https://localhost:8012"),
        ("QT_CUSTODY_URL", "https://[::1]:8012"),
        ("QT_CUSTODY_URL", "http://custodian.example"),
        ("QT_DEMO", "1"),
    ],
)
def test_production_settings_refuse_a_simulator_or_a_demo(variable: str, value: str) -> None:
    with pytest.raises(subprocess.CalledProcessError) as refused:
        settings_with(QT_PRODUCTION="1", **{variable: value})
    last = str(refused.value.stderr).strip().splitlines()[-1]
    assert "ImproperlyConfigured" in last
    assert f"{variable} was " in last
    assert "in a production installation" in last


def test_the_console_policy_is_wider_than_the_strict_one_in_three_places_only() -> None:
    changed = {
        name: CONSOLE_DIRECTIVES[name]
        for name in CONSOLE_DIRECTIVES
        if CONSOLE_DIRECTIVES[name] != STRICT_DIRECTIVES[name]
    }
    assert changed == {
        "script-src": ["'self'", "'unsafe-eval'"],
        "style-src": ["'self'", "'unsafe-inline'"],
        "img-src": ["'self'", "data:"],
    }
    assert STRICT_DIRECTIVES["default-src"] == ["'none'"]
    assert STRICT_DIRECTIVES["frame-ancestors"] == ["'none'"]


def test_tasks_are_json_with_limits_and_come_again_if_their_worker_dies() -> None:
    conf = celery_app.conf
    assert conf.accept_content == ["json"]
    assert conf.task_serializer == "json"
    assert conf.task_acks_late is True
    assert conf.task_reject_on_worker_lost is True
    assert 0 < conf.task_soft_time_limit < conf.task_time_limit <= 60
    assert conf.worker_prefetch_multiplier == 1


def test_health_is_sampled_every_ten_seconds_and_a_late_sample_is_dropped() -> None:
    entry = celery_app.conf.beat_schedule["sample-health"]
    assert entry["task"] == "console.sample_health"
    assert entry["schedule"] == 10.0
    assert entry["options"] == {"expires": 10.0}
