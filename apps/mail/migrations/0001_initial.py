"""Mails that wait, and the mailbox of a demo."""

import django.db.models.functions.datetime
from django.db import migrations, models

from apps.core.privileges import app_may_write


class Migration(migrations.Migration):
    initial = True

    dependencies = [("core", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="MailboxMessage",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("from_address", models.CharField(max_length=254)),
                ("to_address", models.CharField(max_length=254)),
                ("subject", models.CharField(max_length=150)),
                ("body", models.TextField(max_length=8000)),
                (
                    "received_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
            options={
                "ordering": ["-id"],
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="OutgoingMail",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("to_address", models.CharField(max_length=254)),
                ("subject", models.CharField(max_length=150)),
                ("body", models.TextField(max_length=8000)),
                (
                    "queued_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("attempts", models.PositiveIntegerField(default=0)),
                (
                    "next_attempt_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(),
                        db_index=True,
                        null=True,
                    ),
                ),
                ("last_error", models.CharField(blank=True, max_length=300)),
            ],
            options={
                "ordering": ["id"],
                "default_permissions": ("view",),
            },
        ),
        app_may_write("mail_outgoingmail", "mail_mailboxmessage"),
    ]
