"""What the books say about acknowledged orders and about coins that arrived at the simulator.

The truth about coins is the custodian's own file, not what it answered: an answer can be lost.
Invariant: nothing is written.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import psycopg

from engine.client import iterate_events
from engine.proto.records import EventHeader, EventType, OrderAccepted

POLL_S: Final = 0.2
_DEPOSITS: Final = """
SELECT t.transfer_id, d.state, d.base_units
  FROM custody_deposit d JOIN custody_transfer t ON t.id = d.transfer_id
"""
_CREDITED: Final = f"{_DEPOSITS} WHERE t.transfer_id = %s AND d.state = 'credited'"
_ACCEPTED: Final = "SELECT record FROM mirror_engineevent WHERE type = %s"


class PlatformBooks:
    """The books at `database_url`, and the custodian's file."""

    def __init__(self, *, database_url: str, custodian_file: Path) -> None:
        self._url = database_url
        self._file = custodian_file

    async def credited(self, transfer_id: str, timeout_s: float) -> bool:
        """Wait until a transfer is credited; False if it is not in time."""
        deadline = time.monotonic() + timeout_s
        while not await self._rows(_CREDITED, [transfer_id]):
            if time.monotonic() > deadline:
                return False
            await asyncio.sleep(POLL_S)
        return True

    async def coins(self, timeout_s: float) -> tuple[int, int, str]:
        """Return how many arrived transfers are not credited, how many twice; and the first.

        What arrived last is given `timeout_s` to be credited.
        """
        arrived = self.arrived()
        deadline = time.monotonic() + timeout_s
        while True:
            rows = await self._rows(_DEPOSITS, [])
            credited = Counter(
                (str(transfer), int(units)) for transfer, state, units in rows
                if state == "credited"
            )  # fmt: skip
            lost = [each for each in arrived if not credited[each]]
            if not lost or time.monotonic() > deadline:
                break
            await asyncio.sleep(POLL_S)
        wrong = [each for each, times in credited.items() if times > 1 or each not in arrived]
        first = f"transfer {(lost or wrong)[0]}" if lost or wrong else ""
        return len(lost), len(wrong), first

    def arrived(self) -> set[tuple[str, int]]:
        """(transfer, base units) of everything that the custodian says has arrived."""
        with closing(sqlite3.connect(f"file:{self._file}?mode=ro", uri=True)) as file:
            rows = file.execute("SELECT document FROM transfer").fetchall()
        documents = [json.loads(row[0]) for row in rows]
        return {(each["id"], int(each["valueString"])) for each in documents}

    async def orders(self, acknowledged: Mapping[str, int]) -> tuple[int, int, str]:
        """Return how many acknowledged orders the books lack, how many they have twice."""
        found: dict[str, list[int]] = {}
        for (record,) in await self._rows(_ACCEPTED, [int(EventType.ORDER_ACCEPTED)]):
            pair: tuple[EventHeader, Any]
            (pair,) = iterate_events(bytes(record))
            body = pair[1]
            if isinstance(body, OrderAccepted):
                found.setdefault(body.text.decode(), []).append(body.order_id)
        lost = [key for key, order_id in acknowledged.items() if order_id not in found.get(key, [])]
        doubled = [key for key, orders in found.items() if key and len(orders) > 1]
        first = f"order {(lost or doubled)[0]}" if lost or doubled else ""
        return len(lost), len(doubled), first

    async def _rows(self, statement: str, arguments: list[Any]) -> list[tuple[Any, ...]]:
        async with await psycopg.AsyncConnection.connect(self._url) as connection:
            return await (await connection.execute(statement, arguments)).fetchall()
