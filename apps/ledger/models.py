"""The books: double-entry transactions, and the balances that follow from them.

The mirror writes, everybody reads, nobody changes. The database itself refuses a transaction that
does not balance, lacks a leg, gets one later or twice, and any change of what is written
(migration `0002_refusals`).

Header and legs are plain tables in this version: partitions by day come with retention, when whole
days are to be moved away. Legs carry the day already and their uniqueness includes it, which is the
shape that a partitioned table needs. There are no foreign keys on legs: each costs 8 us per row,
and what they would promise `manage.py verify ledger` proves.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from apps.core.amounts import amount_field
from apps.core.choices import enum_check, enum_choices, enum_names
from apps.ledger.fields import Xid8Field
from apps.ledger.types import (
    ACCOUNT_CODES,
    BALANCE_ACCOUNTS,
    CHART,
    HOLD_ACCOUNTS,
    HOUSE_ACCOUNTS,
    LEG_NUMBER_MAX,
    LEG_NUMBERS_MAX,
    TRADER_ACCOUNTS,
    AccountClass,
    AccountCode,
    NormalSide,
    TransactionKind,
)
from engine.proto.records import ASSET_ID_MAX, HOUSE_USER_ID

_ACCOUNT_CHOICES = [(code.value, CHART[code][0]) for code in AccountCode]
_GROWS_BY_DEBIT = [kind.name for kind in AccountClass if kind.normal_side is NormalSide.DEBIT]


def _user_of_account() -> Q:
    """A comparison with NULL is not false, so what must be there is asked for by name."""
    known = Q(user_id__isnull=False)
    trader = known & Q(account__in=TRADER_ACCOUNTS, user_id__gt=HOUSE_USER_ID)
    house = known & Q(account__in=HOUSE_ACCOUNTS, user_id=HOUSE_USER_ID)
    either = known & Q(account__in=HOLD_ACCOUNTS, user_id__gte=HOUSE_USER_ID)
    nobody = Q(user_id__isnull=True) & ~Q(account__in=BALANCE_ACCOUNTS)
    return trader | house | either | nobody


class Account(models.Model):
    """One account of the chart. Per-user and per-asset detail is on the legs."""

    code = models.CharField(max_length=32, primary_key=True, choices=_ACCOUNT_CHOICES)
    name = models.CharField(max_length=80)
    account_class = models.CharField(max_length=16, choices=enum_choices(AccountClass))
    normal_side = models.CharField(max_length=8, choices=enum_choices(NormalSide))

    class Meta:
        ordering: ClassVar[list[str]] = ["code"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            enum_check("code", ACCOUNT_CODES, name="ledger_account_code_known"),
            enum_check(
                "account_class", enum_names(AccountClass), name="ledger_account_class_known"
            ),
            models.CheckConstraint(
                condition=Q(account_class__in=_GROWS_BY_DEBIT, normal_side="DEBIT")
                | (~Q(account_class__in=_GROWS_BY_DEBIT) & Q(normal_side="CREDIT")),
                name="ledger_account_side_of_class",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Transaction(models.Model):
    """The header of a transaction.

    `id` is dense from 1 in the order of events, so a missing header shows. `transaction_id` is the
    business id: the transfer or the trade can be in the books once. `made_in` is the database
    transaction that wrote it, set by a trigger: legs enter in that one or not at all.
    """

    id = models.BigIntegerField(primary_key=True)
    transaction_id = models.CharField(max_length=64)
    kind = models.CharField(max_length=16, choices=enum_choices(TransactionKind))
    event_seq = models.BigIntegerField(unique=True)
    leg_count = models.SmallIntegerField()
    day = models.DateField(help_text="UTC day of the event.")
    occurred_at = models.DateTimeField()
    recorded_at = models.DateTimeField(db_default=Now())
    made_in = Xid8Field()
    corrects = models.ForeignKey(
        "self",
        null=True,
        on_delete=models.DO_NOTHING,
        db_index=False,
        related_name="corrections",
        help_text="The transaction that this one corrects.",
    )

    class Meta:
        ordering: ClassVar[list[str]] = ["-id"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            # A constraint rather than unique=True, which would add a second index for LIKE.
            models.UniqueConstraint(fields=["transaction_id"], name="ledger_transaction_once"),
            enum_check("kind", enum_names(TransactionKind), name="ledger_transaction_kind_known"),
            models.CheckConstraint(
                condition=Q(leg_count__range=(2, LEG_NUMBER_MAX)),
                name="ledger_transaction_leg_count_range",
            ),
            models.CheckConstraint(
                condition=Q(corrects__lt=F("id")), name="ledger_transaction_corrects_earlier"
            ),
        ]

    def __str__(self) -> str:
        return self.transaction_id


class Leg(models.Model):
    """One line of a transaction: debit positive, credit negative."""

    id = models.BigIntegerField(primary_key=True)
    header = models.ForeignKey(
        Transaction,
        on_delete=models.DO_NOTHING,
        db_constraint=False,
        db_index=False,
        related_name="legs",
    )
    leg_number = models.SmallIntegerField()
    account = models.CharField(max_length=32, choices=_ACCOUNT_CHOICES)
    user_id = models.BigIntegerField(null=True)
    asset_id = models.IntegerField()
    amount = amount_field(help_text="Debit positive, credit negative.")
    day = models.DateField(help_text="UTC day of the event, as in the header.")

    class Meta:
        ordering: ClassVar[list[str]] = ["id"]
        default_permissions = ("view",)
        indexes: ClassVar[list[models.Index]] = [
            models.Index(
                fields=["user_id", "asset_id", "id"],
                name="ledger_leg_of_user",
                condition=Q(user_id__isnull=False),
            ),
        ]
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["header", "leg_number", "day"], name="ledger_leg_once"),
            models.CheckConstraint(
                condition=Q(id=F("header_id") * LEG_NUMBERS_MAX + F("leg_number"))
                & Q(leg_number__range=(1, LEG_NUMBER_MAX)),
                name="ledger_leg_id_of_number",
            ),
            models.CheckConstraint(condition=~Q(amount=0), name="ledger_leg_amount_not_zero"),
            enum_check("account", ACCOUNT_CODES, name="ledger_leg_account_known"),
            models.CheckConstraint(
                condition=_user_of_account(),
                name="ledger_leg_user_of_account",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.header_id}.{self.leg_number}"


class Balance(models.Model):
    """What one engine account holds of one asset, at the mirror's cursor.

    `total` is the negated sum of the account's legs, `locked` the sum of what its open orders
    reserve and of what is on hold for withdrawals. A row, once there, stays; zeros mean that
    nothing is held now.
    """

    id = models.BigIntegerField(primary_key=True, help_text="user id * 65536 + asset id")
    user_id = models.BigIntegerField()
    asset_id = models.IntegerField()
    total = amount_field()
    available = amount_field()
    locked = amount_field()
    last_event_seq = models.BigIntegerField(help_text="The event that changed it last.")

    class Meta:
        ordering: ClassVar[list[str]] = ["id"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.UniqueConstraint(fields=["user_id", "asset_id"], name="ledger_balance_once"),
            models.CheckConstraint(
                condition=Q(id=F("user_id") * (ASSET_ID_MAX + 1) + F("asset_id"))
                & Q(asset_id__range=(1, ASSET_ID_MAX)),
                name="ledger_balance_id_of_account",
            ),
            models.CheckConstraint(
                condition=Q(available__gte=0), name="ledger_balance_available_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(locked__gte=0), name="ledger_balance_locked_not_negative"
            ),
            models.CheckConstraint(
                condition=Q(total=F("available") + F("locked")), name="ledger_balance_adds_up"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}/{self.asset_id}"


class AssetTotal(models.Model):
    """Conservation of one asset: what is held is what came in less what went out."""

    asset_id = models.IntegerField(primary_key=True)
    held = amount_field(help_text="Sum over all balances.")
    deposited = amount_field()
    withdrawn = amount_field()
    adjusted = amount_field()

    class Meta:
        ordering: ClassVar[list[str]] = ["asset_id"]
        default_permissions = ("view",)
        constraints: ClassVar[list[models.BaseConstraint]] = [
            models.CheckConstraint(
                condition=Q(held=F("deposited") - F("withdrawn") + F("adjusted")),
                name="ledger_assettotal_conserved",
            ),
        ]

    def __str__(self) -> str:
        return str(self.asset_id)
