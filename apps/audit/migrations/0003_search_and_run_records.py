"""Indexes with which the audit log is searched, and where the end of an action's run is told."""

import django.contrib.postgres.indexes
import django.contrib.postgres.search
from django.db import migrations, models


def _index(name: str, *fields: str) -> migrations.AddIndex:
    return migrations.AddIndex(
        model_name="auditentry", index=models.Index(fields=list(fields), name=name)
    )


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_rights")]

    operations = [
        migrations.AlterModelOptions(
            name="auditentry",
            options={
                "default_permissions": ("view",),
                "ordering": ["-seq"],
                "verbose_name": "audit entry",
                "verbose_name_plural": "audit entries",
            },
        ),
        migrations.AddField(
            model_name="actionrun",
            name="record_id",
            field=models.BigIntegerField(
                help_text="The audit record that tells of its end, as numbered in the outbox.",
                null=True,
            ),
        ),
        _index("audit_log_actor_name", "actor_name", "-seq"),
        _index("audit_log_role", "actor_role", "-seq"),
        _index("audit_log_object_id", "object_id", "-seq"),
        _index("audit_log_outcome", "outcome", "-seq"),
        migrations.AddIndex(
            model_name="auditentry",
            index=django.contrib.postgres.indexes.GinIndex(
                django.contrib.postgres.search.SearchVector("reason", config="simple"),
                name="audit_log_reason",
            ),
        ),
    ]
