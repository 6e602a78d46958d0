"""Who may do what with orders and trades; history stays as it is written."""

from django.db import migrations

from apps.core.mirror_rights import APPEND, KEEP_OPEN, append_only, mirror_may

# Open orders come and go quickly: room on each page, and an early vacuum.
OPEN_ORDER_STORAGE = """
ALTER TABLE public.trading_openorder
  SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 5000)
"""


class Migration(migrations.Migration):
    dependencies = [("trading", "0001_initial"), ("ledger", "0002_refusals")]

    operations = [
        mirror_may(KEEP_OPEN, "trading_openorder"),
        mirror_may(APPEND, "trading_orderhistory", "trading_trade"),
        *append_only("trading_orderhistory", "trading_trade"),
        migrations.RunSQL(sql=OPEN_ORDER_STORAGE, reverse_sql=migrations.RunSQL.noop),
    ]
