"""Roles of logins, and whether the engine knows a trader."""

import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

import apps.accounts.models
from apps.core.privileges import app_may

# Before there were roles, superusers operated and other staff looked.
GIVE_STAFF_THEIR_ROLES = """
UPDATE public.accounts_user
   SET role = CASE WHEN is_superuser THEN 'operator' ELSE 'support' END
 WHERE is_superuser OR is_staff
"""


class Migration(migrations.Migration):
    dependencies = [
        ("accounts", "0003_tradingaccount_rights"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.CreateModel(
            name="EngineRegistration",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        on_delete=django.db.models.deletion.PROTECT,
                        primary_key=True,
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "requested_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
                ("attempts", models.PositiveIntegerField(default=0)),
                ("last_error", models.CharField(blank=True, max_length=500)),
                (
                    "engine_event_seq",
                    models.BigIntegerField(
                        help_text="The event with which the engine added the user.", null=True
                    ),
                ),
            ],
            options={
                "ordering": ["user_id"],
                "default_permissions": ("view",),
            },
        ),
        migrations.AlterModelManagers(
            name="user",
            managers=[
                ("objects", apps.accounts.models.UserManager()),
            ],
        ),
        migrations.AddField(
            model_name="user",
            name="role",
            field=models.CharField(
                choices=[("trader", "Trader"), ("support", "Support"), ("operator", "Operator")],
                default="trader",
                max_length=16,
            ),
        ),
        migrations.RunSQL(GIVE_STAFF_THEIR_ROLES, migrations.RunSQL.noop),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("role__in", ["trader", "support", "operator"])),
                name="accounts_user_role_known",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("is_staff", False), ("role__in", ["support", "operator"]), _connector="OR"
                ),
                name="accounts_user_staff_has_role",
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("is_superuser", False), ("role", "operator"), _connector="OR"),
                name="accounts_user_superuser_is_operator",
            ),
        ),
        migrations.AddIndex(
            model_name="engineregistration",
            index=models.Index(
                condition=models.Q(("engine_event_seq__isnull", True)),
                fields=["user"],
                name="accounts_registration_open",
            ),
        ),
        migrations.AddConstraint(
            model_name="engineregistration",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("engine_event_seq__isnull", True),
                    ("engine_event_seq__gte", 1),
                    _connector="OR",
                ),
                name="accounts_engineregistration_event_from_one",
            ),
        ),
        app_may("INSERT, UPDATE", "accounts_engineregistration"),
    ]
