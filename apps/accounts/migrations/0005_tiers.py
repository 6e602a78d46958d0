"""How much is known about a trader."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0004_roles_and_registration")]

    operations = [
        migrations.AddField(
            model_name="user",
            name="tier",
            field=models.PositiveSmallIntegerField(
                choices=[(0, "0"), (1, "1"), (2, "2"), (3, "3")], default=0
            ),
        ),
        migrations.AddConstraint(
            model_name="user",
            constraint=models.CheckConstraint(
                condition=models.Q(("tier__in", [0, 1, 2, 3])), name="accounts_user_tier_known"
            ),
        ),
    ]
