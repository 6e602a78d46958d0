"""Where each address leads."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from apps.console.action_page import action_page
from apps.console.lag import MIRROR_CHECK
from apps.core import views
from apps.core.checks import INFRASTRUCTURE_CHECKS
from apps.custody.views import webhook
from apps.front import views as front
from apps.mail.views import mailbox, mailbox_message

admin.autodiscover()

urlpatterns = [
    path("", front.trading_page, name="trade"),
    path("assets/<str:digest>/<path:path>", front.asset, name="asset"),
    path("healthz", views.healthz, name="healthz"),
    path("readyz", views.readyz_view([*INFRASTRUCTURE_CHECKS, MIRROR_CHECK]), name="readyz"),
    path("metrics", views.metrics, name="metrics"),
    path(
        "admin/act/<str:name>/<str:object_id>/",
        admin.site.admin_view(action_page),
        name="console-action",
    ),
    path("admin/", admin.site.urls),
    path("mailbox/", mailbox, name="mailbox"),
    path("mailbox/<int:message_id>", mailbox_message, name="mailbox-message"),
    path("webhooks/custody", webhook, name="custody-webhook"),
    path("api/v1/", include("apps.api.routes")),
    path("api/", include("apps.api.description")),
]

handler400 = views.bad_request
handler403 = views.forbidden
handler404 = views.not_found
handler500 = views.server_error
