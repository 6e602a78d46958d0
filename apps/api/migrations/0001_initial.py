"""What the API remembers of requests that carry an idempotency key."""

import django.db.models.functions.datetime
from django.db import migrations, models

from apps.core.privileges import app_may


class Migration(migrations.Migration):
    initial = True

    dependencies = [("core", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="IdempotentRequest",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("user_id", models.BigIntegerField()),
                ("key", models.CharField(max_length=64)),
                (
                    "fingerprint",
                    models.CharField(help_text="SHA-256 of method, path and body.", max_length=64),
                ),
                (
                    "claimed_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("status", models.SmallIntegerField(null=True)),
                ("body", models.TextField(blank=True)),
            ],
            options={
                "ordering": ["-id"],
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("user_id", "key"), name="api_idempotentrequest_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("status__isnull", True), ("status__range", (200, 499)), _connector="OR"
                        ),
                        name="api_idempotentrequest_status_final",
                    ),
                ],
            },
        ),
        app_may("INSERT, UPDATE", "api_idempotentrequest"),
    ]
