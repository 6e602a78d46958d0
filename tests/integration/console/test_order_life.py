"""An order's page tells its whole life from the archived events, with what it held."""

from __future__ import annotations

import html
import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.trading.models import OpenOrder, OrderHistory
from tests.integration.console.exchange_day import ALICE, ExchangeDay

pytestmark = pytest.mark.usefixtures("day")
MOMENT = re.compile(r'<li class="qt-moment[^>]*>(.*?)</li>', re.DOTALL)


def life(client: Client, url: str) -> list[str]:
    """Return the words of each moment, without its time and its event."""
    page = client.get(url)
    assert page.status_code == 200
    moments = []
    for moment in MOMENT.findall(page.content.decode()):
        text = " ".join(html.unescape(re.sub(r"<[^>]+>", " ", moment)).split())
        moments.append(re.sub(r"\d{4}-\d\d-\d\d [\d:.]+ event \d+ ", "", text))
    return moments


def test_a_life_with_every_kind_of_change_is_told_from_beginning_to_end(console: Client) -> None:
    order = OrderHistory.objects.get(client_order_id="to-be-changed")
    assert life(console, f"/admin/trading/orderhistory/{order.order_id}/change/") == [
        "Accepted: 0.1 BTC at 59,000 USDT Reserved 5,900 USDT Holds now 5,900 USDT",
        "Reduced by 0.025 BTC Left 0.075 BTC Released or spent 1,475 USDT Holds now 4,425 USDT",
        "Moved to 59,050 USDT Left 0.075 BTC Reserved 3.75 USDT Holds now 4,428.75 USDT",
        (
            "Canceled by its owner Taken off 0.075 BTC Released or spent 4,428.75 USDT"
            " Holds now 0 USDT"
        ),
    ]


def test_trades_name_role_counterpart_and_fee(console: Client) -> None:
    order = OpenOrder.objects.filter(user_id=ALICE, side="ASK", executed_quantity__gt=0)[0]
    first, *trades = life(console, f"/admin/trading/openorder/{order.order_id}/change/")
    assert first.startswith("Accepted: 0.4")
    assert trades
    for trade in trades:
        assert re.fullmatch(
            r"Traded [\d.]+ BTC at [\d,.]+ USDT As maker Trade \d+ Against order \d+"
            r" of account 1003 Fee [\d.]+ USDT Released or spent [\d.]+ BTC Holds now [\d.]+ BTC",
            trade,
        ), trade


def test_an_operators_cancel_and_an_expiry_say_so(console: Client) -> None:
    forced = OrderHistory.objects.get(by_operator=True)
    assert life(console, f"/admin/trading/orderhistory/{forced.order_id}/change/")[-1].startswith(
        "Canceled by an operator"
    )
    expired = OrderHistory.objects.filter(status="EXPIRED").first()
    assert expired is not None
    assert life(console, f"/admin/trading/orderhistory/{expired.order_id}/change/")[-1].startswith(
        "Expired Reason"
    )


def test_a_life_is_read_through_indexes_in_a_fixed_number_of_queries(
    console: Client, day: ExchangeDay
) -> None:
    urls = [f"/admin/trading/orderhistory/{pk}/change/" for pk in ids(OrderHistory)]
    counts = set()
    for url in urls:
        with CaptureQueriesContext(connection) as queries:
            assert console.get(url).status_code == 200
        counts.add(len(queries))
    assert len(counts) == 1, counts
    assert max(counts) <= 10
    with connection.cursor() as cursor:
        cursor.execute("SET enable_seqscan = off")
        cursor.execute(
            "EXPLAIN SELECT record FROM mirror_engineevent"
            " WHERE substring(record FROM 33 FOR 8) = %s AND type IN (22, 23, 27, 33, 34)"
            " ORDER BY event_seq DESC LIMIT 200",
            [(1).to_bytes(8, "little")],
        )
        plan = " ".join(row[0] for row in cursor.fetchall())
    assert "mirror_engineevent_changes" in plan


def ids(model: type[OrderHistory]) -> list[int]:
    return list(model.objects.values_list("pk", flat=True)[:5])
