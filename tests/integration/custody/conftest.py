"""A desk for deposits: real database and engine, and the simulated custodian within the test."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings

from tests.fixtures_database import DatabaseHandle
from tests.fixtures_engine import REPOSITORY, EngineUnderTest
from tests.integration.custody.desk import SECRET, TOKEN, WALLET, Desk, list_assets, make_desk


@pytest.fixture(scope="session")
def custody_engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of one engine for all tests here: each test has traders of its own."""
    directory = tmp_path_factory.mktemp("custody") / "engine"
    process = subprocess.Popen(
        [
            sys.executable, "-m", "engine", "--data", str(directory), "--listen", "127.0.0.1:0",
            "--telemetry-port", "0", "--segment-bytes", str(1 << 20), "--kernel", "reference",
        ],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    engine = EngineUnderTest(directory, process)
    try:
        engine.wait_for_log("ready")
        list_assets(engine.address)
        yield engine.address
    finally:
        if engine.process.poll() is None:
            engine.process.kill()
        engine.wait()


@pytest.fixture
def desk(
    django_database: DatabaseHandle,
    custody_engine: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Desk]:
    """A trader with an engine account, the custodian, and the platform configured for it."""
    monkeypatch.setattr(settings, "ENGINE_ADDRESS", custody_engine)
    monkeypatch.setattr(settings, "REDIS_URL", "")
    monkeypatch.setattr(settings, "CUSTODY_TOKEN", TOKEN)
    monkeypatch.setattr(settings, "CUSTODY_WEBHOOK_SECRET", SECRET)
    monkeypatch.setattr(settings, "CUSTODY_WALLETS", {"*": WALLET})
    made = make_desk(django_database, custody_engine, tmp_path / "custodian.sqlite")
    monkeypatch.setattr(settings, "CUSTODY_URL", made.url)
    monkeypatch.setattr(settings, "CUSTODY_SIMULATOR_URL", made.url)
    thread = threading.Thread(target=made.server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join(5)
    made.store.close()
