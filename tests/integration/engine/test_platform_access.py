"""The platform's one gateway reaches an engine that wants TLS and a token, told by environment."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from engine.client import AccessDenied
from quantatrade.bootstrap.configuration import Configuration
from quantatrade.bootstrap.ports import choose_ports
from quantatrade.bootstrap.processes import all_processes
from quantatrade.bootstrap.state_directory import StateDirectory
from tests.fixtures_engine import EngineFactory
from tests.integration.engine.certificates import Authority
from tests.integration.engine.clients import Clients


def test_the_gateway_speaks_tls_with_the_token_of_the_environment(
    engine_process: EngineFactory,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    settings: Any,
) -> None:
    from apps.core import engine_gateway
    from apps.core.services import process_look

    authority, clients = Authority(tmp_path / "ca"), Clients(tmp_path / "clients")
    certificate, key = authority.sign("engine")
    access = clients.add("gateway", "operator")
    engine = engine_process(
        *("--token-file", str(clients.path)),
        *("--tls-cert", str(certificate), "--tls-key", str(key)),
    )
    settings.ENGINE_ADDRESS = engine.address
    monkeypatch.setenv("ENGINE_CA_FILE", str(authority.ca))
    assert engine_gateway.engine_health() == f"engine at {engine.address} answered UNAUTHENTICATED"
    with pytest.raises(AccessDenied, match="this engine wants the metadata"):
        engine_gateway.engine_query(lambda client: client.get_status())
    engine_gateway.engine_client().close()
    engine_gateway._clients.clear()  # a process has one environment; this one changes it
    monkeypatch.setenv("ENGINE_TOKEN_FILE", str(access.token_file))
    assert engine_gateway.engine_health() is None
    looked = process_look("engine", f"grpc://{engine.address}", datetime.now(UTC))
    assert (looked.state, looked.detail) == ("ready", "")
    assert engine_gateway.engine_status().users == 0
    engine_gateway.engine_command(lambda client: client.add_user(user_id=7))
    assert engine_gateway.engine_query(lambda client: client.get_status()).users == 1
    assert engine_gateway.event_occurred_at(1) is not None
    engine_gateway.engine_client().close()
    engine_gateway._clients.clear()
    engine_gateway._channels.clear()


def test_up_passes_the_files_of_an_engine_on_to_its_processes(tmp_path: Path) -> None:
    given = {
        "ENGINE_ADDRESS": "engine.example:5100",
        "ENGINE_TOKEN_FILE": "/etc/engine.token",
        "ENGINE_CA_FILE": "/etc/ca.pem",
        "ENGINE_CERT_FILE": "/etc/own.pem",
        "ENGINE_KEY_FILE": "/etc/own.key",
        "DATABASE_URL": "postgresql://app:1@db.example/books",
        "REDIS_URL": "redis://redis.example:6379/0",
        "NATS_URL": "nats://nats.example:4222",
    }
    state = StateDirectory(tmp_path)
    made = Configuration(
        state=state, ports=choose_ports({}), secrets=Secrets(), given=given, production=False
    )
    files = {name for name in given if name.endswith("_FILE")}
    specs = {spec.name: spec for spec in all_processes(made)}
    for name in ("mirror", "web", "edge", "worker"):
        assert {key: specs[name].environment[key] for key in files} == {
            key: given[key] for key in files
        }


class Secrets(dict[str, str]):
    """Whatever secret is asked for: none of them is used here."""

    def __missing__(self, key: str) -> str:
        return f"{key}-of-a-test"
