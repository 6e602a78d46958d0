"""Statements about the books that the mirror and `verify` run."""

from __future__ import annotations

from typing import Final

_HEADER: Final = "id, transaction_id, kind, event_seq, leg_count, day, occurred_at, corrects_id"
_LEG: Final = "id, header_id, leg_number, account, user_id, asset_id, amount, day"

HEADER_COLUMNS: Final = tuple(_HEADER.split(", "))
LEG_COLUMNS: Final = tuple(_LEG.split(", "))

ADD_HEADERS: Final = f"COPY ledger_transaction ({_HEADER}) FROM STDIN"
ADD_LEGS: Final = f"COPY ledger_leg ({_LEG}) FROM STDIN"

# MERGE and not INSERT ... ON CONFLICT: that one checks the row it would insert, which here holds
# differences and may be negative, against the table's constraints before it looks for a conflict.
CHANGE_BALANCES: Final = """
MERGE INTO ledger_balance AS stored
USING unnest(%s::bigint[], %s::bigint[], %s::integer[], %s::numeric[], %s::numeric[], %s::bigint[])
      AS change(id, user_id, asset_id, total, locked, last_event_seq)
   ON stored.id = change.id
 WHEN MATCHED THEN UPDATE SET
      total = stored.total + change.total,
      locked = stored.locked + change.locked,
      available = stored.available + change.total - change.locked,
      last_event_seq = change.last_event_seq
 WHEN NOT MATCHED THEN
      INSERT (id, user_id, asset_id, total, locked, available, last_event_seq)
      VALUES (change.id, change.user_id, change.asset_id, change.total, change.locked,
              change.total - change.locked, change.last_event_seq)
RETURNING new.user_id, new.asset_id, old.available, old.locked, new.available, new.locked
"""

CHANGE_TOTALS: Final = """
MERGE INTO ledger_assettotal AS stored
USING unnest(%s::integer[], %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[])
      AS change(asset_id, held, deposited, withdrawn, adjusted)
   ON stored.asset_id = change.asset_id
 WHEN MATCHED THEN UPDATE SET
      held = stored.held + change.held,
      deposited = stored.deposited + change.deposited,
      withdrawn = stored.withdrawn + change.withdrawn,
      adjusted = stored.adjusted + change.adjusted
 WHEN NOT MATCHED THEN
      INSERT (asset_id, held, deposited, withdrawn, adjusted)
      VALUES (change.asset_id, change.held, change.deposited, change.withdrawn, change.adjusted)
"""

LOAD_TOTALS: Final = """
SELECT asset_id, held, deposited, withdrawn, adjusted FROM ledger_assettotal
 WHERE asset_id = ANY(%s)
"""
LOAD_BALANCES: Final = """
SELECT user_id, asset_id, total, locked, last_event_seq FROM ledger_balance
"""

DUMP_HEADERS: Final = f"""
COPY (SELECT {_HEADER} FROM ledger_transaction ORDER BY id) TO STDOUT
"""  # noqa: S608 - constants only
DUMP_LEGS: Final = f"""
COPY (SELECT {_LEG} FROM ledger_leg ORDER BY id) TO STDOUT
"""  # noqa: S608 - constants only
