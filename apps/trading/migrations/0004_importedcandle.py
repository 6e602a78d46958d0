"""A table of its own for candles that were imported; the runtime role adds to it, nothing more."""

from django.db import migrations, models

from apps.core.privileges import app_may


class Migration(migrations.Migration):
    dependencies = [("trading", "0003_trades_of_market_by_time")]

    operations = [
        migrations.CreateModel(
            name="ImportedCandle",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("market_id", models.IntegerField()),
                ("opened_at", models.DateTimeField()),
                ("open", models.DecimalField(decimal_places=18, max_digits=56)),
                ("high", models.DecimalField(decimal_places=18, max_digits=56)),
                ("low", models.DecimalField(decimal_places=18, max_digits=56)),
                ("close", models.DecimalField(decimal_places=18, max_digits=56)),
                (
                    "volume",
                    models.DecimalField(
                        decimal_places=18,
                        help_text="In base, as the source states it.",
                        max_digits=38,
                    ),
                ),
                ("source", models.CharField(help_text="Where it comes from.", max_length=80)),
            ],
            options={
                "ordering": ["market_id", "opened_at"],
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("market_id", "opened_at"), name="trading_importedcandle_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("low__gt", 0),
                            ("low__lte", models.F("open")),
                            ("low__lte", models.F("close")),
                            ("high__gte", models.F("open")),
                            ("high__gte", models.F("close")),
                            ("volume__gte", 0),
                        ),
                        name="trading_importedcandle_adds_up",
                    ),
                ],
            },
        ),
        app_may("INSERT", "trading_importedcandle"),
    ]
