"""Statements about the cursor and the event archive."""

from __future__ import annotations

from typing import Final

_CURSOR: Final = """last_event_seq, engine_event_seq, last_transaction, epoch, chain, stream_seq,
    digest, row_count, last_checkpoint_seq, last_checkpoint_ok, events_at, updated_at,
    halted_reason"""

CREATE_CURSOR: Final = f"""
INSERT INTO mirror_cursor (name, {_CURSOR})
VALUES (%s, 0, 0, 0, 0, %s, 0, %s, 0, 0, false, NULL, now(), '')
ON CONFLICT (name) DO NOTHING
"""  # noqa: S608 - constants only

# Waits for what a predecessor's connection may still be committing.
READ_CURSOR: Final = """
SELECT last_event_seq, last_transaction, epoch, chain, stream_seq, digest, row_count,
       last_checkpoint_seq, events_at
  FROM mirror_cursor WHERE name = %s FOR UPDATE
"""

# Before any row of a batch: a second mirror that is ahead, or at it, shows here.
HOLD_CURSOR: Final = """
SELECT 1 FROM mirror_cursor WHERE name = %s AND last_event_seq = %s FOR UPDATE
"""

MOVE_CURSOR: Final = """
UPDATE mirror_cursor
   SET last_event_seq = %s, last_transaction = %s, epoch = %s, chain = %s, stream_seq = %s,
       digest = %s, row_count = %s, last_checkpoint_seq = %s,
       last_checkpoint_ok = CASE WHEN %s THEN true ELSE last_checkpoint_ok END,
       engine_event_seq = greatest(engine_event_seq, %s), events_at = %s,
       updated_at = clock_timestamp(), halted_reason = ''
 WHERE name = %s AND last_event_seq = %s
"""

# While nothing comes in: that this mirror lives, and how far the engine is.
REPORT: Final = """
UPDATE mirror_cursor
   SET engine_event_seq = greatest(engine_event_seq, %s), updated_at = clock_timestamp()
 WHERE name = %s AND last_event_seq = %s
"""

HALT: Final = """
UPDATE mirror_cursor
   SET halted_reason = %s, updated_at = clock_timestamp(),
       last_checkpoint_ok = last_checkpoint_ok AND NOT %s
 WHERE name = %s AND last_event_seq = %s
"""

STORE_SETTINGS: Final = """
INSERT INTO mirror_enginesetting (type, user_id, market_id, event_seq)
SELECT * FROM unnest(%s::smallint[], %s::bigint[], %s::integer[], %s::bigint[])
ON CONFLICT (type, user_id, market_id) DO UPDATE SET event_seq = excluded.event_seq
"""
DUMP_SETTINGS: Final = """
COPY (SELECT type, user_id, market_id, event_seq FROM mirror_enginesetting
       ORDER BY type, user_id, market_id) TO STDOUT
"""
SETTING_COLUMNS: Final = ("type", "user_id", "market_id", "event_seq")

READ_NEWEST: Final = """
SELECT record FROM mirror_engineevent WHERE event_seq <= %s ORDER BY event_seq DESC LIMIT %s
"""

_EVENT: Final = "event_seq, command_seq, type, occurred_at, record, chain"
ADD_EVENTS: Final = f"COPY mirror_engineevent ({_EVENT}) FROM STDIN (FORMAT binary)"
