"""Reading the event stream from JetStream, from where the books are.

The consumer is without acknowledgements and without a name: the cursor in the database is the only
memory of how far we are. Invariant: messages come in the stream's order from the wanted sequence
on, or the session ends with an error and a new one begins at the cursor.
"""

from __future__ import annotations

from typing import Final, Self

import nats
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from apps.mirror.errors import HaltError
from apps.mirror.runs import Message
from engine.proto.stream import STREAM_NAME, STREAM_SUBJECT, unpack_batch

CONNECT_TIMEOUT_S: Final = 2
REQUEST_TIMEOUT_S: Final = 5.0
FETCH_MESSAGES_MAX: Final = 64  # of at most 64 KB each
GATHER_S: Final = 0.02  # how long the first message of a batch waits for company
CONSUMER_IDLE_S: Final = 600.0  # the server forgets a consumer that asks for nothing this long


class StreamLostError(Exception):
    """The stream cannot be read any more in this session."""


class EventStream:
    """One connection to the server and one consumer on it."""

    def __init__(self, client: Client, subscription: JetStreamContext.PullSubscription) -> None:
        self._client = client
        self._subscription = subscription

    @classmethod
    async def open(cls, url: str, after_stream_seq: int) -> Self:
        """Connect and stand behind message `after_stream_seq`.

        If the stream does not reach that far it is another one than the books were read from: then
        reading begins at its first message, and what is booked already is dropped.
        """
        client = await nats.connect(
            url,
            name="mirror",
            connect_timeout=CONNECT_TIMEOUT_S,
            allow_reconnect=False,  # that covers a lost connection; the next two lines a first one
            max_reconnect_attempts=1,
            reconnect_time_wait=0,
            error_cb=_ignore,
        )
        try:
            js = client.jetstream(timeout=REQUEST_TIMEOUT_S)
            try:
                last_seq = (await js.stream_info(STREAM_NAME)).state.last_seq
            except NotFoundError as error:
                raise StreamLostError(f"stream {STREAM_NAME} does not exist yet") from error
            after = after_stream_seq if after_stream_seq <= last_seq else 0
            subscription = await js.pull_subscribe(
                STREAM_SUBJECT,
                stream=STREAM_NAME,
                config=ConsumerConfig(
                    deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
                    opt_start_seq=after + 1,
                    ack_policy=AckPolicy.NONE,
                    inactive_threshold=CONSUMER_IDLE_S,
                    mem_storage=True,
                ),
            )
        except BaseException:
            await client.close()
            raise
        return cls(client, subscription)

    async def fetch(self, wait_s: float) -> list[Message]:
        """Return the next messages, at once if there are any; empty after `wait_s` without one."""
        if not self._client.is_connected:
            raise StreamLostError("the connection to the stream was lost")
        try:
            first = await self._subscription.fetch(1, timeout=wait_s)
        except (TimeoutError, nats.errors.TimeoutError):
            return []
        try:
            more = await self._subscription.fetch(FETCH_MESSAGES_MAX - 1, timeout=GATHER_S)
        except (TimeoutError, nats.errors.TimeoutError):
            more = []
        return [_message(each.metadata.sequence.stream, each.data) for each in (*first, *more)]

    async def verify(self) -> None:
        """Raise StreamLostError if the server no longer knows our consumer."""
        try:
            await self._subscription.consumer_info()
        except NotFoundError as error:
            raise StreamLostError("the server no longer knows the consumer") from error

    async def close(self) -> None:
        """End the connection."""
        await self._client.close()


def _message(stream_seq: int, payload: bytes) -> Message:
    try:
        return Message(stream_seq, unpack_batch(payload))
    except ValueError as error:
        raise HaltError(f"message {stream_seq} of stream {STREAM_NAME}: {error}") from error


async def _ignore(_error: Exception) -> None:
    """A lost connection shows at the next fetch; the library would log it as well."""
