"""Telemetry pages, fetched without stopping the event loop of the test."""

from __future__ import annotations

import httpx

from tests.fixtures_engine import EngineUnderTest


async def page(engine: EngineUnderTest, path: str) -> tuple[int, str]:
    """Status and text of one page."""
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"http://127.0.0.1:{engine.telemetry_port}/{path}")
    return answer.status_code, answer.text
