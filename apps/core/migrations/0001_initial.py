"""Privileges of the runtime role, then the table of process health.

Runs before every other migration, so that the default privileges cover all tables.
"""

from django.db import migrations, models

from apps.core.privileges import READ_BY_DEFAULT, app_may_write


class Migration(migrations.Migration):
    initial = True

    dependencies = []
    run_before = [("contenttypes", "0001_initial"), ("sessions", "0001_initial")]

    operations = [
        READ_BY_DEFAULT,
        migrations.CreateModel(
            name="ProcessHealth",
            fields=[
                (
                    "process",
                    models.CharField(max_length=64, primary_key=True, serialize=False),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[
                            ("ready", "Ready"),
                            ("not_ready", "Not ready"),
                            ("unreachable", "Unreachable"),
                        ],
                        max_length=16,
                    ),
                ),
                ("detail", models.CharField(blank=True, max_length=500)),
                ("latency_ms", models.PositiveIntegerField()),
                ("checked_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "process",
                "verbose_name_plural": "process health",
                "ordering": ["process"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["ready", "not_ready", "unreachable"])),
                        name="core_processhealth_state_known",
                    )
                ],
            },
        ),
        app_may_write("core_processhealth"),
    ]
