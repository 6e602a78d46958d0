"""GET exchange: what a client wants to know before anything else.

Invariant: public, and the same for everybody; no table is read.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from django.conf import settings
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

NAME: Final = "QuantaTrade"


class ExchangeBody(serializers.Serializer[Any]):
    """The exchange itself."""

    name = serializers.CharField()
    demo = serializers.BooleanField(help_text="True where all money is play money.")
    mailbox = serializers.CharField(
        allow_null=True, help_text="Where a demo shows the mails it sends; null elsewhere."
    )
    server_time = serializers.DateTimeField()


class ExchangeView(APIView):
    """The exchange itself."""

    authentication_classes = ()
    permission_classes = ()

    @extend_schema(responses={200: ExchangeBody}, tags=["exchange"], operation_id="exchange_get")
    def get(self, _request: Request) -> Response:
        """Show the exchange's name, whether it is a demo, and its clock."""
        is_demo = bool(settings.QT_DEMO)
        return Response(
            {
                "name": NAME,
                "demo": is_demo,
                "mailbox": "/mailbox/" if is_demo else None,
                "server_time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            }
        )
