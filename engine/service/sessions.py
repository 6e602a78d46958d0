"""Cancel on disconnect: sessions that live as long as a stream.

A SubmitPacked stream names sessions in its metadata (`qt-session: USER/SESSION/GRACE_MS`). They are
opened before its first command and closed when it ends, however it ends; after the grace time the
engine cancels their orders, unless a stream has opened them again. A file remembers which are open,
so that those of an engine that died are closed at the next start. Invariant: a session is in the
file before it is open, and is closed only when the last stream that names it has ended.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import structlog

from engine.journal.directory import write_durably
from engine.journal.errors import JournalError
from engine.kernel.limits import TIMEOUT_MS_MAX
from engine.proto.records import (
    EVENT_HEADER,
    Command,
    CommandType,
    EventHeader,
    EventType,
    Reason,
    SessionState,
)
from engine.service.commands import Batch, single
from engine.service.core import Outcome, Sequencer
from engine.service.errors import (
    CallRefusedError,
    InvalidCallError,
    OverloadedError,
    SessionRefusedError,
)

SESSION_KEY: Final = "qt-session"
FILE_NAME: Final = "sessions"
SESSIONS_MAX: Final = 1_024
STREAM_SESSIONS_MAX: Final = 64
_FORM: Final = re.compile(r"([0-9]{1,15})/([0-9]{1,18})/([0-9]{1,10})")
log = structlog.get_logger(__name__)


class StreamSession(NamedTuple):
    """One session of one user; its orders outlive the stream by `grace_ms`."""

    user_id: int
    session_id: int
    grace_ms: int


def declared(metadata: Iterable[Any]) -> list[StreamSession]:
    """The sessions that a stream names. InvalidCallError if one is not of the form."""
    found: list[StreamSession] = []
    for key, value in metadata:
        if key != SESSION_KEY:
            continue
        form = _FORM.fullmatch(value)
        if form is None or int(form[3]) > TIMEOUT_MS_MAX:
            raise InvalidCallError(
                f"{SESSION_KEY} was {value[:80]!r}, expected USER/SESSION/MS with 0.."
                f"{TIMEOUT_MS_MAX} ms"
            )
        found.append(StreamSession(*map(int, form.groups())))
    if len(found) > STREAM_SESSIONS_MAX:
        raise InvalidCallError(
            f"a stream named {len(found)} sessions, expected at most {STREAM_SESSIONS_MAX}"
        )
    return list(dict.fromkeys(found))


class Sessions:
    """The sessions of all open streams. Lives on the event loop's thread."""

    def __init__(self, data_dir: Path, sequencer: Sequencer) -> None:
        self._path = data_dir / FILE_NAME
        self._sequencer = sequencer
        self._streams: dict[StreamSession, int] = {}
        self._left_over = self._load()
        self._saving = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def close_left_over(self) -> None:
        """Close what was open when the last engine of this directory ended."""
        left_over, self._left_over = self._left_over, set()
        for session in left_over - self._streams.keys():
            self._close(session)

    def begin(self, sessions: list[StreamSession]) -> None:
        """Count the sessions of a stream; `end` must follow. OverloadedError: too many."""
        if len(self._streams.keys() | set(sessions)) > SESSIONS_MAX:
            raise OverloadedError(f"{SESSIONS_MAX} sessions are open, the most there may")
        for session in sessions:
            self._streams[session] = self._streams.get(session, 0) + 1

    async def open(self, sessions: list[StreamSession]) -> None:
        """Open them, once they are on disk."""
        await self._save()
        for session in sessions:
            outcome = await self._sequencer.submit(_command(session, SessionState.OPEN))
            reason = _refusal(outcome)
            if reason not in (Reason.NONE, Reason.NOTHING_CHANGES):
                raise SessionRefusedError(
                    f"session {session.session_id} of user {session.user_id} was refused: "
                    f"{reason.name}"
                )

    def end(self, sessions: list[StreamSession]) -> None:
        """Close those sessions that no other stream names."""
        for session in sessions:
            count = self._streams.get(session, 0)
            if count > 1:
                self._streams[session] = count - 1
            elif count:
                del self._streams[session]
                self._close(session)
        task = asyncio.create_task(self._save())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _close(self, session: StreamSession) -> None:
        """Journal the end. Where the engine takes no commands now, the next start does it."""
        try:
            answer = self._sequencer.submit(_command(session, SessionState.CLOSED))
        except CallRefusedError as error:
            log.warning("session_not_closed", **session._asdict(), detail=str(error))
            self._left_over.add(session)
            return
        answer.add_done_callback(lambda done: self._closed(session, done))

    def _closed(self, session: StreamSession, done: asyncio.Future[Outcome]) -> None:
        error = None if done.cancelled() else done.exception()
        if error is not None:
            log.warning("session_not_closed", **session._asdict(), detail=str(error))
            self._left_over.add(session)
        else:
            log.info("session_closed", **session._asdict())

    async def _save(self) -> None:
        async with self._saving:
            lines = sorted({*self._streams, *self._left_over})
            await asyncio.to_thread(write_durably, self._path, json.dumps(lines).encode() + b"\n")

    def _load(self) -> set[StreamSession]:
        try:
            lines = json.loads(self._path.read_bytes())
            return {StreamSession(*map(int, line)) for line in lines}
        except FileNotFoundError:
            return set()
        except (ValueError, TypeError) as error:
            raise JournalError(f"sessions file {self._path} is damaged: {error}") from error


def _command(session: StreamSession, state: SessionState) -> Batch:
    return single(
        Command(
            CommandType.SET_SESSION,
            user_id=session.user_id,
            order_id=session.session_id,
            quantity=state,
            amount=session.grace_ms if state is SessionState.CLOSED else 0,
        )
    )


def _refusal(outcome: Outcome) -> Reason:
    header = EventHeader._make(EVENT_HEADER.unpack_from(outcome.events))
    return Reason(header.reason) if header.type == EventType.REFUSED else Reason.NONE
