"""What the platform needs of a custodian, and which one it has.

Invariant: nothing else in the platform talks to a custodian, so another one is another class here.
"""

from __future__ import annotations

import os
import threading
from datetime import datetime
from typing import Final, Protocol

from django.conf import settings

from apps.custody.bitgo import BitGoProvider
from apps.custody.types import (
    CustodyNotConfiguredError,
    ProviderAddress,
    ProviderTransfer,
    TransferPage,
)

ANY_COIN: Final = "*"
_providers: Final[dict[tuple[int, str, str], BitGoProvider]] = {}
_lock: Final = threading.Lock()


class CustodyProvider(Protocol):
    """A custodian. Every call has a time-out; errors are CustodianUnavailableError (try again) and
    CustodianRefusedError."""

    def address_create(self, *, coin: str, wallet: str, label: str) -> ProviderAddress:
        """Make a new address."""
        ...

    def transfer_get(self, *, coin: str, wallet: str, transfer_id: str) -> ProviderTransfer | None:
        """Return a transfer as it is now, None if the wallet has none of this id."""
        ...

    def transfers_list(
        self, *, coin: str, wallet: str, since: datetime | None, cursor: str | None
    ) -> TransferPage:
        """Return a page of the wallet's incoming transfers, newest first."""
        ...


def custody_provider() -> CustodyProvider:
    """Return the configured custodian. CustodyNotConfiguredError if there is none."""
    url, token = settings.CUSTODY_URL, settings.CUSTODY_TOKEN
    if not url or not token:
        raise CustodyNotConfiguredError("no custodian is configured: set QT_CUSTODY_URL and _TOKEN")
    key = (os.getpid(), url, token)
    with _lock:
        if key not in _providers:
            _providers[key] = BitGoProvider(url, token)
        return _providers[key]


def custody_wallet(coin: str) -> str:
    """Return our wallet of a coin. CustodyNotConfiguredError if there is none."""
    wallets: dict[str, str] = settings.CUSTODY_WALLETS
    wallet = wallets.get(coin) or wallets.get(ANY_COIN)
    if not wallet:
        raise CustodyNotConfiguredError(f"no wallet for {coin} is configured in QT_CUSTODY_WALLETS")
    return wallet
