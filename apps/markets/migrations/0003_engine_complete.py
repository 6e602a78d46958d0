"""The states of a market that the engine has now."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("markets", "0002_rights"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="market",
            name="markets_market_state_known",
        ),
        migrations.AlterField(
            model_name="market",
            name="state",
            field=models.CharField(
                choices=[
                    ("TRADING", "Trading"),
                    ("CANCEL_ONLY", "Cancel only"),
                    ("HALT", "Halt"),
                    ("POST_ONLY", "Post only"),
                    ("LIMIT_ONLY", "Limit only"),
                    ("AUCTION", "Auction"),
                    ("CLOSED", "Closed"),
                    ("DELISTED", "Delisted"),
                ],
                max_length=16,
            ),
        ),
        migrations.AddConstraint(
            model_name="market",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "state__in",
                        [
                            "TRADING",
                            "CANCEL_ONLY",
                            "HALT",
                            "POST_ONLY",
                            "LIMIT_ONLY",
                            "AUCTION",
                            "CLOSED",
                            "DELISTED",
                        ],
                    )
                ),
                name="markets_market_state_known",
            ),
        ),
    ]
