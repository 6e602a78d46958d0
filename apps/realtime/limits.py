"""Every limit of the feeds, in one value, so that tests and documents read the same numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class RealtimeLimits:
    """Per process unless it says otherwise. Times in seconds."""

    sockets_max: int = 2_000
    sockets_per_address_max: int = 100  # loopback is exempt: proxies and tools of this machine
    subscriptions_max: int = 100  # of one socket
    channels_per_request_max: int = 50
    message_chars_max: int = 16_384
    messages_per_s: float = 20.0  # of one socket, after a burst of `message_burst`
    message_burst: int = 60
    queue_messages_max: int = 1_000  # waiting for one socket; beyond it the client is too slow
    queue_chars_max: int = 4 * 1024 * 1024
    drain_timeout_s: float = 5.0  # for the close code to reach a client that hardly reads
    verify_timeout_s: float = 5.0
    book_depth: int = 100  # levels a side that are published
    trades_remembered: int = 50  # of a market, for the snapshot of its trades
    book_interval_s: float = 0.1
    balances_interval_s: float = 0.1
    balances_at_once: int = 8  # questions to the engine under way
    ticker_interval_s: float = 1.0
    heartbeat_s: float = 20.0
    user_orders_max: int = 1_000  # in the snapshot of one user's open orders
    user_pending_max: int = 10_000  # events of one user kept while a snapshot is asked for


DEFAULT_LIMITS = RealtimeLimits()
