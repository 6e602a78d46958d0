"""What an order has beyond the common: stops, icebergs, lists, ends in time; all null without it."""

import django.db.models.expressions
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("trading", "0004_importedcandle"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="openorder",
            name="trading_openorder_type_known",
        ),
        migrations.RemoveConstraint(
            model_name="openorder",
            name="trading_openorder_tif_known",
        ),
        migrations.RemoveConstraint(
            model_name="openorder",
            name="trading_openorder_adds_up",
        ),
        migrations.RemoveConstraint(
            model_name="orderhistory",
            name="trading_orderhistory_type_known",
        ),
        migrations.RemoveConstraint(
            model_name="orderhistory",
            name="trading_orderhistory_tif_known",
        ),
        migrations.RemoveConstraint(
            model_name="orderhistory",
            name="trading_history_reason_known",
        ),
        migrations.AddField(
            model_name="openorder",
            name="display_quantity",
            field=models.DecimalField(
                decimal_places=18,
                help_text="The most of it that the book shows.",
                max_digits=38,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="openorder",
            name="expires_at",
            field=models.DateTimeField(help_text="When a GTD order ends.", null=True),
        ),
        migrations.AddField(
            model_name="openorder",
            name="is_parked",
            field=models.BooleanField(
                db_default=False, help_text="Waits for its trigger or its list; not in the book."
            ),
        ),
        migrations.AddField(
            model_name="openorder",
            name="list_id",
            field=models.BigIntegerField(help_text="The first order of its list.", null=True),
        ),
        migrations.AddField(
            model_name="openorder",
            name="quote_amount",
            field=models.DecimalField(
                decimal_places=18,
                help_text="Of a market order by quote amount.",
                max_digits=38,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="openorder",
            name="session_id",
            field=models.BigIntegerField(
                help_text="The session with whose end it is canceled.", null=True
            ),
        ),
        migrations.AddField(
            model_name="openorder",
            name="stop_price",
            field=models.DecimalField(
                decimal_places=18,
                help_text="The last price at which it triggers.",
                max_digits=56,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="openorder",
            name="stp_mode",
            field=models.CharField(
                choices=[
                    ("NONE", "None"),
                    ("EXPIRE_TAKER", "Expire taker"),
                    ("EXPIRE_MAKER", "Expire maker"),
                    ("EXPIRE_BOTH", "Expire both"),
                    ("DECREMENT", "Decrement"),
                ],
                db_default="NONE",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="openorder",
            name="trailing_bips",
            field=models.IntegerField(
                help_text="How far the stop price trails the market, in hundredths of a percent.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="openorder",
            name="triggered_event_seq",
            field=models.BigIntegerField(
                help_text="The event after which it waited no longer.", null=True
            ),
        ),
        migrations.AddField(
            model_name="orderhistory",
            name="display_quantity",
            field=models.DecimalField(
                decimal_places=18,
                help_text="The most of it that the book shows.",
                max_digits=38,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="orderhistory",
            name="expires_at",
            field=models.DateTimeField(help_text="When a GTD order ends.", null=True),
        ),
        migrations.AddField(
            model_name="orderhistory",
            name="list_id",
            field=models.BigIntegerField(help_text="The first order of its list.", null=True),
        ),
        migrations.AddField(
            model_name="orderhistory",
            name="quote_amount",
            field=models.DecimalField(
                decimal_places=18,
                help_text="Of a market order by quote amount.",
                max_digits=38,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="orderhistory",
            name="session_id",
            field=models.BigIntegerField(
                help_text="The session with whose end it is canceled.", null=True
            ),
        ),
        migrations.AddField(
            model_name="orderhistory",
            name="stop_price",
            field=models.DecimalField(
                decimal_places=18,
                help_text="The last price at which it triggers.",
                max_digits=56,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="orderhistory",
            name="stp_mode",
            field=models.CharField(
                choices=[
                    ("NONE", "None"),
                    ("EXPIRE_TAKER", "Expire taker"),
                    ("EXPIRE_MAKER", "Expire maker"),
                    ("EXPIRE_BOTH", "Expire both"),
                    ("DECREMENT", "Decrement"),
                ],
                db_default="NONE",
                max_length=16,
            ),
        ),
        migrations.AddField(
            model_name="orderhistory",
            name="trailing_bips",
            field=models.IntegerField(
                help_text="How far the stop price trails the market, in hundredths of a percent.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="orderhistory",
            name="triggered_event_seq",
            field=models.BigIntegerField(
                help_text="The event after which it waited no longer.", null=True
            ),
        ),
        migrations.AlterField(
            model_name="openorder",
            name="order_type",
            field=models.CharField(
                choices=[
                    ("LIMIT", "Limit"),
                    ("MARKET", "Market"),
                    ("LIMIT_MAKER", "Limit maker"),
                    ("FOK_BUDGET", "Fok budget"),
                    ("STOP_LOSS", "Stop loss"),
                    ("STOP_LOSS_LIMIT", "Stop loss limit"),
                    ("TAKE_PROFIT", "Take profit"),
                    ("TAKE_PROFIT_LIMIT", "Take profit limit"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="openorder",
            name="quantity",
            field=models.DecimalField(
                decimal_places=18,
                help_text="As accepted, or as its owner amended it last.",
                max_digits=38,
            ),
        ),
        migrations.AlterField(
            model_name="openorder",
            name="time_in_force",
            field=models.CharField(
                choices=[
                    ("NONE", "None"),
                    ("GTC", "Gtc"),
                    ("IOC", "Ioc"),
                    ("FOK", "Fok"),
                    ("GTD", "Gtd"),
                ],
                max_length=4,
            ),
        ),
        migrations.AlterField(
            model_name="orderhistory",
            name="order_type",
            field=models.CharField(
                choices=[
                    ("LIMIT", "Limit"),
                    ("MARKET", "Market"),
                    ("LIMIT_MAKER", "Limit maker"),
                    ("FOK_BUDGET", "Fok budget"),
                    ("STOP_LOSS", "Stop loss"),
                    ("STOP_LOSS_LIMIT", "Stop loss limit"),
                    ("TAKE_PROFIT", "Take profit"),
                    ("TAKE_PROFIT_LIMIT", "Take profit limit"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="orderhistory",
            name="quantity",
            field=models.DecimalField(
                decimal_places=18,
                help_text="As accepted, or as its owner amended it last.",
                max_digits=38,
            ),
        ),
        migrations.AlterField(
            model_name="orderhistory",
            name="reason",
            field=models.CharField(
                choices=[
                    ("NONE", "None"),
                    ("MALFORMED", "Malformed"),
                    ("UNKNOWN_ASSET", "Unknown asset"),
                    ("UNKNOWN_MARKET", "Unknown market"),
                    ("UNKNOWN_USER", "Unknown user"),
                    ("UNKNOWN_ORDER", "Unknown order"),
                    ("ALREADY_EXISTS", "Already exists"),
                    ("NOTHING_CHANGES", "Nothing changes"),
                    ("INVALID_DECIMALS", "Invalid decimals"),
                    ("INVALID_MAX_TOTAL", "Invalid max total"),
                    ("INVALID_SYMBOL", "Invalid symbol"),
                    ("INVALID_TICK_OR_LOT", "Invalid tick or lot"),
                    ("INVALID_FEE", "Invalid fee"),
                    ("INVALID_FILTER", "Invalid filter"),
                    ("INVALID_AMOUNT", "Invalid amount"),
                    ("INVALID_PRICE", "Invalid price"),
                    ("INVALID_QUANTITY", "Invalid quantity"),
                    ("PRICE_FILTER", "Price filter"),
                    ("LOT_SIZE", "Lot size"),
                    ("NOTIONAL", "Notional"),
                    ("OVERFLOW", "Overflow"),
                    ("INSUFFICIENT_BALANCE", "Insufficient balance"),
                    ("MAX_TOTAL_EXCEEDED", "Max total exceeded"),
                    ("WOULD_TAKE", "Would take"),
                    ("PRICE_ABOVE_CEILING", "Price above ceiling"),
                    ("MARKET_NOT_TRADING", "Market not trading"),
                    ("USER_SUSPENDED", "User suspended"),
                    ("DUPLICATE_CLIENT_ORDER_ID", "Duplicate client order id"),
                    ("REQUEST_ID_REUSED", "Request id reused"),
                    ("REQUEST_ID_REQUIRED", "Request id required"),
                    ("DUPLICATE_ORDER_ID", "Duplicate order id"),
                    ("CAPACITY", "Capacity"),
                    ("TIME_IN_FORCE", "Time in force"),
                    ("BUDGET", "Budget"),
                    ("KILL_SWITCH", "Kill switch"),
                    ("MASS_CANCEL", "Mass cancel"),
                    ("USER_STATUS", "User status"),
                    ("MARKET_STATE", "Market state"),
                    ("MARKET_POST_ONLY", "Market post only"),
                    ("MARKET_LIMIT_ONLY", "Market limit only"),
                    ("MARKET_IN_AUCTION", "Market in auction"),
                    ("MARKET_CLOSED", "Market closed"),
                    ("MARKET_DELISTED", "Market delisted"),
                    ("MARKET_LOT_SIZE", "Market lot size"),
                    ("MAX_NUM_ORDERS", "Max num orders"),
                    ("MAX_NUM_ALGO_ORDERS", "Max num algo orders"),
                    ("MAX_POSITION", "Max position"),
                    ("RATE_LIMIT", "Rate limit"),
                    ("NO_DRAFT", "No draft"),
                    ("UNBALANCED", "Unbalanced"),
                    ("UNKNOWN_HOLD", "Unknown hold"),
                    ("HOLD_SETTLED", "Hold settled"),
                    ("HOLD_RELEASED", "Hold released"),
                    ("REBATE", "Rebate"),
                    ("WOULD_TRIGGER", "Would trigger"),
                    ("INVALID_STOP_PRICE", "Invalid stop price"),
                    ("INVALID_TRAILING_DELTA", "Invalid trailing delta"),
                    ("INVALID_EXPIRE_TIME", "Invalid expire time"),
                    ("ORDER_IS_PARKED", "Order is parked"),
                    ("GTD", "Gtd"),
                    ("DEADMAN", "Deadman"),
                    ("SESSION", "Session"),
                    ("LIST", "List"),
                    ("INVALID_TIMEOUT", "Invalid timeout"),
                    ("INVALID_LIST", "Invalid list"),
                    ("ORDER_IN_LIST", "Order in list"),
                    ("UNKNOWN_SESSION", "Unknown session"),
                    ("STP", "Stp"),
                    ("PERCENT_PRICE", "Percent price"),
                    ("SLIPPAGE", "Slippage"),
                    ("VOLATILITY", "Volatility"),
                    ("INVALID_ICEBERG", "Invalid iceberg"),
                    ("QUOTE_REPLACED", "Quote replaced"),
                    ("CANCEL_RESTRICTED", "Cancel restricted"),
                    ("INVALID_BAND", "Invalid band"),
                ],
                max_length=32,
            ),
        ),
        migrations.AlterField(
            model_name="orderhistory",
            name="time_in_force",
            field=models.CharField(
                choices=[
                    ("NONE", "None"),
                    ("GTC", "Gtc"),
                    ("IOC", "Ioc"),
                    ("FOK", "Fok"),
                    ("GTD", "Gtd"),
                ],
                max_length=4,
            ),
        ),
        migrations.AddConstraint(
            model_name="openorder",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "order_type__in",
                        [
                            "LIMIT",
                            "MARKET",
                            "LIMIT_MAKER",
                            "FOK_BUDGET",
                            "STOP_LOSS",
                            "STOP_LOSS_LIMIT",
                            "TAKE_PROFIT",
                            "TAKE_PROFIT_LIMIT",
                        ],
                    )
                ),
                name="trading_openorder_type_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="openorder",
            constraint=models.CheckConstraint(
                condition=models.Q(("time_in_force__in", ["NONE", "GTC", "IOC", "FOK", "GTD"])),
                name="trading_openorder_tif_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="openorder",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "stp_mode__in",
                        ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"],
                    )
                ),
                name="trading_openorder_stp_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="openorder",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("leaves_quantity__gt", 0), ("quote_amount__isnull", False), _connector="OR"
                    ),
                    (
                        "quantity",
                        django.db.models.expressions.CombinedExpression(
                            django.db.models.expressions.CombinedExpression(
                                models.F("executed_quantity"), "+", models.F("removed_quantity")
                            ),
                            "+",
                            models.F("leaves_quantity"),
                        ),
                    ),
                ),
                name="trading_openorder_adds_up",
            ),
        ),
        migrations.AddConstraint(
            model_name="orderhistory",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "order_type__in",
                        [
                            "LIMIT",
                            "MARKET",
                            "LIMIT_MAKER",
                            "FOK_BUDGET",
                            "STOP_LOSS",
                            "STOP_LOSS_LIMIT",
                            "TAKE_PROFIT",
                            "TAKE_PROFIT_LIMIT",
                        ],
                    )
                ),
                name="trading_orderhistory_type_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="orderhistory",
            constraint=models.CheckConstraint(
                condition=models.Q(("time_in_force__in", ["NONE", "GTC", "IOC", "FOK", "GTD"])),
                name="trading_orderhistory_tif_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="orderhistory",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "stp_mode__in",
                        ["NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"],
                    )
                ),
                name="trading_orderhistory_stp_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="orderhistory",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "reason__in",
                        [
                            "NONE",
                            "MALFORMED",
                            "UNKNOWN_ASSET",
                            "UNKNOWN_MARKET",
                            "UNKNOWN_USER",
                            "UNKNOWN_ORDER",
                            "ALREADY_EXISTS",
                            "NOTHING_CHANGES",
                            "INVALID_DECIMALS",
                            "INVALID_MAX_TOTAL",
                            "INVALID_SYMBOL",
                            "INVALID_TICK_OR_LOT",
                            "INVALID_FEE",
                            "INVALID_FILTER",
                            "INVALID_AMOUNT",
                            "INVALID_PRICE",
                            "INVALID_QUANTITY",
                            "PRICE_FILTER",
                            "LOT_SIZE",
                            "NOTIONAL",
                            "OVERFLOW",
                            "INSUFFICIENT_BALANCE",
                            "MAX_TOTAL_EXCEEDED",
                            "WOULD_TAKE",
                            "PRICE_ABOVE_CEILING",
                            "MARKET_NOT_TRADING",
                            "USER_SUSPENDED",
                            "DUPLICATE_CLIENT_ORDER_ID",
                            "REQUEST_ID_REUSED",
                            "REQUEST_ID_REQUIRED",
                            "DUPLICATE_ORDER_ID",
                            "CAPACITY",
                            "TIME_IN_FORCE",
                            "BUDGET",
                            "KILL_SWITCH",
                            "MASS_CANCEL",
                            "USER_STATUS",
                            "MARKET_STATE",
                            "MARKET_POST_ONLY",
                            "MARKET_LIMIT_ONLY",
                            "MARKET_IN_AUCTION",
                            "MARKET_CLOSED",
                            "MARKET_DELISTED",
                            "MARKET_LOT_SIZE",
                            "MAX_NUM_ORDERS",
                            "MAX_NUM_ALGO_ORDERS",
                            "MAX_POSITION",
                            "RATE_LIMIT",
                            "NO_DRAFT",
                            "UNBALANCED",
                            "UNKNOWN_HOLD",
                            "HOLD_SETTLED",
                            "HOLD_RELEASED",
                            "REBATE",
                            "WOULD_TRIGGER",
                            "INVALID_STOP_PRICE",
                            "INVALID_TRAILING_DELTA",
                            "INVALID_EXPIRE_TIME",
                            "ORDER_IS_PARKED",
                            "GTD",
                            "DEADMAN",
                            "SESSION",
                            "LIST",
                            "INVALID_TIMEOUT",
                            "INVALID_LIST",
                            "ORDER_IN_LIST",
                            "UNKNOWN_SESSION",
                            "STP",
                            "PERCENT_PRICE",
                            "SLIPPAGE",
                            "VOLATILITY",
                            "INVALID_ICEBERG",
                            "QUOTE_REPLACED",
                            "CANCEL_RESTRICTED",
                            "INVALID_BAND",
                        ],
                    )
                ),
                name="trading_history_reason_known",
            ),
        ),
    ]
