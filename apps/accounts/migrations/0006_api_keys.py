"""With what traders' programs sign their requests."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from apps.core.privileges import app_may


class Migration(migrations.Migration):
    dependencies = [("accounts", "0005_tiers")]

    operations = [
        migrations.CreateModel(
            name="ApiKey",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("key_id", models.CharField(max_length=32, unique=True)),
                ("label", models.CharField(max_length=64)),
                ("sealed", models.BinaryField()),
                ("may_trade", models.BooleanField(default=False)),
                (
                    "addresses",
                    models.JSONField(
                        default=list,
                        help_text="Networks from which it is accepted; empty: from anywhere.",
                    ),
                ),
                (
                    "created_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("last_used_at", models.DateTimeField(null=True)),
                ("revoked_at", models.DateTimeField(null=True)),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="api_keys",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "ordering": ["-pk"],
                "default_permissions": ("view",),
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("key_id__regex", "^[0-9a-f]{32}$")),
                        name="accounts_apikey_id_is_hex",
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("label", ""), _negated=True),
                        name="accounts_apikey_label_is_not_empty",
                    ),
                ],
            },
        ),
        app_may(
            "INSERT, UPDATE (sealed, last_used_at, revoked_at)",
            "accounts_apikey",
        ),
    ]
