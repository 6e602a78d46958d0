"""Composition of the platform: settings, URLs, WSGI, ASGI, Celery and the bootstrap.

Nothing else imports this package, and it imports nothing when it is itself imported: the
bootstrap below it must run on a bare Python, before a single dependency is installed.
"""
