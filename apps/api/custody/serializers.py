"""Shapes of custody's requests and answers."""

from __future__ import annotations

from typing import Any, Final

from rest_framework import serializers

from apps.api.fields import DecimalStringField
from apps.custody.types import DepositState

ASSET: Final = r"^[A-Z0-9]{1,20}$"
NETWORK: Final = r"^[a-z0-9-]{1,32}$"

# How a deposit's owner sees its state. A case that a person looks at is told as `held`.
SHOWN_STATES: Final[dict[str, str]] = {
    DepositState.SEEN.value: "pending",
    DepositState.CONFIRMED.value: "pending",
    DepositState.HELD.value: "held",
    DepositState.CREDITED.value: "credited",
    DepositState.DUST.value: "too_small",
    DepositState.REJECTED.value: "rejected",
    DepositState.FROZEN.value: "frozen",
}


class AddressQuery(serializers.Serializer[Any]):
    """Which address."""

    asset = serializers.RegexField(ASSET)
    network = serializers.RegexField(NETWORK, required=False, default="")


class AddressBody(serializers.Serializer[Any]):
    """Where to send an asset, and how many confirmations a deposit needs."""

    asset = serializers.CharField()
    network = serializers.CharField()
    address = serializers.CharField()
    min_confirmations = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class NetworkBody(serializers.Serializer[Any]):
    """A network on which an asset can be deposited."""

    asset = serializers.CharField()
    network = serializers.CharField()
    min_confirmations = serializers.IntegerField()


class NetworksBody(serializers.Serializer[Any]):
    """All of them."""

    items = NetworkBody(many=True)


class DepositsQuery(serializers.Serializer[Any]):
    """Which deposits."""

    asset = serializers.RegexField(ASSET, required=False, default="")
    limit = serializers.IntegerField(required=False, min_value=1, max_value=500)
    cursor = serializers.CharField(required=False)


class DepositBody(serializers.Serializer[Any]):
    """A deposit. `amount` is what is credited, exactly."""

    id = serializers.IntegerField()
    asset = serializers.CharField()
    network = serializers.CharField()
    address = serializers.CharField()
    txid = serializers.CharField()
    amount = DecimalStringField()
    confirmations = serializers.IntegerField()
    min_confirmations = serializers.IntegerField()
    state = serializers.ChoiceField(choices=sorted(set(SHOWN_STATES.values())))
    event_seq = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    credited_at = serializers.DateTimeField(allow_null=True)


class DepositsBody(serializers.Serializer[Any]):
    """A page, newest first."""

    items = DepositBody(many=True)
    next_cursor = serializers.CharField(allow_null=True)
