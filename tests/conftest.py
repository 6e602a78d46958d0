"""What every test shares: the environment Django is loaded with, and the fixture modules.

The environment is set before Django is loaded, so that a test run neither reads nor touches a
running installation: no database, stream or engine is known until a fixture provides one.
"""

import os
import secrets
import tempfile
from pathlib import Path

import django
from django.contrib import admin
from django.contrib.auth.hashers import Argon2PasswordHasher

_FIXTURE_MODULES = ("servers", "engine", "database", "platform")

for _variable in (
    "DATABASE_URL",
    "DATABASE_OWNER_URL",
    "DATABASE_MIRROR_URL",
    "REDIS_URL",
    "NATS_URL",
    "ENGINE_ADDRESS",
    "QT_PROCESSES",
    "QT_PUBLIC_URL",
    "QT_WEB_URL",
    "QT_DEBUG",
):
    os.environ.pop(_variable, None)
os.environ["QT_VAR"] = str(Path(tempfile.gettempdir()) / f"quantatrade-tests-{os.getpid()}")
os.environ["DJANGO_SECRET_KEY"] = secrets.token_hex(32)
os.environ["DJANGO_SETTINGS_MODULE"] = "quantatrade.settings"

django.setup()  # after the environment, before test modules import models
admin.autodiscover()  # as the web process does with its addresses
# A third of a second of processor time for each login made would be most of many a test. Whole
# installations that tests start hash as in production.
Argon2PasswordHasher.memory_cost, Argon2PasswordHasher.time_cost = 1_024, 1

pytest_plugins = [
    f"tests.fixtures_{name}"
    for name in _FIXTURE_MODULES
    if Path(__file__).with_name(f"fixtures_{name}.py").exists()
]
