"""Money in, out and between accounts. Each is done once for ever per business id."""

from __future__ import annotations

from typing import NamedTuple

from engine.client.commanding import Commander
from engine.client.types import Outcome
from engine.proto import engine_pb2 as pb


class TransferLeg(NamedTuple):
    """One account of a transfer: credited if `amount_atoms` is positive. User 0 is the house."""

    user_id: int
    asset_id: int
    amount_atoms: int
    reference: str = ""


class Funds(Commander):
    """AdminService: funds. A refusal is raised as EngineRefused."""

    async def deposit(
        self,
        *,
        user_id: int,
        asset_id: int,
        amount_atoms: int,
        business_id: bytes,
        reference: str = "",
    ) -> Outcome:
        """Credit once for ever per `business_id` (16 bytes). `reference`: as a client order id."""
        request = _funds(user_id, asset_id, amount_atoms, business_id, reference)
        return await self._command(self._admin.Deposit, request, idempotent=True)

    async def withdraw(
        self,
        *,
        user_id: int,
        asset_id: int,
        amount_atoms: int,
        business_id: bytes,
        reference: str = "",
    ) -> Outcome:
        """Debit once for ever per `business_id` (16 bytes)."""
        request = _funds(user_id, asset_id, amount_atoms, business_id, reference)
        return await self._command(self._admin.Withdraw, request, idempotent=True)

    async def adjust(
        self,
        *,
        user_id: int,
        asset_id: int,
        amount_atoms: int,
        business_id: bytes,
        reference: str = "",
    ) -> Outcome:
        """Credit or debit (signed) once for ever per `business_id` (16 bytes)."""
        request = _funds(user_id, asset_id, amount_atoms, business_id, reference)
        return await self._command(self._admin.Adjust, request, idempotent=True)

    async def transfer(self, *legs: TransferLeg, business_id: bytes) -> Outcome:
        """Move funds between up to 8 accounts, all or none: an asset's legs add up to zero."""
        request = pb.TransferRequest(
            business_id=business_id, legs=[pb.TransferLeg(**leg._asdict()) for leg in legs]
        )
        return await self._command(self._admin.Transfer, request, idempotent=True)

    async def hold(
        self,
        *,
        user_id: int,
        asset_id: int,
        amount_atoms: int,
        business_id: bytes,
        reference: str = "",
    ) -> Outcome:
        """Lock what is to be withdrawn, until it is settled or released by the same id."""
        request = _funds(user_id, asset_id, amount_atoms, business_id, reference)
        return await self._command(self._admin.Hold, request, idempotent=True)

    async def settle_hold(self, *, user_id: int, hold_id: bytes) -> Outcome:
        """Withdraw what is held."""
        request = pb.HoldRequest(user_id=user_id, hold_id=hold_id)
        return await self._command(self._admin.SettleHold, request)

    async def release_hold(self, *, user_id: int, hold_id: bytes) -> Outcome:
        """Make what is held available again."""
        request = pb.HoldRequest(user_id=user_id, hold_id=hold_id)
        return await self._command(self._admin.ReleaseHold, request)


def _funds(
    user_id: int, asset_id: int, amount_atoms: int, business_id: bytes, reference: str
) -> pb.FundsRequest:
    return pb.FundsRequest(
        user_id=user_id,
        asset_id=asset_id,
        amount_atoms=amount_atoms,
        business_id=business_id,
        reference=reference,
    )
