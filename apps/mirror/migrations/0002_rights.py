"""Who may do what with the event archive and the cursors; the archive stays as it is written."""

from django.db import migrations

from apps.core.mirror_rights import APPEND, KEEP_CURRENT, append_only, mirror_may

SIZES = """
ALTER TABLE public.mirror_engineevent
  ADD CONSTRAINT mirror_engineevent_sizes
  CHECK (octet_length(record) = 128 AND octet_length(chain) = 32)
"""
CURSOR_SIZES = """
ALTER TABLE public.mirror_cursor
  ADD CONSTRAINT mirror_cursor_sizes
  CHECK (octet_length(chain) = 32 AND octet_length(digest) = 16)
"""


class Migration(migrations.Migration):
    dependencies = [("mirror", "0001_initial"), ("ledger", "0002_refusals")]

    operations = [
        migrations.RunSQL(
            sql=[SIZES, CURSOR_SIZES],
            reverse_sql=[
                "ALTER TABLE public.mirror_engineevent DROP CONSTRAINT mirror_engineevent_sizes",
                "ALTER TABLE public.mirror_cursor DROP CONSTRAINT mirror_cursor_sizes",
            ],
        ),
        mirror_may(APPEND, "mirror_engineevent"),
        mirror_may(KEEP_CURRENT, "mirror_cursor"),
        *append_only("mirror_engineevent"),
    ]
