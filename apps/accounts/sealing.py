"""Small secrets at rest: encrypted with a key that is derived from SECRET_KEY for this alone.

AES-256-GCM; what is sealed is bound to its place, so that a row's secret is worth nothing in
another row. SECRET_KEY may be changed: the one before goes into SECRET_KEY_FALLBACKS until
`manage.py reseal_api_keys` has sealed everything anew. Invariant: nothing that was altered, moved
or sealed by another installation is ever opened.
"""

from __future__ import annotations

import hashlib
import secrets
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings

_LABEL: Final = b"quantatrade api key secrets v1"
_FORM: Final = b"\x01"
_MARK_BYTES: Final = 4  # tells under which of our keys it was sealed
_NONCE_BYTES: Final = 12
_HEAD_BYTES: Final = len(_FORM) + _MARK_BYTES + _NONCE_BYTES


class SealBrokenError(ValueError):
    """It was altered, belongs elsewhere, or was sealed under a key that we do not have."""


@lru_cache(maxsize=8)
def _key(secret: str) -> tuple[bytes, AESGCM]:
    """Derive the key of one SECRET_KEY (RFC 5869), and the mark by which it is recognised."""
    derivation = HKDF(algorithm=hashes.SHA256(), length=32, salt=None, info=_LABEL)
    key = derivation.derive(secret.encode())
    return hashlib.sha256(_LABEL + key).digest()[:_MARK_BYTES], AESGCM(key)


def seal(plain: bytes, *, place: str) -> bytes:
    """Return `plain` encrypted; it can be opened with the same `place` only."""
    mark, cipher = _key(settings.SECRET_KEY)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return _FORM + mark + nonce + cipher.encrypt(nonce, plain, place.encode())


def unseal(sealed: bytes, *, place: str) -> bytes:
    """Return what was sealed. SealBrokenError if it cannot be opened."""
    body = sealed[_HEAD_BYTES:]
    mark = sealed[len(_FORM) : len(_FORM) + _MARK_BYTES]
    nonce = sealed[_HEAD_BYTES - _NONCE_BYTES : _HEAD_BYTES]
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        known, cipher = _key(secret)
        if sealed[:1] == _FORM and known == mark:
            try:
                return cipher.decrypt(nonce, body, place.encode())
            except InvalidTag as error:
                raise SealBrokenError("it was altered, or belongs elsewhere") from error
    raise SealBrokenError("no key of ours sealed it; expected one of SECRET_KEY(_FALLBACKS)")


def is_sealed_anew(sealed: bytes) -> bool:
    """Tell whether the newest key sealed it."""
    mark, _ = _key(settings.SECRET_KEY)
    return sealed[: len(_FORM) + _MARK_BYTES] == _FORM + mark
