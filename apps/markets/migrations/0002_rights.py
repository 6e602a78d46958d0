"""Who may do what with assets and markets."""

from django.db import migrations

from apps.core.mirror_rights import KEEP_CURRENT, mirror_may


class Migration(migrations.Migration):
    dependencies = [("markets", "0001_initial")]

    operations = [mirror_may(KEEP_CURRENT, "markets_asset", "markets_market")]
