"""Who reaches an engine: tokens, roles, rates, TLS and mutual TLS, against real processes."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from engine.client import (
    Access,
    AccessDenied,
    EngineClient,
    EngineError,
    EngineOverloaded,
    EngineUnavailable,
)
from engine.proto import engine_pb2 as pb
from engine.proto import engine_pb2_grpc as pb_grpc
from engine.proto.records import Command, CommandType, Side, pack_command
from engine.service.errors import ExitCode
from engine.service.roles import METHOD_ROLES, Role, with_included
from tests.fixtures_engine import EngineFactory, EngineUnderTest
from tests.integration.engine.certificates import Authority
from tests.integration.engine.clients import Clients
from tests.integration.engine.support import BUYER, MARKET, set_up

PACKAGE: Final = pb.DESCRIPTOR.package
ENDLESS: Final = ("Subscribe", "SubscribeTrades")  # also of an empty request
CANCEL: Final = pack_command(Command(CommandType.CANCEL, market_id=1, user_id=1, order_id=1))
DEPOSIT: Final = pack_command(Command(CommandType.DEPOSIT, user_id=1, asset_id=1, amount=1))


@pytest.fixture
def clients(tmp_path: Path) -> Clients:
    return Clients(tmp_path / "clients")


# A stream that ends while grpc's client is still sending on it: that says INTERNAL and not the
# status that the server gave. Asking again tells it.
TOO_EARLY: Final = ("INTERNAL", "")
ATTEMPTS_MAX: Final = 10


async def status_of(
    engine: EngineUnderTest, service: str, method: str, access: Access, timeout_s: float = 20
) -> tuple[str, str]:
    """Status and reason with which a call of an empty request ends; OK where it is answered."""
    for _ in range(ATTEMPTS_MAX):
        status = await first_status_of(engine, service, method, access, timeout_s)
        if status != TOO_EARLY:
            break
    return status


async def first_status_of(
    engine: EngineUnderTest, service: str, method: str, access: Access, timeout_s: float
) -> tuple[str, str]:
    descriptor = pb.DESCRIPTOR.services_by_name[service].methods_by_name[method]
    path = f"/{PACKAGE}.{service}/{method}"
    request = getattr(pb, descriptor.input_type.name)()
    async with aio.insecure_channel(engine.address) as channel:
        shape = (descriptor.client_streaming, descriptor.server_streaming)
        make: Any = {
            (False, False): channel.unary_unary,
            (False, True): channel.unary_stream,
            (True, True): channel.stream_stream,
        }[shape]
        call = make(path, lambda message: message.SerializeToString())
        given = iter([request]) if descriptor.client_streaming else request
        answered = call(given, metadata=access.metadata(), timeout=timeout_s)
        try:
            if descriptor.server_streaming:
                async for _ in answered:
                    break
            else:
                await answered
        except aio.AioRpcError as error:
            metadata: Any = error.trailing_metadata()
            return error.code().name, metadata.get("qt-reason") or ""
    return "OK", ""


def every_method() -> list[tuple[str, str]]:
    return [
        (service.name, method.name)
        for service in pb.DESCRIPTOR.services_by_name.values()
        for method in service.methods
    ]


async def test_every_method_is_for_those_who_have_its_role(
    engine_process: EngineFactory, clients: Clients
) -> None:
    accesses = {role: clients.add(f"a-{role}", role) for role in Role}
    engine = engine_process("--token-file", str(clients.path))
    for service, method in every_method():
        needed = METHOD_ROLES.get(f"/{PACKAGE}.{service}/{method}", Role.OPERATOR)
        for role, access in accesses.items():
            may = needed in with_included([role])
            is_endless = method in ENDLESS and may
            status, reason = await status_of(
                engine, service, method, access, 1 if is_endless else 20
            )
            if may:
                assert status not in ("PERMISSION_DENIED", "UNAUTHENTICATED"), (method, role)
            else:
                assert (status, reason) == ("PERMISSION_DENIED", "ROLE_MISSING"), (method, role)


def test_the_methods_of_operators_are_those_of_the_admin_service() -> None:
    """A method that nobody thought of is an operator's; none of the others may be forgotten."""
    operators = {
        f"{service}.{method}"
        for service, method in every_method()
        if f"/{PACKAGE}.{service}/{method}" not in METHOD_ROLES
    }
    admin = pb.DESCRIPTOR.services_by_name["AdminService"]
    assert operators == {f"AdminService.{method.name}" for method in admin.methods}


async def test_without_a_right_token_nothing_is_answered(
    engine_process: EngineFactory, clients: Clients, tmp_path: Path
) -> None:
    clients.add("operator", "operator")
    engine = engine_process("--token-file", str(clients.path))
    stranger = Clients(tmp_path / "elsewhere").add("operator", "operator")
    for service, method in every_method():
        assert await status_of(engine, service, method, Access()) == (
            "UNAUTHENTICATED",
            "TOKEN_MISSING",
        )
        assert await status_of(engine, service, method, stranger) == (
            "UNAUTHENTICATED",
            "TOKEN_UNKNOWN",
        )
    async with EngineClient(engine.address, access=stranger) as client:
        for call in (client.get_status(), client.wait_ready(5), client.add_user(user_id=1)):
            with pytest.raises(AccessDenied, match="not one that this engine knows") as refused:
                await call
            assert refused.value.code == "TOKEN_UNKNOWN"


async def test_health_and_reflection_want_a_token_too(
    engine_process: EngineFactory, clients: Clients
) -> None:
    access = clients.add("probe", "market")
    engine = engine_process("--token-file", str(clients.path))
    async with aio.insecure_channel(engine.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        asked = health_pb2.HealthCheckRequest()
        watched = health.Watch(asked, metadata=access.metadata())
        assert (await watched.read()).status == health_pb2.HealthCheckResponse.SERVING
        watched.cancel()
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        described = stub.ServerReflectionInfo(iter([request]), metadata=access.metadata())
        assert len((await described.read()).list_services_response.service) == 7
        starts: list[Callable[[], Any]] = [
            lambda: health.Watch(asked),
            lambda: stub.ServerReflectionInfo(iter([request])),
        ]
        for start in starts:
            for _ in range(ATTEMPTS_MAX):
                with pytest.raises(aio.AioRpcError) as refused:
                    await start().read()
                if refused.value.code() is not grpc.StatusCode.INTERNAL:
                    break
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_a_packed_command_needs_the_role_of_its_type(
    engine_process: EngineFactory, clients: Clients
) -> None:
    trader, operator = clients.add("trader", "trader"), clients.add("operator", "operator")
    engine = engine_process("--token-file", str(clients.path))

    async def submit(access: Access, commands: bytes) -> pb.PackedResults:
        async with aio.insecure_channel(engine.address) as channel:
            stub = pb_grpc.OrderServiceStub(channel)
            call = stub.SubmitPacked(
                iter([pb.PackedCommands(tag=1, commands=commands)]), metadata=access.metadata()
            )
            answers = [answer async for answer in call]
        (answer,) = answers
        return answer

    assert (await submit(trader, CANCEL)).first_command_seq == 1
    with pytest.raises(aio.AioRpcError) as refused:
        await submit(trader, CANCEL + DEPOSIT)
    assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
    assert refused.value.details() == "command 1 was DEPOSIT, which needs the role operator"
    metadata: Any = refused.value.trailing_metadata()
    assert (metadata["qt-reason"], metadata["qt-not-executed"]) == ("COMMAND_NOT_PERMITTED", "1")
    assert (await submit(operator, CANCEL + DEPOSIT)).first_command_seq == 2


async def refusal_of(call: Callable[[], Awaitable[object]], pause_s: float = 0.05) -> EngineError:
    """The error with which a call that still succeeds is soon refused."""
    for _ in range(200):
        try:
            await call()
        except EngineError as error:
            return error
        await asyncio.sleep(pause_s)
    raise AssertionError("the call is not refused")


@pytest.fixture
async def operator(
    engine_process: EngineFactory, clients: Clients
) -> AsyncIterator[tuple[EngineUnderTest, EngineClient]]:
    access = clients.add("operator", "operator")
    engine = engine_process("--token-file", str(clients.path))
    async with EngineClient(engine.address, access=access) as client:
        await client.wait_ready(10)
        await set_up(client)
        yield engine, client


async def test_a_client_places_orders_with_its_token(
    operator: tuple[EngineUnderTest, EngineClient],
) -> None:
    _, client = operator
    placed = await client.place(
        user_id=BUYER, market_id=MARKET, side=Side.BID, price_ticks=10, quantity_lots=1
    )
    assert placed.order_id == 1
    assert [batch.first_event_seq async for batch in client.read_events(1, 3)] == [1]


async def test_a_changed_token_file_is_read_and_a_withdrawn_token_ends_its_streams(
    operator: tuple[EngineUnderTest, EngineClient], clients: Clients
) -> None:
    engine, client = operator
    reader = clients.add("reader", "read")
    engine.process.send_signal(signal.SIGHUP)
    await asyncio.to_thread(engine.wait_for_log, "token_file_read")
    async with EngineClient(engine.address, access=reader) as reading:
        stream = reading.subscribe(1)
        assert (await anext(stream)).first_event_seq == 1
        clients.remove("reader")  # noticed by itself
        unknown = await refusal_of(reading.get_status)
        assert (type(unknown), unknown.code) == (AccessDenied, "TOKEN_UNKNOWN")
        await client.add_user(user_id=77)
        withdrawn = await refusal_of(stream.__anext__)
        assert (str(withdrawn), withdrawn.code) == (
            "the token of client reader was withdrawn",
            "TOKEN_WITHDRAWN",
        )
    assert (await client.get_status()).users == 3


async def test_a_token_file_that_is_not_right_changes_nothing(
    operator: tuple[EngineUnderTest, EngineClient], clients: Clients
) -> None:
    engine, client = operator
    clients.path.write_text("[clients.operator]\nroles = []\n")
    entry = await asyncio.to_thread(engine.wait_for_log, "token_file_refused")
    assert entry["detail"].endswith("client 'operator': expected a table with sha256 and roles")
    assert (await client.get_status()).users == 2


async def test_calls_beyond_the_rate_are_refused_with_the_reason(
    engine_process: EngineFactory, clients: Clients
) -> None:
    slow = clients.add("slow", "read", calls_per_second=5)
    engine = engine_process("--token-file", str(clients.path))
    async with EngineClient(engine.address, access=slow) as client:
        refused = await refusal_of(client.get_status, pause_s=0)
        assert (type(refused), refused.code) == (EngineOverloaded, "CALL_RATE")
        assert str(refused) == "client slow has made its 5 calls of this second"
        await asyncio.sleep(1)
        await client.get_status()


async def test_tls_shows_the_certificate_and_can_ask_for_one(
    engine_process: EngineFactory, clients: Clients, tmp_path: Path
) -> None:
    authority = Authority(tmp_path / "ca")
    certificate, key = authority.sign("engine")
    own, own_key = authority.sign("gateway")
    other, other_key = Authority(tmp_path / "other").sign("gateway")
    access = replace(clients.add("gateway", "operator"), ca_file=authority.ca)
    engine = engine_process(
        *("--listen", "0.0.0.0:0", "--token-file", str(clients.path)),
        *("--tls-cert", str(certificate), "--tls-key", str(key)),
        *("--tls-client-ca", str(authority.ca)),
    )
    address = f"127.0.0.1:{engine.address.rpartition(':')[2]}"
    right = replace(access, cert_file=own, key_file=own_key)
    async with EngineClient(address, access=right) as client:
        await client.wait_ready(10)
        await set_up(client)
        assert (await client.get_status()).users == 2
    wrong = [
        access,
        replace(access, cert_file=other, key_file=other_key),
        replace(right, ca_file=tmp_path / "other" / "ca.pem"),
        Access(),
    ]
    for each in wrong:
        async with EngineClient(address, access=each, timeout_s=1) as client:
            with pytest.raises(EngineUnavailable):
                await client.get_status()


async def test_a_renewed_certificate_is_shown_without_a_restart(
    engine_process: EngineFactory, tmp_path: Path
) -> None:
    old, new = Authority(tmp_path / "ca"), Authority(tmp_path / "new")
    certificate, key = old.sign("engine")
    engine = engine_process("--tls-cert", str(certificate), "--tls-key", str(key))
    async with EngineClient(engine.address, access=Access(ca_file=old.ca)) as client:
        assert (await client.get_status()).users == 0
    for source, target in zip(new.sign("engine"), (certificate, key), strict=True):
        source.replace(target)
    async with EngineClient(engine.address, access=Access(ca_file=new.ca), timeout_s=1) as client:
        for _ in range(10):  # a handshake at the very moment can still show the old one
            with suppress(EngineUnavailable):
                await client.get_status()
                break
        assert (await client.get_status()).users == 0


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--listen", "0.0.0.0:0"], "elsewhere the engine listens only with --tls-cert"),
        (["--tls-cert", "c.pem"], "expected --tls-cert and --tls-key together"),
        (["--tls-client-ca", "c.pem"], "--tls-client-ca only with them"),
        (["--message-bytes", "12"], "was '12', expected 1024..16777216"),
        (["--concurrent-streams", "0"], "was '0', expected 1..65536"),
    ],
)
def test_a_wrong_command_line_is_refused(
    engine_process: EngineFactory, arguments: list[str], sentence: str
) -> None:
    engine = engine_process(*arguments, wait_ready=False)
    assert engine.wait() == ExitCode.USAGE
    assert sentence in "".join(entry["detail"] for entry in engine.logs)


def test_unusable_files_end_the_start_with_a_sentence(
    engine_process: EngineFactory, tmp_path: Path
) -> None:
    certificate, key = Authority(tmp_path / "ca").sign("engine")
    tokens = tmp_path / "tokens.toml"
    tokens.write_text("[clients.a]\nroles = ['king']\nsha256 = '" + "0" * 64 + "'\n")
    key_seen = tmp_path / "seen.key"
    key_seen.write_bytes(key.read_bytes())
    key_seen.chmod(0o604)
    other_key = Authority(tmp_path / "other").sign("engine")[1]
    tls = ("--tls-cert", str(certificate), "--tls-key")
    for arguments, sentence in (
        (("--token-file", str(tokens)), "roles were ['king'], expected some of market, read"),
        (("--token-file", str(tmp_path / "no")), "cannot be read: No such file or directory"),
        ((*tls, str(key_seen)), "can be read by everybody: chmod o= it"),
        ((*tls, str(other_key)), "do not go together, or one is not PEM: KEY_VALUES_MISMATCH"),
        ((*tls, str(tmp_path / "no.key")), "cannot be read: No such file or directory"),
    ):
        engine = engine_process(*arguments, wait_ready=False)
        assert engine.wait() == ExitCode.SECURITY
        assert sentence in engine.wait_for_log("engine_failed")["detail"]


async def test_a_message_beyond_the_limit_is_refused(engine_process: EngineFactory) -> None:
    engine = engine_process("--message-bytes", "1024")
    async with aio.insecure_channel(engine.address) as channel:
        request = pb.AddAssetRequest(code="X" * 2000)
        with pytest.raises(aio.AioRpcError) as refused:
            await pb_grpc.AdminServiceStub(channel).AddAsset(request)
    assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "larger than max (2003 vs. 1024)" in (refused.value.details() or "")


async def test_the_services_describe_themselves(engine_process: EngineFactory) -> None:
    engine = engine_process()
    async with aio.insecure_channel(engine.address) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        async for answer in stub.ServerReflectionInfo(iter([asked])):
            names = [service.name for service in answer.list_services_response.service]
    own = [f"{PACKAGE}.{name}" for name in pb.DESCRIPTOR.services_by_name]
    assert sorted(names) == sorted(
        [*own, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"]
    )
