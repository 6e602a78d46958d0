"""The engine's events out of JetStream, for feeds: pushed to us, from now on or from a place.

Nothing is remembered on the server. The library's own resetting ordered consumer is not used: it
may begin again at the stream's first message, while here every batch carries the sequence of its
events, by which the hub itself tells a gap. Invariant: messages come as the stream has them, or
`StreamLostError` ends the session.
"""

from __future__ import annotations

from types import TracebackType
from typing import Final, Self

import nats
import nats.errors
from nats.aio.client import Client
from nats.aio.subscription import Subscription
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy
from nats.js.errors import NotFoundError

from engine.proto.stream import STREAM_NAME, STREAM_SUBJECT, StreamBatch, unpack_batch

CONNECT_TIMEOUT_S: Final = 2
REQUEST_TIMEOUT_S: Final = 5.0
CONSUMER_IDLE_S: Final = 60.0  # the server forgets a consumer nobody listens to after this
RESUME_MESSAGES_MAX: Final = 500  # further behind, a snapshot is quicker than what was missed
PENDING_MESSAGES_MAX: Final = 20_000


class StreamLostError(Exception):
    """The stream cannot be read in this session."""


class FeedStream:
    """One connection and one consumer. `is_resumed` tells that it goes on where it was told to."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._subscription: Subscription | None = None
        self.is_resumed = False
        self.stream_seq = 0  # of the last message taken

    @classmethod
    async def open(cls, url: str, after_stream_seq: int) -> Self:
        """Connect; go on behind a message if it is near enough, else begin with what comes now."""
        try:
            client = await nats.connect(
                url,
                name="edge",
                connect_timeout=CONNECT_TIMEOUT_S,
                allow_reconnect=False,
                error_cb=_ignore,
            )
        except (OSError, TimeoutError, nats.errors.Error) as error:
            raise StreamLostError(f"NATS cannot be reached: {type(error).__name__}") from error
        stream = cls(client)
        try:
            await stream._begin(after_stream_seq)
        except (nats.errors.Error, TimeoutError) as error:
            await stream.close()
            raise StreamLostError(f"the stream cannot be read: {type(error).__name__}") from error
        except BaseException:
            await stream.close()
            raise
        return stream

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def _begin(self, after_stream_seq: int) -> None:
        js = self._client.jetstream(timeout=REQUEST_TIMEOUT_S)
        try:
            state = (await js.stream_info(STREAM_NAME)).state
        except NotFoundError as error:
            raise StreamLostError(f"stream {STREAM_NAME} does not exist yet") from error
        behind = state.last_seq - after_stream_seq
        self.is_resumed = after_stream_seq > 0 and 0 <= behind <= RESUME_MESSAGES_MAX
        place = (
            {
                "deliver_policy": DeliverPolicy.BY_START_SEQUENCE,
                "opt_start_seq": after_stream_seq + 1,
            }
            if self.is_resumed
            else {"deliver_policy": DeliverPolicy.NEW}
        )
        self._subscription = await js.subscribe(
            STREAM_SUBJECT,
            stream=STREAM_NAME,
            manual_ack=True,
            pending_msgs_limit=PENDING_MESSAGES_MAX,
            config=ConsumerConfig(
                ack_policy=AckPolicy.NONE,
                inactive_threshold=CONSUMER_IDLE_S,
                mem_storage=True,
                **place,
            ),
        )

    async def next(self, wait_s: float) -> StreamBatch | None:
        """Return the next batch, None after `wait_s` without one."""
        assert self._subscription is not None, "an open stream has its subscription"
        if not self._client.is_connected:
            raise StreamLostError("the connection to NATS was lost")
        try:
            message = await self._subscription.next_msg(wait_s)
        except nats.errors.TimeoutError:
            return None
        except nats.errors.Error as error:
            raise StreamLostError(f"the stream ended: {type(error).__name__}") from error
        try:
            batch = unpack_batch(message.data)
        except ValueError as error:
            raise StreamLostError(str(error)) from error
        self.stream_seq = message.metadata.sequence.stream
        return batch

    async def close(self) -> None:
        """End the connection."""
        await self._client.close()


async def _ignore(_error: Exception) -> None:
    """A lost connection shows at the next batch; the library would log it as well."""
