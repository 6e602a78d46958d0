"""Which custodian the platform has. Secrets come from the environment and have no default.

QT_CUSTODY_URL, QT_CUSTODY_TOKEN and QT_CUSTODY_WEBHOOK_SECRET are the custodian's address, our
access token and the key of its webhooks' signatures; QT_CUSTODY_WALLETS is JSON: coin -> wallet id
("*": every other coin). Invariant: a production installation knows no simulator.
"""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

from apps.core.addresses import is_loopback
from quantatrade.settings import environment

SECRET_CHARS_MIN: Final = 16


def _wallets(name: str) -> dict[str, str]:
    """Return coin -> wallet id."""
    value = environment.text(name)
    if not value:
        return {}
    try:
        stated = json.loads(value)
    except ValueError:
        stated = None
    if not isinstance(stated, dict) or not all(
        isinstance(wallet, str) and wallet for wallet in stated.values()
    ):
        raise ImproperlyConfigured(f'{name} was not JSON of the form {{"btc": "wallet id"}}')
    return dict(stated)


def _secret(name: str) -> str:
    value = environment.text(name)
    if value and len(value) < SECRET_CHARS_MIN:
        raise ImproperlyConfigured(
            f"{name} was {len(value)} characters, expected at least {SECRET_CHARS_MIN}"
        )
    return value


def _custodian(name: str) -> str:
    """Return the custodian's address; in production never one of this machine, nor unencrypted."""
    url = environment.text(name)
    parts = urlsplit(url)
    host = parts.hostname or ""
    is_local = host == "localhost" or is_loopback(host)
    if url and environment.flag("QT_PRODUCTION") and (parts.scheme != "https" or is_local):
        raise ImproperlyConfigured(
            f"{name} was {url!r} in a production installation, expected the https:// address of"
            " a real custodian"
        )
    return url


def _simulator(name: str) -> str:
    """Return the simulated custodian's address; in production there may be none."""
    url = environment.text(name)
    if url and environment.flag("QT_PRODUCTION"):
        raise ImproperlyConfigured(
            f"{name} was set in a production installation: coins would come from nowhere"
        )
    return url


CUSTODY_URL = _custodian("QT_CUSTODY_URL")
CUSTODY_TOKEN = _secret("QT_CUSTODY_TOKEN")
CUSTODY_WEBHOOK_SECRET = _secret("QT_CUSTODY_WEBHOOK_SECRET")
CUSTODY_WALLETS = _wallets("QT_CUSTODY_WALLETS")
CUSTODY_SIMULATOR_URL = _simulator("QT_CUSTODY_SIMULATOR_URL")
