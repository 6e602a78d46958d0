"""What a soak asks the engine, the relay and the books: how far behind they are, who traded.

Lag is measured from outside: the engine says up to which event all is durable, and the time is
taken until the mirror's cursor has passed it. Invariant: nothing is written anywhere.
"""

from __future__ import annotations

import re
import time
import urllib.request
from typing import Final

import psycopg

from apps.mirror.books import MIRROR_NAME
from engine.client import SyncEngineClient

POLL_S: Final = 0.01
LAG_WAIT_S_MAX: Final = 30.0
PAGE_TIMEOUT_S: Final = 5.0
_RELAY_LAG: Final = re.compile(r"^relay_lag_seconds (\S+)$", re.MULTILINE)
_TRADES: Final = """
SELECT m.symbol, m.state = 'TRADING',
       coalesce((SELECT t.trade_id FROM trading_trade t WHERE t.market_id = m.market_id
                 ORDER BY t.executed_at DESC, t.event_seq DESC LIMIT 1), 0)
  FROM markets_market m ORDER BY m.market_id
"""


class BooksWatch:
    """One connection to the books and one to the engine."""

    def __init__(self, *, database_url: str, engine_address: str, relay_metrics_url: str) -> None:
        self._books = psycopg.connect(database_url, autocommit=True)
        self._engine = SyncEngineClient(engine_address, timeout_s=LAG_WAIT_S_MAX)
        self._relay_url = relay_metrics_url

    def close(self) -> None:
        """Close both."""
        self._books.close()
        self._engine.close()

    def mirror_lag_s(self) -> float:
        """Return after how long what is durable now is in the books; at most LAG_WAIT_S_MAX."""
        event_seq = self._engine.get_status().event_seq
        asked_s = time.monotonic()
        while True:
            row = self._books.execute(
                "SELECT last_event_seq FROM mirror_cursor WHERE name = %s", [MIRROR_NAME]
            ).fetchone()
            waited_s = time.monotonic() - asked_s
            if (row is not None and row[0] >= event_seq) or waited_s > LAG_WAIT_S_MAX:
                return waited_s
            time.sleep(POLL_S)

    def relay_lag_s(self) -> float:
        """Return the age of the oldest durable event that the stream does not have."""
        with urllib.request.urlopen(self._relay_url, timeout=PAGE_TIMEOUT_S) as page:  # noqa: S310
            found = _RELAY_LAG.search(page.read().decode())
        if found is None:
            raise ValueError(f"{self._relay_url} had no relay_lag_seconds")
        return float(found[1])

    def newest_trades(self) -> dict[str, tuple[bool, int]]:
        """Return for each market whether it is open, and the number of its newest trade."""
        return {symbol: (is_open, number) for symbol, is_open, number in self._trade_rows()}

    def _trade_rows(self) -> list[tuple[str, bool, int]]:
        return [(str(row[0]), bool(row[1]), int(row[2])) for row in self._books.execute(_TRADES)]
