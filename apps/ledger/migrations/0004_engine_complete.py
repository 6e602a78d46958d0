"""Transfers, holds for withdrawals and rebates: their kinds, and whom their legs name."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("ledger", "0003_chart_and_rights"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="leg",
            name="ledger_leg_user_of_account",
        ),
        migrations.RemoveConstraint(
            model_name="transaction",
            name="ledger_transaction_kind_known",
        ),
        migrations.AlterField(
            model_name="transaction",
            name="kind",
            field=models.CharField(
                choices=[
                    ("DEPOSIT", "Deposit"),
                    ("WITHDRAWAL", "Withdrawal"),
                    ("ADJUSTMENT", "Adjustment"),
                    ("TRADE", "Trade"),
                    ("TRANSFER", "Transfer"),
                    ("WITHDRAWAL_HOLD", "Withdrawal hold"),
                    ("HOLD_RELEASE", "Hold release"),
                ],
                max_length=16,
            ),
        ),
        migrations.AddConstraint(
            model_name="leg",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(
                        ("user_id__isnull", False),
                        ("account__in", ("customer_funds",)),
                        ("user_id__gt", 0),
                    ),
                    models.Q(
                        ("user_id__isnull", False),
                        ("account__in", ("house_funds", "fee_revenue", "rebates")),
                        ("user_id", 0),
                    ),
                    models.Q(
                        ("user_id__isnull", False),
                        ("account__in", ("withdrawal_hold",)),
                        ("user_id__gte", 0),
                    ),
                    models.Q(
                        ("user_id__isnull", True),
                        models.Q(
                            (
                                "account__in",
                                (
                                    "customer_funds",
                                    "house_funds",
                                    "fee_revenue",
                                    "rebates",
                                    "withdrawal_hold",
                                ),
                            ),
                            _negated=True,
                        ),
                    ),
                    _connector="OR",
                ),
                name="ledger_leg_user_of_account",
            ),
        ),
        migrations.AddConstraint(
            model_name="transaction",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "kind__in",
                        [
                            "DEPOSIT",
                            "WITHDRAWAL",
                            "ADJUSTMENT",
                            "TRADE",
                            "TRANSFER",
                            "WITHDRAWAL_HOLD",
                            "HOLD_RELEASE",
                        ],
                    )
                ),
                name="ledger_transaction_kind_known",
            ),
        ),
    ]
