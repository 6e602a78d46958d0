"""The audit log, its outbox, runs of actions, counts of refusals."""

import django.db.models.functions.datetime
from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [("core", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="OutboxRow",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("content", models.TextField(help_text="Canonical JSON.")),
                (
                    "recorded_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
            options={
                "verbose_name": "record on its way",
                "verbose_name_plural": "records on their way",
                "db_table": "audit_outbox",
                "ordering": ["id"],
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="ActionRun",
            fields=[
                ("id", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "content",
                    models.TextField(
                        help_text="Canonical JSON of the audit record, without an end."
                    ),
                ),
                (
                    "state",
                    models.CharField(
                        choices=[("started", "Started"), ("ended", "Ended")],
                        default="started",
                        max_length=16,
                    ),
                ),
                (
                    "started_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
            options={
                "ordering": ["-started_at"],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(
                        condition=models.Q(("state", "started")),
                        fields=["started_at"],
                        name="audit_actionrun_open",
                    )
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("state__in", ["started", "ended"])),
                        name="audit_actionrun_state_known",
                    )
                ],
            },
        ),
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                ("seq", models.BigIntegerField(primary_key=True, serialize=False)),
                ("outbox_id", models.BigIntegerField(unique=True)),
                ("recorded_at", models.DateTimeField()),
                ("actor_id", models.BigIntegerField(null=True)),
                ("actor_name", models.CharField(max_length=254)),
                ("actor_role", models.CharField(max_length=16)),
                ("action", models.CharField(max_length=64)),
                ("object_type", models.CharField(max_length=64)),
                ("object_id", models.CharField(max_length=64)),
                (
                    "outcome",
                    models.CharField(
                        choices=[
                            ("done", "Done"),
                            ("refused", "Refused"),
                            ("failed", "Failed"),
                            ("unknown", "Outcome unknown"),
                        ],
                        max_length=16,
                    ),
                ),
                ("reason", models.CharField(max_length=500)),
                ("request_id", models.CharField(max_length=64)),
                ("address", models.CharField(max_length=64)),
                ("engine_command_seq", models.BigIntegerField(null=True)),
                ("content", models.TextField(help_text="Canonical JSON.")),
                ("chain", models.BinaryField()),
            ],
            options={
                "verbose_name": "audit entry",
                "verbose_name_plural": "audit log",
                "db_table": "audit_log",
                "ordering": ["-seq"],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["actor_id", "-seq"], name="audit_log_actor"),
                    models.Index(
                        fields=["object_type", "object_id", "-seq"], name="audit_log_object"
                    ),
                    models.Index(fields=["action", "-seq"], name="audit_log_action"),
                    models.Index(fields=["request_id"], name="audit_log_request"),
                    models.Index(fields=["recorded_at"], name="audit_log_recorded_at"),
                ],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(("seq__gte", 1)), name="audit_log_seq_from_one"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(
                            ("outcome__in", ["done", "refused", "failed", "unknown"])
                        ),
                        name="audit_log_outcome_known",
                    ),
                ],
            },
        ),
        migrations.CreateModel(
            name="RefusalCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("principal", models.CharField(max_length=80)),
                ("code", models.CharField(max_length=64)),
                ("minute", models.DateTimeField()),
                ("count", models.BigIntegerField()),
            ],
            options={
                "ordering": ["-minute", "principal", "code"],
                "default_permissions": ("view",),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("minute", "principal", "code"), name="audit_refusalcount_once"
                    ),
                    models.CheckConstraint(
                        condition=models.Q(("count__gte", 1)), name="audit_refusalcount_positive"
                    ),
                ],
            },
        ),
    ]
