"""How the console looks and what its sidebar lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy

_TEAL: Final = {
    "50": "oklch(98.4% .014 180.72)",
    "100": "oklch(95.3% .051 180.801)",
    "200": "oklch(91% .096 180.426)",
    "300": "oklch(85.5% .138 181.071)",
    "400": "oklch(77.7% .152 181.912)",
    "500": "oklch(70.4% .14 182.503)",
    "600": "oklch(55% .1 184)",
    "700": "oklch(49% .09 185)",
    "800": "oklch(43.7% .078 188.216)",
    "900": "oklch(38.6% .063 188.416)",
    "950": "oklch(27.7% .046 192.524)",
}
_SLATE: Final = {
    "50": "oklch(98.4% .003 200)",
    "100": "oklch(96.6% .005 200)",
    "200": "oklch(92.4% .008 205)",
    "300": "oklch(86.6% .012 210)",
    "400": "oklch(70.2% .022 212)",
    "500": "oklch(55.2% .026 213)",
    "600": "oklch(44.4% .027 214)",
    "700": "oklch(37% .026 215)",
    "800": "oklch(27.6% .022 217)",
    "900": "oklch(20.8% .02 219)",
    "950": "oklch(14.5% .017 221)",
}


def _may_view(model: str) -> Callable[[HttpRequest], bool]:
    app, _, name = model.partition("_")

    def may_view(request: HttpRequest) -> bool:
        return bool(request.user.has_perm(f"{app}.view_{name}"))

    return may_view


def _item(title: str, icon: str, model: str) -> dict[str, Any]:
    return {
        "title": title,
        "icon": icon,
        "link": reverse_lazy(f"admin:{model}_changelist"),
        "permission": _may_view(model),
    }


def _group(title: str, *items: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "separator": False, "collapsible": False, "items": list(items)}


UNFOLD: Final[dict[str, Any]] = {
    "SITE_TITLE": "QuantaTrade",
    "SITE_HEADER": "QuantaTrade",
    "SITE_SUBHEADER": "Exchange operations",
    "SITE_URL": "/",
    "SITE_ICON": lambda _request: static("quantatrade/mark.svg"),
    "SITE_FAVICONS": [
        {
            "rel": "icon",
            "type": "image/svg+xml",
            "href": lambda _request: static("quantatrade/mark.svg"),
        }
    ],
    "SHOW_HISTORY": False,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_BACK_BUTTON": False,
    "BORDER_RADIUS": "6px",
    "COLORS": {"primary": _TEAL, "base": _SLATE},
    "STYLES": [lambda _request: static("quantatrade/console.css")],
    "SCRIPTS": [
        lambda _request: static("quantatrade/dashboard.js"),
        lambda _request: static("quantatrade/actions.js"),
    ],
    "DASHBOARD_CALLBACK": "apps.console.dashboard.dashboard_callback",
    "SIDEBAR": {
        "show_search": False,
        "show_all_applications": False,
        "navigation": [
            _group(
                "Overview",
                {"title": "Dashboard", "icon": "monitoring", "link": reverse_lazy("admin:index")},
            ),
            _group(
                "Trading",
                _item("Open orders", "pending_actions", "trading_openorder"),
                _item("Order history", "history", "trading_orderhistory"),
                _item("Trades", "swap_horiz", "trading_trade"),
                _item("Trading accounts", "group", "accounts_tradingaccount"),
            ),
            _group(
                "Books",
                _item("Transactions", "receipt_long", "ledger_transaction"),
                _item("Legs", "format_list_numbered", "ledger_leg"),
                _item("Balances", "account_balance_wallet", "ledger_balance"),
                _item("Asset totals", "balance", "ledger_assettotal"),
                _item("Chart of accounts", "account_tree", "ledger_account"),
            ),
            _group(
                "Custody",
                _item("Deposits", "savings", "custody_deposit"),
                _item("Cases", "flag", "custody_case"),
                _item("Deposit addresses", "alternate_email", "custody_depositaddress"),
                _item("Webhooks", "webhook", "custody_webhook"),
                _item("Transfers", "move_to_inbox", "custody_transfer"),
                _item("Deposit steps", "footprint", "custody_depositstep"),
                _item("Networks", "lan", "custody_assetnetwork"),
                _item("Polls", "update", "custody_pollcursor"),
            ),
            _group(
                "Markets",
                _item("Markets", "candlestick_chart", "markets_market"),
                _item("Assets", "toll", "markets_asset"),
                _item("Imported candles", "history_toggle_off", "trading_importedcandle"),
            ),
            _group(
                "System",
                _item("Engine events", "database", "mirror_engineevent"),
                _item("Engine settings", "tune", "mirror_enginesetting"),
                _item("Mirror cursors", "sync", "mirror_cursor"),
                _item("Process health", "monitor_heart", "core_processhealth"),
                _item("Traded minutes", "bar_chart", "console_marketminute"),
                _item("Samples", "timeline", "console_sample"),
            ),
            _group(
                "People and records",
                _item("Users", "badge", "accounts_user"),
                _item("Registrations", "how_to_reg", "accounts_engineregistration"),
                _item("API keys", "key", "accounts_apikey"),
                _item("Audit log", "policy", "audit_auditentry"),
                _item("Action runs", "play_circle", "audit_actionrun"),
                _item("Records on their way", "outbox", "audit_outboxrow"),
                _item("Refusals", "block", "audit_refusalcount"),
                _item("Idempotent requests", "fingerprint", "api_idempotentrequest"),
            ),
        ],
    },
}
