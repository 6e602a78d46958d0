"""`python -m engine.cli`: look at an engine and command it."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from enum import IntEnum

from engine.cli.arguments import parser
from engine.cli.output import Output
from engine.client import (
    Access,
    AccessDenied,
    EngineClient,
    EngineError,
    EngineRefused,
    EngineUnavailable,
    InvalidRequest,
    OutcomeUnknown,
)
from engine.service.roles import Role
from engine.service.tokens import is_client_name, new_token


class ExitCode(IntEnum):
    """One for each thing that a script would do differently."""

    OK = 0
    REFUSED = 1  # by the engine, journaled
    USAGE = 2
    UNAVAILABLE = 3  # nothing was executed
    UNKNOWN = 4  # whether it was executed
    DENIED = 5
    NOT_FOUND = 6


_CODES: tuple[tuple[type[Exception], ExitCode], ...] = (
    (EngineRefused, ExitCode.REFUSED),
    (InvalidRequest, ExitCode.USAGE),
    (AccessDenied, ExitCode.DENIED),
    (EngineUnavailable, ExitCode.UNAVAILABLE),
    (OutcomeUnknown, ExitCode.UNKNOWN),
    (EngineError, ExitCode.UNAVAILABLE),
    (LookupError, ExitCode.NOT_FOUND),
    (ValueError, ExitCode.USAGE),
    (OSError, ExitCode.USAGE),
)


def main(arguments: list[str] | None = None) -> int:
    """Return the exit code."""
    options = parser().parse_args(arguments)
    try:
        if options.command == "token":
            _make_token(options)
        else:
            asyncio.run(_run(options))
    except BrokenPipeError:  # whoever read the rows has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except KeyboardInterrupt:
        return ExitCode.OK
    except tuple(kind for kind, _ in _CODES) as error:
        text = error.args[0] if isinstance(error, LookupError) and error.args else error
        sys.stderr.write(f"{text}\n")
        return next(code for kind, code in _CODES if isinstance(error, kind))
    return ExitCode.OK


async def _run(options: argparse.Namespace) -> None:
    access = Access(
        token_file=options.token_file,
        ca_file=options.ca_file,
        cert_file=options.cert_file,
        key_file=options.key_file,
    )
    async with EngineClient(options.engine, timeout_s=options.timeout, access=access) as engine:
        await options.run(engine, options, Output(is_json=options.json))


def _make_token(options: argparse.Namespace) -> None:
    """Write a new token to a new file, and what the engine's token file needs to stdout."""
    token, known = new_token()
    roles = [Role(role) for role in options.roles]
    if not is_client_name(options.name):
        raise ValueError(f"name was {options.name!r}, expected a-z 0-9 _ . -, at most 63")
    fd = os.open(options.out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(token + "\n")
    names = ", ".join(f'"{role}"' for role in roles)
    sys.stdout.write(f'[clients.{options.name}]\nsha256 = "{known}"\nroles = [{names}]\n')


if __name__ == "__main__":
    sys.exit(main())
