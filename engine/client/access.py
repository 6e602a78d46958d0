"""How a program may speak to an engine: its token, and the certificates of TLS.

All of it is in files, so no secret is in an environment, a command line or a log. Invariant: a
token goes only over loopback or TLS.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc

from engine.client.errors import AccessDenied

LOOPBACK_HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")
TOKEN_FILE_VARIABLE: Final = "ENGINE_TOKEN_FILE"  # noqa: S105 - a name
CA_FILE_VARIABLE: Final = "ENGINE_CA_FILE"
CERT_FILE_VARIABLE: Final = "ENGINE_CERT_FILE"
KEY_FILE_VARIABLE: Final = "ENGINE_KEY_FILE"
TOKEN_CHARS_MAX: Final = 512


@dataclass(frozen=True, kw_only=True)
class Access:
    """`ca_file` makes the connection TLS and names who signs the engine's certificate (PEM);
    `cert_file` and `key_file` are this client's own certificate, where the engine wants one."""

    token_file: Path | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None

    def __post_init__(self) -> None:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("expected the client's certificate and its key together, or neither")
        if self.cert_file is not None and self.ca_file is None:
            raise ValueError("a client's certificate was given without a CA, expected TLS with it")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Access:
        """ENGINE_TOKEN_FILE, ENGINE_CA_FILE, ENGINE_CERT_FILE and ENGINE_KEY_FILE."""

        def path(name: str) -> Path | None:
            return Path(environment[name]) if environment.get(name) else None

        return cls(
            token_file=path(TOKEN_FILE_VARIABLE),
            ca_file=path(CA_FILE_VARIABLE),
            cert_file=path(CERT_FILE_VARIABLE),
            key_file=path(KEY_FILE_VARIABLE),
        )

    def credentials(self, address: str) -> grpc.ChannelCredentials | None:
        """What a channel to `address` needs; None: plain. OSError if a file cannot be read."""
        if self.ca_file is None:
            if self.token_file is not None and address.rpartition(":")[0] not in LOOPBACK_HOSTS:
                raise ValueError(
                    f"address was {address} without a CA, expected TLS: a token would be readable"
                )
            return None
        return grpc.ssl_channel_credentials(
            root_certificates=self.ca_file.read_bytes(),
            private_key=None if self.key_file is None else self.key_file.read_bytes(),
            certificate_chain=None if self.cert_file is None else self.cert_file.read_bytes(),
        )

    def blocking_channel(
        self, address: str, options: Sequence[tuple[str, int]] = ()
    ) -> grpc.Channel:
        """A channel for stubs without an event loop. Its calls need the `metadata` too."""
        credentials = self.credentials(address)
        if credentials is None:
            return grpc.insecure_channel(address, options)
        return grpc.secure_channel(address, credentials, options)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes with each call. AccessDenied if there is no token in the token file.

        The file is read each time: a new token needs no restart.
        """
        if self.token_file is None:
            return ()
        try:
            with self.token_file.open(encoding="ascii") as file:
                token = file.read(TOKEN_CHARS_MAX).strip()
        except (OSError, ValueError) as error:
            raise AccessDenied(f"token file {self.token_file} cannot be read: {error}") from error
        if not token or not token.isprintable() or " " in token:
            raise AccessDenied(f"token file {self.token_file} was without one token in one line")
        return (("authorization", f"Bearer {token}"),)
