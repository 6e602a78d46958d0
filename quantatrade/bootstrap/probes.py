"""Health probes: short, bounded conversations that ask one process whether it can work.

Each returns None when healthy and otherwise says why in a few words. Invariant: a probe never
raises for a sick process and never takes longer than `PROBE_TIMEOUT_S`.
"""

import asyncio
import contextlib
import json
import struct

from quantatrade.bootstrap.process import Probe

PROBE_TIMEOUT_S = 2.0
REASON_CHARACTERS_MAX = 160
_REPLY_BYTES_MAX = 4096
_POSTGRES_PROTOCOL_3_0 = 196608
_POSTGRES_STARTING_UP = b"57P03"


async def _exchange(host: str, port: int, request: bytes, *, until_end: bool) -> bytes:
    """Send the request and read the reply: its first part, or all of it up to a limit."""
    reader, writer = await asyncio.open_connection(host, port)
    try:
        writer.write(request)
        await writer.drain()
        if not until_end:
            return await reader.read(_REPLY_BYTES_MAX)
        parts: list[bytes] = []
        while sum(map(len, parts)) < _REPLY_BYTES_MAX and (part := await reader.read(4096)):
            parts.append(part)
        return b"".join(parts)
    finally:
        await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):  # the other side may have been quicker
        await writer.wait_closed()


async def _ask(host: str, port: int, request: bytes, *, until_end: bool = False) -> bytes | str:
    """The reply's bytes, or the reason why there is none."""
    try:
        async with asyncio.timeout(PROBE_TIMEOUT_S):
            return await _exchange(host, port, request, until_end=until_end)
    except TimeoutError:
        return f"no answer within {PROBE_TIMEOUT_S:g} s"
    except OSError as error:
        return "not listening" if isinstance(error, ConnectionRefusedError) else str(error)


def http_probe(host: str, port: int, path: str) -> Probe:
    """Healthy when GET `path` answers 200; the body of another answer is the reason."""
    request = f"GET {path} HTTP/1.0\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode()

    async def probe() -> str | None:
        reply = await _ask(host, port, request, until_end=True)
        if isinstance(reply, str):
            return reply
        head, _, body = reply.partition(b"\r\n\r\n")
        status = head.split(b"\r\n", 1)[0].split(b" ")
        if len(status) > 1 and status[1] == b"200":
            return None
        code = status[1].decode("ascii", "replace") if len(status) > 1 else "no HTTP"
        return _reason_in(body) or f"{path} answered {code}"

    return probe


def _reason_in(body: bytes) -> str:
    """The `reason` or `reasons` of a JSON body, else the body itself if it is plain text."""
    text = body.decode("utf-8", "replace").strip()
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if isinstance(document, dict):
        reasons = document.get("reasons") or [document.get("reason") or document]
        text = "; ".join(map(str, reasons if isinstance(reasons, list) else [reasons]))
    if text.startswith("<"):
        return ""
    return " ".join(text.split())[:REASON_CHARACTERS_MAX]


def postgres_probe(host: str, port: int) -> Probe:
    """Healthy when PostgreSQL asks for a password, that is, when it accepts connections."""
    parameters = b"user\x00postgres\x00database\x00postgres\x00\x00"
    request = struct.pack("!ii", 8 + len(parameters), _POSTGRES_PROTOCOL_3_0) + parameters

    async def probe() -> str | None:
        reply = await _ask(host, port, request)
        if isinstance(reply, str):
            return reply
        if reply[:1] == b"R":
            return None
        if _POSTGRES_STARTING_UP in reply:
            return "starting up or recovering"
        return "refuses connections" if reply[:1] == b"E" else "does not speak PostgreSQL"

    return probe


def redis_probe(host: str, port: int, password: str) -> Probe:
    """Healthy when Redis accepts the password and answers PING."""
    request = f"AUTH {password}\r\nPING\r\nQUIT\r\n".encode()

    async def probe() -> str | None:
        reply = await _ask(host, port, request, until_end=True)
        if isinstance(reply, str):
            return reply
        if b"+PONG" in reply:
            return None
        return reply.decode("utf-8", "replace").strip().replace("\r\n", "; ") or "closed at once"

    return probe


def tcp_probe(host: str, port: int) -> Probe:
    """Healthy when something listens: all that can be asked of a stranger's server."""

    async def connect() -> None:
        _, writer = await asyncio.open_connection(host, port)
        await _close(writer)

    async def probe() -> str | None:
        try:
            await asyncio.wait_for(connect(), PROBE_TIMEOUT_S)
        except TimeoutError:
            return f"no answer within {PROBE_TIMEOUT_S:g} s"
        except OSError as error:
            return f"unreachable: {error.strerror or error}"
        return None

    return probe
