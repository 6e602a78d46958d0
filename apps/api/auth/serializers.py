"""What the addresses of authentication read and answer."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.accounts.registration import EMAIL_CHARS_MAX, PASSWORD_CHARS_MAX
from apps.accounts.roles import Role
from apps.accounts.tiers import Tier
from apps.accounts.tokens import TOKEN_CHARS_MAX

NAME_CHARS_MAX = 254


class RegisterRequest(serializers.Serializer[Any]):
    """E-mail address and password of a new trader."""

    email = serializers.EmailField(max_length=EMAIL_CHARS_MAX)
    password = serializers.CharField(
        max_length=PASSWORD_CHARS_MAX, trim_whitespace=False, write_only=True
    )


class LoginRequest(serializers.Serializer[Any]):
    """E-mail address and password."""

    email = serializers.CharField(max_length=NAME_CHARS_MAX)
    password = serializers.CharField(
        max_length=PASSWORD_CHARS_MAX, trim_whitespace=False, write_only=True
    )


class RefreshRequest(serializers.Serializer[Any]):
    """The newest refresh token of a session."""

    refresh_token = serializers.CharField(max_length=TOKEN_CHARS_MAX, write_only=True)


class MayBody(serializers.Serializer[Any]):
    """What a trader's tier lets them do with coins of their own."""

    deposit = serializers.BooleanField()
    trade = serializers.BooleanField()
    withdraw = serializers.BooleanField()


class UserBody(serializers.Serializer[Any]):
    """A login. `account` is pending until the engine knows the trader.

    `account`, `tier` and `may` are null for staff, who have no trading account.
    """

    id = serializers.IntegerField()
    email = serializers.EmailField()
    role = serializers.ChoiceField(choices=Role.choices)
    account = serializers.ChoiceField(choices=["pending", "active", "suspended"], allow_null=True)
    tier = serializers.IntegerField(min_value=0, max_value=max(Tier.values), allow_null=True)
    may = MayBody(allow_null=True)
    joined_at = serializers.DateTimeField()


class TokensBody(serializers.Serializer[Any]):
    """An access token for `expires_in` seconds, and the refresh token that follows it."""

    access_token = serializers.CharField()
    refresh_token = serializers.CharField()
    token_type = serializers.CharField()
    expires_in = serializers.IntegerField()


class SessionBody(TokensBody):
    """Tokens, and whose they are."""

    user = UserBody()
