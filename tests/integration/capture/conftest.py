"""Management commands are found through the apps, so Django is loaded before these tests."""

import django

django.setup()
