"""What each role may call.

A client has one or more roles; some include others. Invariant: a method or command that nobody
listed here is for operators alone, and what the sequencer makes by itself is for nobody.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from engine.proto.records import CommandType

PACKAGE: Final = "quantatrade.engine.v1"


class Role(StrEnum):
    """What a client of the engine is."""

    MARKET = "market"  # public market data
    READ = "read"  # also balances, orders and events of everybody
    PEER = "peer"  # a relay or mirror: reads, and greets
    TRADER = "trader"  # the gateway that carries all traders' orders: reads, and sends them
    OPERATOR = "operator"  # everything


_INCLUDED: Final = {
    Role.MARKET: (),
    Role.READ: (Role.MARKET,),
    Role.PEER: (Role.READ, Role.MARKET),
    Role.TRADER: (Role.READ, Role.MARKET),
    Role.OPERATOR: tuple(Role),
}


def with_included(roles: list[Role]) -> frozenset[Role]:
    """These roles and all that they include."""
    return frozenset(roles).union(*(_INCLUDED[role] for role in roles))


def _methods(service: str, role: Role, *names: str) -> dict[str, Role]:
    return {f"/{service}/{name}": role for name in names}


METHOD_ROLES: Final = {
    **_methods("grpc.health.v1.Health", Role.MARKET, "Check", "Watch", "List"),
    **_methods("grpc.reflection.v1alpha.ServerReflection", Role.MARKET, "ServerReflectionInfo"),
    **_methods(
        f"{PACKAGE}.QueryService", Role.MARKET, "GetStatus", "ListAssets", "ListMarkets", "GetBook"
    ),
    **_methods(
        f"{PACKAGE}.QueryService",
        Role.READ,
        *("GetBalances", "DumpBalances", "GetOrder", "ListOpenOrders", "ListHolds"),
        *("GetTotals", "GetStateHash"),
    ),
    **_methods(
        f"{PACKAGE}.MarketDataService",
        Role.MARKET,
        *("SubscribeDepth", "SubscribeBest", "SubscribeTrades", "SubscribeTickers"),
        *("SubscribeKlines", "GetTickers", "GetKlines"),
    ),
    **_methods(f"{PACKAGE}.EventService", Role.READ, "Subscribe", "Read"),
    **_methods(f"{PACKAGE}.EventService", Role.PEER, "Greet"),
    **_methods(
        f"{PACKAGE}.OrderService",
        Role.TRADER,
        *("Place", "Cancel", "Reduce", "Move", "Amend", "Replace", "CancelAll", "Quote"),
        *("PlaceList", "SetDeadman", "SetSession", "SubmitPacked"),
    ),
}

TRADER_COMMANDS: Final = frozenset(
    map(
        int,
        (
            *(CommandType.PLACE, CommandType.CANCEL, CommandType.REDUCE, CommandType.MOVE),
            *(CommandType.AMEND, CommandType.REPLACE, CommandType.CANCEL_ALL, CommandType.QUOTE),
            *(CommandType.PLACE_LEG, CommandType.PLACE_LIST),
            *(CommandType.SET_DEADMAN, CommandType.SET_SESSION),
        ),
    )
)
_SEQUENCER_COMMANDS: Final = frozenset((int(CommandType.CHECKPOINT), int(CommandType.TICK)))
OPERATOR_COMMANDS: Final = frozenset(map(int, CommandType)) - _SEQUENCER_COMMANDS
"""What an operator may send: everybody's commands, but not those of the sequencer."""


def role_of_method(method: str) -> Role:
    """The role that a method needs."""
    return METHOD_ROLES.get(method, Role.OPERATOR)
