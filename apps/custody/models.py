"""What is known of networks, addresses, transfers and deposits.

The platform's own rows (role `qt_app`), except that nobody may change what identifies a deposit, a
webhook's body, or a step that was taken: the rights of the role end there (migration
`0002_rights`). Invariant: a deposit's state is the last of its steps.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.core.amounts import amount_field
from apps.custody.types import CaseKind, DepositState, InboxState, Source

TEXT_CHARS_MAX = 255
BASE_UNITS_DIGITS = 78
BASE_DECIMALS_MAX = 30


def _choices(kind: type[DepositState | InboxState | CaseKind | Source]) -> list[tuple[str, str]]:
    return [(member.value, member.value.replace("_", " ").capitalize()) for member in kind]


def _known(
    field: str, kind: type[DepositState | InboxState | CaseKind | Source], name: str
) -> models.CheckConstraint:
    return models.CheckConstraint(
        condition=Q(**{f"{field}__in": [member.value for member in kind]}), name=name
    )


class AssetNetwork(models.Model):
    """How an asset travels. `coin` and `token` are the custodian's names; `decimals` are those of
    the coin's base unit."""

    asset_code = models.CharField(max_length=20)
    network = models.CharField(max_length=32)
    coin = models.CharField(max_length=64)
    token = models.CharField(max_length=64, blank=True)
    decimals = models.SmallIntegerField()
    min_confirmations = models.IntegerField()
    is_enabled = models.BooleanField(default=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["asset_code", "network"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["asset_code", "network"], name="custody_network_of_asset_once"
            ),
            models.UniqueConstraint(fields=["coin", "token"], name="custody_network_coin_once"),
            models.CheckConstraint(
                condition=Q(decimals__range=(0, BASE_DECIMALS_MAX)),
                name="custody_network_decimals_range",
            ),
            models.CheckConstraint(
                condition=Q(min_confirmations__gte=1), name="custody_network_confirmations"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.asset_code} on {self.network}"


class DepositAddress(models.Model):
    """A trader's own address. `address_key` is the form in which addresses are compared."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    network = models.ForeignKey(AssetNetwork, on_delete=models.PROTECT, related_name="+")
    coin = models.CharField(max_length=64)
    wallet = models.CharField(max_length=64)
    address = models.CharField(max_length=TEXT_CHARS_MAX)
    address_key = models.CharField(max_length=TEXT_CHARS_MAX)
    provider_id = models.CharField(max_length=64)
    label = models.CharField(max_length=100)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]
        default_permissions = ("view",)
        verbose_name_plural = "deposit addresses"
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user", "network"], name="custody_address_of_user"),
            models.UniqueConstraint(
                fields=["coin", "wallet", "address_key"], name="custody_address_once"
            ),
        ]

    def __str__(self) -> str:
        return self.address


class Transfer(models.Model):
    """A transfer as the custodian stated it when we asked last."""

    coin = models.CharField(max_length=64)
    wallet = models.CharField(max_length=64)
    transfer_id = models.CharField(max_length=64)
    txid = models.CharField(max_length=TEXT_CHARS_MAX)
    kind = models.CharField(max_length=16)
    state = models.CharField(max_length=32)
    confirmations = models.IntegerField()
    height = models.BigIntegerField()
    risk_indicators = models.JSONField()
    is_settled = models.BooleanField(help_text="Nothing more is expected of it.")
    first_seen_at = models.DateTimeField(db_default=Now())
    looked_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["coin", "wallet", "transfer_id"], name="custody_transfer_once"
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["coin", "wallet", "txid"], name="custody_transfer_txid"),
            models.Index(
                fields=["looked_at"], condition=Q(is_settled=False), name="custody_transfer_open"
            ),
        ]

    def __str__(self) -> str:
        return self.transfer_id


class Deposit(models.Model):
    """One output of a transfer to an address of ours.

    `business_id` follows from (coin, transaction hash, address, token, entry index) alone and is
    the engine's idempotency key. `amount_atoms` is what is credited; `dust_base_units` is the rest
    below one atom, which stays in custody.
    """

    transfer = models.ForeignKey(Transfer, on_delete=models.PROTECT, related_name="deposits")
    address = models.ForeignKey(DepositAddress, on_delete=models.PROTECT, related_name="deposits")
    user_id = models.BigIntegerField()
    business_id = models.BinaryField(unique=True)
    coin = models.CharField(max_length=64)
    normalized_tx_hash = models.CharField(max_length=TEXT_CHARS_MAX)
    address_key = models.CharField(max_length=TEXT_CHARS_MAX)
    token = models.CharField(max_length=64, blank=True)
    entry_index = models.IntegerField()
    base_units = models.DecimalField(max_digits=BASE_UNITS_DIGITS, decimal_places=0)
    dust_base_units = models.DecimalField(max_digits=BASE_UNITS_DIGITS, decimal_places=0)
    amount_atoms = models.BigIntegerField()
    amount = amount_field(help_text="What is credited, in whole units of the asset.")
    asset_id = models.IntegerField()
    confirmations = models.IntegerField()
    state = models.CharField(max_length=16, choices=_choices(DepositState))
    reason = models.CharField(max_length=TEXT_CHARS_MAX, blank=True)
    event_seq = models.BigIntegerField(null=True, help_text="The engine's credit.")
    attempts = models.IntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())
    credited_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(
                fields=["coin", "normalized_tx_hash", "address_key", "token", "entry_index"],
                name="custody_deposit_output_once",
            ),
            _known("state", DepositState, "custody_deposit_state_known"),
            models.CheckConstraint(
                condition=Q(base_units__gt=0, amount_atoms__gte=0, dust_base_units__gte=0),
                name="custody_deposit_amounts",
            ),
            models.CheckConstraint(
                condition=~Q(state=DepositState.CREDITED.value) | Q(event_seq__gte=1),
                name="custody_deposit_credit_has_event",
            ),
            models.CheckConstraint(
                condition=Q(dust_base_units__lt=F("base_units")) | Q(amount_atoms=0),
                name="custody_deposit_dust_is_rest",
            ),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(fields=["user_id", "-id"], name="custody_deposit_of_user"),
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(state=DepositState.CONFIRMED.value),
                name="custody_deposit_to_credit",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.normalized_tx_hash[:16]}…/{self.entry_index}"


class DepositStep(models.Model):
    """One step of a deposit, numbered from 1. Rows are never changed."""

    deposit = models.ForeignKey(Deposit, on_delete=models.PROTECT, related_name="steps")
    number = models.IntegerField()
    from_state = models.CharField(max_length=16, blank=True)
    to_state = models.CharField(max_length=16, choices=_choices(DepositState))
    source = models.CharField(max_length=16, choices=_choices(Source))
    reason = models.CharField(max_length=TEXT_CHARS_MAX, blank=True)
    taken_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar[list[str]] = ["deposit_id", "number"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["deposit", "number"], name="custody_step_once"),
            _known("to_state", DepositState, "custody_step_state_known"),
            _known("source", Source, "custody_step_source_known"),
            models.CheckConstraint(condition=Q(number__gte=1), name="custody_step_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.from_state or 'new'} → {self.to_state}"


class Webhook(models.Model):
    """A webhook whose signature was right, byte for byte. The same bytes make one row."""

    digest = models.BinaryField(unique=True, help_text="SHA-256 of the body.")
    body = models.BinaryField()
    kind = models.CharField(max_length=64)
    coin = models.CharField(max_length=64)
    wallet = models.CharField(max_length=64)
    transfer_id = models.CharField(max_length=64, blank=True)
    txid = models.CharField(max_length=TEXT_CHARS_MAX, blank=True)
    state = models.CharField(max_length=16, choices=_choices(InboxState))
    outcome = models.CharField(max_length=TEXT_CHARS_MAX, blank=True)
    received_count = models.IntegerField(default=1)
    attempts = models.IntegerField(default=0)
    next_attempt_at = models.DateTimeField(db_default=Now())
    received_at = models.DateTimeField(db_default=Now())
    done_at = models.DateTimeField(null=True)
    address = models.CharField(max_length=64, help_text="Whom it came from.")
    request_id = models.CharField(max_length=64)

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            _known("state", InboxState, "custody_webhook_state_known"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["next_attempt_at"],
                condition=Q(state=InboxState.RECEIVED.value),
                name="custody_webhook_due",
            ),
            models.Index(
                fields=["coin", "wallet", "transfer_id"],
                condition=Q(state=InboxState.RECEIVED.value),
                name="custody_webhook_of_transfer",
            ),
        ]

    def __str__(self) -> str:
        return f"webhook {self.pk}"


class Case(models.Model):
    """Something that a person has to look at; the same matter opens one case.

    `freezes_user`: the trader is to be suspended in the engine; `frozen_at` says when it was.
    """

    kind = models.CharField(max_length=32, choices=_choices(CaseKind))
    subject = models.CharField(max_length=TEXT_CHARS_MAX)
    deposit = models.ForeignKey(Deposit, null=True, on_delete=models.PROTECT, related_name="cases")
    user_id = models.BigIntegerField(null=True)
    detail = models.TextField()
    freezes_user = models.BooleanField(default=False)
    frozen_at = models.DateTimeField(null=True)
    opened_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["kind", "subject"], name="custody_case_once"),
            _known("kind", CaseKind, "custody_case_kind_known"),
        ]
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["id"],
                condition=Q(freezes_user=True, frozen_at__isnull=True),
                name="custody_case_to_freeze",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


class PollCursor(models.Model):
    """How far a wallet's transfers have been looked through."""

    coin = models.CharField(max_length=64)
    wallet = models.CharField(max_length=64)
    polled_until = models.DateTimeField(null=True)
    polled_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=TEXT_CHARS_MAX, blank=True)

    class Meta:
        ordering: ClassVar[list[str]] = ["coin", "wallet"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["coin", "wallet"], name="custody_poll_wallet_once"),
        ]

    def __str__(self) -> str:
        return f"{self.coin} {self.wallet}"
