"""The JetStream stream as the relay sees it: its settings, its last message, publishing to it.

Invariant: every message is published on the condition that the stream's last sequence is the one
the relay expects, so no message enters out of order, twice, or behind somebody else's back.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import (
    DiscardPolicy,
    Header,
    PubAck,
    RetentionPolicy,
    StorageType,
    StreamConfig,
    StreamInfo,
)
from nats.js.errors import NotFoundError

from engine.proto.stream import (
    STREAM_NAME,
    STREAM_SUBJECT,
    StreamBatch,
    pack_batch,
    unpack_batch,
)
from engine.relay.errors import ForeignStreamError, StreamConfigError

STREAM_BYTES_DEFAULT: Final = 1 << 30  # eight million events; older ones are in the journal
DUPLICATE_WINDOW_S: Final = 120.0
REQUEST_TIMEOUT_S: Final = 5.0
IN_FLIGHT_MAX: Final = 16
WRONG_LAST_SEQUENCE: Final = 10071  # the server's error code


class Tail(NamedTuple):
    """The end of the stream: its own sequence, and the batch that is its last message, if any."""

    stream_seq: int
    batch: StreamBatch | None


def stream_context(client: Client) -> JetStreamContext:
    """Return the connection's JetStream context."""
    return client.jetstream(timeout=REQUEST_TIMEOUT_S)


async def ensure_stream(js: JetStreamContext, bytes_max: int) -> None:
    """Create the stream, or verify that the one there keeps every event in order.

    StreamConfigError names the setting that is not as it must be. The size limit of an existing
    stream is the operator's own.
    """
    try:
        info = await js.stream_info(STREAM_NAME)
    except NotFoundError:
        info = await js.add_stream(_wanted(bytes_max))
    _verify(info)


def _wanted(bytes_max: int) -> StreamConfig:
    return StreamConfig(
        name=STREAM_NAME,
        subjects=[STREAM_SUBJECT],
        retention=RetentionPolicy.LIMITS,
        discard=DiscardPolicy.OLD,
        storage=StorageType.FILE,
        max_bytes=bytes_max,
        duplicate_window=DUPLICATE_WINDOW_S,
        deny_delete=True,
        deny_purge=True,
    )


def _verify(info: StreamInfo) -> None:
    found, wanted = info.config, _wanted(1)
    for setting in ("subjects", "retention", "discard", "storage", "deny_delete", "deny_purge"):
        was, expected = getattr(found, setting), getattr(wanted, setting)
        if was != expected:
            raise StreamConfigError(
                f"stream {STREAM_NAME} has {setting} {was}, expected {expected}"
            )
    if not found.max_bytes or found.max_bytes < 1:
        raise StreamConfigError(f"stream {STREAM_NAME} has no max_bytes, expected a limit")


async def read_tail(js: JetStreamContext) -> Tail:
    """Return the stream's end. ForeignStreamError if its last message is not a batch of events."""
    state = (await js.stream_info(STREAM_NAME)).state
    if state.messages == 0:
        return Tail(state.last_seq, None)
    message = await js.get_msg(STREAM_NAME, seq=state.last_seq)
    try:
        return Tail(state.last_seq, unpack_batch(message.data or b""))
    except ValueError as error:
        raise ForeignStreamError(
            f"message {state.last_seq} of stream {STREAM_NAME} is no batch of events: {error}"
        ) from error


async def publish(js: JetStreamContext, batch: StreamBatch, expected_last_seq: int) -> PubAck:
    """Send a batch on condition and return its confirmation.

    Errors: APIError with the server's code, nats TimeoutError if the outcome is unknown.
    """
    headers: dict[str, Any] = {
        Header.MSG_ID: f"{batch.epoch}-{batch.first_event_seq}-{batch.last_event_seq}",
        Header.EXPECTED_LAST_SEQUENCE: str(expected_last_seq),
    }
    return await js.publish(
        STREAM_SUBJECT,
        pack_batch(batch),
        timeout=REQUEST_TIMEOUT_S,
        stream=STREAM_NAME,
        headers=headers,
    )
