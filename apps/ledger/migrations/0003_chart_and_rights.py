"""The chart of accounts as data, and who may do what with the books."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from apps.core.mirror_rights import APPEND, KEEP_CURRENT, READ, mirror_may

CHART = [
    ("customer_funds", "Customer funds", "LIABILITY", "CREDIT"),
    ("withdrawal_hold", "Withdrawals on hold", "LIABILITY", "CREDIT"),
    ("house_funds", "House funds", "EQUITY", "CREDIT"),
    ("fee_revenue", "Trading fees", "INCOME", "CREDIT"),
    ("rebates", "Rebates", "EXPENSE", "DEBIT"),
    ("custody", "Custody wallets", "ASSET", "DEBIT"),
    ("in_transit", "In transit", "ASSET", "DEBIT"),
    ("custody_dust", "Custody dust below one atom", "ASSET", "DEBIT"),
    ("suspense", "Suspense", "LIABILITY", "CREDIT"),
    ("adjustments", "Adjustments", "EXPENSE", "DEBIT"),
]


def fill_chart(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    account = apps.get_model("ledger", "Account")
    account.objects.using(schema_editor.connection.alias).bulk_create(
        account(code=code, name=name, account_class=account_class, normal_side=side)
        for code, name, account_class, side in CHART
    )


class Migration(migrations.Migration):
    dependencies = [("ledger", "0002_refusals")]

    operations = [
        migrations.RunPython(fill_chart, migrations.RunPython.noop),
        mirror_may(READ, "ledger_account"),
        mirror_may(APPEND, "ledger_transaction", "ledger_leg"),
        mirror_may(KEEP_CURRENT, "ledger_balance", "ledger_assettotal"),
        # Rows that change often find room on their own page.
        migrations.RunSQL(
            sql="ALTER TABLE public.ledger_balance SET (fillfactor = 70)",
            reverse_sql="ALTER TABLE public.ledger_balance RESET (fillfactor)",
        ),
    ]
