"""The events that the engine has now, and an index over all changes of an order.

What changes an order without ending it: ORDER_REDUCED 22, ORDER_MOVED 23, ORDER_TRIGGERED 27,
ORDER_AMENDED 33, ORDER_PREVENTED 34.
"""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("mirror", "0003_changes_of_order"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="engineevent",
            name="mirror_engineevent_type_known",
        ),
        migrations.AlterField(
            model_name="engineevent",
            name="type",
            field=models.SmallIntegerField(
                choices=[
                    (1, "Asset added"),
                    (2, "Market added"),
                    (3, "Market filters set"),
                    (4, "Market fees set"),
                    (5, "Market state set"),
                    (6, "User added"),
                    (7, "User status set"),
                    (8, "User fees set"),
                    (9, "Market limits set"),
                    (10, "Funds deposited"),
                    (11, "Funds withdrawn"),
                    (12, "Funds adjusted"),
                    (13, "Funds transferred"),
                    (14, "Funds held"),
                    (15, "Hold settled"),
                    (16, "Hold released"),
                    (17, "Trade group set"),
                    (18, "Kill switch set"),
                    (19, "Rate limit set"),
                    (20, "Order accepted"),
                    (21, "Order canceled"),
                    (22, "Order reduced"),
                    (23, "Order moved"),
                    (24, "Order expired"),
                    (25, "Trade"),
                    (26, "Order terms"),
                    (27, "Order triggered"),
                    (28, "Refused"),
                    (29, "Request replayed"),
                    (30, "Checkpoint asset"),
                    (31, "Checkpoint"),
                    (32, "Leg taken"),
                    (33, "Order amended"),
                    (34, "Order prevented"),
                    (35, "Market uncrossed"),
                    (36, "List accepted"),
                    (37, "List ended"),
                    (38, "Deadman set"),
                    (39, "Market bands set"),
                    (40, "Session set"),
                    (41, "Cancel all done"),
                ]
            ),
        ),
        migrations.AddConstraint(
            model_name="engineevent",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    (
                        "type__in",
                        [
                            1,
                            2,
                            3,
                            4,
                            5,
                            6,
                            7,
                            8,
                            9,
                            10,
                            11,
                            12,
                            13,
                            14,
                            15,
                            16,
                            17,
                            18,
                            19,
                            20,
                            21,
                            22,
                            23,
                            24,
                            25,
                            26,
                            27,
                            28,
                            29,
                            30,
                            31,
                            32,
                            33,
                            34,
                            35,
                            36,
                            37,
                            38,
                            39,
                            40,
                            41,
                        ],
                    )
                ),
                name="mirror_engineevent_type_known",
            ),
        ),
        migrations.RunSQL(
            sql=(
                "CREATE INDEX mirror_engineevent_changes ON public.mirror_engineevent"
                " (substring(record FROM 33 FOR 8), event_seq) WHERE type IN (22, 23, 27, 33, 34)"
            ),
            reverse_sql="DROP INDEX public.mirror_engineevent_changes",
        ),
        migrations.RunSQL(
            sql="DROP INDEX public.mirror_engineevent_of_order",
            reverse_sql=(
                "CREATE INDEX mirror_engineevent_of_order ON public.mirror_engineevent"
                " (substring(record FROM 33 FOR 8), event_seq) WHERE type IN (22, 23)"
            ),
        ),
    ]
