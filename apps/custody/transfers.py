"""Looks at a transfer at the custodian, and lets its deposits take the steps that it calls for.

Invariant: what a deposit is follows from what the custodian answers now, asked under the transfer's
lock; a credit is asked of the engine only after CONFIRMED is committed, under an identity that
follows from the transfer alone, so asking again, also after a crash, credits nothing twice.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

from django.db import transaction

from apps.core.amounts import atoms_decimal
from apps.custody.cases import case_open, freezes_run
from apps.custody.crediting import deposit_credit, deposit_step
from apps.custody.locks import transfer_lock
from apps.custody.models import Deposit, DepositAddress, DepositStep, Transfer
from apps.custody.provider import custody_provider
from apps.custody.rules import (
    CONFIRMED,
    RECEIVE,
    Output,
    Verdict,
    amounts_disagree,
    business_id,
    outputs_of,
    split_base_units,
    transfer_verdict,
    went_back,
)
from apps.custody.types import (
    CREDIT_POSSIBLE,
    CaseKind,
    CustodianUnavailableError,
    DepositState,
    NoSuchNetworkError,
    ProviderTransfer,
    Source,
)
from apps.markets.selectors import asset_get

_OPEN = [DepositState.SEEN.value, DepositState.HELD.value, DepositState.CONFIRMED.value]


def transfer_look(*, coin: str, wallet: str, transfer_id: str, source: Source) -> str:
    """Ask the custodian for a transfer and act on the answer; returns what was found, in words.

    CustodianUnavailableError: try again. Must be called outside a transaction.
    """
    with transfer_lock(coin, wallet, transfer_id):
        transfer = custody_provider().transfer_get(
            coin=coin, wallet=wallet, transfer_id=transfer_id
        )
        if transfer is None:
            return _unknown(coin, wallet, transfer_id)
        if (transfer.coin, transfer.wallet, transfer.transfer_id) != (coin, wallet, transfer_id):
            raise CustodianUnavailableError("the custodian answered with another transfer")
        with transaction.atomic():
            row, deposits = _transfer_record(transfer, source)
        for deposit in deposits:
            if deposit.state == DepositState.CONFIRMED.value:
                deposit_credit(deposit.pk, source=source)
        is_open = Deposit.objects.filter(transfer=row, state__in=_OPEN).exists()
        Transfer.objects.filter(pk=row.pk).update(is_settled=not is_open)
    freezes_run()
    return f"{transfer.kind} {transfer.state}, {len(deposits)} deposits"


def _unknown(coin: str, wallet: str, transfer_id: str) -> str:
    known = Transfer.objects.filter(coin=coin, wallet=wallet, transfer_id=transfer_id)
    if known.exists():
        raise CustodianUnavailableError("the custodian does not know its own transfer any more")
    return "the custodian knows no such transfer"


def _transfer_record(transfer: ProviderTransfer, source: Source) -> tuple[Transfer, list[Deposit]]:
    """Write what the custodian said, and the steps that follow from it."""
    now = datetime.now(UTC)
    row = _row_update(transfer, now)
    outputs = outputs_of(transfer) if transfer.kind == RECEIVE else []
    found = {(each.address_key, each.token, each.index): each for each in outputs}
    known = {
        (each.address_key, each.token, each.entry_index): each
        for each in Deposit.objects.select_for_update().filter(transfer=row).order_by("pk")
    }
    problem = amounts_disagree(transfer, outputs)
    for key in [each for each in found if each not in known]:
        same = _deposit_elsewhere(transfer, found[key])
        if same is not None:
            made = _deposit_adopt(same, row, transfer)
        else:
            made = _deposit_make(row, transfer, found[key], source, now)
        if made is not None:
            known[key] = made
    for key, deposit in known.items():
        _advance(deposit, transfer, found.get(key), problem, source, now)
    return row, list(known.values())


def _row_update(transfer: ProviderTransfer, now: datetime) -> Transfer:
    facts = {
        "txid": transfer.txid,
        "kind": transfer.kind[:16],
        "state": transfer.state[:32],
        "confirmations": transfer.confirmations,
        "height": transfer.height,
        "risk_indicators": list(transfer.risk_indicators),
        "is_settled": False,
        "looked_at": now,
    }
    row, is_new = Transfer.objects.get_or_create(
        coin=transfer.coin,
        wallet=transfer.wallet,
        transfer_id=transfer.transfer_id,
        defaults={**facts, "first_seen_at": now},
    )
    if not is_new:
        Transfer.objects.filter(pk=row.pk).update(**facts)
    return row


def _identity(transfer: ProviderTransfer, output: Output) -> bytes:
    return business_id(
        coin=transfer.coin,
        tx_hash=transfer.normalized_tx_hash,
        address=output.address,
        token=output.token,
        index=output.index,
    )


def _deposit_elsewhere(transfer: ProviderTransfer, output: Output) -> Deposit | None:
    """Return the deposit of the same output that is known under another transfer id."""
    identity = _identity(transfer, output)
    return Deposit.objects.select_for_update().filter(business_id=identity).first()


def _deposit_adopt(deposit: Deposit, row: Transfer, transfer: ProviderTransfer) -> Deposit | None:
    """Let a transfer take over a deposit that came to nothing under another id; None if it is not
    its to decide."""
    if DepositState(deposit.state) in CREDIT_POSSIBLE or went_back(transfer) is not None:
        return None
    deposit.transfer = row
    deposit.save(update_fields=["transfer"])
    return deposit


def _deposit_make(
    row: Transfer, transfer: ProviderTransfer, output: Output, source: Source, now: datetime
) -> Deposit | None:
    """Return a new deposit in SEEN; None, and a case, where nobody owns the address."""
    address = (
        DepositAddress.objects.select_related("network")
        .filter(coin=transfer.coin, wallet=transfer.wallet, address_key=output.address_key)
        .first()
    )
    if address is None or address.network.token != output.token:
        if transfer.state == CONFIRMED:
            case_open(
                kind=CaseKind.UNKNOWN_ADDRESS,
                subject=f"{transfer.coin}:{transfer.transfer_id}:{output.address}",
                detail=(
                    f"{output.base_units} base units of {output.token or transfer.coin} arrived at"
                    f" {output.address}, which is no trader's address for it"
                ),
                now=now,
            )
        return None
    deposit = Deposit(
        transfer=row,
        address=address,
        user_id=address.user_id,
        business_id=_identity(transfer, output),
        coin=transfer.coin,
        normalized_tx_hash=transfer.normalized_tx_hash,
        address_key=output.address_key,
        token=output.token,
        entry_index=output.index,
        confirmations=transfer.confirmations,
        state=DepositState.SEEN.value,
        created_at=now,
    )
    try:
        _set_amounts(deposit, output)
    except OverflowError as error:
        case_open(
            kind=CaseKind.AMOUNTS_DISAGREE,
            subject=f"{transfer.coin}:{transfer.transfer_id}:{output.address}",
            detail=f"{output.base_units} base units at {output.address}: {error}",
            now=now,
        )
        return None
    deposit.save(force_insert=True)
    DepositStep.objects.create(
        deposit=deposit,
        number=1,
        to_state=DepositState.SEEN.value,
        source=source.value,
        taken_at=now,
    )
    return deposit


def _set_amounts(deposit: Deposit, output: Output) -> None:
    network = deposit.address.network
    asset = asset_get(network.asset_code)
    if asset is None:
        raise NoSuchNetworkError(f"{network.asset_code} is not listed in the engine")
    atoms, dust = split_base_units(
        output.base_units, coin_decimals=network.decimals, asset_decimals=asset.decimals
    )
    deposit.asset_id = asset.asset_id
    deposit.base_units = Decimal(output.base_units)
    deposit.dust_base_units = Decimal(dust)
    deposit.amount_atoms = atoms
    deposit.amount = atoms_decimal(atoms, asset.decimals)


def _advance(
    deposit: Deposit,
    transfer: ProviderTransfer,
    output: Output | None,
    problem: str | None,
    source: Source,
    now: datetime,
) -> None:
    """Let a deposit take the step that the transfer calls for, if any."""
    if deposit.confirmations != transfer.confirmations:
        deposit.confirmations = transfer.confirmations
        deposit.save(update_fields=["confirmations"])
    if DepositState(deposit.state) in CREDIT_POSSIBLE:
        _watch_credited(deposit, transfer, output, source, now)
        return
    verdict = _verdict(deposit, transfer, output, problem)
    if output is not None and deposit.base_units != output.base_units:
        _set_amounts(deposit, output)
        deposit.save(
            update_fields=["base_units", "dust_base_units", "amount_atoms", "amount", "asset_id"]
        )
    if verdict.state is DepositState.CONFIRMED and deposit.amount_atoms == 0:
        verdict = Verdict(state=DepositState.DUST, reason="less than one atom")
    if verdict.state is DepositState.HELD:
        case_open(
            kind=CaseKind.AMOUNTS_DISAGREE if problem else CaseKind.RISK,
            subject=f"{transfer.coin}:{transfer.transfer_id}",
            detail=verdict.reason,
            now=now,
            deposit=deposit,
        )
    deposit_step(deposit, verdict.state, source=source, reason=verdict.reason, now=now)


def _verdict(
    deposit: Deposit, transfer: ProviderTransfer, output: Output | None, problem: str | None
) -> Verdict:
    if output is None:
        return Verdict(state=DepositState.REJECTED, reason=f"no output any more ({transfer.state})")
    verdict = transfer_verdict(
        transfer, min_confirmations=deposit.address.network.min_confirmations
    )
    if problem is not None and verdict.state is DepositState.CONFIRMED:
        return Verdict(state=DepositState.HELD, reason=problem)
    return verdict


def _watch_credited(
    deposit: Deposit,
    transfer: ProviderTransfer,
    output: Output | None,
    source: Source,
    now: datetime,
) -> None:
    """A credit was made, or may have been: what contradicts it freezes and opens a case."""
    if deposit.state == DepositState.FROZEN.value:
        return
    kind, reason = CaseKind.WENT_BACK, went_back(transfer)
    if reason is None and (output is None or output.base_units != deposit.base_units):
        shown = "nothing" if output is None else f"{output.base_units}"
        kind = CaseKind.AMOUNT_CHANGED
        reason = f"the output is {shown}, it was {deposit.base_units} base units"
    if reason is not None:
        deposit_step(deposit, DepositState.FROZEN, source=source, reason=reason, now=now)
    elif transfer.risk_indicators:
        kind = CaseKind.RISK_AFTER_CREDIT
        reason = f"risk indicators: {', '.join(transfer.risk_indicators)}"
        if deposit.state == DepositState.CONFIRMED.value:
            deposit_step(deposit, DepositState.FROZEN, source=source, reason=reason, now=now)
    if reason is not None:
        case_open(
            kind=kind,
            subject=f"deposit {deposit.pk}",
            detail=f"{reason}; {deposit.amount_atoms} atoms of asset {deposit.asset_id} credited"
            f" by event {deposit.event_seq or 'unknown'}",
            now=now,
            deposit=deposit,
            freezes_user=kind is not CaseKind.RISK_AFTER_CREDIT,
        )
