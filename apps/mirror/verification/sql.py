"""Statements with which `verify` looks for contradictions inside the database.

Each returns the first row that contradicts its rule, or nothing.
"""

from __future__ import annotations

from typing import Final

from apps.ledger.types import BALANCE_ACCOUNTS, HOLD_ACCOUNTS

CURSOR: Final = """
SELECT last_event_seq, last_transaction, chain, digest, row_count, halted_reason
  FROM mirror_cursor WHERE name = %s
"""

UNBALANCED: Final = """
SELECT header_id, asset_id, sum(amount)
  FROM ledger_leg GROUP BY header_id, asset_id HAVING sum(amount) <> 0
 ORDER BY header_id, asset_id LIMIT 1
"""

INCOMPLETE: Final = """
SELECT coalesce(head.id, leg.header_id), head.leg_count, leg.count, leg.first, leg.last
  FROM ledger_transaction AS head
  FULL JOIN (SELECT header_id, count(*) AS count, min(leg_number) AS first,
                    max(leg_number) AS last, min(day) AS first_day, max(day) AS last_day
               FROM ledger_leg GROUP BY header_id) AS leg ON leg.header_id = head.id
 WHERE head.id IS NULL OR leg.header_id IS NULL OR leg.count <> head.leg_count
    OR leg.first <> 1 OR leg.last <> head.leg_count
    OR leg.first_day <> head.day OR leg.last_day <> head.day
 ORDER BY 1 LIMIT 1
"""

ARCHIVE_RANGE: Final = "SELECT count(*), min(event_seq), max(event_seq) FROM mirror_engineevent"
HEADER_RANGE: Final = "SELECT count(*), min(id), max(id) FROM ledger_transaction"

BALANCE_OF_LEGS: Final = f"""
SELECT user_id, asset_id, balance.total, legs.total
  FROM ledger_balance AS balance
  FULL JOIN (SELECT user_id, asset_id, -sum(amount) AS total FROM ledger_leg
              WHERE account IN ({", ".join(f"'{code}'" for code in BALANCE_ACCOUNTS)})
              GROUP BY user_id, asset_id) AS legs USING (user_id, asset_id)
 WHERE coalesce(balance.total, 0) <> coalesce(legs.total, 0)
 ORDER BY user_id, asset_id LIMIT 1
"""  # noqa: S608 - constants only

LOCKED_OF_ORDERS: Final = f"""
WITH parts AS (
    SELECT open.user_id,
           CASE open.side WHEN 'BID' THEN market.quote_asset_id
                          ELSE market.base_asset_id END AS asset_id,
           open.reserved AS amount
      FROM trading_openorder AS open JOIN markets_market AS market USING (market_id)
     UNION ALL
    SELECT user_id, asset_id, -amount FROM ledger_leg
     WHERE account IN ({", ".join(f"'{code}'" for code in HOLD_ACCOUNTS)})
)
SELECT user_id, asset_id, balance.locked, sums.locked
  FROM ledger_balance AS balance
  FULL JOIN (SELECT user_id, asset_id, sum(amount) AS locked FROM parts
              GROUP BY user_id, asset_id) AS sums USING (user_id, asset_id)
 WHERE coalesce(balance.locked, 0) <> coalesce(sums.locked, 0)
 ORDER BY user_id, asset_id LIMIT 1
"""  # noqa: S608 - constants only

TOTAL_OF_BALANCES: Final = """
SELECT asset_id, stored.held, sums.held
  FROM ledger_assettotal AS stored
  FULL JOIN (SELECT asset_id, sum(total) AS held FROM ledger_balance GROUP BY asset_id) AS sums
            USING (asset_id)
 WHERE coalesce(stored.held, 0) <> coalesce(sums.held, 0)
 ORDER BY asset_id LIMIT 1
"""

DUMP_ARCHIVE: Final = """
COPY (SELECT event_seq, command_seq, type, occurred_at, record, chain
        FROM mirror_engineevent ORDER BY event_seq) TO STDOUT (FORMAT binary)
"""
DUMP_BALANCES: Final = """
COPY (SELECT id, user_id, asset_id, total, available, locked, last_event_seq
        FROM ledger_balance ORDER BY id) TO STDOUT
"""
BALANCE_COLUMNS: Final = (
    "id", "user_id", "asset_id", "total", "available", "locked", "last_event_seq",
)  # fmt: skip
DUMP_TOTALS: Final = """
COPY (SELECT asset_id, held, deposited, withdrawn, adjusted
        FROM ledger_assettotal ORDER BY asset_id) TO STDOUT
"""
TOTAL_COLUMNS: Final = ("asset_id", "held", "deposited", "withdrawn", "adjusted")
ACCOUNT_COLUMNS: Final = ("user_id", "status", "added_event_seq")
