"""What the processes read from their environment, turned into settings or refused by name.

Invariant: no secret has a default. A value that is present but unusable raises
ImproperlyConfigured naming the variable; a value that is absent leaves its setting empty, so that
tools which only import the settings (type checkers, `--help`) work without one, while the first
use of it fails.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

CONNECT_TIMEOUT_S: Final = 5
STATEMENT_TIMEOUT_MS: Final = 30_000
SECRET_KEY_CHARS_MIN: Final = 50
_LOOPBACK_HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")
_POSTGRES_SCHEMES: Final = ("postgres", "postgresql")


def text(name: str, default: str = "") -> str:
    """Return the variable without surrounding white space."""
    return os.environ.get(name, default).strip()


def flag(name: str) -> bool:
    """True if the variable is `1`, False if it is `0`, empty or absent."""
    value = text(name, "0")
    if value not in ("", "0", "1"):
        raise ImproperlyConfigured(f"{name} was {value!r}, expected 0 or 1")
    return value == "1"


def demo(name: str) -> bool:
    """Return whether this is a demo exchange. A production installation that says so is refused."""
    is_demo = flag(name)
    if is_demo and flag("QT_PRODUCTION"):
        raise ImproperlyConfigured(
            f"{name} was 1 in a production installation, expected 0: a demo trades with play money"
        )
    return is_demo


def port(name: str) -> int | None:
    """Return a TCP port, or None where the variable is absent."""
    value = text(name)
    if not value:
        return None
    if not value.isdecimal() or not 0 <= int(value) <= 65_535:
        raise ImproperlyConfigured(f"{name} was {value!r}, expected a port from 0 to 65535")
    return int(value)


def database(name: str) -> dict[str, Any]:
    """Return the DATABASES entry for the PostgreSQL URL in variable `name`.

    Absent, it is Django's dummy backend, which refuses every use.
    """
    url = text(name)
    if not url:
        return {"ENGINE": "django.db.backends.dummy"}
    parts = urlsplit(url)
    if parts.scheme not in _POSTGRES_SCHEMES or not parts.path.strip("/"):
        raise ImproperlyConfigured(
            f"{name} was a URL of scheme {parts.scheme!r}, "
            "expected postgresql://user:password@host:port/database"
        )
    options: dict[str, Any] = {
        "connect_timeout": CONNECT_TIMEOUT_S,
        "application_name": "quantatrade",
        **dict(parse_qsl(parts.query)),
    }
    host = options.pop("host", None) or unquote(parts.hostname or "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": str(parts.port or options.pop("port", "")),
        "OPTIONS": options,
    }


def application_database(name: str) -> dict[str, Any]:
    """As `database`, kept open between requests and with a limit on each statement's time."""
    entry = database(name)
    if "OPTIONS" not in entry:
        return entry
    entry["OPTIONS"].setdefault("options", f"-c statement_timeout={STATEMENT_TIMEOUT_MS}")
    return entry | {"CONN_MAX_AGE": 60, "CONN_HEALTH_CHECKS": True}


def secret_key(var: Path) -> str:
    """Return DJANGO_SECRET_KEY, or the content of the file DJANGO_SECRET_KEY_FILE.

    The file's default place is `secrets/django_secret_key` below the state directory. Empty if
    there is neither: Django then refuses to sign anything.
    """
    key = text("DJANGO_SECRET_KEY")
    if not key:
        named = text("DJANGO_SECRET_KEY_FILE")
        path = Path(named) if named else var / "secrets" / "django_secret_key"
        if named or path.is_file():
            key = path.read_text(encoding="ascii").strip()
    if key and len(key) < SECRET_KEY_CHARS_MIN:
        raise ImproperlyConfigured(
            f"the Django secret key was {len(key)} characters, "
            f"expected at least {SECRET_KEY_CHARS_MIN}"
        )
    return key


def former_secret_keys() -> list[str]:
    """Return the keys in DJANGO_SECRET_KEY_FALLBACKS, separated by white space, newest first.

    What they sealed can still be opened; nothing new is signed or sealed with them.
    """
    keys = text("DJANGO_SECRET_KEY_FALLBACKS").split()
    if any(len(key) < SECRET_KEY_CHARS_MIN for key in keys):
        raise ImproperlyConfigured(
            "DJANGO_SECRET_KEY_FALLBACKS held a key that is too short, "
            f"expected at least {SECRET_KEY_CHARS_MIN} characters each"
        )
    return keys


def public_origin(name: str) -> tuple[str, str]:
    """Return (origin, host) of the public URL in `name`, e.g. ('https://x.org:8443', 'x.org')."""
    url = text(name) or "http://127.0.0.1:8000"
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ImproperlyConfigured(f"{name} was {url!r}, expected http(s)://host[:port]")
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}", parts.hostname


def allowed_hosts(public_host: str) -> list[str]:
    """Return the host names that requests may state: the public one and loopback."""
    return list(dict.fromkeys([public_host, *_LOOPBACK_HOSTS]))


def processes(name: str) -> dict[str, str]:
    """Return process name -> health URL from the JSON in `name` ({"web": {"health": "http…"}})."""
    value = text(name)
    if not value:
        return {}
    try:
        stated = json.loads(value)
        found = {str(process): str(entry["health"]) for process, entry in stated.items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ImproperlyConfigured(
            f'{name} was not JSON of the form {{"web": {{"health": "http://…"}}}}: {error!r}'
        ) from error
    for process, url in found.items():
        if urlsplit(url).scheme not in ("http", "https", "tcp", "grpc"):
            raise ImproperlyConfigured(
                f"{name} gave {process} the health address {url!r}, expected http, tcp or grpc"
            )
    return found
