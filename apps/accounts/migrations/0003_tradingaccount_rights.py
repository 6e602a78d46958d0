"""Who may do what with trading accounts."""

from django.db import migrations

from apps.core.mirror_rights import KEEP_CURRENT, mirror_may


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_tradingaccount")]

    operations = [mirror_may(KEEP_CURRENT, "accounts_tradingaccount")]
