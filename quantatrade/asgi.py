"""ASGI application of the `edge` process, which owns the public address.

Command line: `uvicorn --no-proxy-headers --no-server-header --no-access-log --log-config
quantatrade/logging.json quantatrade.asgi:application`. `--no-proxy-headers` is not optional:
without it uvicorn would believe addresses that a client on loopback states.
"""

from __future__ import annotations

import os

import django

from quantatrade.settings import logs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "quantatrade.settings")
django.setup()  # the feeds verify tokens and read history by the same functions as the API

from quantatrade.edge import EdgeApplication, edge_config_from_environment  # noqa: E402

logs.configure()

application = EdgeApplication(edge_config_from_environment())
