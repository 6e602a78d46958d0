"""How programs reach the engine: `EngineClient` for asyncio, `SyncEngineClient` without.

This package and `engine.proto` are all that the platform may import of the engine.
"""

from engine.client.access import Access
from engine.client.aio import EngineClient
from engine.client.errors import (
    AccessDenied,
    EngineError,
    EngineOverloaded,
    EngineRefused,
    EngineUnavailable,
    InvalidRequest,
    OutcomeUnknown,
    PeerRefused,
)
from engine.client.funds import TransferLeg
from engine.client.market_data import (
    BestPrices,
    BookGapError,
    DepthUpdate,
    Kline,
    Klines,
    LocalBook,
    PublicTrade,
    Ticker,
)
from engine.client.submitter import StreamSession
from engine.client.sync import SyncEngineClient
from engine.client.trader import OrderTicket, new_request_id
from engine.client.types import (
    Asset,
    AssetTotals,
    Balance,
    Balances,
    Book,
    EventBatch,
    Fill,
    Greeting,
    Hold,
    Level,
    Market,
    OpenOrder,
    OpenOrders,
    Outcome,
    StateHash,
    Status,
    Totals,
    iterate_events,
)

__all__ = [
    "Access",
    "AccessDenied",
    "Asset",
    "AssetTotals",
    "Balance",
    "Balances",
    "BestPrices",
    "Book",
    "BookGapError",
    "DepthUpdate",
    "EngineClient",
    "EngineError",
    "EngineOverloaded",
    "EngineRefused",
    "EngineUnavailable",
    "EventBatch",
    "Fill",
    "Greeting",
    "Hold",
    "InvalidRequest",
    "Kline",
    "Klines",
    "Level",
    "LocalBook",
    "Market",
    "OpenOrder",
    "OpenOrders",
    "OrderTicket",
    "Outcome",
    "OutcomeUnknown",
    "PeerRefused",
    "PublicTrade",
    "StateHash",
    "Status",
    "StreamSession",
    "SyncEngineClient",
    "Ticker",
    "Totals",
    "TransferLeg",
    "iterate_events",
    "new_request_id",
]
