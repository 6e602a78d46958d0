"""Figures that charts are made of; web and workers may write and count them again."""

from django.db import migrations, models

from apps.core.privileges import app_may_write


class Migration(migrations.Migration):
    initial = True

    dependencies = [("core", "0002_write_to_framework_tables")]

    operations = [
        migrations.CreateModel(
            name="MarketMinute",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("market_id", models.IntegerField()),
                ("minute", models.DateTimeField()),
                ("trades", models.BigIntegerField()),
                (
                    "quote_volume",
                    models.DecimalField(
                        decimal_places=18, help_text="Sum of price x quantity.", max_digits=56
                    ),
                ),
                (
                    "last_event_seq",
                    models.BigIntegerField(help_text="The newest trade that is counted here."),
                ),
            ],
            options={
                "ordering": ["-minute", "market_id"],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["last_event_seq"], name="console_marketminute_newest")
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("minute", "market_id"), name="console_marketminute_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("trades__gte", 1)), name="console_marketminute_traded"
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="Sample",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "series",
                    models.CharField(
                        choices=[
                            ("mirror_lag_ms", "Mirror lag, ms"),
                            ("new_traders", "New traders of a day"),
                            ("deposits", "Deposits of a day"),
                        ],
                        max_length=16,
                    ),
                ),
                ("at", models.DateTimeField()),
                ("value", models.BigIntegerField()),
            ],
            options={
                "ordering": ["-at", "series"],
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint(fields=("series", "at"), name="console_sample_once"),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("series__in", ["mirror_lag_ms", "new_traders", "deposits"])
                        ),
                        name="console_sample_series_known",
                    ),
                ],
            },
        ),
        app_may_write("console_marketminute", "console_sample"),
    ]
