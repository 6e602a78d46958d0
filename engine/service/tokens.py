"""Who may call: a file of clients with the SHA-256 of their tokens, their roles and limits.

The file holds no secret: a token is 32 random bytes, of which the hash tells nothing. It is read
again when it changes; a token that was taken out ends the streams that were opened with it.
Invariant: a file that cannot be understood as a whole changes nothing.

    [clients.gateway]
    sha256 = ["9f86…"]          # one, or two while a token is being replaced
    roles = ["trader"]          # market, read, peer, trader, operator
    calls_per_second = 20000    # optional
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import secrets
import stat
import time
import tomllib
from pathlib import Path
from typing import Any, Final

import structlog

from engine.proto import engine_pb2 as pb
from engine.service.errors import (
    NotPermittedError,
    OverloadedError,
    SecurityError,
    UnauthenticatedError,
)
from engine.service.roles import Role, with_included

TOKEN_BYTES: Final = 32
CLIENTS_MAX: Final = 256
TOKENS_PER_CLIENT_MAX: Final = 2
CALLS_PER_SECOND_DEFAULT: Final = 10_000
CALLS_PER_SECOND_MAX: Final = 1_000_000
_SCHEME: Final = "bearer "
_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,62}")
_HASH: Final = re.compile(r"[0-9a-f]{64}")
log = structlog.get_logger(__name__)


def new_token() -> tuple[str, str]:
    """A new token, and the hash of it that goes into the file."""
    token = secrets.token_urlsafe(TOKEN_BYTES)
    return token, token_hash(token)


def token_hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def is_client_name(name: str) -> bool:
    return _NAME.fullmatch(name) is not None


class Meter:
    """Counts calls against a rate; what was saved up is at most one second's worth. 0: no limit."""

    def __init__(self, calls_per_second: int) -> None:
        self._rate = calls_per_second
        self._saved = float(calls_per_second)
        self._at_s = time.monotonic()

    def wait_s(self) -> float:
        """Count one call: 0, or after how many seconds there would be room for it."""
        if not self._rate:
            return 0.0
        now = time.monotonic()
        self._saved = min(self._saved + (now - self._at_s) * self._rate, float(self._rate))
        self._at_s = now
        if self._saved < 1:
            return (1 - self._saved) / self._rate
        self._saved -= 1
        return 0.0

    async def turn(self) -> None:
        """Wait until there is room for one more call, and count it."""
        wait_s = self.wait_s()
        while wait_s:
            await asyncio.sleep(wait_s)
            wait_s = self.wait_s()


class Caller:
    """A client that is known. `withdrawn`: its token is in the file no more."""

    def __init__(self, name: str, roles: frozenset[Role], calls_per_second: int) -> None:
        self.name = name
        self.roles = roles
        self.calls_per_second = calls_per_second
        self.meter = Meter(calls_per_second)
        self.withdrawn = False

    def require(self, role: Role, method: str) -> None:
        """NotPermittedError unless the client has the role."""
        if role not in self.roles:
            raise NotPermittedError(
                f"client {self.name} has not the role {role}, which {method} needs"
            )

    def count_call(self) -> None:
        """OverloadedError if this call is one too many."""
        if self.meter.wait_s():
            raise OverloadedError(
                f"client {self.name} has made its {self.calls_per_second} calls of this second",
                pb.Error.CALL_RATE,
            )

    def require_token(self) -> None:
        """UnauthenticatedError once the token was taken out of the file."""
        if self.withdrawn:
            raise UnauthenticatedError(
                f"the token of client {self.name} was withdrawn", pb.Error.TOKEN_WITHDRAWN
            )


EVERYBODY: Final = Caller("everybody", with_included([Role.OPERATOR]), 0)
"""The caller on loopback where no token is asked for."""


class Tokens:
    """The clients in one file. SecurityError at the first reading if it is not right."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._mark = self._stat()
        self._callers = read_clients(path)

    def caller(self, authorization: str | None) -> Caller:
        """The client that carries this `authorization` metadata."""
        if authorization is None or not authorization.lower().startswith(_SCHEME):
            raise UnauthenticatedError(
                "this engine wants the metadata `authorization: Bearer TOKEN`",
                pb.Error.TOKEN_MISSING,
            )
        caller = self._callers.get(token_hash(authorization[len(_SCHEME) :].strip()))
        if caller is None:
            raise UnauthenticatedError("the token is not one that this engine knows")
        return caller

    def reload_if_changed(self) -> None:
        """Read the file again if it is another than the one that was read last."""
        if self._stat() != self._mark:
            self.reload()

    def reload(self) -> None:
        """Read the file again; what cannot be understood leaves everything as it was."""
        mark = self._stat()
        if mark is None:
            log.error("token_file_refused", path=str(self._path), detail="it cannot be read")
            return
        self._mark = mark
        try:
            callers = read_clients(self._path)
        except SecurityError as error:
            log.error("token_file_refused", path=str(self._path), detail=str(error))
            return
        for known, caller in self._callers.items():
            new = callers.get(known)
            if new is None or (new.name, new.roles) != (caller.name, caller.roles):
                caller.withdrawn = True
            elif new.calls_per_second == caller.calls_per_second:
                callers[known] = caller  # and with it what it has used of its rate
        self._callers = callers
        log.info("token_file_read", path=str(self._path), tokens=len(callers))

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino


def read_clients(path: Path) -> dict[str, Caller]:
    """Clients by the hash of each of their tokens. SecurityError says what is wrong."""
    try:
        if path.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise SecurityError(f"token file {path} can be written by others: chmod go-w it")
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise SecurityError(
            f"token file {path} cannot be read: {os.strerror(error.errno or 0)}"
        ) from error
    except ValueError as error:
        raise SecurityError(f"token file {path} is not TOML: {error}") from error
    clients = content.get("clients")
    if set(content) != {"clients"} or not isinstance(clients, dict) or not clients:
        raise SecurityError(f"token file {path} was without [clients.NAME] tables, or with others")
    if len(clients) > CLIENTS_MAX:
        raise SecurityError(f"token file {path} has {len(clients)} clients, at most {CLIENTS_MAX}")
    callers: dict[str, Caller] = {}
    for name, entry in clients.items():
        try:
            caller, hashes = _client(name, entry)
        except ValueError as error:
            raise SecurityError(f"token file {path}: client {name!r}: {error}") from error
        for known in hashes:
            if known in callers:
                raise SecurityError(f"token file {path}: client {name!r} repeats a hash")
            callers[known] = caller
    return callers


def _client(name: str, entry: Any) -> tuple[Caller, list[str]]:
    """One table of the file. ValueError names what is not right."""
    if not is_client_name(name):
        raise ValueError("expected a name of a-z 0-9 _ . -, at most 63 characters")
    if not isinstance(entry, dict) or not {"sha256", "roles"} <= set(entry):
        raise ValueError("expected a table with sha256 and roles")
    strange = set(entry) - {"sha256", "roles", "calls_per_second"}
    if strange:
        raise ValueError(f"{min(strange)} is not known, expected sha256, roles, calls_per_second")
    hashes = entry["sha256"] if isinstance(entry["sha256"], list) else [entry["sha256"]]
    if not 1 <= len(hashes) <= TOKENS_PER_CLIENT_MAX or not all(
        isinstance(each, str) and _HASH.fullmatch(each) for each in hashes
    ):
        raise ValueError("sha256 was not 1 or 2 hashes of 64 hexadecimal digits")
    roles = entry["roles"]
    if not isinstance(roles, list) or not roles or not all(each in list(Role) for each in roles):
        raise ValueError(f"roles were {roles!r}, expected some of {', '.join(Role)}")
    rate = entry.get("calls_per_second", CALLS_PER_SECOND_DEFAULT)
    if type(rate) is not int or not 1 <= rate <= CALLS_PER_SECOND_MAX:
        raise ValueError(f"calls_per_second was {rate!r}, expected 1..{CALLS_PER_SECOND_MAX}")
    return Caller(name, with_included([Role(each) for each in roles]), rate), hashes
