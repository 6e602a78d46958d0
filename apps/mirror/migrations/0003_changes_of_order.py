"""An index over the reductions and moves of an order, so that its life can be read whole.

The order's number is the first field of the body of these events (ORDER_REDUCED 22, ORDER_MOVED
23), bytes 33 to 40 of the record. How it began and ended is known by sequence, as are its trades.
"""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("mirror", "0002_rights")]

    operations = [
        migrations.RunSQL(
            sql=(
                "CREATE INDEX mirror_engineevent_of_order ON public.mirror_engineevent"
                " (substring(record FROM 33 FOR 8), event_seq) WHERE type IN (22, 23)"
            ),
            reverse_sql="DROP INDEX public.mirror_engineevent_of_order",
        ),
    ]
