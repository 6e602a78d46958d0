"""A deposit's steps, and the credit in the engine.

Invariant: a step is one of `DEPOSIT_STEPS` and is written with the state that it leads to; a credit
that the engine made is found again under the deposit's business id, whoever died meanwhile.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from django.db import transaction

from apps.accounts.selectors import user_email
from apps.core.amounts import plain
from apps.core.engine_gateway import engine_command
from apps.custody.cases import case_open
from apps.custody.models import Deposit, DepositStep
from apps.custody.types import DEPOSIT_STEPS, CaseKind, DepositState, Source
from apps.mail.services import mail_queue
from engine.client import EngineError, EngineRefused

REASON_CHARS_MAX: Final = 255
REFERENCE_CHARS_MAX: Final = 36
RETRY_S_MAX: Final = 300
CREDITED_MAIL: Final = """\
Hello,

your deposit of {coins} has been confirmed and credited. You can trade with it now.

Network: {network}
Transaction: {txid}
"""
_NOT_IN_REFERENCE: Final = re.compile(r"[^a-zA-Z0-9_.:/-]")
_LOG: Final = structlog.get_logger("custody.crediting")


class ImpossibleStepError(AssertionError):
    """A deposit was asked to take a step that its state does not allow: a defect."""


def deposit_step(
    deposit: Deposit, to: DepositState, *, source: Source, reason: str, now: datetime
) -> None:
    """Let a deposit, whose row the caller's transaction holds, take one step; none if it is there.

    The number of the step is unique, so two workers cannot take the same one.
    """
    before = DepositState(deposit.state)
    if before is to:
        return
    if to not in DEPOSIT_STEPS[before]:
        raise ImpossibleStepError(f"deposit {deposit.pk} was {before.name}, asked for {to.name}")
    deposit.state = to.value
    deposit.reason = reason[:REASON_CHARS_MAX]
    deposit.next_attempt_at = now if to is DepositState.CONFIRMED else None
    deposit.save(update_fields=["state", "reason", "next_attempt_at", "event_seq", "credited_at"])
    DepositStep.objects.create(
        deposit=deposit,
        number=deposit.steps.count() + 1,
        from_state=before.value,
        to_state=to.value,
        source=source.value,
        reason=reason[:REASON_CHARS_MAX],
        taken_at=now,
    )


def deposit_credit(deposit_id: int, *, source: Source) -> bool:
    """Have the engine credit a CONFIRMED deposit; True if it is CREDITED afterwards.

    The caller holds the transfer's lock. If the engine does not answer, or refuses, the deposit
    stays CONFIRMED and is due again later.
    """
    deposit = Deposit.objects.get(pk=deposit_id)
    if deposit.state != DepositState.CONFIRMED.value:
        return deposit.state == DepositState.CREDITED.value
    reference = _NOT_IN_REFERENCE.sub("", deposit.normalized_tx_hash)[:REFERENCE_CHARS_MAX]
    try:
        outcome = engine_command(
            lambda engine: engine.deposit(
                user_id=deposit.user_id,
                asset_id=deposit.asset_id,
                amount_atoms=deposit.amount_atoms,
                business_id=bytes(deposit.business_id),
                reference=reference,
            )
        )
    except EngineError as error:
        _not_credited(deposit, error)
        return False
    now = datetime.now(UTC)
    with transaction.atomic():
        held = Deposit.objects.select_for_update().get(pk=deposit_id)
        held.event_seq = outcome.first_event_seq
        held.credited_at = now
        deposit_step(
            held,
            DepositState.CREDITED,
            source=source,
            reason="the engine had it already" if outcome.replayed else "",
            now=now,
        )
        _tell_owner(held)
    _LOG.info("deposit_credited", deposit_id=deposit_id, event_seq=outcome.first_event_seq)
    return True


def _tell_owner(deposit: Deposit) -> None:
    network = deposit.address.network
    coins = f"{plain(deposit.amount)} {network.asset_code}"
    mail_queue(
        to_address=user_email(deposit.user_id),
        subject=f"{coins} arrived",
        body=CREDITED_MAIL.format(
            coins=coins, network=network.network, txid=deposit.transfer.txid or "not stated"
        ),
    )


def _not_credited(deposit: Deposit, error: EngineError) -> None:
    now = datetime.now(UTC)
    attempts = deposit.attempts + 1
    wait_s = min(2 ** min(attempts, 16), RETRY_S_MAX)
    reason = f"{type(error).__name__}: {error}"
    with transaction.atomic():
        Deposit.objects.filter(pk=deposit.pk).update(
            attempts=attempts,
            next_attempt_at=now + timedelta(seconds=wait_s),
            reason=reason[:REASON_CHARS_MAX],
        )
        if isinstance(error, EngineRefused):
            case_open(
                kind=CaseKind.ENGINE_REFUSED,
                subject=f"deposit {deposit.pk}: {error.reason.name}",
                detail=reason,
                now=now,
                deposit=deposit,
            )
    _LOG.warning("deposit_not_credited", deposit_id=deposit.pk, attempts=attempts, reason=reason)
