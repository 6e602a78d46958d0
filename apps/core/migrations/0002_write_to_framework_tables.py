"""The runtime role's right to write to the tables that come with Django."""

from django.db import migrations

from apps.core.privileges import app_may_write


class Migration(migrations.Migration):
    dependencies = [
        ("core", "0001_initial"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("sessions", "0001_initial"),
    ]

    operations = [
        app_may_write(
            "auth_group",
            "auth_group_permissions",
            "auth_permission",
            "django_admin_log",
            "django_content_type",
            "django_session",
        )
    ]
