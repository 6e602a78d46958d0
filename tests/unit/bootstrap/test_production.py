"""`up --production` names everything that is missing, at once, and starts nothing."""

import pytest

from quantatrade.bootstrap.failure import BootstrapError
from quantatrade.bootstrap.production import require_production

GOOD = {
    "DJANGO_SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyz-0123456789abcdefghij",
    "QT_PUBLIC_URL": "https://exchange.example",
    "DATABASE_URL": "postgresql://admin:x@db.example/postgres",
    "REDIS_URL": "rediss://:x@redis.example:6379/0",
    "NATS_URL": "tls://user:x@nats.example:4222",
}


def test_a_complete_environment_is_accepted() -> None:
    require_production(GOOD)


def test_embedded_stores_must_be_allowed_on_purpose() -> None:
    embedded = {name: GOOD[name] for name in ("DJANGO_SECRET_KEY", "QT_PUBLIC_URL")}
    with pytest.raises(BootstrapError, match="DATABASE_URL, REDIS_URL, NATS_URL: give the addr"):
        require_production(embedded)
    require_production({**embedded, "QT_EMBEDDED_STORES": "1"})


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(BootstrapError) as refusal:
        require_production({"QT_DEBUG": "1", "QT_DEMO": "1"})
    named = [line.split(":")[0] for line in str(refusal.value).splitlines()[1:]]
    assert named == [
        "  - DJANGO_SECRET_KEY",
        "  - QT_PUBLIC_URL",
        "  - DATABASE_URL, REDIS_URL, NATS_URL",
        "  - QT_DEBUG must not be set",
        "  - QT_DEMO must not be set",
    ]


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DJANGO_SECRET_KEY", "short"),
        ("DJANGO_SECRET_KEY", "a" * 60),
        ("QT_PUBLIC_URL", "http://exchange.example"),
        ("QT_PUBLIC_URL", "https://localhost"),
        ("QT_PUBLIC_URL", "exchange.example"),
        ("QT_EMBEDDED_STORES", "yes"),
    ],
)
def test_an_unsafe_value_is_refused_by_name(variable: str, value: str) -> None:
    with pytest.raises(BootstrapError, match=f"  - {variable}"):
        require_production({**GOOD, variable: value})


CUSTODIAN = {
    "QT_CUSTODY_URL": "https://custodian.example",
    "QT_CUSTODY_TOKEN": "t" * 40,
    "QT_CUSTODY_WEBHOOK_SECRET": "s" * 40,
    "QT_CUSTODY_WALLETS": '{"btc": "w"}',
}


def test_a_real_custodian_is_accepted() -> None:
    require_production({**GOOD, **CUSTODIAN})


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"QT_CUSTODY_SIMULATOR_URL": "http://127.0.0.1:8012"}, "QT_CUSTODY_SIMULATOR_URL must"),
        ({"QT_CUSTODY_URL": "http://127.0.0.1:8012"}, "QT_CUSTODY_URL: set it to"),
        ({"QT_CUSTODY_URL": "https://127.0.0.2"}, "QT_CUSTODY_URL: set it to"),
        ({"QT_CUSTODY_WEBHOOK_SECRET": ""}, "QT_CUSTODY_WEBHOOK_SECRET: give all of"),
        ({"QT_CUSTODY_TOKEN": "short"}, "QT_CUSTODY_TOKEN: expected at least 32"),
    ],
)
def test_a_simulated_or_half_configured_custodian_is_refused(
    changes: dict[str, str], named: str
) -> None:
    with pytest.raises(BootstrapError, match=named):
        require_production({**GOOD, **CUSTODIAN, **changes})
