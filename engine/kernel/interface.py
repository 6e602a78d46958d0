"""What a matching kernel is: one interface, two implementations that answer byte for byte alike.

A kernel is a pure state machine: `apply` takes packed commands and a time stamp and returns packed
events. It does no input or output, knows no clock and no randomness, and never fails on bad input:
what it does not take becomes a REFUSED event. Same commands and stamps in, same bytes out, however
they are cut into batches.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

from engine.kernel.state import PackedState, StateSource


class AssetView(NamedTuple):
    asset_id: int
    code: str
    decimals: int
    max_total_atoms: int


class MarketView(NamedTuple):
    market_id: int
    symbol: str
    base_asset_id: int
    quote_asset_id: int
    tick_atoms: int
    lot_atoms: int
    tick_lot_atoms: int
    maker_fee: int
    taker_fee: int
    fee_flags: int
    state: int
    min_price_ticks: int
    max_price_ticks: int
    min_quantity_lots: int
    max_quantity_lots: int
    min_notional_atoms: int
    last_price_ticks: int
    last_trade_id: int


class UserView(NamedTuple):
    user_id: int
    status: int


class BalanceView(NamedTuple):
    user_id: int
    asset_id: int
    available_atoms: int
    locked_atoms: int


class OrderView(NamedTuple):
    order_id: int
    user_id: int
    market_id: int
    side: int
    order_type: int
    price_ticks: int
    quantity_lots: int
    leaves_lots: int
    reserved_atoms: int
    ceiling_ticks: int
    client_order_id: str
    shown_lots: int  # what the published book shows of `leaves_lots`
    wait: int = 0  # why it is not in the book (WAIT_* of `engine.kernel.codes`), 0 if it is
    stop_price_ticks: int = 0
    delta_bips: int = 0
    expire_time_us: int = 0
    list_id: int = 0


class LevelView(NamedTuple):
    price_ticks: int
    quantity_lots: int
    orders: int


class HoldView(NamedTuple):
    request_id: bytes
    user_id: int
    asset_id: int
    amount_atoms: int
    reference: str


class TotalsView(NamedTuple):
    asset_id: int
    held_atoms: int
    deposited_atoms: int
    withdrawn_atoms: int
    adjusted_atoms: int


class Kernel(StateSource, Protocol):
    """One writer at a time; queries are allowed only between calls of `apply`."""

    @property
    def name(self) -> str:
        """`compiled` or `reference`."""

    @property
    def command_seq(self) -> int:
        """Sequence of the last command applied, 0 before the first."""

    @property
    def event_seq(self) -> int:
        """Sequence of the last event, 0 before the first."""

    @property
    def time_us(self) -> int:
        """Stamp of the last batch."""

    @property
    def last_order_id(self) -> int:
        """Highest order id ever accepted or refused; the sequencer continues from it."""

    @property
    def needs_checkpoint(self) -> bool:
        """Whether any balance changed since the last CHECKPOINT."""

    @property
    def next_timer_us(self) -> int:
        """When the next TICK is due, 0 if nothing waits for a time."""

    @property
    def event_bound(self) -> int:
        """The most events that all that rests, waits or is armed now can still cause: two for each
        tranche of each order, of which all but icebergs have one, and two for each watch."""

    @property
    def open_order_count(self) -> int: ...

    @property
    def user_count(self) -> int: ...

    @property
    def account_count(self) -> int: ...

    def apply(self, commands: bytes | bytearray | memoryview, time_us: int) -> bytes:
        """Apply n x 128 bytes of commands and return m x 128 bytes of events.

        `time_us` below that of the last batch is an AssertionError, a length that is not a multiple
        of 128 a ValueError; both before anything changed.
        """

    def assets(self) -> list[AssetView]:
        """By asset id."""

    def markets(self) -> list[MarketView]:
        """By market id."""

    def users(self) -> Iterator[UserView]:
        """By user id; the house is not listed."""

    def balances(self, user_id: int) -> list[BalanceView]:
        """One user's accounts by asset id, zeros included. Empty for an unknown user."""

    def all_balances(self) -> Iterator[BalanceView]:
        """Every account that is not (0, 0), by (user id, asset id)."""

    def order(self, market_id: int, order_id: int) -> OrderView | None:
        """An open order."""

    def open_orders(self, user_id: int = 0, market_id: int = 0) -> Iterator[OrderView]:
        """By market, bids best first then asks best first, in queue order, then those that are not
        in the book by id. 0 = all."""

    def book(self, market_id: int, depth: int) -> tuple[list[LevelView], list[LevelView]] | None:
        """(bids, asks), best first; None for an unknown market."""

    def holds(self) -> list[HoldView]:
        """The open ones, by request id as bytes."""

    def totals(self) -> list[TotalsView]:
        """By asset id; `held_atoms` counted afresh over all accounts."""

    def state_hash(self) -> bytes:
        """SHA-256 over the canonical form of the whole state (see `engine.kernel.state`)."""

    def load_state(self, state: PackedState) -> None:
        """Take over a whole state. ValueError if this kernel is not empty; StateError if the state
        contradicts itself: the kernel is then in no state to be used."""
