"""Ports: one base moves them all, each can be moved alone, none may collide or be taken."""

import socket

import pytest

from quantatrade.bootstrap.failure import BootstrapError
from quantatrade.bootstrap.ports import NAMES, choose_ports, require_free
from quantatrade.bootstrap.up import UP_VARIABLES


def test_ports_follow_the_base_one_after_another() -> None:
    assert list(choose_ports({}).values()) == list(range(8000, 8000 + len(NAMES)))
    assert choose_ports({"QT_PORT_BASE": "9100"})["edge"] == 9100


def test_a_single_port_can_be_moved() -> None:
    ports = choose_ports({"QT_POSTGRES_PORT": "5433", "QT_ENGINE_TELEMETRY_PORT": "7001"})
    assert (ports["postgres"], ports["engine_telemetry"], ports["redis"]) == (5433, 7001, 8009)


def test_two_processes_on_one_port_are_refused() -> None:
    with pytest.raises(BootstrapError, match="Port 8001 is given to both web and redis"):
        choose_ports({"QT_REDIS_PORT": "8001"})


@pytest.mark.parametrize("text", ["eighty", "0", "65536", "-1", "80.5"])
def test_a_port_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(BootstrapError, match=f"QT_EDGE_PORT was '{text}', expected a port"):
        choose_ports({"QT_EDGE_PORT": text})


def test_a_base_too_high_for_all_ports_is_refused() -> None:
    with pytest.raises(BootstrapError, match="QT_WEB_PORT was '65536'"):
        choose_ports({"QT_PORT_BASE": "65535"})


def test_a_port_in_use_is_told_in_one_sentence() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BootstrapError) as refusal:
            require_free("redis", [port])
    assert str(refusal.value) == (
        f"Port {port}, which redis needs, is in use by another program: stop that program, or set"
        " QT_PORT_BASE to a free range of ports."
    )
    require_free("redis", [port])


def test_the_help_of_up_names_every_port() -> None:
    for name in NAMES:
        assert name.upper() in UP_VARIABLES
