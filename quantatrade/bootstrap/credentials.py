"""The passwords and keys that this installation made for itself, one file each.

They are random, made once, readable by their owner alone, and never leave `secrets/` except
through the environment of the one process that needs them. Invariant: a secret that exists is
used or refused, never silently replaced, because data are locked with it.
"""

import os
import secrets
from pathlib import Path

from quantatrade.bootstrap.failure import BootstrapError

NAMES = (
    "postgres", "qt_owner", "qt_app", "qt_mirror", "redis", "nats", "django_secret_key",
    "custody_token", "custody_webhook_secret", "custody_wallet",
)  # fmt: skip
CHARACTERS_MIN = 16
_RANDOM_BYTES = 32
_OTHERS_BITS = 0o077


def load_credentials(directory: Path) -> dict[str, str]:
    """Every secret by name; those that do not exist yet are made."""
    if (directory.parent / "postgres" / "data").exists() and not (directory / "postgres").exists():
        raise BootstrapError(
            f"{directory / 'postgres'} is missing although its database exists: restore the"
            " secrets from a backup, or start anew with `manage.py up --fresh`."
        )
    return {name: _load(directory / name) for name in NAMES}


def _load(path: Path) -> str:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return _read(path)
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_hex(_RANDOM_BYTES))
        file.flush()
        os.fsync(file.fileno())
    return _read(path)


def _read(path: Path) -> str:
    try:
        text = path.read_text(encoding="ascii").strip()
        others_may_read = path.stat().st_mode & _OTHERS_BITS
    except (OSError, UnicodeDecodeError) as error:
        raise BootstrapError(
            f"The secret {path} cannot be read ({type(error).__name__}): restore it from a"
            " backup, or start anew with `manage.py up --fresh`."
        ) from error
    if others_may_read:
        raise BootstrapError(
            f"The secret {path} is readable by others: run `chmod 600 {path}`, and change the"
            " password if they may have read it."
        )
    if len(text) < CHARACTERS_MIN or any(each.isspace() for each in text):
        raise BootstrapError(
            f"The secret {path} is damaged: it has {len(text)} characters, expected at least"
            f" {CHARACTERS_MIN} without spaces. Restore it, or use `manage.py up --fresh`."
        )
    return text
