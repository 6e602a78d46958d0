"""What the addresses of authentication read and answer."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from apps.accounts.registration import EMAIL_CHARS_MAX, PASSWORD_CHARS_MAX
from apps.accounts.roles import Role
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


class UserBody(serializers.Serializer[Any]):
    """A login. `account` is pending until the engine knows the trader; null for staff."""

    id = serializers.IntegerField()
    email = serializers.EmailField()
    role = serializers.ChoiceField(choices=Role.choices)
    account = serializers.ChoiceField(choices=["pending", "active", "suspended"], allow_null=True)
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
