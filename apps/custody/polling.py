"""The second source: asking the custodian what arrived, whether or not a webhook came.

Webhooks may be lost, suspended, or never sent (transfers with risk indicators). Invariant: a
wallet's cursor moves only past transfers that were all looked at, and each poll goes back a stretch
behind it, so a late or changed one is found too.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from django.db.models import Min

from apps.custody.models import Deposit, DepositAddress, PollCursor, Transfer
from apps.custody.provider import custody_provider
from apps.custody.transfers import transfer_look
from apps.custody.types import (
    CustodyError,
    DepositState,
    ProviderTransfer,
    Source,
)
from engine.client import EngineError

OVERLAP: Final = timedelta(hours=24)
PAGES_MAX: Final = 1_000
WALLETS_MAX: Final = 1_000
OPEN_LOOKS_MAX: Final = 50
OPEN_LOOK_INTERVAL: Final = timedelta(seconds=5)
ERROR_CHARS_MAX: Final = 255
_LOG: Final = structlog.get_logger("custody.polling")


def wallets_poll(*, now: datetime) -> int:
    """Look through every wallet in which a trader has an address; returns how many looks it took.

    A wallet that fails keeps its cursor, says why in it, and does not keep the others back.
    """
    looks = 0
    wallets = (
        DepositAddress.objects.order_by("coin", "wallet")
        .values_list("coin", "wallet")
        .annotate(first_at=Min("created_at"))
    )
    for coin, wallet, first_at in wallets[:WALLETS_MAX]:
        cursor, _ = PollCursor.objects.get_or_create(coin=coin, wallet=wallet)
        since = (cursor.polled_until or first_at) - OVERLAP
        error = ""
        try:
            seen, until = _wallet_poll(coin, wallet, since)
            looks += seen
            cursor.polled_until = max(filter(None, (cursor.polled_until, until)), default=None)
        except (CustodyError, EngineError) as problem:
            error = f"{type(problem).__name__}: {problem}"
            _LOG.warning("poll_failed", coin=coin, error=error)
        cursor.polled_at = now
        cursor.last_error = error[:ERROR_CHARS_MAX]
        cursor.save(update_fields=["polled_until", "polled_at", "last_error"])
    return looks


def _wallet_poll(coin: str, wallet: str, since: datetime) -> tuple[int, datetime | None]:
    """Return how many transfers were looked at, and when the newest one was made."""
    looks, newest, page_cursor = 0, None, None
    failed: Exception | None = None
    for _ in range(PAGES_MAX):
        page = custody_provider().transfers_list(
            coin=coin, wallet=wallet, since=since, cursor=page_cursor
        )
        known = {
            each.transfer_id: each
            for each in Transfer.objects.filter(
                coin=coin,
                wallet=wallet,
                transfer_id__in=[each.transfer_id for each in page.transfers],
            )
        }
        for transfer in page.transfers:
            if transfer.made_at is not None:
                newest = max(filter(None, (newest, transfer.made_at)))
            if _has_news(transfer, known.get(transfer.transfer_id)):
                looks += 1
                failed = _look(coin, wallet, transfer.transfer_id) or failed
        page_cursor = page.next_cursor
        if page_cursor is None:
            if failed is not None:
                raise CustodyError(f"a transfer was not looked at: {failed}") from failed
            return looks, newest
    raise CustodyError(f"the wallet had more than {PAGES_MAX} pages since {since}")


def _look(coin: str, wallet: str, transfer_id: str) -> Exception | None:
    """Look at one transfer; returns what went wrong, so that it does not keep the others back."""
    try:
        transfer_look(coin=coin, wallet=wallet, transfer_id=transfer_id, source=Source.POLL)
    except (CustodyError, EngineError) as error:
        return error
    except Exception as error:  # a defect of ours, told in full
        _LOG.exception("look_defect", transfer=transfer_id)
        return error
    return None


def _has_news(listed: ProviderTransfer, known: Transfer | None) -> bool:
    if known is None:
        return True
    return (
        known.state != listed.state[:32]
        or known.risk_indicators != list(listed.risk_indicators)
        or (bool(listed.replaced_by) and known.state not in ("replaced", "removed"))
    )


def open_transfers_look(*, now: datetime) -> int:
    """Look again at transfers that are not settled: they wait for confirmations or for the engine.

    Returns how many were looked at. The longest unseen come first.
    """
    waiting = Transfer.objects.filter(is_settled=False, looked_at__lt=now - OPEN_LOOK_INTERVAL)
    due = Deposit.objects.filter(
        state=DepositState.CONFIRMED.value, next_attempt_at__lte=now
    ).values("transfer_id")
    rows = (waiting | Transfer.objects.filter(pk__in=due)).order_by("looked_at")
    looks = 0
    for row in rows[:OPEN_LOOKS_MAX]:
        looks += 1
        try:
            transfer_look(
                coin=row.coin, wallet=row.wallet, transfer_id=row.transfer_id, source=Source.WORKER
            )
        except Exception as error:  # one transfer must not keep the others back
            if not isinstance(error, CustodyError | EngineError):
                _LOG.exception("look_defect", transfer=row.transfer_id)
            Transfer.objects.filter(pk=row.pk).update(looked_at=datetime.now(UTC))
            _LOG.warning("look_failed", transfer=row.transfer_id, error=f"{error}")
    return looks
