"""What `up --production` demands before it starts anything.

A production installation must not run on anything that was made up for convenience: its key and
its public address are the operator's, its stores are the operator's or knowingly ours, and no login
is created. Invariant: every omission is named at once, not one per attempt.
"""

from collections.abc import Mapping
from urllib.parse import urlsplit

from quantatrade.bootstrap.configuration import EXTERNAL_VARIABLES
from quantatrade.bootstrap.failure import BootstrapError

KEY_CHARACTERS_MIN = 50
KEY_DISTINCT_MIN = 10
CUSTODY_SECRET_CHARACTERS_MIN = 32
EMBEDDED_VARIABLE = "QT_EMBEDDED_STORES"
_LOCAL_HOSTS = ("localhost", "127.0.0.1", "::1")
_CUSTODY = (
    "QT_CUSTODY_URL", "QT_CUSTODY_TOKEN", "QT_CUSTODY_WEBHOOK_SECRET", "QT_CUSTODY_WALLETS",
)  # fmt: skip
_STORES = ("postgres", "redis", "nats")


def require_production(environment: Mapping[str, str]) -> None:
    """Raise BootstrapError naming everything that is missing or unsafe."""
    wrong = [
        *_wrong_key(environment.get("DJANGO_SECRET_KEY", "")),
        *_wrong_public_url(environment.get("QT_PUBLIC_URL", "")),
        *_wrong_stores(environment),
        *_wrong_custodian(environment),
    ]
    if environment.get("QT_DEBUG", "0") not in ("", "0"):
        wrong.append("QT_DEBUG must not be set")
    if environment.get("QT_DEMO", "0") not in ("", "0"):
        wrong.append("QT_DEMO must not be set: a demo trades with play money")
    if wrong:
        raise BootstrapError(
            "Not started, because --production needs more:\n"
            + "\n".join(f"  - {each}" for each in wrong)
        )


def _wrong_key(key: str) -> list[str]:
    if len(key) >= KEY_CHARACTERS_MIN and len(set(key)) >= KEY_DISTINCT_MIN:
        return []
    if not key:
        return [f"DJANGO_SECRET_KEY: set it to {KEY_CHARACTERS_MIN} or more random characters"]
    return [
        (
            f"DJANGO_SECRET_KEY: it has {len(key)} characters, {len(set(key))} of them distinct;"
            f" expected at least {KEY_CHARACTERS_MIN} random ones"
        )
    ]


def _wrong_public_url(url: str) -> list[str]:
    parts = urlsplit(url)
    if parts.scheme == "https" and parts.hostname and parts.hostname not in _LOCAL_HOSTS:
        return []
    return [
        (
            "QT_PUBLIC_URL: set it to the https:// address that browsers use"
            " (it also decides which host names are answered and that cookies are secure)"
        )
    ]


def _wrong_custodian(environment: Mapping[str, str]) -> list[str]:
    """No custodian at all is allowed: then there are no deposits."""
    wrong = []
    if environment.get("QT_CUSTODY_SIMULATOR_URL"):
        wrong.append("QT_CUSTODY_SIMULATOR_URL must not be set: coins would come from nowhere")
    given = [name for name in _CUSTODY if environment.get(name)]
    if not given:
        return wrong
    missing = [name for name in _CUSTODY if name not in given]
    if missing:
        wrong.append(f"{', '.join(missing)}: give all of {', '.join(_CUSTODY)}, or none")
    parts = urlsplit(environment.get("QT_CUSTODY_URL", ""))
    host = parts.hostname or ""
    is_local = host in _LOCAL_HOSTS or host.startswith("127.")
    if "QT_CUSTODY_URL" in given and (parts.scheme != "https" or not host or is_local):
        wrong.append("QT_CUSTODY_URL: set it to the custodian's https:// address")
    short = [
        name
        for name in ("QT_CUSTODY_TOKEN", "QT_CUSTODY_WEBHOOK_SECRET")
        if name in given and len(environment[name]) < CUSTODY_SECRET_CHARACTERS_MIN
    ]
    if short:
        wrong.append(
            f"{', '.join(short)}: expected at least {CUSTODY_SECRET_CHARACTERS_MIN} characters"
        )
    return wrong


def _wrong_stores(environment: Mapping[str, str]) -> list[str]:
    value = environment.get(EMBEDDED_VARIABLE, "")
    if value not in ("", "0", "1"):
        return [f"{EMBEDDED_VARIABLE} was {value!r}, expected 0 or 1"]
    missing = [
        EXTERNAL_VARIABLES[each]
        for each in _STORES
        if not environment.get(EXTERNAL_VARIABLES[each])
    ]
    if not missing or value == "1":
        return []
    return [
        (
            f"{', '.join(missing)}: give the addresses of your servers,"
            f" or allow the embedded ones with {EMBEDDED_VARIABLE}=1"
        )
    ]
