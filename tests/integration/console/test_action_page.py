"""Operators act through one page: what changes, why, once, and on record with its sequence."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import pytest
from django.test import Client
from django.urls import reverse

from engine.proto.records import MarketState, UserStatus
from tests.integration.trading.exchange import MARKET, SYMBOL, Exchange, Trader

if TYPE_CHECKING:
    from apps.accounts.models import User

REASON = "Odd prints on the feed"


def words(content: bytes) -> str:
    """Return the words of a page, with single spaces between them."""
    body = content.decode().partition('id="content"')[2]
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body)).split())


class Desk:
    """The console of one person."""

    def __init__(self, user: User) -> None:
        self.client = Client()
        self.client.force_login(user)

    def url(self, action: str, object_id: object) -> str:
        return reverse("console-action", args=[action, str(object_id)])

    def form(self, action: str, object_id: object) -> dict[str, str]:
        """Open the form; return what a browser would send of it, with a reason."""
        page = self.client.get(self.url(action, object_id))
        assert page.status_code == 200, (action, page.status_code)
        found = re.search(r'name="run_id" value="([0-9a-f-]{36})"', page.content.decode())
        assert found is not None
        return {"run_id": found.group(1), "reason": REASON}

    def post(self, action: str, object_id: object, form: dict[str, str]) -> Any:
        return self.client.post(self.url(action, object_id), form)

    def act(self, action: str, object_id: object, **asked: str) -> str:
        """Open, fill in and send a form; return the words of the page that tells of its end."""
        answer = self.post(action, object_id, {**self.form(action, object_id), **asked})
        assert answer.status_code == 302, words(answer.content)
        assert answer.headers["Location"].startswith("/admin/audit/actionrun/")
        return words(self.client.get(answer.headers["Location"]).content)


@pytest.fixture
def desk(exchange: Exchange) -> Desk:
    """An operator who is no superuser."""
    from tests.people import person

    exchange.catch_up()
    return Desk(person("operator"))


def records() -> list[tuple[str, str, str]]:
    """(action, outcome, code) of all records, oldest first."""
    from apps.audit.models import AuditEntry
    from apps.audit.services import outbox_chain

    outbox_chain()
    facts = [entry.facts for entry in AuditEntry.objects.order_by("seq")]
    return [(f["action"], f["outcome"], f["details"].get("code", "")) for f in facts]


def market_state(exchange: Exchange) -> MarketState:
    (market,) = exchange.engine.list_markets()
    return MarketState(market.state)


def resting_order(exchange: Exchange) -> tuple[Trader, int]:
    trader = exchange.trader()
    order_id = trader.place("BID", "100", "1")["order"]["order_id"]
    exchange.catch_up()
    return trader, int(order_id)


def test_the_form_says_what_changes_and_the_result_names_sequence_and_record(
    exchange: Exchange, desk: Desk
) -> None:
    page = words(desk.client.get(desk.url("market.halt", SYMBOL)).content)
    assert f"Halt: {SYMBOL}" in page
    assert "State Trading Halt" in page
    shown = desk.act("market.halt", SYMBOL)
    _, _, event_seq = exchange.history()[-1]
    assert market_state(exchange) is MarketState.HALT
    assert "Done BTCUSDT is HALT." in shown
    assert f"Engine event {event_seq}" in shown
    assert "on its way to the log" in shown
    assert "State TRADING HALT" in shown
    assert records() == [("market.halt", "done", "")]
    run = desk.client.get(reverse("admin:audit_actionrun_changelist")).content.decode()
    url = re.search(r"/admin/audit/actionrun/[0-9a-f-]{36}/change/", run)
    assert url is not None
    assert 'href="/admin/audit/auditentry/1/change/"' in (
        desk.client.get(url.group()).content.decode()
    )
    entry = words(desk.client.get("/admin/audit/auditentry/1/change/").content)
    assert REASON in entry
    assert f"Engine event {event_seq}" in entry
    assert "State TRADING HALT" in entry


def test_a_form_that_is_sent_twice_does_its_thing_once(exchange: Exchange, desk: Desk) -> None:
    form = desk.form("market.halt", SYMBOL)
    first = desk.post("market.halt", SYMBOL, form)
    desk.act("market.resume", SYMBOL)
    exchange.catch_up()
    again = desk.post("market.halt", SYMBOL, form)
    assert (again.status_code, again.headers["Location"]) == (302, first.headers["Location"])
    assert market_state(exchange) is MarketState.TRADING
    assert records() == [("market.halt", "done", ""), ("market.resume", "done", "")]


def test_a_canceled_order_is_told_of_again_though_it_is_gone(
    exchange: Exchange, desk: Desk
) -> None:
    trader, order_id = resting_order(exchange)
    form = desk.form("order.force_cancel", order_id)
    first = desk.post("order.force_cancel", order_id, form)
    exchange.catch_up()
    again = desk.post("order.force_cancel", order_id, form)
    assert again.headers["Location"] == first.headers["Location"]
    assert exchange.engine.get_order(market_id=MARKET, order_id=order_id) is None
    assert trader.get(f"orders/{order_id}").json()["by_operator"] is True
    assert records() == [("order.force_cancel", "done", "")]
    assert desk.client.get(desk.url("order.force_cancel", order_id)).status_code == 404


def test_a_run_of_somebody_else_is_not_shown_as_ones_own(exchange: Exchange, desk: Desk) -> None:
    from tests.people import person

    form = desk.form("market.halt", SYMBOL)
    assert desk.post("market.halt", SYMBOL, form).status_code == 302
    other = Desk(person("operator", "other"))
    assert other.post("market.halt", SYMBOL, form).status_code == 403
    assert desk.post("market.resume", SYMBOL, form).status_code == 403
    assert market_state(exchange) is MarketState.HALT


def test_an_action_without_a_reason_or_an_identity_is_not_started(
    exchange: Exchange, desk: Desk
) -> None:
    for change, message in (
        ({"reason": ""}, "This field is required."),
        ({"reason": "  a  "}, "at least 4 characters"),
        ({"reason": "x" * 501}, "at most 500 characters"),
        ({"run_id": ""}, "This form has no identity"),
        ({"run_id": "none"}, "This form has no identity"),
    ):
        form = {**desk.form("market.halt", SYMBOL), **change}
        answer = desk.post("market.halt", SYMBOL, form)
        assert answer.status_code == 400
        assert message in words(answer.content)
    assert market_state(exchange) is MarketState.TRADING
    assert records() == []


def test_refusals_are_shown_with_their_code_and_are_on_record(
    exchange: Exchange, desk: Desk
) -> None:
    form = desk.form("market.halt", SYMBOL)
    exchange.set_state(MarketState.HALT)  # meanwhile somebody else did
    answer = desk.post("market.halt", SYMBOL, form)
    assert answer.status_code == 409
    shown = words(answer.content)
    assert "Refused: nothing_changes BTCUSDT is HALT already. Audit record" in shown
    fees = desk.act("market.set_fees", SYMBOL, maker_fee="0.1", taker_fee="0.15")
    assert "Refused: nothing_changes The engine refused it" in fees
    expected = [("market.halt", "refused", "nothing_changes")]
    expected.append(("market.set_fees", "refused", "nothing_changes"))
    assert records() == expected


def test_without_an_engine_nothing_is_done_and_that_is_said(exchange: Exchange, desk: Desk) -> None:
    form = desk.form("market.halt", SYMBOL)
    exchange.process.kill()
    answer = desk.post("market.halt", SYMBOL, form)
    assert answer.status_code == 503
    assert "engine_unavailable Nothing was done" in words(answer.content)
    ((action, outcome, _),) = records()
    assert (action, outcome) == ("market.halt", "failed")


def test_fees_are_stated_in_percent_and_kept_as_the_engine_counts(
    exchange: Exchange, desk: Desk
) -> None:
    page = desk.client.get(desk.url("market.set_fees", SYMBOL)).content.decode()
    assert 'value="0.15"' in page
    for stated, message in (
        ("0.00001", "at most 4 decimals"),
        ("100.1", "A rate is 100 % at most."),
        ("-1", "greater than or equal to 0"),
        ("NaN", "Enter a number."),
    ):
        form = {**desk.form("market.set_fees", SYMBOL), "maker_fee": stated, "taker_fee": "0"}
        answer = desk.post("market.set_fees", SYMBOL, form)
        assert answer.status_code == 400, stated
        assert message in words(answer.content), stated
    shown = desk.act("market.set_fees", SYMBOL, maker_fee="0.02", taker_fee="0.25")
    assert "Maker fee 1000 200" in shown
    (market,) = exchange.engine.list_markets()
    assert (market.maker_fee, market.taker_fee) == (200, 2_500)


def test_traders_are_suspended_and_reactivated(exchange: Exchange, desk: Desk) -> None:
    from apps.accounts.models import TradingAccount

    trader, _ = resting_order(exchange)
    for action, status in (
        ("user.suspend", UserStatus.SUSPENDED),
        ("user.activate", UserStatus.ACTIVE),
    ):
        assert f"is {status.name.lower()}." in desk.act(action, trader.user_id)
        exchange.catch_up()
        assert TradingAccount.objects.get(pk=trader.user_id).status == status.name


def test_roles_of_staff_are_changed_and_a_traders_never(exchange: Exchange, desk: Desk) -> None:
    from tests.people import person

    sue, trader = person("support", "sue"), person("trader")
    assert "Role support operator" in desk.act("user.set_role", sue.pk, role="operator")
    sue.refresh_from_db()
    assert sue.role == "operator"
    form = {**desk.form("user.set_role", trader.pk), "role": "operator"}
    shown = desk.post("user.set_role", trader.pk, form)
    page = words(desk.client.get(shown.headers["Location"]).content)
    assert "Refused: trader_stays_trader" in page
    form = {**desk.form("user.set_role", sue.pk), "role": "trader"}
    assert desk.post("user.set_role", sue.pk, form).status_code == 400


def test_assets_and_markets_are_listed_without_a_restart(exchange: Exchange, desk: Desk) -> None:
    from apps.markets.models import Asset

    assert "ETH is listed as asset 3." in desk.act("asset.list", "new", code="ETH", decimals="8")
    exchange.catch_up()
    eth, usdt = (Asset.objects.get(code=code).pk for code in ("ETH", "USDT"))
    terms = {
        "base": str(eth), "quote": str(usdt), "tick": "0.01", "lot": "0.001",
        "maker_fee": "0.1", "taker_fee": "0.2", "min_notional": "5",
    }  # fmt: skip
    for change, message in (
        ({"quote": str(eth)}, "another asset than the base"),
        ({"tick": "0.000000001"}, "at most 8 decimals"),
        ({"lot": "0.00000001"}, "expected a multiple of 0.00000001 USDT"),
        ({"lot": "0"}, "Expected more than 0."),
        ({"maker_fee": "101"}, "A rate is 100 % at most."),
    ):
        form = {**desk.form("market.list", "new"), **terms, **change}
        answer = desk.post("market.list", "new", form)
        assert answer.status_code == 400, change
        assert message in words(answer.content), change
    assert "ETHUSDT is listed as market 2." in desk.act("market.list", "new", **terms)
    listed = {market.symbol: market for market in exchange.engine.list_markets()}["ETHUSDT"]
    assert (listed.maker_fee, listed.taker_fee, listed.min_notional_atoms) == (
        1_000, 2_000, 500_000_000,
    )  # fmt: skip


def test_trap_31_a_form_without_its_token_changes_nothing(exchange: Exchange, desk: Desk) -> None:
    form = desk.form("market.halt", SYMBOL)
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = desk.client.cookies
    before = exchange.history()
    assert strict.post(desk.url("market.halt", SYMBOL), form).status_code == 403
    assert exchange.history() == before
    assert records() == []


@pytest.mark.parametrize(
    ("action", "object_id"),
    [
        ("market.explode", SYMBOL), ("market.halt", "NOSUCH"), ("market.set_fees", "NOSUCH"),
        ("order.force_cancel", "999"), ("order.force_cancel", "x"),
        ("order.force_cancel", "9" * 40), ("user.suspend", "999"), ("user.suspend", "²"),
        ("user.set_role", "-1"),
    ],
)  # fmt: skip
def test_what_there_is_not_has_no_form(desk: Desk, action: str, object_id: str) -> None:
    assert desk.client.get(desk.url(action, object_id)).status_code == 404
    form = {"run_id": "1b4e28ba-2fa1-41d2-883f-0016d3cca427", "reason": REASON}
    assert desk.post(action, object_id, form).status_code == 404
    assert desk.client.put(desk.url(action, object_id)).status_code == 405


def test_buttons_are_where_they_can_be_used_and_for_whom(exchange: Exchange, desk: Desk) -> None:
    from tests.people import person

    trader, order_id = resting_order(exchange)
    support = Desk(person("support"))
    pages = {
        "/admin/markets/market/": [f"market.halt/{SYMBOL}", f"market.set_fees/{SYMBOL}"],
        "/admin/markets/market/1/change/": [f"market.cancel_only/{SYMBOL}"],
        "/admin/markets/asset/": ["asset.list/new"],
        "/admin/trading/openorder/": [f"order.force_cancel/{order_id}"],
        f"/admin/trading/openorder/{order_id}/change/": [f"order.force_cancel/{order_id}"],
        "/admin/accounts/tradingaccount/": [f"user.suspend/{trader.user_id}"],
        f"/admin/accounts/user/{trader.user_id}/change/": [f"user.suspend/{trader.user_id}"],
    }
    for page, actions in pages.items():
        shown = desk.client.get(page).content.decode()
        for action in actions:
            assert f'href="/admin/act/{action}/"' in shown, page
        assert "/admin/act/" not in support.client.get(page).content.decode(), page
    exchange.set_state(MarketState.HALT)
    exchange.catch_up()
    shown = desk.client.get("/admin/markets/market/").content.decode()
    assert f"/admin/act/market.resume/{SYMBOL}/" in shown
    assert f"/admin/act/market.halt/{SYMBOL}/" not in shown
