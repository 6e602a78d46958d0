"""The step between the stores and the platform: roles, migrations, the first operator.

One Django start-up does all of it, because each costs more than a second. Run as ``python -m
quantatrade.bootstrap.prepare``; the last line of its output is JSON: ``{"operator": …}``.
Invariant: it is idempotent, and with --no-operator it makes no login.
"""

import argparse
import io
import json
import os
import sys

import django
from django.core.management import call_command

from quantatrade.bootstrap.roles import APP_ROLE, MIRROR_ROLE, OWNER_ROLE, RolePasswords
from quantatrade.bootstrap.roles import ensure_roles as make_roles


def main(arguments: list[str]) -> int:
    """Prepare the database that the environment names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-operator", action="store_true")
    options = parser.parse_args(arguments)
    admin_url = os.environ.pop("QT_ADMIN_DATABASE_URL", "")
    if admin_url:
        passwords = json.loads(os.environ.pop("QT_ROLE_PASSWORDS"))
        make_roles(
            admin_url,
            RolePasswords(
                owner=passwords[OWNER_ROLE],
                app=passwords[APP_ROLE],
                mirror=passwords[MIRROR_ROLE],
            ),
        )
    django.setup()
    call_command("migrate", database="owner", interactive=False, stdout=sys.stderr)
    operator = None
    if not options.no_operator:
        answer = io.StringIO()
        call_command("ensure_operator", json=True, stdout=answer)
        operator = json.loads(answer.getvalue())
    sys.stdout.write(json.dumps({"operator": operator}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
