"""Statements about trading accounts that the mirror and `verify` run."""

from __future__ import annotations

from typing import Final

STORE_ACCOUNTS: Final = """
INSERT INTO accounts_tradingaccount (user_id, status, added_event_seq)
SELECT * FROM unnest(%s::bigint[], %s::text[], %s::bigint[])
ON CONFLICT (user_id) DO UPDATE SET status = excluded.status
"""

DUMP_ACCOUNTS: Final = """
COPY (SELECT user_id, status, added_event_seq FROM accounts_tradingaccount ORDER BY user_id)
TO STDOUT
"""
