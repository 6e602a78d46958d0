"""The index that candles and tickers are computed over; rights stay as they are."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("trading", "0002_rights")]

    operations = [
        migrations.AddIndex(
            model_name="trade",
            index=models.Index(
                fields=["market_id", "executed_at", "event_seq"],
                include=["price", "quantity", "quote_quantity"],
                name="trading_trade_of_market",
            ),
        ),
    ]
