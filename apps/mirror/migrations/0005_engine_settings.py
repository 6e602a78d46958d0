"""Which event set what for users and markets last: kill switches, own fees, groups, limits."""

from django.db import migrations, models

from apps.core.mirror_rights import KEEP_CURRENT, mirror_may


class Migration(migrations.Migration):
    dependencies = [("mirror", "0004_engine_complete")]

    operations = [
        migrations.CreateModel(
            name="EngineSetting",
            fields=[
                ("event_seq", models.BigIntegerField(primary_key=True, serialize=False)),
                ("type", models.SmallIntegerField()),
                ("user_id", models.BigIntegerField()),
                ("market_id", models.IntegerField()),
            ],
            options={
                "ordering": ["-event_seq"],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["user_id", "type"], name="mirror_enginesetting_of_user"),
                    models.Index(
                        fields=["market_id", "type"], name="mirror_enginesetting_of_market"
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("type", "user_id", "market_id"), name="mirror_enginesetting_once"
                    ),
                ],
            },
        ),
        mirror_may(KEEP_CURRENT, "mirror_enginesetting"),
    ]
